"""The store on SQLite: many requests per durable commit.

    store          the contract
    statements     its SQL
    group_commit   the thread that writes, and the batches that it commits

See decision 5 for the reasons.
"""
