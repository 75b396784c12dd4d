"""What is done once for a whole run, although every test does it with objects of its own.

Most tests have engines of their own, which run the same statements as those of the test before:
they are compiled once. Most apps of LINE WORKS have the same private key: it is checked once, which
takes 30 ms. Whatever these depend on is what they are found by.
"""

import sys
from collections.abc import Iterator, MutableMapping
from functools import cache
from typing import Any
from unittest.mock import patch


def do_once() -> None:
    """Let it be so in this process, for those libraries that are imported by now."""
    _compile_once()
    _read_keys_once()


class _Compiled(MutableMapping[Any, Any]):
    """What SQLAlchemy keeps by dialect, statement and columns; here one dialect is like another."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        return self._kept[self._common(key)]

    def __setitem__(self, key: Any, compiled: Any) -> None:
        self._kept[self._common(key)] = compiled

    def __delitem__(self, key: Any) -> None:
        del self._kept[self._common(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    @staticmethod
    def _common(key: Any) -> Any:
        dialect, *statement = key
        return (type(dialect), *statement)


def _compile_once() -> None:
    engines = sys.modules.get("sqlalchemy.engine.base")
    if engines is not None:
        compiled = _Compiled()
        # An engine makes a cache for itself, which this does not take.
        common = property(lambda _: compiled, lambda *_: None)
        patch.object(engines.Engine, "_compiled_cache", common, create=True).start()


def _read_keys_once() -> None:
    name = "load_pem_private_key"
    serialization = sys.modules.get("cryptography.hazmat.primitives.serialization")
    if serialization is not None:
        read = cache(getattr(serialization, name))
        for module in (serialization, sys.modules.get("joserfc._rfc7517.pem")):
            if module is not None:
                patch.object(module, name, read).start()
