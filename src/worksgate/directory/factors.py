"""Storage of second factors: TOTP secrets, passkeys, and digests of recovery codes.

Single use is one statement here: a TOTP step only ever grows, a recovery code is deleted, a
passkey's counter only ever grows; of two concurrent uses only one changes a row. Every change is
committed together with its audit record (I-5), and announced after the commit. Sessions of the
console end with the factor that opened them (R-156). Passkeys of the console are apart from those
of people's own sign-ins: neither counts for the other (R-190). An app and recovery codes count for
both: where a passkey of the console alone protects it, they are made there alone (R-258).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import Conflict, schema
from worksgate.database.direct_reads import Query, Row, one_row
from worksgate.database.recording import write_events
from worksgate.database.repository import Repository, run_to_completion
from worksgate.database.secrets_at_rest import SecretsAtRest, totp_place
from worksgate.directory.administrators import needs_passkey
from worksgate.directory.console_sessions import end_console_sessions
from worksgate.directory.credential_changes import AnnouncingConnections, Change
from worksgate.directory.queries import version_of_person

_TOTP, _CODES, _PASSKEYS = schema.totp_secrets, schema.recovery_codes, schema.passkeys
_OF_PEOPLE = _PASSKEYS.c.console_host.is_(None)
_IN_CONSOLE = _PASSKEYS.alias("console_passkeys")

_OF_ONE = bindparam("subject_id", type_=String)


def enrolled_of(subject_id: ColumnElement[str]) -> tuple[ColumnElement[Any], ...]:
    """All that a person has, where their passkeys are joined (``with_passkeys``)."""
    counts = (
        select(func.count())
        .select_from(table)
        .where(table.c.subject_id == subject_id, *which)
        .scalar_subquery()
        .label(name)
        for name, table, *which in (
            ("totp_secrets", _TOTP),
            ("recovery_codes", _CODES),
            ("console_passkeys", _IN_CONSOLE, _IN_CONSOLE.c.console_host.is_not(None)),
        )
    )
    return *counts, *_PASSKEYS.c


def with_passkeys(
    rows: FromClause, subject_id: ColumnElement[str], which: ColumnElement[bool] = _OF_PEOPLE
) -> FromClause:
    """A row for each of the person's passkeys, or one without any."""
    return rows.outerjoin(_PASSKEYS, and_(_PASSKEYS.c.subject_id == subject_id, which))


def _enrolled(which: ColumnElement[bool]) -> Query:
    return Query(
        select(*enrolled_of(_OF_ONE)).select_from(with_passkeys(one_row(), _OF_ONE, which))
    )


