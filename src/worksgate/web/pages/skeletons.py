"""Pages that are rendered once and filled for each request.

Most of the time of a sign-in page is spent in its template, and most of the result is the same for
everybody. A skeleton is the rendered page, with holes for the values of a request; filling it is
joining strings. A hole is escaped as the template would have done it, so the filled page equals the
rendered one, byte for byte.

What decides how a page looks is in the key of its skeleton, and never a hole. No text of a caller
is in a key: it has the language, and which values there are of a form and of a client's branding.
So there are few; if there should be more than ``MOST``, all are dropped.
"""

import re
import secrets
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from markupsafe import escape

MOST = 200
"""Maximum number of cached skeletons, of some 25 kB each."""

_MARK = f"hole-{secrets.token_hex(16)}-"
"""A text that is in no template, setting or translation: it is random per process."""
_HOLE = re.compile(rf"{_MARK}([\w-]+);")


NONE_ESCAPED: Final[Mapping[str, bytes]] = MappingProxyType({})


def hole(name: str) -> str:
    """A placeholder for a value while a skeleton is rendered; escaping does not change it."""
    return f"{_MARK}{name};"


class Skeletons:
    """The skeletons of one installation's pages."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Skeleton] = {}

    def filled(
        self,
        key: Hashable,
        render: Callable[[], str],
        values: Mapping[str, str],
        escaped: Mapping[str, bytes] = NONE_ESCAPED,
    ) -> bytes:
        """The page of a key with these values in its holes; ``render`` creates it with ``hole``.

        ``escaped`` are further values, as they stand in the page, in UTF-8. Raises KeyError for a
        hole without a value.
        """
        skeleton = self._kept.get(key)
        if skeleton is None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            skeleton = self._kept[key] = _Skeleton.of(render())
        return skeleton.filled(values, escaped)


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """The parts of a page, in UTF-8: every second one is a hole."""

    parts: list[bytes]
    holes: tuple[str, ...]

    @classmethod
    def of(cls, page: str) -> Self:
        parts = _HOLE.split(page)  # text, name, text, name, …, text
        return cls([part.encode() for part in parts], tuple(parts[1::2]))

    def filled(self, values: Mapping[str, str], ready: Mapping[str, bytes]) -> bytes:
        parts = self.parts.copy()
        escaped = {name: escape(value).encode() for name, value in values.items()}
        if ready:
            escaped.update(ready)
        parts[1::2] = [escaped[name] for name in self.holes]
        return b"".join(parts)
