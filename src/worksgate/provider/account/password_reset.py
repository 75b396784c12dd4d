"""Password reset: a new password by a one-time link, or by a code that is read out.

People ask for a link (``reset_requests``), or an administrator makes one or a code
(``reset_links``). It lets its holder choose the password, but does not sign them in: a second
factor is still required at the next sign-in. Everything the person held is revoked (R-30).
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import structlog

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.database.repository import run_to_completion
from worksgate.directory import Account
from worksgate.directory.account_rules import password_context
from worksgate.directory.audit.writer import log_events
from worksgate.directory.credential_changes import Change
from worksgate.limits.outages import Unavailable
from worksgate.provider.account.one_time_links import LinkNotValid
from worksgate.provider.account.reset_links import CODE_LENGTH, Accounts, ResetLink
from worksgate.provider.account.reset_requests import ResetRequests
from worksgate.provider.factors.codes import read_code
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable

_log = structlog.get_logger("worksgate.provider.account.password_reset")


@dataclass(frozen=True, slots=True)
class ResetTicket:
    """A valid link, and whose password it can change; ``expires_at`` in seconds since the epoch."""

    person: Person
    expires_at: float


class PasswordReset:
    """Changes passwords with links, which ``requests`` sends and ``links`` makes."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        store: Store,
        hashing: PasswordHashing,
        requests: ResetRequests,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._store = store
        self._hashing = hashing
        self.requests = requests
        self.links = requests.links
        self.unfinished: set[asyncio.Task[Any]] = set()

    async def open(self, secret: str, now: float) -> ResetTicket | None:
        """Whose password a link can change, or None; the link stays valid.

        Raises DatabaseUnavailable or StoreUnavailable.
        """
        try:
            link = await self.links.find(secret, now)
        except LinkNotValid:
            return None
        return ResetTicket(link.account.person, link.found.kept.expires_at)

    async def open_code(self, typed: str, now: float) -> str | None:
        """The secret of the link that a code stands for, or None; the code stays valid.

        Raises DatabaseUnavailable or StoreUnavailable.
        """
        code = read_code(typed, CODE_LENGTH)
        return code if code is not None and await self.open(code, now) is not None else None

    async def finish(
        self,
        secret: str,
        new_password: str,
        now: float,
        *,
        address: str | None = None,
    ) -> Person:
        """Change the password, revoke everything the person holds, and return the person.

        Their app passwords are revoked, too.

        Raises WeakPassword if the password is not accepted, and HashingBusy, DatabaseUnavailable or
        StoreUnavailable: the link is still valid then. Raises LinkNotValid if it is not, and for
        all but one of concurrent callers.
        """
        link = await self.links.find(secret, now)
        context = password_context(link.account, self._settings.company_name)
        await self._hashing.check_new(new_password, context, whose=link.account.person.subject_id)
        hashed = await self._hashing.hash(new_password)
        return await self._use(link, hashed, now, address)

    async def close(self, within: float = 5.0) -> None:
        """Finish work in progress and answer waiting requests, for at most ``within`` seconds."""
        await asyncio.gather(*self.unfinished, return_exceptions=True)
        await self.requests.close(within)

    @run_to_completion  # closing the browser must not leave a used link and no change
    async def _use(self, link: ResetLink, hashed: str, now: float, address: str | None) -> Person:
        await self.links.use_up(link)
        try:
            # Before the change: a session that outlived it would be a way in for an attacker.
            await self._store.forget(link.account.person.subject_id)
            person = await self._change(link.account, hashed, now, address)
        except Unavailable:
            await self._restore(link)
            raise
        await self._forget_again(person)
        return person

    async def _change(self, seen: Account, hashed: str, now: float, address: str | None) -> Person:
        """Store the new password together with its audit record, unless it has changed."""
        try:
            async with self._accounts.changing() as transaction:
                before = await transaction.account(seen.username)
                if before is None or not before.enabled or not _is_same(before, seen):
                    raise LinkNotValid
                after = replace(
                    before,
                    password_hash=hashed,
                    password_changed_at=now,
                    must_change_password=False,
                )
                await transaction.change_account(before, after, now, Change.PASSWORD_RESET)
                event = _changed(after.person, now, address)
                await transaction.record(event)
        except Conflict as conflict:
            raise DatabaseUnavailable(str(conflict)) from conflict
        log_events([event])
        return after.person

    async def _restore(self, link: ResetLink) -> None:
        try:
            await self.links.restore(link)
        except StoreUnavailable as error:
            _log.warning("password_reset.link_lost", reason=str(error))

    async def _forget_again(self, person: Person) -> None:
        """Revoke what was begun with the old password while it was being changed."""
        try:
            await self._store.forget(person.subject_id)
        except StoreUnavailable as error:
            _log.error(
                "password_reset.not_forgotten", subject_id=person.subject_id, reason=str(error)
            )


def _is_same(account: Account, seen: Account) -> bool:
    """Whether neither password nor role has changed since; a stronger hash counts as a change."""
    return _state_of(account) == _state_of(seen)


def _state_of(account: Account) -> tuple[object, ...]:
    return account.id, account.password_hash, account.password_changed_at, account.role


def _changed(person: Person, now: float, address: str | None) -> AuditEvent:
    return AuditEvent(
        event=Event.PASSWORD_CHANGED,
        at=now,
        subject_id=person.subject_id,
        username=person.username,
        address=address,
        detail="chosen by a reset link",
    )
