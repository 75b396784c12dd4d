"""The ASGI edge: it reads a request, hands it over, and writes the answer. It decides nothing.

    application   the ASGI application: which path leads where, start and end
    endpoints     the back-channel calls of LINE WORKS, plain ASGI and JSON
    login         the pages of a browser: sign in, choose, signed out, errors
    pages         how those pages look, and in which words; ``templates``, ``static``, ``locale``
    body          reading a form, bounded in bytes and time
    cookies       the three cookies
    openapi       the description of the JSON endpoints

It knows the provider and nothing behind it.
"""
