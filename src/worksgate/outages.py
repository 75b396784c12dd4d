"""What all outages have in common, whatever is out of order."""


class Unavailable(Exception):
    """Something that is needed for an answer is down, slow or overloaded.

    It says neither yes nor no: nobody gets in by it, and nothing counts as wrong because of it.
    """
