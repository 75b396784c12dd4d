"""The store on PostgreSQL: one statement redeems, for any number of machines.

    store        the contract
    rows         its statements
    pool         the connections, shared with all processes
    connection   one connection, with its timeouts
    errors       what an error of the server means

Decision 18 has the reasons.
"""
