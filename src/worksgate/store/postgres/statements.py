"""The store's methods as SQL for PostgreSQL, one function each on a connection.

If one statement suffices it is one, sent in one round trip and committed by itself. Everything is
plain SQL that PostgreSQL-compatible distributed databases are documented to run too: no extensions,
no advisory locks, no functions of ours. CockroachDB needs 22.2 for SKIP LOCKED, and for refresh
tokens ``enable_multiple_modifications_of_table``, since theirs are used and created in one
statement.
"""

# ruff: noqa: S608  # only names of tables and columns are written into statements, never a value

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from msgspec import structs

from worksgate.audit import AuditEvent
from worksgate.database.artifact_tables import COUNTERS, TABLES
from worksgate.database.audit_rows import COLUMNS, encoded, event_row
from worksgate.database.direct_reads import Rows
from worksgate.oauth.model import (
    ARTIFACT_KINDS,
    AccessToken,
    Artifact,
    AuthorizationCode,
    Redeemable,
    RefreshToken,
)
from worksgate.store import (
    REPLAY_MEMORY,
    A,
    ArtifactKey,
    NewExpiry,
    R,
    Recount,
    Redemption,
    RedemptionOutcome,
    RedemptionRecord,
    StoreUnavailable,
    Successors,
)
from worksgate.store.artifact_rows import ArtifactSql, artifact_from, values_of
from worksgate.store.postgres.composed import composed
from worksgate.store.postgres.connection import PostgresConnection
from worksgate.store.postgres.counters import recount_parts, recount_values


def _insertion(kind: type[Artifact], first: int = 1) -> str:
    """An insertion whose parameters begin with that number."""
    columns = kind.__struct_fields__
    numbers = ", ".join(f"${number}" for number in range(first, first + len(columns)))
    return f"INSERT INTO {TABLES[kind.kind]} ({', '.join(columns)}) VALUES ({numbers})"


def _replacing(kind: type[Artifact]) -> str:
    # A replaced artifact stays used: a used code never becomes valid again (I-4).
    names = (name for name in kind.__struct_fields__ if name != "key")
    return f"ON CONFLICT (key) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}"


def _sql_of(kind: type[Artifact]) -> ArtifactSql:
    table = TABLES[kind.kind]
    columns = kind.__struct_fields__
    names = ", ".join(columns)
    return ArtifactSql(
        columns=columns,
        values=values_of(kind),
        find=f"SELECT {names} FROM {table} WHERE key = $1",
        held=f"SELECT {names} FROM {table} WHERE subject_id = $1",
        save=f"{_insertion(kind)} {_replacing(kind)}",
        add=f"{_insertion(kind)} ON CONFLICT (key) DO NOTHING",
        take=f"DELETE FROM {table} WHERE key = $1 RETURNING {names}",
        extend=f"UPDATE {table} SET expires_at = $1 WHERE key = $2",
    )


def _type_of(field: object) -> str:
    """What PostgreSQL calls the values of a field."""
    named = {float: "float8", int: "integer"}
    return next((named[each] for each in (field, *get_args(field)) if each in named), "text")


def _recording(first: int) -> str:
    """An insertion of any number of audit records: each parameter is a column of them, in order.

    Of texts, like the ends of ``counters``.
    """
    arrays = ", ".join(f"${number}::text[]" for number, _ in enumerate(COLUMNS, first))
    names = ", ".join(COLUMNS)
    values = ", ".join(f"CAST({name} AS float8)" if name in _NUMBERS else name for name in COLUMNS)
    return f"INSERT INTO audit ({names}) SELECT {values} FROM unnest({arrays}) AS given ({names})"


_NUMBERS = ("at", "elapsed_ms")


def _columns_of(events: Sequence[AuditEvent]) -> tuple[Sequence[str | None], ...]:
    """The parameters of ``_recording``."""
    columns = tuple(zip(*map(event_row, events), strict=True)) or tuple(() for _ in COLUMNS)
    return tuple(
        tuple(None if each is None else str(each) for each in column) for column in columns
    )


# Like ``audit_rows.encoded``, for the characters that can occur: no source has such IDs.
_SUBJECT = r"left(regexp_replace(replace(subject_id, '\', '\\'), '[\x01-\x1f\x7f]', '?', 'g'), 255)"


@dataclass(frozen=True, slots=True)
class _Redeeming:
    """``use`` uses up an artifact and creates an access token, ``renew`` a refresh token as well.

    Both write a record if there is an event.
    """

    use: str
    renew: str
    look: str


