"""The store in Valkey or Redis: one script redeems.

    store     the contract
    scripts   the Lua scripts
    pool      the connections

See decision 17 for the reasons.
"""
