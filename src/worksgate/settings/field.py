"""A field of a record of settings: its default, what documents it, and what checks it.

The reference page and the messages of ``loading`` are made from what is kept here.
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
    """A setting. A ``secret`` stands in no repr, and can be handed over as a file.

    ``group`` is its heading on the reference page. ``check`` returns the value, perhaps in a
    tidier form, or raises ValueError with the end of a sentence that begins with the name.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={"doc": sentence, "group": group, "check": check},
    )
