"""The records of sign-ins, as an administrator asks about them.

    question     what was asked: a person, a reference, an address or a time
    tries        records, grouped by sign-in, and where each one stopped

Both are pure.
"""
