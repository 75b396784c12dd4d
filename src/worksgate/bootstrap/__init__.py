"""Turns settings into a running system. Only this package names adapters.

    application        the ASGI application
    base               what everything else of an installation is built on
    observability      its metrics and traces
    server_tasks       its background tasks: purging, seals, departures, alerts
    administration     the administration for the command line
    console            the console, in a process of its own
    alerts             what tells administrators of what happens
    stores             the database, the directory and the store
    identity_sources   the identity sources of the settings
    source_types       what each type of identity source supports
    sign_in_parts      what a trace asks of the sign-in
    notices            e-mail, and notices of each change of a credential
    background_tasks   how something runs beside the requests
    server             the serving process or processes

Everything else receives its dependencies, and imports contracts instead of implementations.
"""
