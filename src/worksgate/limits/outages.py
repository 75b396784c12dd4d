"""The base of all outages."""


class Unavailable(Exception):
    """Something that is needed for an answer is down, slow or overloaded.

    It is neither a yes nor a no: it grants no access, and does not count as a failed attempt.
    """
