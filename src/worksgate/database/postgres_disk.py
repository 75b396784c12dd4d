"""Whether PostgreSQL's disk is full, as its own errors say.

A full disk refuses some writes and not others: a row that fits into a page of its table needs no
more of it. So one that succeeds, such as that of ``/readyz``, says nothing about the next.
"""

import time

REPORTED_FOR = 60.0
"""Seconds for which it counts as full after a write was refused for that."""

DISK_FULL = (
    "PostgreSQL has refused a write within the last minute, since its disk is full: make room on "
    "it; nothing else is to be done"
)
"""The operator's message."""

_DISK_FULL = "53100"


class FullDisk:
    """Remembers when a write was refused for lack of room."""

    def __init__(self) -> None:
        self._until = float("-inf")

    @property
    def is_full(self) -> bool:
        """Whether that was lately."""
        return time.monotonic() < self._until

    def note(self, error: BaseException) -> None:
        """Take note of an error of a statement, whatever it is."""
        if getattr(error, "sqlstate", None) == _DISK_FULL:
            self._until = time.monotonic() + REPORTED_FOR
