"""The audit log of the directory.

    writer        writes records in the background, durable before the response
    own_history   what people see of their own history

A record about a change is in the change's own transaction (``database.recording``), not here.
"""
