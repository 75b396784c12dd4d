"""Addresses of servers, as settings hold them.

    postgres   PostgreSQL, and the one way to connect to it
    valkey     Valkey or Redis
    mail       a mail server, and the address of a mailbox

Their errors do not repeat the address, which may hold a password.
"""
