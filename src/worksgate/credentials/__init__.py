"""Secrets, passwords and keys: how they are made, kept and compared.

    secrets            new secrets and their digests
    password_hashing   argon2id, in bounded threads
    password_policy    which new passwords are good enough
    imported_hashes    password hashes of other systems
    usernames          usernames as they are compared
    master_key         the key outside the database, and what is encrypted under it
    derived_keys       one key per purpose, derived from a key that is kept

Nothing here knows a person, a database or a page.
"""