def _redeeming_of(kind: type[Artifact]) -> _Redeeming:
    """The statements that redeem; ``redeem`` explains why they are correct.

    Parameters: key, client, now, due; key of the access token; event and address of the record;
    key and lifetime of the next refresh token.
    """
    table = TABLES[kind.kind]
    columns = ", ".join(kind.__struct_fields__)
    inherited = "grant_id, subject_id, client_id"
    person = "user_id, login_id, login_kind"
    used = f"""
        used AS (
            UPDATE {table} SET used = 1
            WHERE key = $1 AND client_id = $2 AND used = 0 AND expires_at > $3
                AND extract(epoch FROM clock_timestamp()) < $4::float8
            RETURNING {columns})"""
    bought = f"""
        bought AS (
            INSERT INTO {TABLES[AccessToken.kind]} (key, {inherited}, expires_at, {person})
            SELECT $5::text, {inherited}, $3::float8 + lifetime, {person} FROM used
            {_replacing(AccessToken)})"""
    recorded = f"""
        recorded AS (
            INSERT INTO audit (at, event, login_id, client_id, subject_id, address)
            SELECT $3::float8, $6::text, login_id, client_id, {_SUBJECT}, $7::text FROM used
            WHERE $6::text IS NOT NULL)"""
    renewed = f"""
        renewed AS (
            INSERT INTO {TABLES[RefreshToken.kind]}
                (key, {inherited}, expires_at, {person}, lifetime, expires_in)
            SELECT $8::text, {inherited}, $3::float8 + $9::float8, {person}, lifetime, expires_in
            FROM used
            {_replacing(RefreshToken)})"""
    return _Redeeming(
        use=f"WITH {used}, {bought}, {recorded} SELECT {columns} FROM used",
        renew=f"WITH {used}, {bought}, {recorded}, {renewed} SELECT {columns} FROM used",
        look=f"SELECT {columns}, used FROM {table} WHERE key = $1",
    )


_SQL: Mapping[type[Artifact], ArtifactSql] = {
    kind: _sql_of(kind) for kind in ARTIFACT_KINDS.values()
}
_ORDER: Mapping[type[Artifact], int] = {kind: number for number, kind in enumerate(_SQL)}
_TYPES: Mapping[type[Artifact], tuple[str, ...]] = {
    kind: tuple(_type_of(each.type) for each in structs.fields(kind)) for kind in _SQL
}
"""What the columns hold, in the order of an artifact's fields."""
_REDEEMABLE = tuple(kind for kind in ARTIFACT_KINDS.values() if issubclass(kind, Redeemable))
_REDEEMING: Mapping[type[Artifact], _Redeeming] = {
    kind: _redeeming_of(kind) for kind in _REDEEMABLE
}


async def save(
    connection: PostgresConnection,
    artifacts: Sequence[Artifact],
    records: Sequence[AuditEvent] = (),
) -> None:
    # Of two with one kind and key the last one wins, as if they were saved one by one.
    last = {(artifact.kind, artifact.key): artifact for artifact in artifacts}
    kept = list(last.values())
    kinds = tuple(type(artifact) for artifact in kept)
    if len(set(kinds)) == len(kinds):
        values = [value for each in kept for value in _SQL[type(each)].values(each)]
        if records:
            await connection.change(_saving(kinds, recorded=True), *values, *_columns_of(records))
        elif kept:
            await connection.change(_saving(kinds), *values)
        return
    async with connection.transaction():
        for kind in sorted(set(kinds), key=lambda kind: kind.kind):
            rows = [_SQL[kind].values(each) for each in kept if type(each) is kind]
            # In one order for all, so that two concurrent saves of the same keys never deadlock.
            await connection.change_each(_SQL[kind].save, sorted(rows, key=lambda row: str(row[0])))
        if records:
            await record(connection, records)


@cache
def _saving(kinds: tuple[type[Artifact], ...], *, recorded: bool = False) -> str:
    """One statement that saves one artifact of each of these kinds, and their records."""
    parts, first = [], 1
    for kind in kinds:
        parts.append(f"{_insertion(kind, first)} {_replacing(kind)}")
        first += len(kind.__struct_fields__)
    if recorded:
        parts.append(_recording(first))
    *others, final = parts
    before = ", ".join(f"part_{number} AS ({part})" for number, part in enumerate(others))
    return f"WITH {before} {final}" if others else final