ENROLLED = _enrolled(_OF_PEOPLE)
TOTP_OF = Query(select(_TOTP).where(_TOTP.c.subject_id == _OF_ONE))
_DIGESTS = Query(select(_CODES.c.digest).where(_CODES.c.subject_id == _OF_ONE))
_PASSKEY = Query(
    select(_PASSKEYS).where(_PASSKEYS.c.id == bindparam("id", type_=String), _OF_PEOPLE)
)
_ENROLLED_IN_CONSOLE = _enrolled(
    _PASSKEYS.c.console_host == bindparam("console_host", type_=String)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpSecret:
    """A person's TOTP secret; codes of ``last_step`` (of 30 s each) or before are invalid."""

    subject_id: str
    secret: bytes = field(repr=False)
    last_step: int
    created_at: float
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey; ``id`` is the credential's in base64url, ``public_key`` is in COSE.

    ``aaguid`` names the model of the authenticator, as it claims. ``backed_up`` is true if it is
    synced across devices. ``console_host`` is the console's host name if it was made there.
    """

    id: str
    subject_id: str
    public_key: bytes = field(repr=False)
    sign_count: int
    backed_up: bool
    aaguid: str
    transports: tuple[str, ...]
    name: str
    created_at: float
    last_used_at: float | None = None
    console_host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A person's factors besides the password.

    ``has_console_passkey`` is whether they have a passkey for the console, whatever its address.
    """

    totp: bool = False
    passkeys: tuple[Passkey, ...] = ()
    recovery_codes_left: int = 0
    has_console_passkey: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a second factor; recovery codes alone do not count."""
        return self.totp or bool(self.passkeys)

    @property
    def is_of_console(self) -> bool:
        """Whether an app and recovery codes are made in the console alone (R-258).

        Both open it after the password. As long as a passkey protects it alone, nobody may set them
        up who has signed in without it.
        """
        return self.has_console_passkey and not self.totp


class OnlyInConsole(Exception):
    """An app and recovery codes of this person are made in the console alone."""


CheckHeld = Callable[[int | None, Enrolled, int], None]
"""Gets the version of a person, their factors, and how many passkeys they have for the console.

It may raise to refuse.
"""


class LastFactor(Exception):
    """It is the last second factor that somebody has for the console."""


class FactorRows(Repository[AnnouncingConnections]):
    """The second factors of everybody; every method may raise DatabaseUnavailable.

    Passkeys are those of people's own sign-ins, or of the console at ``console_host``.
    """

    def __init__(
        self,
        connections: AnnouncingConnections,
        secrets: SecretsAtRest,
        console_host: str | None = None,
    ) -> None:
        super().__init__(connections)
        self._secrets = secrets
        self._console_host = console_host
        self._is_here = _PASSKEYS.c.console_host.is_not_distinct_from(console_host)

    def in_console(self, host: str) -> "FactorRows":
        """The same, with the passkeys of the console at this host name."""
        return FactorRows(self._connections, self._secrets, host)

    async def enrolled(self, subject_id: str) -> Enrolled:
        """This person's factors, as of one moment."""
        if self._console_host is None:
            rows = await self._connections.rows(ENROLLED, subject_id=subject_id)
        else:
            rows = await self._connections.rows(
                _ENROLLED_IN_CONSOLE, subject_id=subject_id, console_host=self._console_host
            )
        return Enrolled(
            totp=rows[0]["totp_secrets"] > 0,
            passkeys=_in_order(_passkey(row) for row in rows if row["id"] is not None),
            recovery_codes_left=rows[0]["recovery_codes"],
            has_console_passkey=rows[0]["console_passkeys"] > 0,
        )

    @run_to_completion
    async def console_passkeys(self, subject_id: str) -> int:
        """How many passkeys this person has for the console, whatever its address was."""
        own = and_(_PASSKEYS.c.subject_id == subject_id, _PASSKEYS.c.console_host.is_not(None))
        async with self._connections.reading() as connection:
            return await _count(connection, own)

    @run_to_completion
    async def holders(self) -> frozenset[str]:
        """The subjects that have a second factor."""
        passkeys = select(_PASSKEYS.c.subject_id).where(self._is_here)
        query = select(_TOTP.c.subject_id).union(passkeys)
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query))

    # TOTP

    async def totp(self, subject_id: str) -> TotpSecret | None:
        found = await self._connections.rows(TOTP_OF, subject_id=subject_id)
        if not found:
            return None
        secret = self._secrets.unseal(found[0]["secret"], totp_place(subject_id))
        return TotpSecret(**{**found[0], "secret": secret})

    @run_to_completion
    async def totp_times(self, subject_id: str) -> tuple[float, float | None] | None:
        """When a person's secret was made and last used; None without one."""
        query = select(_TOTP.c.created_at, _TOTP.c.last_used_at)
        async with self._connections.reading() as connection:
            found = (
                await connection.execute(query.where(_TOTP.c.subject_id == subject_id))
            ).first()
        return None if found is None else (found.created_at, found.last_used_at)

    @run_to_completion
    async def keep_totp(self, totp: TotpSecret, event: AuditEvent) -> None:
        """Store a secret, replacing any previous one. Raises OnlyInConsole."""
        async with self._connections.writing() as connection:
            await self._check_here(connection, totp.subject_id)
            await connection.execute(delete(_TOTP).where(_TOTP.c.subject_id == totp.subject_id))
            await self._insert_totp(connection, totp)
            await end_console_sessions(connection, totp.subject_id)
            await write_events(connection, event)
        self._connections.publish(Change.AUTHENTICATOR_ADDED, event)

    async def add_first(
        self,
        connection: AsyncConnection,
        factor: TotpSecret | Passkey,
        codes: Sequence[str],
        now: float,
    ) -> None:
        """Store the first factors of a new account, within the transaction that adds it."""
        if isinstance(factor, Passkey):
            await connection.execute(insert(_PASSKEYS).values(self._passkey_values(factor)))
        else:
            await self._insert_totp(connection, factor)
        whose = {"subject_id": factor.subject_id, "created_at": now}
        await connection.execute(insert(_CODES), [{"digest": each, **whose} for each in codes])

    async def _insert_totp(self, connection: AsyncConnection, totp: TotpSecret) -> None:
        values = {column.name: getattr(totp, column.name) for column in _TOTP.c}
        place = totp_place(totp.subject_id)
        values["secret"] = await self._secrets.seal(connection, totp.secret, place)
        await connection.execute(insert(_TOTP).values(values))

    def _passkey_values(self, passkey: Passkey) -> dict[str, Any]:
        values = {column.name: getattr(passkey, column.name) for column in _PASSKEYS.c}
        return values | {
            "transports": list(passkey.transports),
            "console_host": self._console_host,
        }

    @run_to_completion
    async def use_totp(self, totp: TotpSecret, step: int, now: float, event: AuditEvent) -> bool:
        """Use up a time step of the secret that was read; False if it or a later one is used."""
        columns = _TOTP.c
        theirs = columns.subject_id == totp.subject_id
        async with self._connections.writing() as connection:
            stored = await self._secrets.stored_as(connection, totp.subject_id, totp.secret)
            if stored is None:
                return False
            statement = update(_TOTP).where(
                theirs, columns.secret == stored, columns.last_step < step
            )
            changed = await connection.execute(statement.values(last_step=step, last_used_at=now))
            if changed.rowcount == 1:
                await write_events(connection, event)
            return changed.rowcount == 1

    @run_to_completion
    async def remove_totp(self, subject_id: str, event: AuditEvent) -> bool:
        """Delete the secret, and the recovery codes if no factor is left.

        Raises LastFactor in the console, where nobody could sign in without one.
        """
        removed = await self._remove(subject_id, delete(_TOTP), _TOTP.c.subject_id, event)
        if removed:
            self._connections.publish(Change.AUTHENTICATOR_REMOVED, event)
        return removed

    # Passkeys

    async def passkey(self, passkey_id: str) -> Passkey | None:
        if self._console_host is None:
            rows = await self._connections.rows(_PASSKEY, id=passkey_id)
            return _passkey(rows[0]) if rows else None
        return await self._console_passkey(passkey_id)

    @run_to_completion
    async def _console_passkey(self, passkey_id: str) -> Passkey | None:
        async with self._connections.reading() as connection:
            found = await _passkeys(connection, and_(_PASSKEYS.c.id == passkey_id, self._is_here))
        return found[0] if found else None

    @run_to_completion
    async def add_passkey(self, passkey: Passkey, limit: int, event: AuditEvent) -> bool:
        """Store a passkey; False if the person has ``limit``.

        Raises Conflict if its ID exists already, for anybody.
        """
        values = self._passkey_values(passkey)
        async with self._connections.writing() as connection:
            owned = and_(_PASSKEYS.c.subject_id == passkey.subject_id, self._is_here)
            if await _count(connection, owned) >= limit:
                return False
            await connection.execute(insert(_PASSKEYS).values(values))
            await write_events(connection, event)
        self._connections.publish(Change.PASSKEY_ADDED, event)
        return True

    @run_to_completion
    async def use_passkey(
        self, passkey: Passkey, sign_count: int, now: float, event: AuditEvent, *, backed_up: bool
    ) -> bool:
        """Store a use of a passkey; False if it is gone or its counter has not increased.

        Synced passkeys do not count: their counter is always 0.
        """
        columns = _PASSKEYS.c
        grows = columns.sign_count < sign_count if sign_count else columns.sign_count == 0
        statement = update(_PASSKEYS).where(
            columns.id == passkey.id, columns.subject_id == passkey.subject_id, grows
        )
        values = {"sign_count": sign_count, "last_used_at": now, "backed_up": backed_up}
        async with self._connections.writing() as connection:
            changed = await connection.execute(statement.values(values))
            if changed.rowcount == 1:
                await write_events(connection, event)
            return changed.rowcount == 1

    @run_to_completion
    async def remove_passkey(self, subject_id: str, passkey_id: str, event: AuditEvent) -> bool:
        """Delete a passkey of this person, like ``remove_totp``."""
        statement = delete(_PASSKEYS).where(_PASSKEYS.c.id == passkey_id, self._is_here)
        removed = await self._remove(subject_id, statement, _PASSKEYS.c.subject_id, event)
        if removed:
            self._connections.publish(Change.PASSKEY_REMOVED, event)
        return removed

    @run_to_completion
    async def rename_passkey(
        self, subject_id: str, passkey_id: str, name: str, event: AuditEvent
    ) -> bool:
        """Give a passkey of this person another name; False if there is none."""
        columns = _PASSKEYS.c
        own = and_(columns.id == passkey_id, columns.subject_id == subject_id, self._is_here)
        async with self._connections.writing() as connection:
            renamed = await connection.execute(update(_PASSKEYS).where(own).values(name=name))
            if renamed.rowcount == 1:
                await write_events(connection, event)
            return renamed.rowcount == 1

    # Recovery codes

    async def recovery_digests(self, subject_id: str) -> tuple[str, ...]:
        rows = await self._connections.rows(_DIGESTS, subject_id=subject_id)
        return tuple(row["digest"] for row in rows)

    @run_to_completion
    async def replace_recovery_codes(
        self,
        subject_id: str,
        digests: Sequence[str],
        now: float,
        event: AuditEvent,
        change: Change = Change.RECOVERY_CODES_RENEWED,
    ) -> None:
        """Store these codes, replacing any others. Raises OnlyInConsole."""
        rows = [{"digest": each, "subject_id": subject_id, "created_at": now} for each in digests]
        async with self._connections.writing() as connection:
            await self._check_here(connection, subject_id)
            await connection.execute(delete(_CODES).where(_CODES.c.subject_id == subject_id))
            await connection.execute(insert(_CODES), rows)
            await write_events(connection, event)
        self._connections.publish(change, event)

    @run_to_completion
    async def use_recovery_code(self, subject_id: str, digest: str, event: AuditEvent) -> bool:
        """Use up a code; False if this person has none with this digest (any more)."""
        owned = and_(_CODES.c.digest == digest, _CODES.c.subject_id == subject_id)
        async with self._connections.writing() as connection:
            used = (await connection.execute(delete(_CODES).where(owned))).rowcount == 1
            if used:
                await write_events(connection, event)
        if used:
            self._connections.publish(Change.RECOVERY_CODE_USED, event)
        return used

    # All factors

    @run_to_completion
    async def remove_all(
        self, subject_id: str, event: AuditEvent, *, check_held: CheckHeld | None = None
    ) -> bool:
        """Delete all second factors of a person; False, unrecorded, if there were none.

        Raises Conflict for the last owner of the console if a passkey is all they sign in with.
        """
        removed = 0
        async with self._connections.writing() as connection:
            if check_held is not None:
                await _check(connection, subject_id, check_held)
            if await needs_passkey(connection, subject_id):
                raise Conflict("the last owner signs in by a passkey alone: set a password first")
            for table in (_TOTP, _PASSKEYS, _CODES):
                owned = delete(table).where(table.c.subject_id == subject_id)
                removed += (await connection.execute(owned)).rowcount
            await end_console_sessions(connection, subject_id)
            if removed:
                await write_events(connection, event)
        if removed:
            self._connections.publish(Change.FACTORS_REMOVED, event)
        return removed > 0

    async def _has_any(self, connection: AsyncConnection, subject_id: str) -> bool:
        """Whether somebody has an app, or a passkey that counts here."""
        passkeys = and_(_PASSKEYS.c.subject_id == subject_id, self._is_here)
        has_app = await _count(connection, _TOTP.c.subject_id == subject_id)
        return bool(has_app or await _count(connection, passkeys))

    async def _check_here(self, connection: AsyncConnection, subject_id: str) -> None:
        """Raise OnlyInConsole for what opens the console, unless it is made there."""
        if self._console_host is not None:
            return
        theirs = and_(_PASSKEYS.c.subject_id == subject_id, _PASSKEYS.c.console_host.is_not(None))
        has_app = await _count(connection, _TOTP.c.subject_id == subject_id)
        if not has_app and await _count(connection, theirs):
            raise OnlyInConsole

    async def _remove(
        self, subject_id: str, statement: Any, owner: ColumnElement[str], event: AuditEvent
    ) -> bool:
        async with self._connections.writing() as connection:
            removed = await connection.execute(statement.where(owner == subject_id))
            if removed.rowcount == 0:
                return False
            if self._console_host is not None and not await self._has_any(connection, subject_id):
                raise LastFactor
            await drop_idle_codes(connection, subject_id)
            await end_console_sessions(connection, subject_id)
            await write_events(connection, event)
        return True


