"""The ASGI edge: it reads a request, hands it over, and writes the answer. It decides nothing.

    application   the ASGI application: start and end, and the way of one request
    routes        which path leads where
    installation  what is served: the provider and people's own accounts, once they are open
    headers       what every answer carries
    calls         the calls of LINE WORKS
    login         the sign-in page and its steps
    account       the pages of people's own account
    operations    health, readiness and metrics
    pages         how pages and mails look, and in which words
    overload      the answers of a process that has too much to do
    page_admission  pages begin a few at a time, so that calls find their place between them
    body          reading a form, bounded in bytes and time
    cookies       the three cookies
    view          one request of a browser for a page
    deadline      every request has its time
    crashes       what an unexpected error is answered
    foreign_servers  what is checked where another ASGI server runs the application

It knows the provider and nothing behind it.
"""
