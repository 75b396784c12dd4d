"""The record of one call: request, response, times, and failure.

A record has the real bytes, since a check may need them, but `repr` and `masked()` show no secret:
a secret is recognized by the name of its parameter, and then hidden wherever else its value occurs,
because a server may echo what it was sent.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

FORM: Final = "application/x-www-form-urlencoded"

SECRET_PARAMETERS: Final = frozenset(
    {"code", "client_secret", "access_token", "refresh_token", "password", "sessionKey"}
)

ERROR_NUMBERS: Final = {
    "access_denied": "101",
    "invalid_request": "201",
    "unsupported_grant_type": "203",
    "unauthorized_client": "301",
    "invalid_authorization": "302",
    "invalid_access": "303",
}
"""LINE WORKS' numbers of the errors, by their words: an implementation may send either."""

_SHOWN_CHARACTERS: Final = 4
_SHORTEST_SHOWN: Final = 12
_SHORTEST_ECHO: Final = 6

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long LINE WORKS waits, in seconds: for the connection, then for the whole response."""

    connect: float = 1.0
    answer: float = 3.0


def decode_parameters(text: str) -> list[tuple[str, str]]:
    """Return the parameters of a query or a form in order, decoded once."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def query_of(url: str) -> str:
    """Return the query of a URL as written: the part between `?` and `#`."""
    return url.partition("#")[0].partition("?")[2]


def in_base64(text: str) -> str:
    """Return a text as the IMAP/CalDAV Login API is sent it."""
    return base64.b64encode(text.encode()).decode()


class Failure(StrEnum):
    """Why there is no usable response. An error in valid JSON is a response, not a failure."""

    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    ANSWER_TIMEOUT = "answer_timeout"
    BROKEN_ANSWER = "broken_answer"
    ANSWER_TOO_LARGE = "answer_too_large"
    NOT_JSON = "not_json"


_NOT_CONNECTED: Final = frozenset(
    {Failure.CONNECT_TIMEOUT, Failure.CONNECT_FAILED, Failure.TLS_FAILED}
)


