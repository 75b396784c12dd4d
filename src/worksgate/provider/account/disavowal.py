"""“This was not me”: the link in a notice, with which a person revokes everything at once.

It only revokes and never grants access. Everything the person holds is revoked, factors added since
the change are removed, and the password stops working until there is a new one. If a second factor
was removed, the account stays closed until an administrator opens it: otherwise somebody with
access to the mailbox could remove the factor with this link, and then request a reset link. People
of another source keep their password there.

The link is valid for a week and works once; the person's other links end with it. Opening it
changes nothing, since mail scanners open links too (``one_time_links``).
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import msgspec

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import digest
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.database.repository import run_to_completion
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.directory.endings import Endings
from worksgate.directory.people import People
from worksgate.directory.transaction import Transaction
from worksgate.limits.networks import network_of
from worksgate.limits.rate_limit import RateLimit
from worksgate.provider.account.one_time_links import LinkNotValid, OneTimeLink, OneTimeLinks
from worksgate.provider.factors import Holder
from worksgate.provider.revocation import Revocation
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable

NOT_ME_PATH: Final = "/not-me"
"""Path of the page of a link, under ``account_path``."""
LIFETIME: Final = 7 * 86_400.0
"""Lifetime of a link in seconds: mail is read after the holidays, too."""
PER_NETWORK: Final = 30
"""Invalid links that one network may try within ``WINDOW`` seconds."""
WINDOW: Final = 3_600.0

_PURPOSE: Final = "disavowal"


class TooManyTries(Exception):
    """Too many invalid links were tried from this network within the hour."""


class Directory(Protocol):
    """The part of the directory that this module needs."""

    @property
    def endings(self) -> Endings: ...

    @property
    def people(self) -> People: ...

    async def person(self, subject_id: str) -> Person | None: ...

    async def account_by_id(self, id: str) -> Account | None: ...  # noqa: A002  # as there

    async def record(self, events: Sequence[AuditEvent]) -> None: ...

    def changing(self) -> AbstractAsyncContextManager[Transaction]: ...


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The change that a link disavows."""

    subject_id: str
    username: str
    change: Change
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disavowable:
    """What a valid link stands for; ``source`` is the name of the person's source."""

    username: str
    source: str
    change: Change
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disavowed:
    """The effects of a link.

    ``source`` is the name of the person's source; ``password_is_ours`` is true for the built-in
    directory, whose password was voided. ``is_closed``: an administrator must enable the person
    again.
    """

    username: str
    source: str
    password_is_ours: bool
    is_closed: bool


