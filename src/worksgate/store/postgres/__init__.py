"""The store on PostgreSQL: one statement redeems, for any number of machines.

    store        the contract
    rows         its statements
    pool         the connections, shared with all processes
    connection   one connection, with its timeouts
    errors       classification of errors

See decision 18 for the reasons.
"""
