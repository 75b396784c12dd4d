"""The calls of LINE WORKS on the wire: plain ASGI and JSON.

    endpoints    /accessToken, /userInfo and what they have in common
    imap_login   the IMAP/CalDAV login
    openapi      their description

Every answer that is not a success is one of ``oauth.errors``.
"""
