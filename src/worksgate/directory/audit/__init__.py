"""The audit log of the directory.

    writer        records that are written in the background, durable before the answer
    own_history   what people see of their own

A record about a change is in the change's own transaction (``database.recording``), not here.
"""