async def record(connection: PostgresConnection, events: Sequence[AuditEvent]) -> None:
    await connection.change(_RECORDING, *_columns_of(events))


async def add(
    connection: PostgresConnection,
    artifact: Artifact,
    others: Sequence[Artifact] = (),
    removed: Sequence[ArtifactKey] = (),
    extended: Sequence[NewExpiry] = (),
    records: Sequence[AuditEvent] = (),
    counters: Recount | None = None,
) -> bool:
    """Of callers at once one inserts the row; the others wait for its commit and insert nothing.

    The other parts of the statement read what the insertion has returned: without a new row they
    change nothing.
    """
    sql = _SQL[type(artifact)]
    if not (others or removed or extended or records or counters):
        return await connection.change(sql.add, *sql.values(artifact)) == 1
    # In the order of ``forget``, so that neither waits for the other.
    changed: list[ArtifactKey | NewExpiry] = [*removed, *extended]
    there = sorted(changed, key=lambda each: (_ORDER[each.kind], each.key))
    statement = _adding(
        type(artifact),
        tuple(type(each) for each in others),
        tuple((each.kind, isinstance(each, NewExpiry)) for each in there),
        recorded=bool(records),
        recounted=counters is not None,
        lowered=counters is not None and bool(counters.lowered),
    )
    values: list[Any] = []
    for each in (artifact, *others):
        values += _SQL[type(each)].values(each)
    for change in there:
        values += structs.astuple(change)[1:]
    values += _columns_of(records) if records else ()
    values += recount_values(counters) if counters else ()
    return await connection.number(statement, *values) == 1


@cache
def _adding(
    kind: type[Artifact],
    others: tuple[type[Artifact], ...],
    there: tuple[tuple[type[Artifact], bool], ...],
    *,
    recorded: bool,
    recounted: bool,
    lowered: bool,
) -> str:
    """One statement that adds an artifact and, if it did, all that depends on it.

    ``there`` are the kinds of what is removed, or extended.
    """
    parts = [f"added AS ({_SQL[kind].add} RETURNING key)"]
    first = 1 + len(kind.__struct_fields__)
    for number, other in enumerate(others):
        parts.append(f"kept_{number} AS ({_insertion_after('added', other, first)})")
        first += len(other.__struct_fields__)
    for number, (changed, is_extended) in enumerate(there):
        table = TABLES[changed.kind]
        change = f"UPDATE {table} SET expires_at = ${first + 1}"
        change = change if is_extended else f"DELETE FROM {table}"
        condition = f"key = ${first} AND EXISTS (SELECT FROM added)"
        parts.append(f"changed_{number} AS ({change} WHERE {condition} RETURNING key)")
        first += 2 if is_extended else 1
    if recorded:
        parts.append(f"recorded AS ({_recording(first)} WHERE EXISTS (SELECT FROM added))")
        first += len(COLUMNS)
    read = ["added", *(f"changed_{number}" for number in range(len(there)))]
    if recounted:
        counting = recount_parts(first, lowered=lowered, condition="EXISTS (SELECT FROM added)")
        parts += (f"{name} AS ({part})" for name, part in counting.items())
        read += counting
    return composed(parts, read)


def _insertion_after(part: str, kind: type[Artifact], first: int) -> str:
    """A saving, whose parameters begin with that number, for each row of a part."""
    types = _TYPES[kind]
    values = ", ".join(f"${number}::{each}" for number, each in enumerate(types, first))
    columns = ", ".join(kind.__struct_fields__)
    insertion = f"INSERT INTO {TABLES[kind.kind]} ({columns}) SELECT {values} FROM {part}"
    return f"{insertion} {_replacing(kind)}"


async def find(connection: PostgresConnection, kind: type[A], key: str) -> A | None:
    sql = _SQL[kind]
    row = await connection.row(sql.find, key)
    return None if row is None else artifact_from(kind, sql.columns, row)


def first(kind: type[A], rows: Rows) -> A | None:
    """The artifact of the first row, or None."""
    return artifact_from(kind, _SQL[kind].columns, rows[0]) if rows else None


async def held(connection: PostgresConnection, kind: type[A], subject_id: str) -> tuple[A, ...]:
    sql = _SQL[kind]
    rows = await connection.rows(sql.held, subject_id)
    return tuple(artifact_from(kind, sql.columns, row) for row in rows)


