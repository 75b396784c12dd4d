"""The built-in directory as an identity source."""

import asyncio
import time
from collections.abc import Callable

import structlog

from worksgate.credentials import HashingBusy, PasswordHashing
from worksgate.directory import Account, DirectoryUnavailable
from worksgate.directory.database import Directory
from worksgate.sources import Person, PersonDisabled, SourceUnavailable

_PREFIX = "directory:"
_NOTE_TIMEOUT = 1.0

_log = structlog.get_logger("worksgate.sources.directory")


class DirectorySource:
    """Checks passwords against the accounts of the database."""

    name = "directory"

    def __init__(
        self,
        directory: Directory,
        hashing: PasswordHashing,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._hashing = hashing
        self._clock = clock

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None; one hash is checked in any case.

        Raises PersonDisabled (only after the password was right), SourceUnavailable where the
        database does not answer, or HashingBusy.
        """
        account = await self._asked_by_username(username)
        encoded = account.password_hash if account is not None else None
        right = await self._hashing.verify(password, encoded)
        if account is None or not right:
            return None
        return await self._admit(account, password)

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """Return a person as they are now, or None. Raises SourceUnavailable."""
        if not subject_id.startswith(_PREFIX):
            return None
        account = await self._asked_by_id(subject_id.removeprefix(_PREFIX))
        if account is None or not account.enabled:
            return None
        person = account.person
        return person if last_seen.revision in (None, person.revision) else None

    async def _admit(self, verified: Account, password: str) -> Person | None:
        """The person as they are after the hashing, in which an administrator may have acted."""
        account = await self._asked_by_id(verified.id)
        if account is None or account.password_hash != verified.password_hash:
            return None
        if not account.enabled:
            raise PersonDisabled
        await self._note_login(account, password)
        return account.person

    async def _note_login(self, account: Account, password: str) -> None:
        """Keep the time, and a stronger hash if there is one; a login does not fail by this."""
        try:
            stronger = await self._rehashed(account, password)
            async with asyncio.timeout(_NOTE_TIMEOUT):
                await self._directory.record_login(account, self._clock(), password_hash=stronger)
        except (DirectoryUnavailable, TimeoutError):
            _log.warning("directory.login_not_noted", account_id=account.id)

    async def _rehashed(self, account: Account, password: str) -> str | None:
        """A hash with today's parameters where the present one is older (R-75)."""
        if not self._hashing.needs_rehash(account.password_hash or ""):
            return None
        try:
            return await self._hashing.hash(password)
        except HashingBusy:
            return None  # the next login will do

    async def _asked_by_username(self, username: str) -> Account | None:
        try:
            return await self._directory.account_by_username(username)
        except DirectoryUnavailable as error:
            raise SourceUnavailable(str(error)) from error

    async def _asked_by_id(self, account_id: str) -> Account | None:
        try:
            return await self._directory.account_by_id(account_id)
        except DirectoryUnavailable as error:
            raise SourceUnavailable(str(error)) from error
