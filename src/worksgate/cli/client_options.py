"""The options by which a client is set: one for each field of ``oauth.model.Client``.

``client add`` and ``client set`` take the same ones, made from this table; a test compares it with
the fields. An option that is not given changes nothing.
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

NOT_OPTIONS = frozenset(("client_id", "name", "enabled", "secrets"))
"""Made here once, or the business of a command of its own."""


@dataclass(frozen=True, slots=True)
class ClientOption:
    """One setting: the field, its sentence for ``--help``, and its option where that differs."""

    field: str
    sentence: str
    option: str = ""
    metavar: str = "TEXT"

    @property
    def name(self) -> str:
        return self.option or f"--{self.field.replace('_', '-')}"


OPTIONS = (
    ClientOption("profile", "The product. A new client begins with its defaults."),
    ClientOption(
        "redirect_uris",
        "Where authorization codes may go: an origin, or an address without its query. "
        "Can be given several times; the whole list is set.",
        "--redirect-uri",
        "URL",
    ),
    ClientOption(
        "logout_redirect_uris",
        "Where people may be sent after signing out. Can be given several times; '' for none.",
        "--logout-redirect-uri",
        "URL",
    ),
    ClientOption("user_key", "What LINE WORKS is told: the console setting SSO User Key."),
    ClientOption(
        "domain", "The tenant's domain, for links back to LINE WORKS; '' for none.", "", "DOMAIN"
    ),
    ClientOption("require_state", "Whether a redirect_uri must carry a state."),
    ClientOption("logout_queries", "Whether the address after signing out may have a query."),
    ClientOption(
        "redirect_denials",
        "Whether a sign-in can be cancelled, which tells LINE WORKS error=access_denied.",
    ),
    ClientOption(
        "session_key_check", "Whether LINE WORKS is asked if an app's sessionKey is real."
    ),
    ClientOption("error_style", "How errors are named: by their code, or by their text."),
    ClientOption("error_status", "Which HTTP status errors have."),
    ClientOption("expires_in_web", "How long people stay signed in on the web."),
    ClientOption("expires_in_app", "How long people stay signed in in the apps."),
    ClientOption(
        "expires_in_imap",
        "How long mail and calendar clients stay signed in.",
    ),
    ClientOption(
        "announce_expires_in", "Whether LINE WORKS is told these times; else its own hold."
    ),
    ClientOption(
        "access_token_lifetime", "The longest life of an access token, if shorter; '' for none."
    ),
    ClientOption("code_lifetime", "How long an authorization code is good."),
    ClientOption("refresh_tokens", "Whether refresh tokens are issued."),
    ClientOption("refresh_token_lifetime", "How long a refresh token is good."),
    ClientOption(
        "allowed_addresses",
        "A network that may call the APIs, such as 192.0.2.0/24. Can be given several times; "
        "'' for all.",
        "--allowed-address",
        "NETWORK",
    ),
    ClientOption(
        "sources",
        "An identity source whose people may sign in. Can be given several times; '' for all.",
        "--source",
        "NAME",
    ),
    ClientOption(
        "second_factor", "Whether a password needs a second factor, where no rule says more."
    ),
    ClientOption(
        "rules",
        "A rule such as 'deny kind=app network=192.0.2.0/24'. Can be given several times; the "
        "first that fits counts, the whole list is set; '' for none.",
        "--rule",
        "RULE",
    ),
    ClientOption("imap_login", "Whether mail and calendar clients can sign in by password."),
    ClientOption("imap_passwords", "Which passwords they may use."),
)

_TYPES: Mapping[str, Any] = {each.name: each.type for each in fields(Client)}


def client_options(command: F) -> F:
    """Give a command the options of the table; their values come by the fields' names."""
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
    """The field's value; an empty text stands for nothing."""
    if isinstance(value, tuple):
        return tuple(filter(None, value))
    if isinstance(value, float):
        return int(value)
    return None if value == "" else value


def _is_optional(kind: Any, inner: type) -> bool:
    return isinstance(kind, types.UnionType) and set(get_args(kind)) == {inner, type(None)}
