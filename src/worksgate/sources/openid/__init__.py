"""An OpenID provider as an identity source.

    source     the contract: send a browser there, and read what it comes back with
    provider   the provider's documents and keys, and its token endpoint
    id_token   what an ID token must be
    outgoing   requests to the provider's hosts alone

Nobody is recognised by an e-mail address: the subject of the provider is the person.
"""
