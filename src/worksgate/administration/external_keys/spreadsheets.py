"""Keys that a spreadsheet would change when it opens and saves the file."""

import re
from collections.abc import Iterable
from typing import Final

_SPOILT: Final = re.compile(
    r"[=+\-@].*"  # a formula
    r"|0[0-9]+"  # loses its zeros
    r"|[0-9]{16,}"  # loses its last digits
    r"|[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+"  # a power of ten
    r"|[0-9]{1,4}-[0-9]{1,2}(-[0-9]{1,4})?",  # a date
    re.DOTALL,
)


def spoilt_by_a_spreadsheet(keys: Iterable[str]) -> list[str]:
    """Those that would not come back as they were. LINE WORKS takes them as they are."""
    return [each for each in keys if _SPOILT.fullmatch(each)]
