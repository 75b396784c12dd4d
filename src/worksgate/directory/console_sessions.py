"""Sessions of the console.

A session is only as good as its account at this moment: it ends with the account's role, password,
second factor or permission to sign in (R-152, R-156). Keys are digests of secrets that only the
browser has.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.credentials.secrets import digest
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Repository, run_to_completion
from worksgate.directory.administrators import AdministratorAccount, administrator_by_subject
from worksgate.directory.credential_changes import AnnouncingConnections, Change
from worksgate.directory.preferences import language_of
from worksgate.oauth.model import CLOCK_SKEW

_NAME_LENGTH = 10
_NAME = re.compile(rf"[0-9a-f]{{{_NAME_LENGTH}}}")

_SESSIONS = schema.console_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session of the console; times are seconds since the epoch.

    ``proved_at`` is when a second factor was last used in it, ``assurance`` which factors were.
    ``asked_at`` is when the administrator's source last vouched for them.
    """

    key: str
    subject_id: str
    created_at: float
    used_at: float
    expires_at: float
    proved_at: float | None
    assurance: str = ""
    address: str | None = None
    browser: str | None = None
    asked_at: float | None = None

    @property
    def name(self) -> str:
        """A short name for pages and records, from which the cookie cannot be guessed."""
        return digest(f"console session {self.key}")[:_NAME_LENGTH]


def is_session_name(text: str) -> bool:
    """Whether a text may be the short name of a session."""
    return _NAME.fullmatch(text) is not None


class ConsoleSessionRows(Repository[AnnouncingConnections]):
    """Sessions of the console; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def begin(
        self,
        session: ConsoleSession,
        seen: AdministratorAccount,
        event: AuditEvent,
        *,
        is_told: bool = False,
    ) -> bool:
        """Store a session, with its record, of an account as it was ``seen``.

        ``is_told``: it is from a new place, and announced.

        False if its role, its password or the permission to sign in has changed since: what ends
        sessions would have missed this one (R-156).
        """
        async with self._connections.writing() as connection:
            present = await administrator_by_subject(connection, seen.subject_id)
            if present is None or not present.enabled or _rights(present) != _rights(seen):
                return False
            await connection.execute(insert(_SESSIONS).values(_values(session)))
            await write_events(connection, event)
        if is_told:
            self._connections.publish(Change.CONSOLE_ELSEWHERE, event)
        return True

    @run_to_completion
    async def find(
        self, key: str, now: float
    ) -> tuple[ConsoleSession, AdministratorAccount] | None:
        """A session that is not over, and its account as it is now, if that is enabled."""
        query = select(_SESSIONS).where(
            _SESSIONS.c.key == key,
            _SESSIONS.c.expires_at > now,
            _SESSIONS.c.created_at <= now + CLOCK_SKEW,
        )
        async with self._connections.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                return None
            account = await administrator_by_subject(connection, row["subject_id"])
            language = await language_of(connection, row["subject_id"])
        if account is None or not account.enabled:
            return None
        return _session(row), replace(account, language=language)

    @run_to_completion
    async def of(self, subject_id: str, now: float) -> list[ConsoleSession]:
        """The open sessions of one administrator, the last used first."""
        own = (_SESSIONS.c.subject_id == subject_id, _SESSIONS.c.expires_at > now)
        query = select(_SESSIONS).where(*own).order_by(_SESSIONS.c.used_at.desc())
        async with self._connections.reading() as connection:
            return [_session(row) for row in (await connection.execute(query)).mappings()]

    @run_to_completion
    async def open(self, now: float, limit: int) -> list[ConsoleSession]:
        """The open sessions of all administrators, the last used first."""
        query = select(_SESSIONS).where(_SESSIONS.c.expires_at > now)
        latest = query.order_by(_SESSIONS.c.used_at.desc(), _SESSIONS.c.key).limit(limit)
        async with self._connections.reading() as connection:
            return [_session(row) for row in (await connection.execute(latest)).mappings()]

    @run_to_completion
    async def use(self, session: ConsoleSession) -> None:
        """Keep when a session was used, when its source was asked, and when it ends now."""
        statement = update(_SESSIONS).where(_SESSIONS.c.key == session.key)
        values = {
            "used_at": session.used_at,
            "expires_at": session.expires_at,
            "asked_at": session.asked_at,
        }
        async with self._connections.writing() as connection:
            await connection.execute(statement.values(values))

    @run_to_completion
    async def prove(self, key: str, now: float) -> None:
        """Note the use of a second factor in a session."""
        async with self._connections.writing() as connection:
            await connection.execute(
                update(_SESSIONS).where(_SESSIONS.c.key == key).values(proved_at=now)
            )

    @run_to_completion
    async def end(self, subject_id: str, key: str | None, event: AuditEvent) -> int:
        """End one of a person's sessions, or all of them with None; return how many."""
        own = [_SESSIONS.c.subject_id == subject_id]
        if key is not None:
            own.append(_SESSIONS.c.key == key)
        async with self._connections.writing() as connection:
            ended = (await connection.execute(delete(_SESSIONS).where(*own))).rowcount
            if ended:
                await write_events(connection, event)
            return ended


async def end_console_sessions(connection: AsyncConnection, subject_id: str) -> int:
    """End all sessions of an administrator, within a transaction; return how many."""
    own = _SESSIONS.c.subject_id == subject_id
    return (await connection.execute(delete(_SESSIONS).where(own))).rowcount


def _rights(account: AdministratorAccount) -> tuple[str | None, str | None, float | None]:
    """What a session of an account depends on, besides that it may sign in."""
    return account.role, account.group_role, account.password_changed_at


def _values(session: ConsoleSession) -> dict[str, Any]:
    return {column.name: getattr(session, column.name) for column in _SESSIONS.c}


def _session(row: Any) -> ConsoleSession:
    return ConsoleSession(**{column.name: row[column.name] for column in _SESSIONS.c})
