"""One statement of several parts: one round trip, and one commit."""

# ruff: noqa: S608  # only statements of ours are put together, never a value

from collections.abc import Iterable, Sequence


def composed(parts: Sequence[str], read: Iterable[str]) -> str:
    """A statement that does the parts in the order in which ``read`` names them."""
    numbers = ", ".join(f"(SELECT count(*) FROM {part})" for part in read)
    return f"WITH {', '.join(parts)} SELECT {numbers}"
