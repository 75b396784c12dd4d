"""What a report may show of a request: method, path, redacted body, outcome.

Redacted twice. Values of secret parameters are replaced by name, and every secret that this run has
learned (client secrets, passwords, codes, tokens; also percent-encoded, in HTML and in Base64) is
replaced wherever else it occurs, because a server may echo what it was sent.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from worksgate.conformance.exchange import (
    SECRET_PARAMETERS,
    Exchange,
    Request,
    decode_parameters,
    query_of,
)

HIDDEN: Final = "…"
LONGEST: Final = 240
"""Characters of a stranger's text that are kept."""

_SEPARATORS: Final = re.compile(r"[?#&;]")
"""What may stand before a parameter of a redirect; in a path alone there is none."""
_SHORTEST: Final = 4
"""Characters: hiding anything shorter would hide the text around it."""
_SHOWN_MEMBERS: Final = frozenset({"token_type", "expires_in", "error", "error_description"})
"""Members of a JSON answer whose value is shown; of others, the name and the type."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as a report shows it. `seconds` is the time to the whole answer, if any."""

    method: str
    path: str
    body: str
    answer: str
    seconds: float | None


class Redactor:
    """Replaces every secret that it has been told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Hide this value from now on, in every encoding in which it is sent."""
        if len(secret) < _SHORTEST:
            return
        raw = secret.encode("utf-8", "replace")
        encoded = base64.b64encode(raw).decode()
        plain = {secret, encoded, encoded.rstrip("="), base64.urlsafe_b64encode(raw).decode()}
        for text in plain:
            self._forms |= {text, quote(text, safe=""), quote(text), quote_plus(text)}
            self._forms |= {json.dumps(text)[1:-1], escape(text), escape(text, quote=False)}

    def hide(self, text: str) -> str:
        """Return the text without secrets, control characters and excess length."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        shown = "".join(each if _is_printable(each) else "�" for each in text)
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}{HIDDEN}"

    def learn_from(self, exchange: Exchange) -> None:
        """Learn the secrets of a request and its answer by the names of their parameters."""
        texts = query_of(exchange.request.url), exchange.request.body.decode("utf-8", "replace")
        pairs: list[tuple[str, object]] = [p for text in texts for p in decode_parameters(text)]
        if exchange.error is None:  # an error may have a member "code", which is its number
            pairs += (exchange.json or {}).items()
        if exchange.answer is not None and (location := exchange.answer.header("location")):
            # A server may add the code with any separator, and in the fragment.
            _, *parts = _SEPARATORS.split(location)
            pairs += [pair for part in parts for pair in decode_parameters(part)]
        for name, value in pairs:
            if name in SECRET_PARAMETERS and isinstance(value, str):
                self.learn(value)

    def sent(self, exchange: Exchange) -> Sent:
        """Return what a report may show of an exchange."""
        self.learn_from(exchange)
        request = exchange.request
        return Sent(
            method=request.method,
            path=self.hide(_path(request.url)),
            body=self.hide(_body(request)),
            answer=self.hide(_answer(exchange)),
            seconds=exchange.timings.answer,
        )


def _is_printable(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"


def _path(url: str) -> str:
    """The path, and the names of the parameters: their values may be secrets or personal."""
    names = dict.fromkeys(name for name, _ in decode_parameters(query_of(url)))
    return unquote(urlsplit(url).path or "/") + (f"?{'&'.join(names)}" if names else "")


def _body(request: Request) -> str:
    if not request.body:
        return ""
    content_type = next((v for k, v in request.headers if k.lower() == "content-type"), "")
    if "form-urlencoded" not in content_type.lower():
        return f"({len(request.body)} bytes)"
    pairs = request.body.decode("utf-8", "replace").split("&")
    return "&".join(map(_pair, pairs))


def _pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    is_shown = name in {"grant_type", "client_id"} or not value
    return f"{name}{equals}{value if is_shown else HIDDEN}"


def _answer(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return str(exchange.failure or "")
    head = f"HTTP {answer.status}"
    if (document := exchange.json) is not None:
        members = ", ".join(f"{name}: {_member(name, value)}" for name, value in document.items())
        head += f" {{{members}}}"
    elif (location := answer.header("location")) is not None:
        head += f" → {_SEPARATORS.split(location)[0]}"
    return head if exchange.failure is None else f"{head} ({exchange.failure})"


def _member(name: str, value: object) -> str:
    if name in _SHOWN_MEMBERS:
        return json.dumps(value, ensure_ascii=False)
    return json_type(value)


def json_type(value: object) -> str:
    """Return what JSON calls this type."""
    names: dict[type, str] = {
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return names.get(type(value), "null")
