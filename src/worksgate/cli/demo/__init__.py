"""The demonstration: Worksgate, the simulator of LINE WORKS, and another company's OpenID provider.

It owns what there is to be shown, and the servers that show it, in one process. They listen on
loopback alone, with a database of their own. Nothing of it is a default of the real server
(R-103), and nothing of it is imported by that.

    command           ``worksgate demo``
    people            who can be signed in as
    installation      the settings, clients and people of the demonstrated Worksgate
    openid_provider   "Partner", a provider of two people, who need no password
    wording           its words
    servers           three servers in one process
"""
