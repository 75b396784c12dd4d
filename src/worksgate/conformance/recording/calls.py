"""What a recording keeps of a call, and its line in the file.

Everything in it is a hash, a number, or a word of the lists here: no text that was sent or answered
is copied, so no text has to be examined for secrets.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worksgate.conformance.exchange import ERROR_NUMBERS
from worksgate.conformance.recording.observed import Kind

OTHER: Final = "other"
"""In place of every word that is in no list."""

METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_VERSIONS: Final = frozenset({"1.0", "1.1", "2"})
FRAMINGS: Final = frozenset({"none", "length", "chunked"})
MEDIA_TYPES: Final = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "multipart": "multipart/form-data",
    "text": "text/plain",
    "html": "text/html",
}
"""By the word for each in the file."""
CONTENTS: Final = frozenset({*MEDIA_TYPES, "none", "twice", OTHER})
CHARSETS: Final = frozenset(
    {"utf-8", "iso-8859-1", "us-ascii", "shift_jis", "euc-jp", "euc-kr", "windows-1252", OTHER}
)
ENCODINGS: Final = frozenset({"identity", "gzip", "deflate", "br", OTHER})
CONNECTIONS: Final = frozenset({"keep-alive", "close", "upgrade", OTHER})
EXPECTATIONS: Final = frozenset({"100-continue", OTHER})

PARAMETERS: Final = frozenset(
    {
        *("grant_type", "client_id", "client_secret", "code", "refresh_token", "access_token"),
        *("response_type", "redirect_uri", "worksId", "userAgent", "sessionKey", "state"),
        *("email", "password", OTHER),
    }
)
APP: Final = "LineWorks"
"""The `userAgent` of the mobile and PC apps."""

LITERALS: Final[Mapping[str, frozenset[str]]] = {
    "grant_type": frozenset({"authorization_code", "refresh_token", "password"}),
    "response_type": frozenset({"code", "token"}),
    "userAgent": frozenset({APP}),
}
"""Values that are words of the protocol: they are kept as they are."""
LENGTHS: Final = (0, 8, 16, 32, 64, 128, 512, 4096)
"""Upper bounds of the classes of length, in bytes; the last class has none."""
LENGTH_CLASSES: Final = ("0", "1-8", "9-16", "17-32", "33-64", "65-128", "129-512", "513-4096", "")
CHARACTERS: Final = ("none", "digits", "token", "base64", "printable", "text", "bytes")
"""From few to many: token is ``[A-Za-z0-9_-]``, text is UTF-8, bytes is neither."""

MEMBERS: Final = frozenset(
    {
        *("access_token", "token_type", "expires_in", "refresh_token", "user_id", "code", "scope"),
        *("error", "error_description", OTHER),
    }
)
JSON_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
ERRORS: Final = frozenset(
    {
        *ERROR_NUMBERS,
        *ERROR_NUMBERS.values(),
        *("server_error", "temporarily_unavailable", "invalid_grant", "invalid_client"),
        *("invalid_token", "unsupported_response_type", "login_required", OTHER),
    }
)
TOKEN_TYPES: Final = frozenset({"Bearer", "bearer", OTHER})
DESTINATIONS: Final = frozenset({"redirect_uri", "elsewhere"})

MOST_PARAMETERS: Final = 40
_ID: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_MOST_SECONDS: Final = 10.0**9


class BadLine(ValueError):
    """A line is none of a recording; the text says what is wrong, without quoting it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a call: a literal value, or the hash and the shape of one.

    ``base`` is the hash of a redirect_uri without its query, which ``has_query`` or not.
    ``is_base64`` tells of the parameters of the IMAP login whether they could be decoded.
    """

    name: str
    value: str | None = None
    id: str | None = None
    length: str = ""
    characters: str = "bytes"
    base: str | None = None
    has_query: bool = False
    is_base64: bool = True

    @property
    def is_empty(self) -> bool:
        return self.value is None and self.length == "0"

    def as_json(self) -> dict[str, Any]:
        if self.value is not None:
            return {"name": self.name, "value": self.value}
        document: dict[str, Any] = {"name": self.name, "id": self.id}
        if self.length or self.characters != "bytes":
            document |= {"length": self.length, "characters": self.characters}
        if self.base is not None:
            document |= {"base": self.base, "has_query": self.has_query}
        if not self.is_base64:
            document["is_base64"] = False
        return document

    @classmethod
    def of(cls, document: object) -> "Parameter":
        """Raises BadLine."""
        fields = _Fields(document)
        name = fields.word("name", PARAMETERS)
        value = fields.optional_word("value", LITERALS.get(name, frozenset()))
        if value is not None:
            return cls(name, value)
        return cls(
            name,
            id=fields.id("id"),
            length=fields.word("length", LENGTH_CLASSES, ""),
            characters=fields.word("characters", CHARACTERS, "bytes"),
            base=fields.optional_id("base"),
            has_query=fields.flag("has_query"),
            is_base64=fields.flag("is_base64", default=True),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. ``status`` is None if nothing was.

    ``members`` are those of the JSON object and their types; ``values`` are the few that say
    something and can be no secret; ``ids`` are the hashes of what was given out. ``goes_to`` is
    where a redirect leads.
    """

    status: int | None
    content: str = "none"
    members: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str | int] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    goes_to: str | None = None
    is_uncached: bool = False

    @property
    def error(self) -> str | None:
        """The error as a number where LINE WORKS has one."""
        found = self.values.get("error")
        return None if found is None else ERROR_NUMBERS.get(str(found), str(found))

    @property
    def is_success(self) -> bool:
        """Whether it gave what was asked for, or the page that was."""
        if self.status is None or self.error is not None or "error" in self.members:
            return False
        return self.status < 400 and self.goes_to != "elsewhere"

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"status": self.status, "content": self.content}
        for name, value in (
            ("members", dict(self.members)),
            ("values", dict(self.values)),
            ("ids", dict(self.ids)),
            ("goes_to", self.goes_to),
            ("is_uncached", self.is_uncached),
        ):
            if value:
                document[name] = value
        return document

    @classmethod
    def of(cls, document: object) -> "Answer":
        """Raises BadLine."""
        fields = _Fields(document)
        return cls(
            status=fields.status(),
            content=fields.word("content", CONTENTS, "none"),
            members=fields.words("members", MEMBERS, JSON_TYPES),
            values=fields.values(),
            ids=fields.ids(),
            goes_to=fields.optional_word("goes_to", DESTINATIONS),
            is_uncached=fields.flag("is_uncached"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: how it was sent, and its answer.

    ``at`` is in seconds since the recording began, ``seconds`` how long the answer took. ``line``
    is where it stands in the file, for people, and ``file`` the number of that among several.
    ``is_cut`` tells that it was larger than what is kept.
    """

    kind: Kind
    at: float
    seconds: float
    answer: Answer
    method: str = "GET"
    http: str = "1.1"
    framing: str = "none"
    content: str = "none"
    charset: str | None = None
    encoding: str | None = None
    expect: str | None = None
    connection: str | None = None
    peer: str = ""
    parameters: tuple[Parameter, ...] = ()
    is_below: bool = False
    has_query: bool = False
    has_cookie: bool = False
    has_empty_parts: bool = False
    is_cut: bool = False
    line: int = 0
    file: int = 0

    @property
    def place(self) -> str:
        """Where it stands, for people: a line, or a file and a line."""
        return f"{self.file}:{self.line}" if self.file else str(self.line)

    @property
    def ended_at(self) -> float:
        return self.at + self.seconds

    def first(self, name: str) -> Parameter | None:
        """The first parameter of this name."""
        return next((each for each in self.parameters if each.name == name), None)

    def id_of(self, name: str) -> str | None:
        """The hash of the first parameter of this name, unless it is missing or empty."""
        found = self.first(name)
        return None if found is None or found.is_empty else found.id

    def as_line(self) -> bytes:
        """Its line in the file."""
        document: dict[str, Any] = {
            "kind": str(self.kind),
            "at": round(self.at, 4),
            "ms": round(self.seconds * 1000, 2),
        }
        for name in _TEXTS:
            if (value := getattr(self, name)) is not None and value != _DEFAULTS.get(name):
                document[name] = value
        document |= {name: True for name in _FLAGS if getattr(self, name)}
        if self.parameters:
            document["parameters"] = [each.as_json() for each in self.parameters]
        document["answer"] = self.answer.as_json()
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def of(cls, document: object, line: int = 0) -> "Call":
        """A call from its line. Raises BadLine."""
        fields = _Fields(document)
        listed = fields.items("parameters")
        return cls(
            kind=Kind(fields.word("kind", frozenset(Kind))),
            at=fields.seconds("at"),
            seconds=fields.seconds("ms") / 1000,
            answer=Answer.of(fields.get("answer")),
            method=fields.word("method", {*METHODS, OTHER}, "GET"),
            http=fields.word("http", {*HTTP_VERSIONS, OTHER}, "1.1"),
            framing=fields.word("framing", FRAMINGS, "none"),
            content=fields.word("content", CONTENTS, "none"),
            charset=fields.optional_word("charset", CHARSETS),
            encoding=fields.optional_word("encoding", ENCODINGS),
            expect=fields.optional_word("expect", EXPECTATIONS),
            connection=fields.optional_word("connection", CONNECTIONS),
            peer=fields.optional_id("peer") or "",
            parameters=tuple(map(Parameter.of, listed[:MOST_PARAMETERS])),
            line=line,
            **{name: fields.flag(name) for name in _FLAGS},
        )


_TEXTS: Final = (
    *("method", "http", "framing", "content", "charset", "encoding", "expect", "connection"),
    "peer",
)
_DEFAULTS: Final = {
    "method": "GET",
    "http": "1.1",
    "framing": "none",
    "content": "none",
    "peer": "",
}
_FLAGS: Final = ("is_below", "has_query", "has_cookie", "has_empty_parts", "is_cut")


class _Fields:
    """The members of a JSON object from a file; each reader raises BadLine."""

    def __init__(self, document: object) -> None:
        if not isinstance(document, dict):
            raise BadLine("it is no JSON object")
        self._document = document

    def get(self, name: str) -> object:
        return self._document.get(name)

    def word(self, name: str, known: Collection[str], default: str | None = None) -> str:
        value = self._document.get(name, default)
        if not isinstance(value, str) or value not in known:
            raise BadLine(f"{name} has an unknown value")
        return value

    def optional_word(self, name: str, known: Collection[str]) -> str | None:
        return None if self._document.get(name) is None else self.word(name, known)

    def id(self, name: str) -> str:
        return _id(name, self._document.get(name))

    def optional_id(self, name: str) -> str | None:
        return None if self._document.get(name) is None else self.id(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._document.get(name, default)
        if not isinstance(value, bool):
            raise BadLine(f"{name} is neither true nor false")
        return value

    def seconds(self, name: str) -> float:
        value = self._document.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadLine(f"{name} is no number")
        if not math.isfinite(value) or not -_MOST_SECONDS <= value <= _MOST_SECONDS:
            raise BadLine(f"{name} is no time")
        return float(value)

    def status(self) -> int | None:
        value = self._document.get("status")
        if value is None:
            return None
        if not isinstance(value, int) or not 100 <= value <= 999:
            raise BadLine("status is none of HTTP")
        return value

    def items(self, name: str) -> list[object]:
        value = self._document.get(name, [])
        if not isinstance(value, list):
            raise BadLine(f"{name} is no list")
        return value

    def words(self, name: str, names: Collection[str], known: Collection[str]) -> Mapping[str, str]:
        members = _Fields(self._document.get(name, {}))
        if not members._document.keys() <= set(names):
            raise BadLine(f"{name} has an unknown name")
        return {each: members.word(each, known) for each in members._document}

    def values(self) -> Mapping[str, str | int]:
        members = _Fields(self._document.get("values", {}))
        found: dict[str, str | int] = {}
        for name, known in (("error", ERRORS), ("token_type", TOKEN_TYPES)):
            value = members.optional_word(name, known)
            if value is not None:
                found[name] = value
        if members.get("expires_in") is not None:
            found["expires_in"] = int(members.seconds("expires_in"))
        return found

    def ids(self) -> Mapping[str, str]:
        members = _Fields(self._document.get("ids", {}))
        if not members._document.keys() <= {*MEMBERS, "redirect"}:
            raise BadLine("ids has an unknown name")
        return {name: members.id(name) for name in members._document}


def _id(name: str, value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise BadLine(f"{name} is none of a recording")
