"""Where an authorization code may be sent.

LINE WORKS carries its own ``state`` inside ``redirect_uri``, so the address differs at every
login and cannot be compared whole. What can be compared is all that stands before the first
``?``. The cut is made by hand and the comparison is of bytes: URL parsers, wildcards and regular
expressions each led to published holes here (CVE-2023-6291, CVE-2024-8883, CVE-2024-52289).
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from worksgate.oauth.errors import BadRedirectUri

MAX_LENGTH = 2_048
"""Bytes of a redirect_uri."""

RESERVED_NAMES = frozenset(
    ("code", "error", "error_description", "iss", "access_token", "id_token", "response")
)
"""Query names that only an answer of ours may hold."""

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))

_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_AUTHORITY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


def check_redirect_uri(
    value: str, entries: Iterable[str], *, require_state: bool = True, loopback: bool = False
) -> str:
    """Return ``value`` unchanged if a code may be sent there.

    ``entries`` is the client's list; ``loopback`` says that plain http to a loopback entry is
    fine, which it is only while our own public address is loopback too.
    Raises BadRedirectUri.
    """
    _check_characters(value)
    address, _, query = value.partition("?")
    if not any(matches(address, entry, loopback=loopback) for entry in entries):
        raise BadRedirectUri("redirect_uri is not on the client's list")
    parameters = _check_query(query)
    if require_state and not parameters.get("state"):
        raise BadRedirectUri("redirect_uri carries no state")
    return value


def with_code(redirect_uri: str, code: str) -> str:
    """Add the code to a checked redirect_uri whose bytes stay as they came (R-07)."""
    return _with_parameter(redirect_uri, "code", code)


def with_denial(redirect_uri: str) -> str:
    """Say to a checked redirect_uri that the person gave up; only where a setting asks for it."""
    return _with_parameter(redirect_uri, "error", "access_denied")


def matches(address: str, entry: str, *, loopback: bool = False) -> bool:
    """Whether an address without its query matches one entry of a list.

    A full entry matches itself alone. An origin entry (no path) matches any path under it that
    is made of plain segments: no ``.``, no ``..``, no escape, none empty but the last. An entry
    that ``check_entry`` refuses matches nothing, however it came onto the list.
    """
    if not _is_entry(entry, loopback=loopback):
        return False
    if not is_origin(entry):
        return address == entry
    if not address.startswith(entry + "/"):
        return False
    *segments, last = address[len(entry) + 1 :].split("/")
    return all(map(_is_plain, segments)) and (last == "" or _is_plain(last))


@lru_cache(maxsize=1_024)
def _is_entry(entry: str, *, loopback: bool) -> bool:
    """Whether an entry may be on a list: the same few are compared with at every request."""
    try:
        check_entry(entry, loopback=loopback)
    except ValueError:
        return False
    return True


def check_entry(entry: str, *, loopback: bool = False) -> str:
    """Return an entry that an administrator may put on a client's list.

    Raises ValueError with a sentence for the administrator.
    """
    scheme, separator, rest = entry.partition("://")
    authority, slash, path = rest.partition("/")
    if not separator or scheme not in ("https", "http"):
        raise ValueError("an address must begin with https://")
    if not _AUTHORITY.fullmatch(authority):
        raise ValueError("the host must be in lower case, without user name or wildcard")
    if scheme == "http" and not (loopback and _host(authority) in LOOPBACK_HOSTS):
        raise ValueError("plain http is for loopback addresses only, while public_url is loopback")
    if not _URI.fullmatch(entry) or len(entry) > MAX_LENGTH or "?" in entry:
        raise ValueError("an address must have no query, fragment, blank or foreign character")
    if slash and not all(map(_is_plain, filter(None, path.split("/")))):
        raise ValueError("the path must be made of plain segments, without . or ..")
    return entry


def origin_of(address: str) -> str:
    """The scheme, host and port of a checked address, for the page's ``form-action``."""
    scheme, separator, rest = address.partition("://")
    return scheme + separator + rest.partition("?")[0].partition("/")[0]


def is_origin(entry: str) -> bool:
    """Whether an entry names a whole origin: it has no path at all."""
    return "/" not in entry.partition("://")[2]


def _with_parameter(redirect_uri: str, name: str, value: str) -> str:
    _, question_mark, query = redirect_uri.partition("?")
    separator = ("&" if query else "") if question_mark else "?"
    return f"{redirect_uri}{separator}{name}={value}"


def _check_characters(value: str) -> None:
    if len(value) > MAX_LENGTH:
        raise BadRedirectUri("redirect_uri is too long")
    if not _URI.fullmatch(value):
        raise BadRedirectUri("redirect_uri holds a character that an address cannot hold")


def _check_query(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if not _NAME.fullmatch(name) or name in parameters or name in RESERVED_NAMES:
            raise BadRedirectUri("redirect_uri has a query name that is not accepted")
        parameters[name] = value
    return parameters


def _is_plain(segment: str) -> bool:
    return segment not in (".", "..") and _SEGMENT.fullmatch(segment) is not None


def _host(authority: str) -> str:
    return authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