async def take(
    connection: PostgresConnection, kind: type[A], key: str, records: Sequence[AuditEvent] = ()
) -> A | None:
    sql = _SQL[kind]
    row = (
        await connection.row(_taking(kind), key, *_columns_of(records))
        if records
        else await connection.row(sql.take, key)
    )
    return None if row is None else artifact_from(kind, sql.columns, row)


@cache
def _taking(kind: type[Artifact]) -> str:
    """One statement that takes an artifact and, if it existed, writes records."""
    sql = _SQL[kind]
    recording = f"{_recording(2)} WHERE EXISTS (SELECT FROM taken)"
    columns = ", ".join(sql.columns)
    return f"WITH taken AS ({sql.take}), recorded AS ({recording}) SELECT {columns} FROM taken"


async def extend(
    connection: PostgresConnection, kind: type[Artifact], key: str, expires_at: float
) -> bool:
    return await connection.change(_SQL[kind].extend, expires_at, key) == 1


async def redeem(
    connection: PostgresConnection,
    kind: type[R],
    key: str,
    client_id: str,
    successors: Successors,
    now: float,
    record: RedemptionRecord | None = None,
) -> Redemption:
    """Use the artifact and create its successors, in one statement.

    Of concurrent callers one changes the row; the others wait for its lock, and once the winner has
    committed, READ COMMITTED shows them the current row: used, so they change nothing. (If a
    stricter isolation is the default, they get a serialization error, retry, and see the same.) The
    inner insertions read the result of the update: without a used row there is no token and no
    record, and one commit creates all or nothing.

    Only a caller that changed nothing asks why, in a second statement. A loser's begins after the
    winner's commit, so it finds the row used, and the third statement finds the winner's token and
    removes it (R-36). A caller that dies in between has revoked nothing, but has nothing either:
    the next one with this code does it. And nobody can redeem meanwhile, since a used row stays
    used.

    ``due_there`` prevents a delayed statement from running after its caller was answered with 503
    (F-06).
    """
    for _ in range(2):
        row = await connection.row(*_use(connection, kind, key, client_id, successors, now, record))
        if row is not None:
            return Redemption(
                RedemptionOutcome.REDEEMED, artifact_from(kind, _SQL[kind].columns, row)
            )
        refused = await _why_refused(connection, kind, key, client_id, now, record)
        if refused is not None:
            return refused
        # It could have been redeemed. So it was late, or the server's clock has been changed.
        await connection.compare_clocks()
    raise StoreUnavailable("the database was too slow")


def _use(
    connection: PostgresConnection,
    kind: type[Artifact],
    key: str,
    client_id: str,
    successors: Successors,
    now: float,
    record: RedemptionRecord | None,
) -> tuple[Any, ...]:
    """The statement that redeems, with its parameters."""
    statements = _REDEEMING[kind]
    noted = (None, None) if record is None else (record.event.value, encoded(record.address))
    values = (key, client_id, now, connection.due_there, successors.access_token_key, *noted)
    if successors.refresh_token_key is None:
        return (statements.use, *values)
    lifetime = float(successors.refresh_token_lifetime)
    return (statements.renew, *values, successors.refresh_token_key, lifetime)


async def _why_refused(
    connection: PostgresConnection,
    kind: type[R],
    key: str,
    client_id: str,
    now: float,
    record: RedemptionRecord | None,
) -> Redemption | None:
    """Why an artifact was not redeemed; None if there is no reason. Revokes after a replay."""
    row = await connection.row(_REDEEMING[kind].look, key)
    if row is None:
        return Redemption(RedemptionOutcome.UNKNOWN)
    artifact = artifact_from(kind, _SQL[kind].columns, row)
    if artifact.client_id != client_id:
        return Redemption(RedemptionOutcome.FOREIGN, artifact)
    if row[-1]:
        records = () if record is None else (record.replayed(artifact, now),)
        await _remove(connection, _REVOKING, artifact.grant_id, records)
        return Redemption(RedemptionOutcome.REPLAYED, artifact)
    return Redemption(RedemptionOutcome.EXPIRED, artifact) if artifact.expires_at <= now else None


@dataclass(frozen=True, slots=True)
class _Removing:
    """``remove`` returns the number removed and that of rows which may have created more.

    It also writes the given records.

    ``lock`` locks such rows, in one order for all callers, and returns their number.
    """

    remove: str
    lock: str


