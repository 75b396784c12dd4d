"""The store's methods as SQL, on a connection with the write lock.

Each function is one request of a batch: it takes the connection first, neither begins nor commits,
and any exception rolls back all that it did. ``find``, ``held`` and ``count`` only read.

No statement uses RETURNING: enterprise Linux still ships SQLite 3.34, which lacks it.
"""

# ruff: noqa: S608  # only names of tables and columns are written into statements, never a value

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from worksgate.audit import AuditEvent
from worksgate.database.artifact_tables import (
    ADDED_COLUMNS,
    AUDIT_STATEMENT,
    COUNTERS,
    CREATE_STATEMENTS,
    TABLES,
)
from worksgate.database.audit_rows import COLUMNS, event_row
from worksgate.oauth.model import ARTIFACT_KINDS, AccessToken, Artifact, Redeemable, RefreshToken
from worksgate.store import (
    CLOCK_SET_BACK,
    REPLAY_MEMORY,
    A,
    ArtifactKey,
    NewExpiry,
    R,
    Recount,
    Redemption,
    RedemptionOutcome,
    Successors,
)
from worksgate.store.artifact_rows import ArtifactSql, artifact_from, values_of


@dataclass(frozen=True, slots=True)
class _Sql(ArtifactSql):
    """PostgreSQL does these two for all kinds in one statement."""

    revoke: str
    forget: str


def _sql_of(kind: type[Artifact]) -> _Sql:
    table = TABLES[kind.kind]
    columns = kind.__struct_fields__
    names = ", ".join(columns)
    insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in columns)})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "key")
    # The plus keeps SQLite from using the index on used, which would match all codes.
    unused = " AND +used = 0" if issubclass(kind, Redeemable) else ""
    return _Sql(
        columns=columns,
        values=values_of(kind),
        find=f"SELECT {names} FROM {table} WHERE key = ?",
        held=f"SELECT {names} FROM {table} WHERE subject_id = ?",
        # A replaced artifact stays used: a used code never becomes valid again (I-4).
        save=f"{insert} ON CONFLICT (key) DO UPDATE SET {changes}",
        add=f"{insert} ON CONFLICT (key) DO NOTHING",
        take=f"DELETE FROM {table} WHERE key = ?",
        extend=f"UPDATE {table} SET expires_at = ? WHERE key = ?",
        revoke=f"DELETE FROM {table} WHERE grant_id = ?{unused}",
        forget=f"DELETE FROM {table} WHERE subject_id = ?",
    )


@dataclass(frozen=True, slots=True)
class _Redeeming:
    """The two statements that use up an artifact."""

    find: str
    use: str


_SQL: Mapping[type[Artifact], _Sql] = {kind: _sql_of(kind) for kind in ARTIFACT_KINDS.values()}

_REDEEMING: Mapping[type[Artifact], _Redeeming] = {
    kind: _Redeeming(
        find=f"SELECT {', '.join(sql.columns)}, used FROM {TABLES[kind.kind]} WHERE key = ?",
        use=f"UPDATE {TABLES[kind.kind]} SET used = 1 WHERE key = ?",
    )
    for kind, sql in _SQL.items()
    if issubclass(kind, Redeemable)
}


def create(db: sqlite3.Connection) -> None:
    for statement in (*CREATE_STATEMENTS, AUDIT_STATEMENT):
        db.execute(statement)
    for table, column, definition in chain.from_iterable(ADDED_COLUMNS.values()):
        present = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        if column not in present:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")


def save(db: sqlite3.Connection, artifacts: Sequence[Artifact]) -> None:
    for artifact in artifacts:
        sql = _SQL[type(artifact)]
        db.execute(sql.save, sql.values(artifact))


def add(
    db: sqlite3.Connection,
    artifact: Artifact,
    others: Sequence[Artifact] = (),
    removed: Sequence[ArtifactKey] = (),
    extended: Sequence[NewExpiry] = (),
    counters: Recount | None = None,
) -> bool:
    sql = _SQL[type(artifact)]
    if db.execute(sql.add, sql.values(artifact)).rowcount != 1:
        return False
    save(db, others)
    for each in removed:
        db.execute(_SQL[each.kind].take, (each.key,))
    for new in extended:
        extend(db, new.kind, new.key, new.expires_at)
    if counters is not None:
        recount(db, counters.reset, counters.lowered, counters.begun, counters.now)
    return True


def find(db: sqlite3.Connection, kind: type[A], key: str) -> A | None:
    sql = _SQL[kind]
    row = db.execute(sql.find, (key,)).fetchone()
    return None if row is None else artifact_from(kind, sql.columns, row)


def held(db: sqlite3.Connection, kind: type[A], subject_id: str) -> tuple[A, ...]:
    sql = _SQL[kind]
    return tuple(
        artifact_from(kind, sql.columns, row) for row in db.execute(sql.held, (subject_id,))
    )


def take(db: sqlite3.Connection, kind: type[A], key: str) -> A | None:
    found = find(db, kind, key)
    if found is not None:
        db.execute(_SQL[kind].take, (key,))
    return found


def extend(db: sqlite3.Connection, kind: type[Artifact], key: str, expires_at: float) -> bool:
    return db.execute(_SQL[kind].extend, (expires_at, key)).rowcount == 1


