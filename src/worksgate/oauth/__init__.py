"""The LINE WORKS dialect of OAuth 2.0, as pure functions on values.

This package owns what the wire means: which requests are well formed, where a code may be sent,
which error a mistake is, and what an answer looks like. It does no input or output, reads no
clock and draws no random number: time and new secrets come in as arguments.

A request moves through it in the order of the specification:

    authorization   GET /login is read into an ``AuthorizationRequest``; its ``redirect_uri`` is
                    checked by ``redirect_uri``, byte by byte
    token           POST /accessToken becomes a ``TokenRequest``, leaves as a ``TokenResponse``
    user_info       POST /userInfo, the same way
    issuing         the values of a code
    imap_login      what a mail client gave LINE WORKS
    logout          GET /logout

``model`` holds the values that the rooms pass to each other, ``errors`` the refusals, ``form``
the one reader of ``application/x-www-form-urlencoded``. Nothing here imports anything else of
Worksgate. What LINE WORKS documents, and what is our choice, stands in ``docs/protocol.md``.
"""
