"""References: the short form of a sign-in's ID, to be read out over the telephone, such as 7KQ-4MD.

The ID begins with a time in milliseconds (``secrets.new_ordered_id``). A reference is the last 30
bits of that time in six characters of Crockford's Base32, which has no I, L, O and U. It is not
secret and proves nothing. Since the same time stands in front of every ID, an index finds the
sign-ins of a reference, one range for each period of twelve days.

Two sign-ins of the same millisecond have the same reference, so whoever looks it up may find
several.
"""

import re
from collections.abc import Iterator

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("OIL", "011")
_BITS = 30
_PERIOD = 1 << _BITS
"""Milliseconds after which references repeat."""
_FACTOR = 0x2F0B4C47
"""Odd, so that a product modulo a power of two can be undone. It moves neighbours apart: a typing
error finds nobody, not the sign-in a moment later."""
_INVERSE = pow(_FACTOR, -1, _PERIOD)
_TIME = re.compile(r"[0-9a-f]{11}")
_SHAPE = re.compile(r"[0-9A-TV-Z]{3}[- ]?[0-9A-TV-Z]{3}", re.IGNORECASE)

_OLDEST = 400 * 86_400.0
"""Seconds that references are looked for: as long as the audit log is kept by default."""


def reference_of(ordered_id: str) -> str | None:
    """The reference of an ID, or None if the ID does not begin with a time."""
    made_at = _TIME.match(ordered_id)
    if made_at is None:
        return None
    number = int(made_at[0], 16) * _FACTOR % _PERIOD
    digits = "".join(_DIGITS[number >> shift & 31] for shift in range(_BITS - 5, -1, -5))
    return f"{digits[:3]}-{digits[3:]}"


def is_reference(text: str) -> bool:
    """Whether a text may be a reference, in any spelling that people use."""
    return _SHAPE.fullmatch(text.strip()) is not None


def beginnings(reference: str, now: float, since: float | None = None) -> Iterator[str]:
    """What the IDs with this reference begin with, the newest first.

    They were made between ``since``, by default 400 days ago, and ``now``, in seconds since the
    epoch; the clock of another node may be ahead. Raises ValueError if it is no reference.
    """
    oldest = now - _OLDEST if since is None else since
    if not is_reference(reference):
        raise ValueError(f"{reference!r} is not a reference such as 7KQ-4MD")
    number = 0
    for digit in reference.strip().upper().translate(_LOOKALIKES):
        if digit in _DIGITS:
            number = number << 5 | _DIGITS.index(digit)
    within = number * _INVERSE % _PERIOD
    newest = int((now + _SKEW) * 1_000)
    made_at = newest - (newest - within) % _PERIOD
    while made_at >= max(oldest * 1_000, 0):
        yield f"{made_at:011x}"
        made_at -= _PERIOD


_SKEW = 90.0
"""Seconds that another node's clock may be ahead."""
