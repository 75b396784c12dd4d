"""How a process serves: what it accepts and refuses, how it reloads and how it ends.

Owns the path from the listening socket to the application, and back. Knows nothing about the
application: the caller passes it in, along with the form of refusals.

    acceptor           accepts connections from the listening socket, including TLS
    admission          limits of one process: connections, requests, and event-loop lag
    accept_queue       connections that wait for their turn
    connection         one connection: bounded in bytes and in time, drained at the end
    host_header        validation of ``Host``
    forwarded          the client's address behind trusted proxies
    single_write       an ASGI extension: a whole response in one call
    listening          a port and a certificate, checked before anything starts
    uvicorn_config     the only place where uvicorn is configured
    process            one process: it starts, serves, reloads at SIGHUP and drains at SIGTERM
    supervisor         several processes, and the supervisor that keeps their number
    companion_process  a process beside the serving ones, such as the console's
    supervisor_pipe    messages between the supervisor and its workers
    operations_server  the operations port, in the same event loop
    application_swap   the current application, and the previous one until its requests end
    settings_reload    reloads settings and certificate
    tls                the current certificate, and its expiry
    session_tickets    keys of session tickets, which all workers share
"""