def redeem(
    db: sqlite3.Connection,
    kind: type[R],
    key: str,
    client_id: str,
    successors: Successors,
    now: float,
) -> Redemption:
    redeeming = _REDEEMING[kind]
    row = db.execute(redeeming.find, (key,)).fetchone()
    if row is None:
        return Redemption(RedemptionOutcome.UNKNOWN)
    artifact = artifact_from(kind, _SQL[kind].columns, row)
    if artifact.client_id != client_id:
        return Redemption(RedemptionOutcome.FOREIGN, artifact)
    if row[-1]:
        _revoke(db, artifact.grant_id)
        return Redemption(RedemptionOutcome.REPLAYED, artifact)
    if artifact.expires_at <= now:
        return Redemption(RedemptionOutcome.EXPIRED, artifact)
    db.execute(redeeming.use, (key,))
    db.execute(
        _SAVE_ACCESS_TOKEN.save, _SAVE_ACCESS_TOKEN.values(successors.access_token(artifact, now))
    )
    if refresh_token := successors.refresh_token(artifact, now):
        db.execute(_SAVE_REFRESH_TOKEN.save, _SAVE_REFRESH_TOKEN.values(refresh_token))
    return Redemption(RedemptionOutcome.REDEEMED, artifact)


def _revoke(db: sqlite3.Connection, grant_id: str) -> None:
    """Remove everything of a grant, but remember used codes."""
    for sql in _SQL.values():
        db.execute(sql.revoke, (grant_id,))


def forget(db: sqlite3.Connection, subject_id: str) -> int:
    return sum(db.execute(sql.forget, (subject_id,)).rowcount for sql in _SQL.values())


def record(db: sqlite3.Connection, events: Sequence[AuditEvent]) -> None:
    """Insert audit records, in their order."""
    if events:
        db.executemany(_RECORD, map(event_row, events))


def bump(db: sqlite3.Connection, counter: str, window: float, now: float) -> int:
    db.execute(_BUMP, {"name": counter, "now": now, "ends": now + window})
    (value,) = db.execute(_VALUE, (counter,)).fetchone()
    return int(value)


def bump_all(db: sqlite3.Connection, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
    return tuple(bump(db, counter, window, now) for counter, window in windows.items())


def count_all(db: sqlite3.Connection, counters: Collection[str], now: float) -> Mapping[str, int]:
    return {counter: count(db, counter, now) for counter in counters}


def count(db: sqlite3.Connection, counter: str, now: float) -> int:
    row = db.execute(_COUNT, (counter, now)).fetchone()
    return 0 if row is None else int(row[0])


def lower(db: sqlite3.Connection, counters: Collection[str]) -> None:
    db.executemany(_LOWER, [(counter,) for counter in counters])


def reset(db: sqlite3.Connection, counters: Sequence[str]) -> None:
    db.executemany(_RESET, [(counter,) for counter in counters])


def recount(
    db: sqlite3.Connection,
    zeroed: Collection[str],
    lowered: Collection[str],
    begun: Mapping[str, float],
    now: float,
) -> None:
    reset(db, [*zeroed, *begun])
    lower(db, lowered)
    bump_all(db, begun, now)


def ping(db: sqlite3.Connection) -> None:
    """Write durably: a read-only database must not pass a ping."""
    db.execute(_PING)


def purge(db: sqlite3.Connection, now: float, limit: int) -> int:
    removed = 0
    for statement, kept in _PURGE:
        if removed < limit:
            removed += db.execute(statement, (now - kept, limit - removed)).rowcount
    return removed


_SAVE_ACCESS_TOKEN = _SQL[AccessToken]
_SAVE_REFRESH_TOKEN = _SQL[RefreshToken]

_RECORD = f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})"
_VALUE = "SELECT value FROM counters WHERE name = ?"
_COUNT = "SELECT value FROM counters WHERE name = ? AND expires_at > ?"
_LOWER = "UPDATE counters SET value = value - 1 WHERE name = ? AND value > 0"
_RESET = "DELETE FROM counters WHERE name = ?"
_ENDED = f"counters.expires_at <= :now OR counters.expires_at > :ends + {CLOCK_SET_BACK}"
_BUMP = f"""
    INSERT INTO counters (name, value, expires_at) VALUES (:name, 1, :ends)
    ON CONFLICT (name) DO UPDATE SET
        value = CASE WHEN {_ENDED} THEN 1 ELSE counters.value + 1 END,
        expires_at = CASE WHEN {_ENDED} THEN excluded.expires_at ELSE counters.expires_at END
"""
_PING = """
    INSERT INTO counters (name, value, expires_at) VALUES ('store:ping', 1, 1e300)
    ON CONFLICT (name) DO UPDATE SET value = 1 - counters.value
"""


def _purge_of(table: str, condition: str) -> str:
    return (
        f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {condition} LIMIT ?)"
    )


def _purges_of(kind: type[Artifact]) -> list[tuple[str, float]]:
    table = TABLES[kind.kind]
    if not issubclass(kind, Redeemable):
        return [(_purge_of(table, "expires_at <= ?"), 0.0)]
    return [
        (_purge_of(table, "used = 0 AND expires_at <= ?"), 0.0),
        (_purge_of(table, "used = 1 AND expires_at <= ?"), REPLAY_MEMORY),
    ]


_PURGE: Sequence[tuple[str, float]] = [
    *(purge for kind in ARTIFACT_KINDS.values() for purge in _purges_of(kind)),
    (_purge_of(COUNTERS, "expires_at <= ?"), 0.0),
]
"""Each statement with the seconds that it waits after the expiry."""
