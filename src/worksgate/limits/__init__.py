"""Bounds: what may run, wait, fail or be asked at one time.

    thread_pool   threads with a bounded queue
    background    work for later, bounded in number and in time
    rate_limit    rate counters for unauthenticated callers, in fixed memory
    networks      addresses, and the networks that they count for
    outages       the base of all outages

Whatever a stranger can make grow has its bound here.
"""
