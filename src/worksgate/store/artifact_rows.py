"""Shared by the SQL stores: conversion between artifacts and rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from worksgate.oauth.model import AccessToken, Artifact, LoginKind
from worksgate.store import A


@dataclass(frozen=True, slots=True)
class ArtifactSql:
    """The statements of one kind of artifact; ``values`` gives the parameters of an insertion."""

    columns: tuple[str, ...]
    values: Callable[[Artifact], tuple[Any, ...]]
    find: str
    held: str
    save: str
    add: str
    take: str
    extend: str


_LOGIN_KINDS: Mapping[str, LoginKind] = {kind.value: kind for kind in LoginKind}


def values_of(kind: type[Artifact]) -> Callable[[Artifact], tuple[Any, ...]]:
    """Returns a function for the values of an artifact, in the order of its fields."""
    # A driver is several times faster with a str than with a subclass of it.
    fields = kind.__struct_fields__
    return attrgetter(*("login_kind.value" if name == "login_kind" else name for name in fields))


def artifact_from(kind: type[A], columns: tuple[str, ...], row: Iterable[Any]) -> A:
    """The artifact of a row, with values in the order of ``columns``; further ones are ignored."""
    if kind is AccessToken:  # read at every user info call, so it is worth the lines
        key, grant, subject, client, expires, user, login, login_kind = row
        token: Any = AccessToken(
            key=key,
            grant_id=grant,
            subject_id=subject,
            client_id=client,
            expires_at=expires,
            user_id=user,
            login_id=login,
            login_kind=_LOGIN_KINDS[login_kind],
        )
        return token  # type: ignore[no-any-return]  # A is AccessToken here
    values = dict(
        zip(columns, row, strict=False)
    )  # the row of a redeemable artifact ends with its use
    if "login_kind" in values:
        values["login_kind"] = _LOGIN_KINDS[values["login_kind"]]
    return kind(**values)
