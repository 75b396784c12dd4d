"""Pages that are rendered once and filled for each request.

Most of what a sign-in page takes goes into its template, and most of what comes of it is the same
for everybody. A skeleton is the page as the template makes it, with holes where values of a request
stand; filling it is joining strings. A hole is escaped as the template would have done it, so the
filled page is the rendered one, byte for byte.

What decides how a page looks is in the key of its skeleton, and never a hole. A key holds nothing
that a stranger can choose, so there are few; should there be more than ``MOST``, all are forgotten.
"""

import re
import secrets
from collections.abc import Callable, Hashable, Mapping

from markupsafe import escape

MOST = 200
"""Skeletons that are kept, of some 25 kB each."""

_MARK = f"hole-{secrets.token_hex(16)}-"
"""What no template, setting or translation holds: it is drawn when the process starts."""
_HOLE = re.compile(rf"{_MARK}(\w+)-")


def hole(name: str) -> str:
    """A text that stands for a value while a skeleton is rendered; escaping does not change it."""
    return f"{_MARK}{name}-"


class Skeletons:
    """The skeletons of one installation's pages."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[str]] = {}

    def filled(self, key: Hashable, render: Callable[[], str], values: Mapping[str, str]) -> str:
        """The page of a key with these values in its holes; ``render`` makes it with ``hole``.

        Raises KeyError where a hole has no value.
        """
        parts = self._kept.get(key)
        if parts is None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            parts = self._kept[key] = _HOLE.split(render())  # text, name, text, name, …, text
        filled = parts.copy()
        escaped = {name: str(escape(value)) for name, value in values.items()}
        for at in range(1, len(parts), 2):
            filled[at] = escaped[parts[at]]
        return "".join(filled)
