"""Secrets, passwords and keys: their generation, storage and comparison.

    secrets            new secrets and their digests
    password_hashing   argon2id, in a bounded thread pool
    password_policy    which new passwords are accepted
    imported_hashes    password hashes of other systems
    references         short forms of IDs, for the telephone
    usernames          canonical usernames, for comparison
    master_key         the key outside the database, and encryption under it
    derived_keys       one key per purpose, derived from a stored key

Nothing here knows a person, a database or a page.
"""
