"""The store in Valkey or Redis: one script redeems.

    store     the contract
    scripts   the Lua scripts
    pool      the connections

Decision 17 has the reasons.
"""
