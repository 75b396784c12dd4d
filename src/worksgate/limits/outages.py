"""The base of all outages."""


class Unavailable(Exception):
    """A dependency is down, slow or overloaded, so that there is no answer.

    That is neither a yes nor a no: it grants no access, and does not count as a failed attempt.
    """
