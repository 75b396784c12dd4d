"""The calls of LINE WORKS, which waits 3 seconds for each.

    tokens        exchanges a code for an access token, and that for the person's user key
    imap_login    the IMAP/CalDAV login of mail clients
    audit_trail   their audit records

Token calls never wait for a password hash. Nothing here knows HTTP.
"""
