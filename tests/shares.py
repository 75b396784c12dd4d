"""``pytest --share``: the two shares of the tests that ``make test`` runs one after the other.

``waiting`` are the rooms whose tests start programs and wait for them most of the time, so that
more files at once than there are cores cost nothing. ``working`` is all else: it keeps the cores
busy, and some of it must meet a deadline of less than a second.
"""

from pathlib import Path

TESTS = Path(__file__).parent

WAITING = ("upgrade", "faults", "tools", "browser", "edge", "server", "backup", "observability")
"""Those with the longest files first: none of them is left over at the end."""
SHARES = ("waiting", "working")


def is_in_share(path: Path, share: str | None) -> bool:
    """Whether a folder or a file of tests is in a share; without one all are."""
    if share is None or TESTS not in path.parents:
        return True
    return (path.relative_to(TESTS).parts[0] in WAITING) is (share == "waiting")


def turn(path: Path) -> int:
    """When a file has its turn: those of the rooms above before those below."""
    room = path.relative_to(TESTS).parts[0]
    return WAITING.index(room) if room in WAITING else len(WAITING)
