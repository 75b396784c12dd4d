"""Settings become a running system. Only this package names adapters.

    application        the ASGI application
    administration     what the command line works with
    stores             the database, the directory and the store
    identity_sources   the identity sources that the settings name
    source_types       what each type of identity source can do
    notices            mail, and notices of each change of a credential
    server             the process or processes that serve it

Everything else is given what it needs, and imports a contract instead of an implementation.
"""
