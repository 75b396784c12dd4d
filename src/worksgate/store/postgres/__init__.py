"""The store on PostgreSQL: one statement redeems, for any number of machines.

    store        the contract
    statements   its SQL: artifacts and records
    counters     its SQL: the counters of the throttle
    composed     one statement of several parts
    pool         the connections, shared with all processes
    connection   one connection, with its timeouts
    errors       classification of errors

See decision 18 for the reasons.
"""
