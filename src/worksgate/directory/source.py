"""The built-in directory as an identity source."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.imported_hashes.turns import Turn
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy, PasswordHashing
from worksgate.credentials.password_policy import Weakness, WeakPassword
from worksgate.database import DatabaseUnavailable
from worksgate.directory import Account
from worksgate.directory.account_rules import password_context
from worksgate.directory.database import Directory
from worksgate.sources import (
    Identified,
    Person,
    PersonDisabled,
    SourceUnavailable,
    TemporaryPasswordExpired,
)

TEMPORARY_LIFETIME = 7 * 86_400.0
"""Lifetime in seconds of a password from an administrator (R-84)."""

REFUSAL_TIME = 1.5
"""Seconds: longer than an imported hash takes, whose cost is limited, and within a page's 2.5."""
_LOOKED_FOR = 10.0
"""Seconds for which it is cached whether there are imported hashes."""

_PREFIX = "directory:"
_NOTE_TIMEOUT = 1.0

_log = structlog.get_logger("worksgate.directory.source")


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """The account of a name, and the turn that its password check has if it needs one."""

    account: Account | None
    turn: Turn | None

    @property
    def encoded(self) -> str | None:
        return self.account.password_hash if self.account is not None else None


class DirectorySource:
    """Checks passwords of accounts in the database.

    ``temporary_lifetime`` is the lifetime in seconds of a password that must be changed; the words
    of ``company`` are on the block list for new ones.
    """

    name = "directory"

    def __init__(
        self,
        directory: Directory,
        hashing: PasswordHashing,
        *,
        company: str = "",
        temporary_lifetime: float = TEMPORARY_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._hashing = hashing
        self._company = company
        self._temporary_lifetime = temporary_lifetime
        self._clock = clock
        self._refusal_time = 0.0
        self._looked_at = -math.inf

    async def refusal_time(self) -> float:
        """Seconds after which a refusal reveals nothing: not 0 while a hash is an imported one.

        Those take longer than ours, so the time of a refusal would reveal who is in the directory
        (R-121). Raises SourceUnavailable.
        """
        if time.monotonic() - self._looked_at >= _LOOKED_FOR:
            try:
                has_imported = await self._directory.has_imported_hashes()
            except DatabaseUnavailable as error:
                raise SourceUnavailable(str(error)) from error
            self._refusal_time = REFUSAL_TIME if has_imported else 0.0
            self._looked_at = time.monotonic()
        return self._refusal_time

    def check_capacity(self, *, is_known: bool = True) -> None:
        """As in ``HasCapacity``."""
        self._hashing.check_capacity(is_known=is_known)

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None; one hash is checked in any case.

        Raises PersonDisabled or TemporaryPasswordExpired (only after the password was right),
        SourceUnavailable if the database does not respond, or HashingBusy.
        """
        return await self.verify(await self.identify(username), password, admitted=True)

    async def identify(self, username: str) -> Identified:
        """The account, which is counted by its name only; and a turn, for everybody (R-145)."""
        account = await self._account_by_username(username)
        turn = self._hashing.take_turn() if (has_turns := bool(await self.refusal_time())) else None
        return Identified(
            username,
            kept=_LookedUp(account, turn),
            is_found=account is not None,
            is_busy=has_turns and turn is None,
            subject_id=None if account is None else account.person.subject_id,
        )

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        """Like ``authenticate``. Raises BusyRefusal for any refusal if there was no turn."""
        looked_up: _LookedUp = identified.kept
        right = await self._is_right(identified, password)
        person = None
        if looked_up.account is not None and right and admitted:
            try:
                person = await self._admit(looked_up.account, password)
            except TemporaryPasswordExpired:
                if not identified.is_busy:
                    raise
        if person is None and identified.is_busy:
            raise BusyRefusal
        return person

    async def is_password(self, username: str, password: str) -> bool:
        """Whether it is this person's password; that does not sign them in, and nothing is stored.

        One hash is checked in any case. Raises SourceUnavailable or HashingBusy.
        """
        identified = await self.identify(username)
        right = await self._is_right(identified, password)
        if identified.is_busy and not right:
            raise BusyRefusal
        return right

    async def set_password(
        self,
        subject_id: str,
        new_password: str,
        *,
        actor: str | None = None,
        revision: str | None = None,
        ends_app_passwords: bool = True,
    ) -> Person | None:
        """Store the password that a person chose, and return them as they are now.

        They have been authenticated before; ``revision`` is that of the person then, ``actor``
        whoever acts on their behalf. None if they are gone or disabled, or somebody else has
        changed the password since: nothing is stored then. Their app passwords are deleted if
        ``ends_app_passwords``; ending their sessions is up to the caller. Raises WeakPassword,
        SourceUnavailable or HashingBusy.
        """
        if not subject_id.startswith(_PREFIX):
            return None
        account = await self._account_by_id(subject_id.removeprefix(_PREFIX))
        if account is None or not account.enabled:
            return None
        if revision not in (None, account.person.revision):
            return None
        encoded = await self._chosen(account, new_password)
        return await self._keep_password(
            account, encoded, actor, ends_app_passwords=ends_app_passwords
        )

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """The person's current state, or None. Raises SourceUnavailable."""
        if not subject_id.startswith(_PREFIX):
            return None
        account = await self._account_by_id(subject_id.removeprefix(_PREFIX))
        if account is None or not account.enabled:
            return None
        person = account.person
        return person if last_seen.revision in (None, person.revision) else None

    async def _is_right(self, identified: Identified, password: str) -> bool:
        """Whether the password is right; an imported hash is not checked without a turn."""
        looked_up: _LookedUp = identified.kept
        right = await self._hashing.verify(
            password, looked_up.encoded, checks_imported=not identified.is_busy
        )
        if right and looked_up.turn is not None:
            self._hashing.release(looked_up.turn)
        return right

    async def _admit(self, verified: Account, password: str) -> Person | None:
        """The person after the hashing, during which an administrator may have acted.

        Raises PersonDisabled or TemporaryPasswordExpired.
        """
        await self._read_ahead(verified.person.subject_id)
        account = await self._account_by_id(verified.id)
        if account is None or not await self._is_still_right(account, verified, password):
            return None
        if not account.enabled:
            raise PersonDisabled
        if self._has_expired(account):
            _log.warning("directory.temporary_password_expired", account_id=account.id)
            raise TemporaryPasswordExpired
        await self._keep_stronger_hash(account, password)
        return account.person

    async def _is_still_right(self, account: Account, verified: Account, password: str) -> bool:
        """Whether the password is right; the hash may have been strengthened since."""
        if account.password_hash == verified.password_hash:
            return True
        return await self._hashing.verify(password, account.password_hash)

    def _has_expired(self, account: Account) -> bool:
        given = account.password_changed_at or account.created_at
        return account.must_change_password and given + self._temporary_lifetime <= self._clock()

    async def _chosen(self, account: Account, password: str) -> str:
        """The hash of an allowed password that is not their current one (R-85)."""
        context = password_context(account, self._company)
        await self._hashing.check_new(password, context, whose=account.person.subject_id)
        if await self._hashing.verify(password, account.password_hash):
            raise WeakPassword(Weakness.SAME)
        return await self._hashing.hash(password)

    async def _keep_password(
        self, account: Account, encoded: str, actor: str | None, *, ends_app_passwords: bool
    ) -> Person | None:
        now = self._clock()
        event = AuditEvent(
            event=Event.USER_CHANGED,
            at=now,
            actor=actor,
            subject_id=account.person.subject_id,
            username=account.username,
            detail="changed their password",
        )
        try:
            kept = await self._directory.change_password(
                account.id,
                encoded,
                now,
                expected_hash=account.password_hash,
                event=event,
                ends_app_passwords=ends_app_passwords,
            )
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error
        changed = await self._account_by_id(account.id) if kept else None
        return None if changed is None else changed.person

    async def _keep_stronger_hash(self, account: Account, password: str) -> None:
        """Store a hash with current parameters, if due; a failure does not affect the sign-in."""
        try:
            stronger = await self._rehashed(account, password)
            if stronger is not None:
                async with asyncio.timeout(_NOTE_TIMEOUT):
                    await self._directory.keep_hash(account, stronger)
        except (DatabaseUnavailable, TimeoutError):
            _log.warning("directory.hash_not_kept", account_id=account.id)

    async def _rehashed(self, account: Account, password: str) -> str | None:
        """A hash with current parameters if the stored one is older (R-75)."""
        if not self._hashing.needs_rehash(account.password_hash or ""):
            return None
        try:
            return await self._hashing.hash(password)
        except HashingBusy:
            return None  # the next sign-in will do

    async def _read_ahead(self, subject_id: str) -> None:
        """Read the factors of somebody who is signing in together with their account."""
        try:
            await self._directory.read_ahead.person(subject_id)
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error

    async def _account_by_username(self, username: str) -> Account | None:
        try:
            return await self._directory.account_by_username(username)
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error

    async def _account_by_id(self, account_id: str) -> Account | None:
        try:
            return await self._directory.account_by_id(account_id)
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error
