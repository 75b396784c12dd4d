"""Addresses of servers, as settings hold them.

    postgres   PostgreSQL, and how to connect to it
    valkey     Valkey or Redis
    mail       a mail server, and e-mail addresses

Error messages never repeat the address, since it may contain a password.
"""