@dataclass(frozen=True, slots=True)
class Request:
    """The request. `headers` are those that we set, in order."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response. `body` is truncated to ANSWER_SIZE_LIMIT bytes."""

    status: int
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return the first header of that name, case-insensitively."""
        lowered = name.lower()
        return next((value for key, value in self.headers if key.lower() == lowered), None)


@dataclass(frozen=True, slots=True)
class Timings:
    """Measured times in seconds, up to success or failure; None for steps not reached.

    `connect` is name resolution and TCP, `tls` the handshake, `answer` the time from the first byte
    of the request to the last byte of the response.
    """

    connect: float | None = None
    tls: float | None = None
    answer: float | None = None

    @property
    def connected(self) -> float | None:
        """Seconds until bytes could be sent: TCP and, with TLS, the handshake."""
        return None if self.connect is None else self.connect + (self.tls or 0.0)


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """One request, its response, the times against the limits, and the failure, if any."""

    request: Request
    answer: Answer | None
    timings: Timings
    limits: TimeLimits
    failure: Failure | None = None
    secrets: tuple[str, ...] = ()

    @property
    def status(self) -> int | None:
        return None if self.answer is None else self.answer.status

    @property
    def json(self) -> Mapping[str, object] | None:
        """The JSON object of the response, or None without one."""
        return None if self.answer is None else json_object(self.answer.body)

    @property
    def error(self) -> str | None:
        """The `error` of the response, whether it is a number or a word."""
        return self.value("error")

    @property
    def connected_in_time(self) -> bool:
        connected = self.timings.connected
        if connected is None or self.failure in _NOT_CONNECTED:
            return False
        return connected <= self.limits.connect

    @property
    def answered_in_time(self) -> bool:
        answer = self.timings.answer
        if answer is None or self.failure is Failure.ANSWER_TIMEOUT:
            return False
        return answer <= self.limits.answer

    def value(self, name: str) -> str | None:
        """Return a string field of the JSON response, or None if absent, empty or not a string."""
        value = (self.json or {}).get(name)
        return value if isinstance(value, str) and value else None

    def masked(self) -> "Exchange":
        """Return the same exchange with every secret truncated to its first characters.

        Secrets are recognized by the name of their parameter, and then masked wherever else their
        value occurs: a server may echo what it was sent.
        """
        secrets = tuple(sorted(self._found_secrets(), key=len, reverse=True))
        return replace(
            self,
            request=_masked_request(self.request, secrets),
            answer=None if self.answer is None else _masked_answer(self.answer, secrets),
            secrets=(),
        )

    def _found_secrets(self) -> set[str]:
        sent = query_of(self.request.url), _text(self.request.body)
        fields = [pair for text in sent for pair in decode_parameters(text)]
        for body in (self.request.body, self.answer.body if self.answer else b""):
            fields += [(name, str(value)) for name, value in (json_object(body) or {}).items()]
            fields += [(m["name"], m["value"]) for m in _JSON_SECRET.finditer(_text(body))]
        found = {value for name, value in fields if name in SECRET_PARAMETERS}
        return {secret for secret in found.union(self.secrets) if len(secret) >= _SHORTEST_ECHO}

    def __repr__(self) -> str:
        shown = self.masked()
        outcome = shown.failure or shown.status
        return f"<Exchange {shown.request.method} {shown.request.url} -> {outcome}>"


# Masking


def mask_secret(name: str, value: str) -> str:
    """Return the first four characters of a secret, or nothing of a short one."""
    if not value:
        return ""
    if name == "password" or len(value) < _SHORTEST_SHOWN:
        return "…"
    return f"{value[:_SHOWN_CHARACTERS]}…"


def mask_url(url: str) -> str:
    """Return the URL with the values of secret parameters truncated."""
    before, question_mark, query = url.partition("?")
    query, hash_sign, fragment = query.partition("#")
    return f"{before}{question_mark}{_masked_pairs(query)}{hash_sign}{fragment}"


def _masked_pairs(query: str) -> str:
    return "&".join(_masked_pair(pair) for pair in query.split("&"))


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    plain = unquote_plus(name)
    return f"{name}{equals}{mask_secret(plain, value)}" if plain in SECRET_PARAMETERS else pair


_JSON_SECRET = re.compile(
    r"""((?<!\w)["']?(?P<name>""" + "|".join(sorted(SECRET_PARAMETERS)) + r""")["']?\s*:\s*)"""
    r"""(?P<quote>["']?)(?P<value>(?<=["'])(?:[^"'\\]|\\.)*|(?!null\b)[^"'\s,{}\[\]]+)"""
)


def _masked_json(text: str) -> str:
    """Mask by name, keeping the text as it was written, even if it is not quite valid JSON."""
    return _JSON_SECRET.sub(lambda m: m[1] + m["quote"] + mask_secret(m["name"], m["value"]), text)


def _masked_echoes(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        shown = mask_secret("", secret)
        # A server may answer with half a surrogate pair, which has no bytes in UTF-8.
        escaped = (write(secret, safe="", errors="replace") for write in (quote, quote_plus))
        written = {secret, *escaped, json.dumps(secret)[1:-1]}
        for form in sorted(written, key=len, reverse=True):
            text = text.replace(form, shown)
    return text


def _masked_request(request: Request, secrets: tuple[str, ...]) -> Request:
    content_type = next((v for k, v in request.headers if k.lower() == "content-type"), "")
    body = _text(request.body)
    body = _masked_pairs(body) if content_type.startswith(FORM) else _masked_json(body)
    return replace(
        request,
        url=_masked_echoes(mask_url(request.url), secrets),
        headers=_masked_headers(request.headers, secrets),
        body=_masked_echoes(body, secrets).encode("utf-8", "replace"),
    )


def _masked_answer(answer: Answer, secrets: tuple[str, ...]) -> Answer:
    return replace(
        answer,
        headers=_masked_headers(answer.headers, secrets),
        body=_masked_echoes(_masked_json(_text(answer.body)), secrets).encode("utf-8", "replace"),
    )


def _masked_headers(headers: Headers, secrets: tuple[str, ...]) -> Headers:
    return tuple((name, _masked_header(name.lower(), value, secrets)) for name, value in headers)


def _masked_header(name: str, value: str, secrets: tuple[str, ...]) -> str:
    if name in {"cookie", "set-cookie"}:
        return re.sub(r"^([^=]*)=[^;]*", r"\1=…", value)
    if name == "authorization":
        return "…"
    if name == "location":
        value = mask_url(value)
    return _masked_echoes(value, secrets)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def json_object(body: bytes) -> Mapping[str, object] | None:
    """Return the JSON object in the bytes, or None if they are anything else."""
    try:
        # Of bytes, Python's parser would take UTF-16 and a byte order mark, too (RFC 8259 §8.1).
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
