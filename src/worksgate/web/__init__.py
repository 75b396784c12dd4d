"""The ASGI edge: it reads a request, hands it over, and writes the answer. It decides nothing.

    application   the ASGI application: start and end, and the way of one request
    routes        which path leads where
    installation  what is served: the provider and people's own accounts, once they are open
    headers       what every answer carries
    endpoints     the back-channel calls of LINE WORKS, plain ASGI and JSON
    login         what a browser asks: sign in, back from another provider, sign out; the pages
                  that answer it are in login_pages, and in login_refusals what goes wrong
    pages         how those pages look, and in which words; ``templates``, ``static``, ``locale``
    refusals      the answers of a process that has too much to do
    page_admission  pages begin a few at a time, so that calls find their place between them
    body          reading a form, bounded in bytes and time
    cookies       the three cookies
    openapi       the description of the JSON endpoints

It knows the provider and nothing behind it.
"""
