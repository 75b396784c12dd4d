"""Clients: the tenants of LINE WORKS that are served, and who may sign in to each.

    registry       all clients in memory, brought up to date every 0.2 s; whose secret it is
    access_rules   a client's rules: allow, require a second factor or a passkey, deny
    validation     what a client may be, before it is kept

A call of LINE WORKS reads no database for its client (decision 2).
"""
