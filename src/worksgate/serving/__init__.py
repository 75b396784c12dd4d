"""How a process serves: what it accepts, what it refuses, how it changes and how it ends.

Owns the way from the listening socket to the application, and back. Knows nothing of what the
application does: only which paths LINE WORKS calls, for they are refused last and in JSON.

accepting   takes connections from the listening socket, TLS included
admission   what one process takes on: connections, requests, and whether it is behind
protocol    one connection: bounded in bytes and in time, drained at the end
refusals    the answers of a process that has too much to do
process     one process: it starts, serves, reloads at SIGHUP and drains at SIGTERM
workers     several of them, and the supervisor that keeps their number
in_use      the application of now, and the one before it while its requests end
reload      settings and certificate, read again
tls         the certificate of now, and how long it is still good
"""
