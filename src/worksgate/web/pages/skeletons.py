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
from dataclasses import dataclass
from typing import Self

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
        self._kept: dict[Hashable, _Skeleton] = {}

    def filled(self, key: Hashable, render: Callable[[], str], values: Mapping[str, str]) -> bytes:
        """The page of a key with these values in its holes; ``render`` makes it with ``hole``.

        Raises KeyError where a hole has no value.
        """
        skeleton = self._kept.get(key)
        if skeleton is None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            skeleton = self._kept[key] = _Skeleton.of(render())
        return skeleton.filled(values)


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """The parts of a page, in UTF-8: every second one is a hole."""

    parts: list[bytes]
    holes: tuple[str, ...]

    @classmethod
    def of(cls, page: str) -> Self:
        parts = _HOLE.split(page)  # text, name, text, name, …, text
        return cls([part.encode() for part in parts], tuple(parts[1::2]))

    def filled(self, values: Mapping[str, str]) -> bytes:
        parts = self.parts.copy()
        escaped = {name: escape(value).encode() for name, value in values.items()}
        parts[1::2] = [escaped[name] for name in self.holes]
        return b"".join(parts)
