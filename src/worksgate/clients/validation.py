"""Validation of clients, and the defaults of each product's profile.

Refusals are sentences for the administrator.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import partial
from typing import Any, Final

from worksgate.catalogues import sentence_of
from worksgate.clients.access_rules import parse_rules
from worksgate.clients.sentences import said
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

CHANGEABLE = frozenset(field.name for field in fields(Client)) - {
    *("client_id", "secrets", "version")
}
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
_LIFETIMES = (
    "expires_in_web",
    "expires_in_app",
    "expires_in_imap",
    "access_token_lifetime",
    "refresh_token_lifetime",
)
_ADDRESSES = ("redirect_uris", "logout_redirect_uris")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,32}")


def read_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a client with their types: words become enums, lists become tuples.

    Raises ValueError for a field that does not exist or cannot be set.
    """
    unknown = sorted(changes.keys() - CHANGEABLE)
    if unknown:
        raise ValueError(
            said(
                "a client has no setting %(settings)s that can be changed",
                settings=", ".join(unknown),
            )
        )
    return {name: _read(name, value) for name, value in changes.items()}


def check_client(client: Client, *, loopback: bool) -> Client:
    """Return a valid client, or raise ValueError."""
    for problem in problems_of(client, loopback=loopback).values():
        raise ValueError(problem)
    return client


def problems_of(client: Client, *, loopback: bool) -> dict[str, str]:
    """What is wrong with a client, by field: a sentence each; empty for a valid one."""
    problems = {}
    check_addresses = partial(_check_entries, loopback=loopback)
    checks: dict[str, _Check] = {**_CHECKS, **dict.fromkeys(_ADDRESSES, check_addresses)}
    for name, check in checks.items():
        try:
            check(name, getattr(client, name))
        except ValueError as problem:
            problems[name] = sentence_of(problem)
    return problems


def _read(name: str, value: Any) -> Any:
    if name in ENUMS:
        return _read_word(name, value, ENUMS[name])
    if name in LISTS:
        return _read_texts(name, value)
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise ValueError(said("%(setting)s is either on or off", setting=name))
        return value
    if name == "name" and not isinstance(value, str):
        raise ValueError(said("%(setting)s must be text", setting=name))
    if name == "domain":
        return value or None
    return value


def _read_word(name: str, value: Any, words: type[StrEnum]) -> StrEnum:
    try:
        return words(value)
    except ValueError:
        raise ValueError(
            said("%(setting)s must be one of %(words)s", setting=name, words=", ".join(words))
        ) from None


def _read_texts(name: str, value: Any) -> tuple[str, ...]:
    is_list = not isinstance(value, str) and isinstance(value, Iterable)
    texts = tuple(value) if is_list else ()
    if not is_list or len(texts) > MAX_ENTRIES or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            said(
                "%(setting)s must be a list of at most %(most)s texts",
                setting=name,
                most=MAX_ENTRIES,
            )
        )
    return tuple(dict.fromkeys(texts))


def _check_name(_setting: str, name: str) -> None:
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(
            said(
                "a client's name has 1 to %(most)s printable characters and no blank at its ends",
                most=MAX_NAME,
            )
        )
    if not username_key(name):
        raise ValueError(said("a client's name must hold visible characters"))


def _check_entries(setting: str, entries: tuple[str, ...], *, loopback: bool) -> None:
    if setting == "redirect_uris" and not entries:
        raise ValueError(said("a client needs at least one address that codes may be sent to"))
    for entry in entries:
        try:
            check_entry(entry, loopback=loopback)
        except ValueError as error:
            raise ValueError(
                said(
                    "%(setting)s: %(entry)s cannot be used: %(problem)s",
                    setting=setting,
                    entry=repr(entry),
                    problem=said(str(error)),
                )
            ) from None


def _check_networks(setting: str, networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(
                said(
                    "%(setting)s: %(network)s is not a network such as 192.0.2.0/24",
                    setting=setting,
                    network=repr(network),
                )
            ) from None


def _check_sources(setting: str, names: tuple[str, ...]) -> None:
    """Whether they can be names: which sources there are, the settings alone say."""
    for name in names:
        if not _SOURCE.fullmatch(name):
            raise ValueError(
                said(
                    "%(setting)s: %(name)s cannot be the name of an identity source",
                    setting=setting,
                    name=repr(name),
                )
            )


def _check_rules(setting: str, rules: tuple[str, ...]) -> None:
    try:
        parse_rules(rules)
    except ValueError as problem:
        raise ValueError(
            said("%(setting)s: %(problem)s", setting=setting, problem=sentence_of(problem))
        ) from None


def _check_lifetime(setting: str, value: int | None) -> None:
    if value is not None or setting != "access_token_lifetime":
        _check_seconds(setting, value, MAX_LIFETIME)


def _check_code_lifetime(setting: str, value: int | None) -> None:
    _check_seconds(setting, value, MAX_CODE_LIFETIME)


def _check_seconds(setting: str, value: int | None, longest: int) -> None:
    if type(value) is not int or not 0 < value <= longest:
        raise ValueError(
            said(
                "%(setting)s must be a number of seconds from 1 to %(longest)s",
                setting=setting,
                longest=longest,
            )
        )


def _check_domain(setting: str, domain: Any) -> None:
    if domain is None:
        return
    if not (isinstance(domain, str) and len(domain) <= 253 and _DOMAIN.fullmatch(domain)):
        raise ValueError(said("%(setting)s must be a domain name in lower case", setting=setting))


_Check = Callable[[str, Any], None]
"""Raises ValueError for the value of a field."""

_CHECKS: Final[Mapping[str, _Check]] = {
    "name": _check_name,
    "allowed_addresses": _check_networks,
    "sources": _check_sources,
    "rules": _check_rules,
    **dict.fromkeys(_LIFETIMES, _check_lifetime),
    "code_lifetime": _check_code_lifetime,
    "domain": _check_domain,
}
