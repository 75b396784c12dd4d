"""App passwords: 120 bits for one mail program, which cannot ask for a second factor (R-63).

They are generated here, so a plain digest suffices for storage, and checking one costs no slow
hash: a mail program signs in whenever it checks for mail. They are valid for the IMAP/CalDAV login
only.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from worksgate.audit import Event
from worksgate.credentials.secrets import digest, new_id
from worksgate.credentials.usernames import username_key
from worksgate.database import DatabaseUnavailable
from worksgate.directory.app_passwords import AppPassword, AppPasswordRows
from worksgate.directory.audit.writer import log_events
from worksgate.provider.factors.codes import clean_name, grouped, new_code, read_code
from worksgate.provider.factors.model import Holder, TooMany

LENGTH = 24
"""Characters, of five bits each."""
MAX_APP_PASSWORDS = 50
"""Per person."""

_NOTED_EVERY = 300.0
"""Seconds: "last used" is for people, and each update is a write to the disk."""
_NOTE_TIMEOUT = 0.5

_log = structlog.get_logger("worksgate.provider.factors.app_passwords")


@dataclass(frozen=True, slots=True)
class NewAppPassword:
    """An app password, and the password itself, which is shown once and not stored."""

    app_password: AppPassword
    password: str = field(repr=False)


class AppPasswords:
    """Creates, lists, removes and checks them; every method may raise DatabaseUnavailable."""

    def __init__(self, rows: AppPasswordRows) -> None:
        self._rows = rows

    async def of(self, subject_id: str) -> tuple[AppPassword, ...]:
        """A person's app passwords, the oldest first."""
        return await self._rows.of(subject_id)

    async def add(self, holder: Holder, name: str, now: float) -> NewAppPassword:
        """Create an app password. Raises TooMany."""
        code = new_code(LENGTH)
        app_password = AppPassword(
            id=new_id(),
            subject_id=holder.subject_id,
            name=clean_name(name),
            created_at=now,
            digest=digest(code),
        )
        event = holder.event(Event.APP_PASSWORD_ADDED, now, app_password.name)
        if not await self._rows.add(app_password, MAX_APP_PASSWORDS, event):
            raise TooMany(f"there are {MAX_APP_PASSWORDS} app passwords already")
        log_events([event])
        return NewAppPassword(app_password, grouped(code))

    async def remove(self, holder: Holder, app_password_id: str, now: float) -> bool:
        """Remove one of this person's; False if they have none with this ID."""
        own = await self._rows.of(holder.subject_id)
        removed = next((each for each in own if each.id == app_password_id), None)
        if removed is None:
            return False
        event = holder.event(Event.APP_PASSWORD_REMOVED, now, removed.name)
        if not await self._rows.remove(holder.subject_id, removed.id, event):
            return False
        log_events([event])
        return True

    async def verify(self, username: str, password: str, now: float) -> str | None:
        """The subject whose app password this is, or None.

        ``username`` must be one of theirs, in any spelling: the username, the works account or the
        e-mail address. Whether they may sign in is for the caller to check.
        """
        code = read_code(password, LENGTH)
        if code is None:
            return None
        found = await self._rows.find(digest(code))
        if found is None:
            return None
        names = await self._rows.names_of(found.subject_id)
        if username_key(username) not in map(username_key, names):
            return None
        await self._note_use(found, now)
        return found.subject_id

    async def _note_use(self, app_password: AppPassword, now: float) -> None:
        """Update the time, occasionally; a failure does not affect the sign-in."""
        if now - (app_password.last_used_at or 0.0) < _NOTED_EVERY:
            return
        try:
            async with asyncio.timeout(_NOTE_TIMEOUT):
                await self._rows.note_use(app_password, now)
        except (DatabaseUnavailable, TimeoutError):
            _log.warning("app_password.use_not_noted", app_password_id=app_password.id)
