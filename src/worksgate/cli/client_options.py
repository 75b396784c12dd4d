"""The options by which a client is set: one for each field of ``oauth.model.Client``.

``client add`` and ``client set`` take the same ones, made from this table; a test compares it with
the fields. An option that is not given changes nothing.
"""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, get_args

import typer

from worksgate.oauth.model import Client

NOT_OPTIONS = frozenset(("client_id", "name", "enabled", "secrets"))
"""Made here once, or the business of a command of its own."""


@dataclass(frozen=True, slots=True)
class ClientOption:
    """One setting: the field, its option, and its sentence for ``--help``."""

    field: str
    sentence: str
    option: str = ""
    metavar: str | None = None

    @property
    def name(self) -> str:
        return self.option or f"--{self.field.replace('_', '-')}"


OPTIONS = (
    ClientOption("profile", "The product; on a new client it sets the defaults below."),
    ClientOption(
        "redirect_uris",
        "Where authorization codes may go: an origin, or an address without its query. "
        "May be given several times; the list is replaced.",
        "--redirect-uri",
        "URL",
    ),
    ClientOption(
        "logout_redirect_uris",
        "Where people may be sent after a logout. May be given several times.",
        "--logout-redirect-uri",
        "URL",
    ),
    ClientOption("user_key", "What LINE WORKS is told: the console setting SSO User Key."),
    ClientOption(
        "domain", "The tenant's domain, for links back to LINE WORKS; '' for none.", "", "DOMAIN"
    ),
    ClientOption("require_state", "Refuse a redirect_uri that carries no state."),
    ClientOption("logout_queries", "Let addresses after a logout have a query."),
    ClientOption(
        "redirect_denials", "Offer to cancel a login, and tell LINE WORKS error=access_denied."
    ),
    ClientOption("session_key_check", "Ask LINE WORKS whether an app's sessionKey is real."),
    ClientOption("error_style", "How errors are named: by their code, or by their text."),
    ClientOption("error_status", "Which HTTP status errors have."),
    ClientOption("expires_in_web", "Seconds that people stay signed in on the web."),
    ClientOption("expires_in_app", "Seconds that people stay signed in in the apps."),
    ClientOption("expires_in_imap", "Seconds that a mail client stays signed in."),
    ClientOption("announce_expires_in", "Tell LINE WORKS these times; otherwise its own hold."),
    ClientOption(
        "access_token_lifetime",
        "The longest life of an access token, if shorter; '' for none.",
    ),
    ClientOption("code_lifetime", "Seconds that an authorization code is good for."),
    ClientOption("refresh_tokens", "Issue refresh tokens."),
    ClientOption("refresh_token_lifetime", "Seconds that a refresh token is good for."),
    ClientOption(
        "allowed_addresses",
        "Network that may call the APIs, such as 192.0.2.0/24. May be given several times; "
        "'' for all.",
        "--allowed-address",
        "NETWORK",
    ),
)

_TYPES: Mapping[str, Any] = {each.name: each.type for each in fields(Client)}


def with_client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's ``**changes`` by the options of the table.

    The command receives the fields of those that were given.
    """
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(option.field, keyword, default=None, annotation=_annotation(option))
        for option in OPTIONS
    ]

    def run(**values: Any) -> None:
        given = {option: values.pop(option.field) for option in OPTIONS}
        changes = {
            option.field: _read(option, value)
            for option, value in given.items()
            if value is not None and value != []
        }
        command(**values, **changes)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    parameters = [each.replace(kind=keyword) for each in own] + added
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _annotation(option: ClientOption) -> Any:
    kind = _TYPES[option.field]
    declared = typer.Option(option.name, metavar=option.metavar, help=option.sentence)
    if kind is bool:
        both = f"{option.name}/--no-{option.name[2:]}"
        return Annotated[bool | None, typer.Option(both, help=option.sentence)]
    if kind is int:
        seconds = typer.Option(option.name, metavar="SECONDS", help=option.sentence)
        return Annotated[int | None, seconds]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Annotated[kind | None, declared]
    if kind == tuple[str, ...]:
        return Annotated[list[str] | None, declared]
    if _is_optional(kind, int):
        return Annotated[
            str | None, typer.Option(option.name, metavar="SECONDS", help=option.sentence)
        ]
    return Annotated[str | None, declared]


def _read(option: ClientOption, value: Any) -> Any:
    """The field's value; an empty text stands for nothing."""
    kind = _TYPES[option.field]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(filter(None, value))
    if _is_optional(kind, int):
        return _seconds(option, value) if value else None
    return (value or None) if _is_optional(kind, str) else value


def _seconds(option: ClientOption, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f"{option.name} takes a number of seconds, or '' for none")
    return int(text)


def _is_optional(kind: Any, inner: type) -> bool:
    return isinstance(kind, types.UnionType) and set(get_args(kind)) == {inner, type(None)}
