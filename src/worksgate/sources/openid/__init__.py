"""An OpenID provider as an identity source.

    source     the contract: redirect a browser there, and read the response
    provider   the provider's documents and keys, and its token endpoint
    id_token   validation of ID tokens
    outgoing   requests to the provider's hosts only

People are identified by the provider's subject, never by an e-mail address.
"""