async def _check(connection: AsyncConnection, subject_id: str, check_held: CheckHeld) -> None:
    """Compare what somebody has seen, in the transaction that removes it."""
    owned = _PASSKEYS.c.subject_id == subject_id
    held = Enrolled(
        totp=await _count(connection, _TOTP.c.subject_id == subject_id) > 0,
        passkeys=await _passkeys(connection, and_(owned, _OF_PEOPLE)),
    )
    in_console = await _count(connection, and_(owned, _PASSKEYS.c.console_host.is_not(None)))
    check_held(await version_of_person(connection, subject_id), held, in_console)


async def drop_idle_codes(connection: AsyncConnection, subject_id: str) -> None:
    """Recovery codes replace a factor: without one they are only something to steal."""
    factors = await _count(connection, _TOTP.c.subject_id == subject_id)
    factors += await _count(connection, _PASSKEYS.c.subject_id == subject_id)
    if factors == 0:
        await connection.execute(delete(_CODES).where(_CODES.c.subject_id == subject_id))


async def _passkeys(
    connection: AsyncConnection, condition: ColumnElement[bool]
) -> tuple[Passkey, ...]:
    query = select(_PASSKEYS).where(condition).order_by(_PASSKEYS.c.created_at, _PASSKEYS.c.id)
    rows = (await connection.execute(query)).mappings().all()
    return tuple(map(_passkey, rows))


def _in_order(passkeys: Iterable[Passkey]) -> tuple[Passkey, ...]:
    return tuple(sorted(passkeys, key=attrgetter("created_at", "id")))


def _passkey(row: Row) -> Passkey:
    values = {column.name: row[column.name] for column in _PASSKEYS.c}
    return Passkey(**{**values, "transports": tuple(row["transports"])})


async def _count(connection: AsyncConnection, condition: ColumnElement[bool]) -> int:
    return await connection.scalar(select(func.count()).where(condition)) or 0
