"""Where an authorization code may be sent.

LINE WORKS carries its own ``state`` inside ``redirect_uri``, so the address differs at every
sign-in and cannot be compared as a whole. Only the part before the first ``?`` is compared. It is
cut by hand and compared as bytes: URL parsers, wildcards and regular expressions each led to
published vulnerabilities here (CVE-2023-6291, CVE-2024-8883, CVE-2024-52289).
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from worksgate.oauth.errors import BadRedirectUri, Cause

MAX_LENGTH = 2_048
"""Maximum length of a redirect_uri in bytes."""

RESERVED_NAMES = frozenset(
    ("code", "error", "error_description", "iss", "access_token", "id_token", "response")
)
"""Query names that only our own responses may contain."""

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))

_SHOWN = 100
"""Characters of an entry that are said."""
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]++|%[0-9A-Fa-f]{2})*+")
"""Possessive: plain characters are taken in one step, and nothing is tried in two ways."""
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_AUTHORITY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


def check_redirect_uri(
    value: str, entries: Iterable[str], *, require_state: bool = True, loopback: bool = False
) -> str:
    """Return ``value`` unchanged if a code may be sent there.

    ``entries`` is the client's allowlist; ``loopback`` allows plain http to a loopback entry, which
    is only the case while our own public address is loopback too. Raises BadRedirectUri.
    """
    _check_characters(value)
    entries = tuple(entries)
    address, _, query = value.partition("?")
    if not any(matches(address, entry, loopback=loopback) for entry in entries):
        raise BadRedirectUri(why_not_listed(address, entries), Cause.REDIRECT_NOT_LISTED)
    parameters = _check_query(query)
    if require_state and not parameters.get("state"):
        raise BadRedirectUri("redirect_uri contains no state", Cause.NO_STATE)
    return value


def why_not_listed(address: str, entries: Iterable[str]) -> str:
    """Up to where an address is like an entry of a list: in words of the list alone (R-265).

    Of an entry that it resembles by less than half nothing is said.
    """
    alike = [(_beginning(address, each), each) for each in entries]
    same, entry = max(alike, key=lambda each: len(each[0]), default=("", ""))
    if 2 * len(same) < len(entry) or not same:
        return "redirect_uri is not on the client's allowlist"
    shown = same if len(same) <= _SHOWN else f"…{same[-_SHOWN:]}"
    return f"redirect_uri is not on the client's allowlist: it is like an entry up to {shown}"


def with_code(redirect_uri: str, code: str) -> str:
    """Add the code to a checked redirect_uri, whose bytes do not change (R-07)."""
    return _with_parameter(redirect_uri, "code", code)


def with_denial(redirect_uri: str) -> str:
    """Add the error for a cancelled sign-in to a checked redirect_uri; opt-in."""
    return _with_parameter(redirect_uri, "error", "access_denied")


def matches(address: str, entry: str, *, loopback: bool = False) -> bool:
    """Whether an address without its query matches one entry of a list.

    A full entry matches only itself. An origin entry (no path) matches any path under it that
    consists of plain segments: no ``.``, no ``..``, no escape, none empty but the last. An entry
    that ``check_entry`` rejects matches nothing, however it came onto the list.
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
    """Return an entry that is allowed on a client's list.

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
        raise ValueError("an address must not have a query, fragment, blank or non-ASCII character")
    if slash and not all(map(_is_plain, filter(None, path.split("/")))):
        raise ValueError("the path must consist of plain segments, without . or ..")
    return entry


def origin_of(address: str) -> str:
    """The scheme, host and port of a checked address, for the page's ``form-action``."""
    scheme, separator, rest = address.partition("://")
    return scheme + separator + rest.partition("?")[0].partition("/")[0]


def is_origin(entry: str) -> bool:
    """Whether an entry is an origin: it has no path at all."""
    return "/" not in entry.partition("://")[2]


def _with_parameter(redirect_uri: str, name: str, value: str) -> str:
    _, question_mark, query = redirect_uri.partition("?")
    separator = ("&" if query else "") if question_mark else "?"
    return f"{redirect_uri}{separator}{name}={value}"


def _beginning(one: str, other: str) -> str:
    """What both begin with."""
    differs = (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(differs, min(len(one), len(other)))]


def _check_characters(value: str) -> None:
    if len(value) > MAX_LENGTH:
        raise BadRedirectUri("redirect_uri is too long", Cause.TOO_LONG)
    if not _URI.fullmatch(value):
        raise BadRedirectUri("redirect_uri contains a character that is not allowed in an address")


def _check_query(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if not _NAME.fullmatch(name) or name in parameters or name in RESERVED_NAMES:
            raise BadRedirectUri("redirect_uri has a query name that is not allowed")
        parameters[name] = value
    return parameters


def _is_plain(segment: str) -> bool:
    return segment not in (".", "..") and _SEGMENT.fullmatch(segment) is not None


def _host(authority: str) -> str:
    return authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
