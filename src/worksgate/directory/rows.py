"""Conversion between rows and values."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from worksgate.audit import AuditEvent, event_named, reason_named
from worksgate.credentials.usernames import username_key
from worksgate.database.audit_rows import COLUMNS
from worksgate.database.direct_reads import Row
from worksgate.directory import Account
from worksgate.directory.people_index import found_by
from worksgate.oauth.model import (
    Client,
    ClientSecret,
    ErrorStatus,
    ErrorStyle,
    ImapPasswords,
    Profile,
    SecondFactor,
    SessionKeyCheck,
    UserKey,
)

ENUMS: Mapping[str, type[StrEnum]] = {
    "profile": Profile,
    "user_key": UserKey,
    "session_key_check": SessionKeyCheck,
    "error_style": ErrorStyle,
    "error_status": ErrorStatus,
    "second_factor": SecondFactor,
    "imap_passwords": ImapPasswords,
}
"""Fields of a client that are enumerations."""

LISTS = frozenset(
    ("redirect_uris", "logout_redirect_uris", "allowed_addresses", "sources", "rules")
)
"""Fields of a client that are lists."""

_ACCOUNT_FIELDS = tuple(field.name for field in fields(Account))
_CLIENT_FIELDS = tuple(field.name for field in fields(Client) if field.name != "secrets")


def account_from(row: Row) -> Account:
    values = {name: row[name] for name in _ACCOUNT_FIELDS}
    return Account(**{**values, "groups": tuple(row["groups"])})


def account_values(account: Account) -> dict[str, Any]:
    values = {name: getattr(account, name) for name in _ACCOUNT_FIELDS}
    return {
        **values,
        "groups": list(account.groups),
        "username_key": username_key(account.username),
        **found_by(account),
    }


def client_from(row: RowMapping, secrets: Iterable[RowMapping]) -> Client:
    values: dict[str, Any] = {name: row[name] for name in _CLIENT_FIELDS}
    values |= {name: kind(row[name]) for name, kind in ENUMS.items()}
    values |= {name: tuple(row[name]) for name in LISTS}
    return Client(**values, secrets=tuple(map(_secret_from, secrets)))


def client_values(client: Client) -> dict[str, Any]:
    values = {name: getattr(client, name) for name in _CLIENT_FIELDS}
    values |= {name: values[name].value for name in ENUMS}
    values |= {name: list(values[name]) for name in LISTS}
    return {**values, "name_key": username_key(client.name)}


def secret_values(client_id: str, secret: ClientSecret) -> dict[str, Any]:
    return {
        "digest": secret.digest,
        "client_id": client_id,
        "created_at": secret.created_at,
        "expires_at": secret.expires_at,
    }


def event_from(row: RowMapping) -> AuditEvent:
    """The record in a row; events and reasons of a newer version keep their names."""
    values = {name: row[name] for name in COLUMNS}
    reason = row["reason"]
    return AuditEvent(
        **{
            **values,
            "event": event_named(row["event"]),
            "reason": None if reason is None else reason_named(reason),
        }
    )


def _secret_from(row: RowMapping) -> ClientSecret:
    return ClientSecret(row["digest"], row["expires_at"], row["created_at"])
