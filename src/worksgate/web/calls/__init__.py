"""The endpoints for LINE WORKS: plain ASGI and JSON.

    endpoints    /accessToken, /userInfo and their common parts
    imap_login   the IMAP/CalDAV login
    openapi      their OpenAPI description
    recording    taps them while somebody records

Every error response is one of ``oauth.errors``.
"""
