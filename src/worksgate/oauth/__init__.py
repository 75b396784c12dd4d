"""The LINE WORKS dialect of OAuth 2.0, as pure functions on values.

This package defines the wire: which requests are valid, where a code may be sent, which error a
problem is, and the form of responses. It does no I/O, reads no clock and generates no random
numbers: time and new secrets are arguments.

In the order of the specification:

    authorization   parses GET /login into an ``AuthorizationRequest``; ``redirect_uri`` checks its
                    address, byte by byte
    token           parses POST /accessToken into a ``TokenRequest``; builds the ``TokenResponse``
    user_info       the same for POST /userInfo
    user_key        the key by which LINE WORKS knows a person
    imap_login      the call of LINE WORKS for a mail client
    logout          GET /logout

``model`` defines the values that rooms pass to each other, ``errors`` the refusals, ``form`` the
only parser of ``application/x-www-form-urlencoded``. Nothing else of Worksgate is imported here.
``docs/protocol.md`` says what LINE WORKS documents, and what is our choice.
"""