class DisavowalLinks:
    """Makes links."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._url = settings.account_url + NOT_ME_PATH
        self._links = _links_in(store)

    async def make(self, change: CredentialChange) -> str:
        """A link with which the person disavows this change. Raises StoreUnavailable."""
        event = change.event
        bound = _Bound(
            subject_id=event.subject_id or "",
            username=event.username or "",
            change=change.change,
            at=event.at,
        )
        owner, expires_at = _owner(bound.subject_id), event.at + LIFETIME
        return await self._links.make(self._url, bound, owner=owner, expires_at=expires_at)


class Disavowal:
    """Validates links and applies them; an outage is DatabaseUnavailable or StoreUnavailable."""

    def __init__(self, directory: Directory, store: Store, revocation: Revocation) -> None:
        self._directory = directory
        self._store = store
        self._links = _links_in(store)
        self._revocation = revocation
        self._guesses = RateLimit(PER_NETWORK, window=WINDOW)
        self.unfinished: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Finish work in progress."""
        await asyncio.gather(*self.unfinished, return_exceptions=True)

    async def open(self, secret: str, address: str, now: float) -> Disavowable | None:
        """What a link stands for, or None; it stays valid. Raises TooManyTries."""
        try:
            bound = (await self._found(secret, address, now)).bound
        except LinkNotValid:
            return None
        return Disavowable(
            username=bound.username,
            source=_source_of(bound),
            change=bound.change,
            at=bound.at,
        )

    async def use(self, secret: str, address: str, now: float) -> Disavowed:
        """Revoke everything; of several callers exactly one succeeds.

        Raises LinkNotValid or TooManyTries. After an outage the link is still valid.
        """
        return await self._use(await self._found(secret, address, now), address, now)

    async def _found(self, secret: str, address: str, now: float) -> OneTimeLink[_Bound]:
        """The link with this secret. Raises LinkNotValid or TooManyTries.

        Only invalid links are counted, and in memory: a neighbour on the same network cannot block
        somebody's link, and unauthenticated callers cannot fill the store.
        """
        try:
            return await self._links.find(secret, now)
        except LinkNotValid:
            if self._guesses.exceeded(network_of(address), now):
                raise TooManyTries from None
            raise

    @run_to_completion  # closing the browser must not leave a used link and half of its effects
    async def _use(self, link: OneTimeLink[_Bound], address: str, now: float) -> Disavowed:
        await self._links.use_up(link)
        try:
            done = await self._end(link.bound, address, now)
        except (DatabaseUnavailable, StoreUnavailable):
            with suppress(StoreUnavailable):
                await self._links.restore(link)
            raise
        # There is nothing left to revoke for the person's other links.
        await self._store.forget(_owner(link.bound.subject_id))
        return done

    async def _end(self, bound: _Bound, address: str, now: float) -> Disavowed:
        holder = Holder(subject_id=bound.subject_id, username=bound.username, address=address)
        loses_factor = await self._directory.endings.newer_factors(bound.subject_id, bound.at) > 0
        closed = await self._shut(holder, now, closes=loses_factor)
        ended = await self._revocation.end_everything(
            holder, Change.DISAVOWED, now, factors_since=bound.at
        )
        if ended.factors and not loses_factor:  # it was added at this moment
            closed = await self._shut(holder, now, closes=True)
        return Disavowed(
            username=bound.username,
            source=_source_of(bound),
            password_is_ours=_is_ours(holder),
            is_closed=closed,
        )

    async def _shut(self, holder: Holder, now: float, *, closes: bool) -> bool:
        """Void the password, if it is kept here, and close the account; whether it is closed."""
        if _is_ours(holder):
            return await self._void_password(holder, now, closes=closes)
        return await self._close_person(holder, now) if closes else False

    async def _void_password(self, holder: Holder, now: float, *, closes: bool) -> bool:
        """Remove the account's password; return whether it is closed then."""
        account = await self._directory.account_by_id(
            holder.subject_id.removeprefix(SUBJECT_PREFIX)
        )
        if account is None:
            return False
        try:
            async with self._directory.changing() as transaction:
                before = await transaction.account(account.username)
                if before is None or before.id != account.id:
                    raise DatabaseUnavailable("the account was changed at this moment")
                after = replace(
                    before,
                    password_hash=None,
                    password_changed_at=now,
                    must_change_password=False,
                    enabled=before.enabled and not closes,
                )
                await transaction.change_account(before, after, now, Change.PASSWORD_VOIDED)
                await transaction.record(
                    _disavowal_event(holder, now, closes=closes, password=True)
                )
        except Conflict as conflict:
            raise DatabaseUnavailable(str(conflict)) from conflict
        return not after.enabled

    async def _close_person(self, holder: Holder, now: float) -> bool:
        event = _disavowal_event(holder, now, closes=True, password=False)
        return bool(await self._directory.people.set_enabled(holder.subject_id, False, event))


def _source_of(bound: _Bound) -> str:
    return bound.subject_id.partition(":")[0]


def _is_ours(holder: Holder) -> bool:
    return holder.subject_id.startswith(SUBJECT_PREFIX)


def _disavowal_event(holder: Holder, now: float, *, closes: bool, password: bool) -> AuditEvent:
    """An audit record of what the person requested with the link."""
    done = [*(["the password was voided"] if password else []), *(["disabled"] if closes else [])]
    return holder.event(Event.USER_CHANGED, now, f"“this was not me”: {', '.join(done)}")


def _links_in(store: Store) -> OneTimeLinks[_Bound]:
    return OneTimeLinks(store, _PURPOSE, _Bound)


def _owner(subject_id: str) -> str:
    """Owner of the links: signing out everywhere, or a new password, does not delete them."""
    return f"disavowal {digest(subject_id)}"
