"""The calls of LINE WORKS, which waits 3 seconds for each.

    tokens        a code becomes an access token, an access token the person's user key
    imap_login    whether a mail client may come in
    audit_trail   what is recorded of them

Nothing here hashes a password while a token waits, and nothing knows HTTP.
"""
