"""The entries of ``bad_inputs.json``: one request each, its precondition and its expectation.

What the format does not know is an error here: a key that nobody reads would be a check that
nobody makes.
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

FILE = Path(__file__).with_name("bad_inputs.json")

KEYS = {
    "id",
    "endpoint",
    "method",
    "headers",
    "query",
    "body",
    "why",
    "expect",
    "setup",
    "tags",
    "holdout",
}
OPTIONAL = {"setup", "tags", "holdout"}

Expect = Mapping[str, Any]
Fill = Callable[[str], str]
"""Puts values in the places of ``{{placeholders}}``."""


@dataclass(frozen=True)
class Entry:
    """One request and what must come of it."""

    id: str
    endpoint: str
    method: str
    headers: Mapping[str, str | list[str] | None]
    query: Any
    body: Any
    why: str
    expect: Expect
    setup: str | None = None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        unknown = fields.keys() - KEYS
        missing = KEYS - OPTIONAL - fields.keys()
        if unknown or missing:
            raise ValueError(f"{fields.get('id')}: unknown {unknown}, missing {missing}")
        return cls(
            **{name: value for name, value in fields.items() if name not in ("tags", "holdout")}
        )


def load(file: Path = FILE) -> list[Entry]:
    return [Entry.parse(fields) for fields in json.loads(file.read_text("utf-8"))]


def wire(text: Any, fill: Fill) -> bytes:
    """The bytes that a query or body of an entry stands for."""
    if isinstance(text, str):
        return fill(text).encode()
    match text:
        case {"prefix": prefix, "repeat": repeat, "count": count, "suffix": suffix, **more}:
            written: bytes = fill(prefix).encode() + repeat.encode() * count + fill(suffix).encode()
        case {"b64": encoded, **more}:
            written = base64.b64decode(encoded, validate=True)
        case {"gzip_of": inner, **more}:
            written = gzip.compress(wire(inner, fill), compresslevel=6)
        case _:
            raise ValueError(f"{text!r} is no form of a query or body")
    if more:
        raise ValueError(f"{more!r} is not understood")
    return written


def filled(text: str, value: Callable[[str], str]) -> str:
    """A text with its placeholders replaced by ``value`` of their names."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: value(found[1]), text)


ENTRIES = load()
