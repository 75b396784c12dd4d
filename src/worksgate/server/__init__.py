"""How a process serves: what it accepts, what it refuses, how it changes and how it ends.

Owns the way from the listening socket to the application, and back. Knows nothing of what the
application does: whoever starts it says what is called, and how a refusal looks.

    acceptor           takes connections from the listening socket, TLS included
    admission          what one process takes on: connections, requests, and whether it is behind
    accept_queue       connections that wait for their turn
    connection         one connection: bounded in bytes and in time, drained at the end
    host_header        which values of ``Host`` name a host
    forwarded          the caller's address behind trusted proxies
    single_write       an extension of ASGI: a whole answer in one call
    listening          a port and a certificate, tried before anything begins
    uvicorn_config     the one way in which we configure uvicorn
    process            one process: it starts, serves, reloads at SIGHUP and drains at SIGTERM
    supervisor         several of them, and the supervisor that keeps their number
    supervisor_pipe    what the supervisor and its workers tell each other
    operations_server  the operator's own port, in the same event loop
    application_swap   the application of now, and the one before it while its requests end
    settings_reload    settings and certificate, read again
    tls                the certificate of now, and how long it is still good
"""
