"""The endpoints for LINE WORKS: plain ASGI and JSON.

    endpoints    /accessToken, /userInfo and their common parts
    imap_login   the IMAP/CalDAV login
    openapi      their OpenAPI description
    recording    taps them while somebody records; recording_watch: looks whether somebody does

Every error response is one of ``oauth.errors``.
"""