async def forget(
    connection: PostgresConnection, subject_id: str, records: Sequence[AuditEvent] = ()
) -> int:
    return await _remove(connection, _FORGETTING, subject_id, records)


async def _remove(
    connection: PostgresConnection,
    removing: _Removing,
    value: str,
    records: Sequence[AuditEvent],
) -> int:
    """Remove everything that belongs together, including what is being created at this moment.

    A statement sees what was committed before it began. A redemption that commits while we wait for
    the row that it uses adds tokens that the same statement does not see. So if there is a row that
    could have created more, all such rows are locked, until no more of them appear; then nothing
    new can come, and a removal that begins now sees the last of it.

    A used code creates nothing more, so after a replay the first statement does it all.
    """
    columns = _columns_of(records)
    removed, buyers = await connection.row(removing.remove, value, *columns) or (0, 0)
    if not buyers:
        return int(removed)
    async with connection.transaction():
        before = -1
        while (locked := await connection.number(removing.lock, value)) != before:
            before = locked
        late, _ = await connection.row(removing.remove, value, *_columns_of(())) or (0, 0)
    return int(removed) + int(late)


def _removing_by(column: str, *, keep_used: bool) -> _Removing:
    removals, buyers, locks = [], [], []
    for kind in ARTIFACT_KINDS.values():
        table, condition = TABLES[kind.kind], f"{column} = $1"
        kept = " AND used = 0" if keep_used and kind in _REDEEMABLE else ""
        removals.append(
            f"{table}_removed AS (DELETE FROM {table} WHERE {condition}{kept} RETURNING key)"
        )
        if kind in _REDEEMABLE:
            # A used refresh token shows that there is, or just now was, a next one.
            able = " AND used = 0" if kind is AuthorizationCode else ""
            buyers.append(f"(SELECT count(*) FROM {table} WHERE {condition}{able})")
            locks.append(
                f"{table}_locked AS "
                f"(SELECT key FROM {table} WHERE {condition} ORDER BY key FOR UPDATE)"
            )
    removed = " + ".join(f"(SELECT count(*) FROM {table}_removed)" for table in TABLES.values())
    locked = " + ".join(f"(SELECT count(*) FROM {TABLES[k.kind]}_locked)" for k in _REDEEMABLE)
    return _Removing(
        remove=f"WITH {', '.join(removals)}, recorded AS ({_recording(2)}) "
        f"SELECT {removed}, {' + '.join(buyers)}",
        lock=f"WITH {', '.join(locks)} SELECT {locked}",
    )


_RECORDING = _recording(1)
_REVOKING = _removing_by("grant_id", keep_used=True)
_FORGETTING = _removing_by("subject_id", keep_used=False)


async def select(
    connection: PostgresConnection, sql: str, values: Sequence[object]
) -> list[Sequence[Any]]:
    """The rows of a statement that changes nothing."""
    return await connection.rows(sql, *values)


async def ping(connection: PostgresConnection) -> None:
    """Write durably: a read-only server must not pass a ping."""
    await connection.change(_PING)


async def purge(connection: PostgresConnection, statement: str, until: float, limit: int) -> int:
    """Run one of ``PURGES``."""
    return await connection.change(statement, until, limit)


_PING = """
    INSERT INTO counters (name, value, expires_at) VALUES ('store:ping', 1, 1e300)
    ON CONFLICT (name) DO UPDATE SET value = 1 - counters.value
"""


def _purge_of(table: str, key: str, condition: str) -> str:
    """The oldest unlocked rows. ARRAY prevents the limit from being evaluated again."""
    return (
        f"DELETE FROM {table} WHERE {key} = ANY(ARRAY("
        f"SELECT {key} FROM {table} WHERE {condition} "
        "ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
    )


def _purges_of(kind: type[Artifact]) -> list[tuple[str, float]]:
    table = TABLES[kind.kind]
    if kind not in _REDEEMABLE:
        return [(_purge_of(table, "key", "expires_at <= $1"), 0.0)]
    return [
        (_purge_of(table, "key", "used = 0 AND expires_at <= $1"), 0.0),
        (_purge_of(table, "key", "used = 1 AND expires_at <= $1"), REPLAY_MEMORY),
    ]


PURGES: Sequence[tuple[str, float]] = [
    *(purge for kind in ARTIFACT_KINDS.values() for purge in _purges_of(kind)),
    (_purge_of(COUNTERS, "name", "expires_at <= $1"), 0.0),
]
"""Each statement with the seconds that it waits after the expiry."""
