"""The ASGI layer: parses requests, calls the provider, and writes responses. It makes no decisions.

    application   the ASGI application: lifespan, and the path of a request
    routes        the routes
    installation  what is served once it is open: the provider and people's own accounts
    headers       headers of every response
    calls         the calls of LINE WORKS
    sign_in       the sign-in page and its steps
    account       the pages of people's own account
    console       the administrators' console, an application of its own
    operations    health, readiness and metrics
    pages         appearance and texts of pages and e-mails
    overload      responses of an overloaded process
    page_admission  starts pages a few at a time, so that calls get their turn in between
    body          reading a form, bounded in bytes and time
    cookies       the cookies
    view          a browser's request for a page
    deadline      the time limit of a request
    crashes       logging of unexpected errors
    foreign_servers  additional checks under another ASGI server

It depends on the provider and nothing behind it; the console also on the administration.
"""
