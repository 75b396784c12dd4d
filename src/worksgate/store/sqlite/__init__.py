"""The store on SQLite: many requests to one durable commit.

    store          the contract
    rows           its statements
    group_commit   the thread that writes, and the batches that it commits

Decision 5 has the reasons.
"""
