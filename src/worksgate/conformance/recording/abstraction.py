"""From what was observed to what is kept: every value becomes a word of a list, or a hash.

What is in no list is ``other``: also the name of a parameter, which may be a secret where a body is
malformed, and the text of an error, which may quote what was sent.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from worksgate.conformance.recording.calls import (
    CHARSETS,
    CONNECTIONS,
    ENCODINGS,
    ERRORS,
    EXPECTATIONS,
    HTTP_VERSIONS,
    LENGTH_CLASSES,
    LENGTHS,
    LITERALS,
    MEDIA_TYPES,
    MEMBERS,
    METHODS,
    MOST_PARAMETERS,
    OTHER,
    PARAMETERS,
    TOKEN_TYPES,
    Answer,
    Call,
    Parameter,
)
from worksgate.conformance.recording.observed import BODY_LIMIT, Kind, Observed

Hash = Callable[[str, bytes], str]
"""Takes a purpose and a value (``KeyedHash``)."""

_WORDS: Final = {media_type: word for word, media_type in MEDIA_TYPES.items()}
_CODE: Final = re.compile(r"(?P<sign>[?&])code=(?P<code>[^&#]*)")
_CHARACTERS: Final = (
    ("none", re.compile(rb"")),
    ("digits", re.compile(rb"[0-9]+")),
    ("token", re.compile(rb"[A-Za-z0-9_-]+")),
    ("base64", re.compile(rb"[A-Za-z0-9_+/=-]+")),
    ("printable", re.compile(rb"[ -~]+")),
)
_FORMS: Final = (Kind.TOKEN, Kind.USER_INFO)
_MOST_SECONDS_OF_A_TOKEN: Final = 10**9


def abstracted(seen: Observed, began: float, hashed: Hash) -> Call:
    """What is kept of a call; ``began`` is when the recording did, in seconds since the epoch."""
    headers = dict(seen.headers)
    content, charset = _content(seen.headers)
    is_form = seen.kind in _FORMS
    text = seen.body if is_form else seen.query
    parameters, has_empty_parts = _parameters(text, seen.kind, hashed)
    if seen.kind is Kind.IMAP and seen.below.strip("/"):
        client_id = seen.below.strip("/").encode("utf-8", "surrogateescape")
        parameters = [_parameter("client_id", client_id, hashed), *parameters]
    if seen.kind is Kind.SIGN_IN:  # the form is the page's own, and has the password
        parameters = []
    redirect_uri = _redirect_uri(text) if seen.kind in (Kind.LOGIN, Kind.LOGOUT) else None
    return Call(
        kind=seen.kind,
        at=seen.at - began,
        seconds=seen.seconds,
        answer=answer_of(
            seen.status, seen.answer_headers, seen.answer_body, hashed, redirect_uri=redirect_uri
        ),
        method=_known(seen.method, METHODS),
        http=_known(seen.http, HTTP_VERSIONS),
        framing=_framing(headers),
        content=content,
        charset=charset,
        encoding=_header(headers, b"content-encoding", ENCODINGS),
        expect=_header(headers, b"expect", EXPECTATIONS),
        connection=_header(headers, b"connection", CONNECTIONS),
        peer=hashed("address", seen.peer.encode()) if seen.peer else "",
        parameters=tuple(parameters[:MOST_PARAMETERS]),
        is_below=is_form and bool(seen.below),
        has_query=is_form and bool(seen.query),
        has_cookie=b"cookie" in headers,
        has_empty_parts=has_empty_parts,
        is_cut=seen.is_cut or len(parameters) > MOST_PARAMETERS,
    )


# The request


def _parameters(text: bytes, kind: Kind, hashed: Hash) -> tuple[list[Parameter], bool]:
    """The parameters in their order, one more than are kept at most, and whether parts are empty.

    The password of an IMAP login is hashed together with the name: two people with the same
    password do not have the same hash.
    """
    parts = text[:BODY_LIMIT].split(b"&", MOST_PARAMETERS + 1)
    pairs = [_decoded(part) for part in parts if part]
    owner = next((value for name, value in pairs if name == "email"), b"")
    found = [_parameter(name, value, hashed, kind, owner) for name, value in pairs]
    return found, bool(text) and len(pairs) < len(parts)


def _decoded(part: bytes) -> tuple[str, bytes]:
    name, _, value = part.partition(b"=")
    known = unquote_to_bytes(name.replace(b"+", b" ")).decode("ascii", "replace")
    return known, unquote_to_bytes(value.replace(b"+", b" "))


def _parameter(
    name: str, value: bytes, hashed: Hash, kind: Kind = Kind.TOKEN, owner: bytes = b""
) -> Parameter:
    name = _known(name, PARAMETERS)
    text = value.decode("latin-1")
    if text in LITERALS.get(name, ()):
        return Parameter(name, text)
    secret, is_base64 = value, True
    if kind is Kind.IMAP and name in ("email", "password"):
        is_base64 = _is_base64(value)
    if name == "password":
        secret = owner + b"\0" + value
        shape = ("" if value else "0"), ("bytes" if value else "none")
    else:
        shape = _length_class(len(value)), _characters(value)
    base, has_query = None, False
    if name == "redirect_uri":
        before, sign, _ = value.partition(b"?")
        base, has_query = hashed("base", before), bool(sign)
    return Parameter(
        name,
        id=hashed(name, secret),
        length=shape[0],
        characters=shape[1],
        base=base,
        has_query=has_query,
        is_base64=is_base64,
    )


def _is_base64(value: bytes) -> bool:
    try:
        base64.b64decode(value.replace(b" ", b"+"), validate=True)
    except binascii.Error:
        return False
    return True


def _length_class(length: int) -> str:
    return next(
        (word for most, word in zip(LENGTHS, LENGTH_CLASSES, strict=False) if length <= most), ""
    )


def _characters(value: bytes) -> str:
    for word, pattern in _CHARACTERS:
        if pattern.fullmatch(value):
            return word
    try:
        value.decode()
    except UnicodeDecodeError:
        return "bytes"
    return "text"


def _redirect_uri(query: bytes) -> str | None:
    pairs = (_decoded(part) for part in query[:BODY_LIMIT].split(b"&", MOST_PARAMETERS))
    found = next((value for name, value in pairs if name == "redirect_uri"), None)
    return None if found is None else found.decode("utf-8", "replace")


def _content(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str | None]:
    """The words for the media type and the character set."""
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) != 1:
        return ("twice" if types else "none"), None
    media_type, _, rest = types[0].decode("latin-1").partition(";")
    charset = re.search(r"""charset\s*=\s*"?([^";\s]+)""", rest, re.IGNORECASE)
    return (
        _WORDS.get(media_type.strip().lower(), OTHER),
        None if charset is None else _known(charset[1].lower(), CHARSETS),
    )


def _framing(headers: Mapping[bytes, bytes]) -> str:
    if b"transfer-encoding" in headers:
        return "chunked"
    return "length" if b"content-length" in headers else "none"


def _header(headers: Mapping[bytes, bytes], name: bytes, known: Collection[str]) -> str | None:
    value = headers.get(name)
    return None if value is None else _known(value.decode("latin-1").strip().lower(), known)


def _known(word: str, known: Collection[str]) -> str:
    return word if word in known else OTHER


# The answer


def answer_of(
    status: int | None,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    hashed: Hash,
    *,
    redirect_uri: str | None = None,
) -> Answer:
    """What is kept of an answer; ``redirect_uri`` is the one that was sent, if any."""
    if status is None:
        return Answer(None)
    by_name = dict(headers)
    document = json_object(body) if body[:1] == b"{" else {}
    values, ids = _members(document, hashed)
    goes_to = None
    if b"location" in by_name:
        location = by_name[b"location"].decode("utf-8", "replace")
        goes_to, more_values, more_ids = _redirect(location, redirect_uri, hashed)
        values, ids = {**values, **more_values}, {**ids, **more_ids}
    return Answer(
        status,
        content=_content(by_name.items())[0],
        members={_known(name, MEMBERS): _json_type(value) for name, value in document.items()},
        values=values,
        ids=ids,
        goes_to=goes_to,
        is_uncached=b"no-store" in by_name.get(b"cache-control", b""),
    )


def json_object(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body; an empty one if it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _members(
    document: Mapping[str, object], hashed: Hash
) -> tuple[dict[str, str | int], dict[str, str]]:
    values: dict[str, str | int] = {}
    for name, known in (("error", ERRORS), ("token_type", TOKEN_TYPES)):
        if isinstance(value := document.get(name), str):
            values[name] = _known(value, known)
    expires_in = document.get("expires_in")
    if isinstance(expires_in, int) and 0 <= expires_in <= _MOST_SECONDS_OF_A_TOKEN:
        values["expires_in"] = int(expires_in)
    ids = {
        name: hashed(name, value.encode("utf-8", "surrogatepass"))
        for name in ("access_token", "refresh_token", "code", "user_id")
        if isinstance(value := document.get(name), str) and value
    }
    return values, ids


def _redirect(
    location: str, redirect_uri: str | None, hashed: Hash
) -> tuple[str, dict[str, str | int], dict[str, str]]:
    """Where a redirect leads, and what it brings there."""
    values: dict[str, str | int] = {}
    ids: dict[str, str] = {}
    found = _CODE.search(location)
    if found is not None:
        # What is left is the redirect_uri as it was sent, if the code was added at its end.
        target = location[: found.start()] + location[found.end() :]
        ids["code"] = hashed("code", unquote_to_bytes(found["code"]))
        ids["redirect"] = hashed("redirect_uri", target.encode())
    else:
        target = location
        if errors := [v for n, v in parse_qsl(location.partition("?")[2]) if n == "error"]:
            values["error"] = _known(errors[0], ERRORS)
    if redirect_uri is None:
        return ("redirect_uri" if found else "elsewhere"), values, ids
    return ("redirect_uri" if target == redirect_uri else "elsewhere"), values, ids


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    for kind, word in _JSON_TYPES:
        if isinstance(value, kind):
            return word
    return "null"


_JSON_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (dict, "object"),
)
