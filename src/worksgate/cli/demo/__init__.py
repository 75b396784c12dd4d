"""The demonstration: Worksgate, the simulator of LINE WORKS, and another company's OpenID provider.

It owns the demo data and the servers, all in one process. They listen on loopback only, and use a
database of their own. None of this is a default of the real server (R-103), which does not import
it.

    command           ``worksgate demo``
    people            the people to sign in as
    installation      the settings, clients and people of the demonstrated Worksgate
    openid_provider   "Partner", a provider of two people, without passwords
    wording           its texts
    servers           three servers in one process
"""
