"""A field of a settings dataclass: its default, its documentation and its check.

The reference page and the messages of ``loading`` are generated from it.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def option(
    default: Any,
    sentence: str,
    *,
    secret: bool = False,
    group: str = "",
    check: Callable[[Any], Any] | None = None,
) -> Any:
    """A setting. A ``secret`` is hidden in the repr, and can be passed as a file.

    ``group`` is its heading on the reference page. ``check`` returns the value, perhaps normalized,
    or raises ValueError with the end of a sentence that begins with the name.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={"doc": sentence, "group": group, "check": check},
    )
