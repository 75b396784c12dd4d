"""Settings become a running system. Only this package names adapters.

    application   the ASGI application: stores, directory, identity sources, mail, pages
    server        the process or processes that serve it

Everything else is given what it needs, and imports a contract instead of an implementation.
"""
