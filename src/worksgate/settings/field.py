"""A field of a record of settings, with the sentence that documents it.

The reference page and the messages of ``config`` are made from what is kept here.
"""

from dataclasses import field
from typing import Any


def option(default: Any, sentence: str, *, secret: bool = False) -> Any:
    """A setting. A ``secret`` stands in no repr, and can be handed over as a file."""
    return field(default=default, repr=not secret, metadata={"doc": sentence})
