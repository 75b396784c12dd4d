"""The options of a client: one for each field of ``oauth.model.Client``.

``client add`` and ``client set`` take the same options, generated from this table; a test compares
it with the fields. An option that is not given changes nothing.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, get_args

import click

from worksgate.cli.options import Duration, DurationOrNothing
from worksgate.oauth.model import Client

F = TypeVar("F", bound=Callable[..., object])

NOT_OPTIONS = frozenset(("client_id", "name", "enabled", "secrets", "version"))
"""Set at creation, counted, or set by commands of their own."""


@dataclass(frozen=True, slots=True)
class ClientOption:
    """One setting: the field, its sentence for ``--help``, and its option if the name differs."""

    field: str
    sentence: str
    option: str = ""
    metavar: str = "TEXT"

    @property
    def name(self) -> str:
        return self.option or f"--{self.field.replace('_', '-')}"


OPTIONS = (
    ClientOption("profile", "The product. A new client starts with its defaults."),
    ClientOption(
        "redirect_uris",
        "Allowed redirect_uri: an origin, or an address without its query. Repeatable; "
        "replaces the whole list.",
        "--redirect-uri",
        "URL",
    ),
    ClientOption(
        "logout_redirect_uris",
        "Allowed addresses after signing out. Repeatable; '' for none.",
        "--logout-redirect-uri",
        "URL",
    ),
    ClientOption("user_key", "The identifier sent to LINE WORKS, as in the console: SSO User Key."),
    ClientOption(
        "domain", "The tenant's domain, for links back to LINE WORKS; '' for none.", "", "DOMAIN"
    ),
    ClientOption("require_state", "Whether a redirect_uri must carry a state."),
    ClientOption("logout_queries", "Whether the address after signing out may have a query."),
    ClientOption(
        "redirect_denials",
        "Whether a sign-in can be cancelled, which returns error=access_denied to LINE WORKS.",
    ),
    ClientOption("session_key_check", "Whether an app's sessionKey is verified with LINE WORKS."),
    ClientOption("error_style", "How errors are reported: by code or by text."),
    ClientOption("error_status", "The HTTP status of errors."),
    ClientOption("expires_in_web", "How long people stay signed in on the web."),
    ClientOption("expires_in_app", "How long people stay signed in in the apps."),
    ClientOption(
        "expires_in_imap",
        "How long mail and calendar clients stay signed in.",
    ),
    ClientOption(
        "announce_expires_in",
        "Whether these times are sent to LINE WORKS; otherwise its own apply.",
    ),
    ClientOption(
        "access_token_lifetime", "The longest lifetime of an access token, if shorter; '' for none."
    ),
    ClientOption("code_lifetime", "Lifetime of an authorization code."),
    ClientOption("refresh_tokens", "Whether refresh tokens are issued."),
    ClientOption("refresh_token_lifetime", "Lifetime of a refresh token."),
    ClientOption(
        "allowed_addresses",
        "A network that may call the APIs, such as 192.0.2.0/24. Repeatable; '' for all.",
        "--allowed-address",
        "NETWORK",
    ),
    ClientOption(
        "sources",
        "An identity source whose people may sign in. Repeatable; '' for all.",
        "--source",
        "NAME",
    ),
    ClientOption(
        "second_factor",
        "Whether a second factor is required after a password, unless a rule says otherwise.",
    ),
    ClientOption(
        "rules",
        "A rule such as 'deny kind=app network=192.0.2.0/24'. Repeatable; the first match "
        "applies, and the whole list is replaced; '' for none.",
        "--rule",
        "RULE",
    ),
    ClientOption("imap_login", "Whether mail and calendar clients can sign in by password."),
    ClientOption("imap_passwords", "Which passwords they may use."),
)

_TYPES: Mapping[str, Any] = {each.name: each.type for each in fields(Client)}


def client_options(command: F) -> F:
    """Add the options of the table to a command; it receives their values by field name."""
    for option in reversed(OPTIONS):
        command = _declared(option)(command)
    return command


def read_changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given. Raises UsageError."""
    return {
        option.field: _read(values[option.field])
        for option in OPTIONS
        if values[option.field] not in (None, ())
    }


def _declared(option: ClientOption) -> Callable[[F], F]:
    kind = _TYPES[option.field]
    if kind is bool:
        both = f"{option.name}/--no-{option.name[2:]}"
        return click.option(both, option.field, default=None, help=option.sentence)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        words = click.Choice([str(word) for word in kind])
        return click.option(option.name, option.field, type=words, help=option.sentence)
    if kind is int or _is_optional(kind, int):
        time = Duration() if kind is int else DurationOrNothing()
        return click.option(option.name, option.field, type=time, help=option.sentence)
    return click.option(
        option.name,
        option.field,
        multiple=kind == tuple[str, ...],
        metavar=option.metavar,
        help=option.sentence,
    )


def _read(value: Any) -> Any:
    """The field's value; an empty text means none."""
    if isinstance(value, tuple):
        return tuple(filter(None, value))
    if isinstance(value, float):
        return int(value)
    return None if value == "" else value


def _is_optional(kind: Any, inner: type) -> bool:
    return isinstance(kind, types.UnionType) and set(get_args(kind)) == {inner, type(None)}
