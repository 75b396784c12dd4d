"""Validation of clients, and the defaults of each product's profile.

Refusals are sentences for the administrator.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from worksgate.clients.access_rules import parse_rules
from worksgate.credentials.usernames import username_key
from worksgate.directory.rows import ENUMS, LISTS
from worksgate.oauth.model import DAY, HOUR, Client, Profile, UserKey
from worksgate.oauth.redirect_uri import check_entry

LINE_WORKS_ORIGIN = "https://auth.worksmobile.com"
"""The hosts of LINE WORKS and its sister products that receive authorization codes."""

MAX_NAME = 100
MAX_CODE_LIFETIME = 600
MAX_LIFETIME = 3_650 * DAY
MAX_ENTRIES = 100

PROFILE_DEFAULTS: Mapping[Profile, Mapping[str, Any]] = {
    Profile.LINE_WORKS: {"expires_in_web": DAY, "expires_in_app": 30 * DAY},
    Profile.NAVER_WORKS: {"expires_in_web": DAY, "expires_in_app": 30 * DAY},
    Profile.NAVER_WORKS_PUBLIC: {
        "expires_in_web": HOUR,
        # The mobile app's 24 hours also apply to the PC app, which could have 30 days: both send
        # userAgent=LineWorks, so one value must serve both, and it must not be too long.
        "expires_in_app": DAY,
        "expires_in_imap": HOUR,
    },
    # WORKBOX reads user_id as the sign-in e-mail address, which is stored as the works account.
    Profile.WORKBOX: {"user_key": UserKey.WORKS_ACCOUNT},
}

CHANGEABLE = frozenset(field.name for field in fields(Client)) - {"client_id", "secrets"}
"""What an administrator may set: IDs and secrets are only generated here (R-46)."""

_SWITCHES = frozenset(
    (
        "enabled",
        "require_state",
        "logout_queries",
        "redirect_denials",
        "announce_expires_in",
        "refresh_tokens",
        "imap_login",
    )
)
_LIFETIMES = frozenset(
    (
        "expires_in_web",
        "expires_in_app",
        "expires_in_imap",
        "access_token_lifetime",
        "refresh_token_lifetime",
    )
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,32}")


def read_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a client with their types: words become enums, lists become tuples.

    Raises ValueError for a field that does not exist or cannot be set.
    """
    unknown = sorted(changes.keys() - CHANGEABLE)
    if unknown:
        raise ValueError(f"a client has no setting {', '.join(unknown)} that can be changed")
    return {name: _read(name, value) for name, value in changes.items()}


def check_client(client: Client, *, loopback: bool) -> Client:
    """Return a valid client, or raise ValueError."""
    _check_name(client.name)
    if not client.redirect_uris:
        raise ValueError("a client needs at least one address that codes may be sent to")
    for setting in ("redirect_uris", "logout_redirect_uris"):
        _check_entries(setting, getattr(client, setting), loopback=loopback)
    _check_networks(client.allowed_addresses)
    _check_sources(client.sources)
    _check_rules(client.rules)
    for setting in _LIFETIMES:
        _check_seconds(setting, getattr(client, setting), MAX_LIFETIME)
    _check_seconds("code_lifetime", client.code_lifetime, MAX_CODE_LIFETIME)
    if client.domain is not None and not _is_domain(client.domain):
        raise ValueError("domain must be a domain name in lower case")
    return client


def _read(name: str, value: Any) -> Any:
    if name in ENUMS:
        return _read_word(name, value, ENUMS[name])
    if name in LISTS:
        return _read_texts(name, value)
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is either on or off")
        return value
    if name == "name" and not isinstance(value, str):
        raise ValueError("name must be text")
    if name == "domain":
        return value or None
    return value


def _read_word(name: str, value: Any, words: type[StrEnum]) -> StrEnum:
    try:
        return words(value)
    except ValueError:
        raise ValueError(f"{name} must be one of {', '.join(words)}") from None


def _read_texts(name: str, value: Any) -> tuple[str, ...]:
    is_list = not isinstance(value, str) and isinstance(value, Iterable)
    texts = tuple(value) if is_list else ()
    if not is_list or len(texts) > MAX_ENTRIES or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} must be a list of at most {MAX_ENTRIES} texts")
    return tuple(dict.fromkeys(texts))


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"a client's name has 1 to {MAX_NAME} printable characters and no blank at its ends"
        )
    if not username_key(name):
        raise ValueError("a client's name must hold visible characters")


def _check_entries(setting: str, entries: tuple[str, ...], *, loopback: bool) -> None:
    for entry in entries:
        try:
            check_entry(entry, loopback=loopback)
        except ValueError as error:
            raise ValueError(f"{setting}: {entry!r} cannot be used: {error}") from None


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(
                f"allowed_addresses: {network!r} is not a network such as 192.0.2.0/24"
            ) from None


def _check_sources(names: tuple[str, ...]) -> None:
    """Whether they can be names: which sources there are, the settings alone say."""
    for name in names:
        if not _SOURCE.fullmatch(name):
            raise ValueError(f"sources: {name!r} cannot be the name of an identity source")


def _check_rules(rules: tuple[str, ...]) -> None:
    try:
        parse_rules(rules)
    except ValueError as problem:
        raise ValueError(f"rules: {problem}") from None


def _check_seconds(setting: str, value: int | None, longest: int) -> None:
    if value is None and setting == "access_token_lifetime":
        return
    if type(value) is not int or not 0 < value <= longest:
        raise ValueError(f"{setting} must be a number of seconds from 1 to {longest}")


def _is_domain(domain: Any) -> bool:
    return isinstance(domain, str) and len(domain) <= 253 and bool(_DOMAIN.fullmatch(domain))
