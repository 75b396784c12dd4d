"""LDAP and Active Directory as an identity source.

    source        the contract: verify a password, find a person
    faults        what keeps us from a server, in a sentence of ours
    servers       which server is used, and the pooled connections
    connection    one connection: TLS, bind, search, each with its timeout
    lookup        from a name to one entry
    filters       the filters of all searches
    people        from an entry to a person
    groups        nested groups
    listing       all people, page by page
    examination   each step on its own, for ``doctor`` and ``source test``

A server that is down is an outage; only its explicit refusal is a wrong password.
"""
