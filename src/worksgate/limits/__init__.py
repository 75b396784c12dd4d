"""Limits: how much may run, wait or be requested at a time.

    thread_pool   threads with a bounded queue
    background    deferred work, bounded in number and in time
    rate_limit    rate counters for unauthenticated callers, in fixed memory
    networks      addresses, and the networks that they are counted by
    outgoing      requests to other servers: an allowlist, and a limited response
    egress        the proxy and the authorities of such requests
    outages       the base of all outages

Everything that unauthenticated callers can make grow is bounded here.
"""
