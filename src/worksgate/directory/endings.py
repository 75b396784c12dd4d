"""Deletes a person's credentials: app passwords, console sessions, and newer second factors.

One transaction, with an audit record per step. Sessions, tokens and trusted browsers are the
store's (``Store.forget``); ``revocation`` combines both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Repository, run_to_completion
from worksgate.directory.console_sessions import end_console_sessions
from worksgate.directory.credential_changes import AnnouncingConnections, Change
from worksgate.directory.deployer_tokens import end_tokens_of
from worksgate.directory.factors import drop_idle_codes
from worksgate.directory.invitations import end_invitations_of

Describe = Callable[[Event, str], AuditEvent]
"""An audit record about the person, from its kind and its detail."""

_FACTORS: Final[Sequence[tuple[str, Table]]] = (
    ("authenticator app", schema.totp_secrets),
    ("passkey", schema.passkeys),
)


@dataclass(frozen=True, slots=True)
class EndedRows:
    """How many there were; recovery codes alone are not a factor."""

    app_passwords: int = 0
    factors: int = 0


class Endings(Repository[AnnouncingConnections]):
    """Deletes credentials of one person; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def newer_factors(self, subject_id: str, since: float) -> int:
        """How many factors of a person were added at or after a given time."""
        async with self._connections.reading() as connection:
            return sum([len(await _newer(connection, subject_id, t, since)) for _, t in _FACTORS])

    @run_to_completion
    async def end_console_sessions(self, subject_id: str) -> int:
        """End all sessions that a person has in the console; return how many."""
        async with self._connections.writing() as connection:
            return await end_console_sessions(connection, subject_id)

    @run_to_completion
    async def end(
        self,
        subject_id: str,
        change: Change,
        describe: Describe,
        *,
        factors_since: float | None = None,
    ) -> EndedRows:
        """Delete all app passwords, and the factors added at or after ``factors_since``.

        Recovery codes, deployer tokens and invitations from then on are deleted too. With None no
        factor is deleted, and none of those. Idempotent.
        """
        last = describe(Event.USER_CHANGED, change.value)
        async with self._connections.writing() as connection:
            await end_console_sessions(connection, subject_id)
            app_passwords = await end_app_passwords(connection, subject_id)
            factors = await _end_factors(connection, subject_id, factors_since)
            records = [] if change is Change.ACCOUNT_CLOSED else [last]  # which is recorded by then
            if app_passwords:
                detail = f"all: {app_passwords}"
                records.insert(0, describe(Event.APP_PASSWORD_REMOVED, detail))
            records[:0] = [describe(Event.FACTOR_REMOVED, each) for each in factors]
            if factors_since is not None:
                made = await end_made_by(connection, subject_id, factors_since)
                ended = "ended with everything made since then"
                records += [describe(Event.SYSTEM, f"{each} {ended}") for each in made]
            await write_events(connection, *records)
        self._connections.publish(change, last)
        return EndedRows(app_passwords, len(factors))


async def end_app_passwords(connection: AsyncConnection, subject_id: str) -> int:
    """Delete all app passwords of a person, within a transaction; return how many there were."""
    table = schema.app_passwords
    return (
        await connection.execute(delete(table).where(table.c.subject_id == subject_id))
    ).rowcount


async def end_made_by(
    connection: AsyncConnection, subject_id: str, since: float | None = None
) -> list[str]:
    """End what a person has made for others, at all or since; within a transaction. What ended."""
    tokens = await end_tokens_of(connection, subject_id, since)
    invitations = await end_invitations_of(connection, subject_id, since)
    return [
        *(f"the deployer token {each}" for each in tokens),
        *(f"the invitation for {each}" for each in invitations),
    ]


async def _end_factors(
    connection: AsyncConnection, subject_id: str, since: float | None
) -> list[str]:
    """Delete the factors added since a given time; return their names."""
    if since is None:
        return []
    ended: list[str] = []
    for name, table in _FACTORS:
        newer = await _newer(connection, subject_id, table, since)
        own = (table.c.subject_id == subject_id, table.c.created_at >= since)
        await connection.execute(delete(table).where(*own))
        ended += [name] * len(newer)
    codes = schema.recovery_codes.c
    newer_codes = (codes.subject_id == subject_id, codes.created_at >= since)
    await connection.execute(delete(schema.recovery_codes).where(*newer_codes))
    await drop_idle_codes(connection, subject_id)
    return ended


async def _newer(
    connection: AsyncConnection, subject_id: str, table: Table, since: float
) -> Sequence[Any]:
    columns = table.c
    own = (columns.subject_id == subject_id, columns.created_at >= since)
    return (await connection.execute(select(columns.created_at).where(*own))).all()
