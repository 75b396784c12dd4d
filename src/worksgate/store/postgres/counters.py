"""The counters of the throttle, as SQL for PostgreSQL, one function each on a connection.

Counters that are counted, set back or lowered together are locked in the order of their names, so
that two statements at once never deadlock.

Their ends are sent as texts. asyncpg knows arrays of texts; for one of numbers it first asks the
server what that is, on each connection, by a query that takes over a second where the server
compiles it (``jit``), as it does behind a pooler in transaction mode.
"""

# ruff: noqa: S608  # only conditions of ours are written into statements, never a value

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from worksgate.database.direct_reads import Rows
from worksgate.store import CLOCK_SET_BACK, Recount
from worksgate.store.postgres.composed import composed
from worksgate.store.postgres.connection import PostgresConnection


async def lower(connection: PostgresConnection, counters: Sequence[str]) -> None:
    await connection.change(_LOWER.format(names="$1", condition="true"), list(counters))


async def reset(connection: PostgresConnection, counters: Sequence[str]) -> None:
    await connection.change(_RESET, list(counters))


async def bump_all(
    connection: PostgresConnection, windows: Mapping[str, float], now: float
) -> tuple[int, ...]:
    ends = [str(now + window) for window in windows.values()]
    rows = await connection.rows(_BUMP_ALL, list(windows), ends, now)
    counts = {name: int(value) for name, value in rows}
    return tuple(counts[counter] for counter in windows)


async def count_all(
    connection: PostgresConnection, counters: Collection[str], now: float
) -> Mapping[str, int]:
    return counts(counters, await connection.rows(_COUNT_ALL, list(counters), now))


def counts(counters: Collection[str], rows: Rows) -> Mapping[str, int]:
    """What these counters have counted, by rows of those that have counted anything."""
    return {**dict.fromkeys(counters, 0), **{name: int(value) for name, value in rows}}


async def recount(connection: PostgresConnection, counters: Recount) -> None:
    statement = _recounting(lowered=bool(counters.lowered))
    await connection.number(statement, *recount_values(counters))


@cache
def _recounting(*, lowered: bool) -> str:
    counting = recount_parts(1, lowered=lowered)
    return composed([f"{name} AS ({part})" for name, part in counting.items()], counting)


_LOWER = """
    UPDATE counters SET value = value - 1 WHERE value > 0 AND name IN (
        SELECT name FROM counters WHERE name = ANY({names}::text[]) AND {condition}
        ORDER BY name FOR UPDATE
    )
"""
"""In one order, so that two concurrent decrements of the same counters never deadlock."""
_RESET = "DELETE FROM counters WHERE name = ANY($1::text[])"
_ENDED = f"""
    counters.expires_at <= $3 OR counters.expires_at > excluded.expires_at + {CLOCK_SET_BACK}
"""
_BUMP_ALL = f"""
    INSERT INTO counters (name, value, expires_at)
    SELECT name, 1, CAST(ends AS float8) FROM unnest($1::text[], $2::text[]) AS given (name, ends)
    ORDER BY name
    ON CONFLICT (name) DO UPDATE SET
        value = CASE WHEN {_ENDED} THEN 1 ELSE counters.value + 1 END,
        expires_at = CASE WHEN {_ENDED} THEN excluded.expires_at ELSE counters.expires_at END
    RETURNING name, value
"""
"""In the same order, as are the counters that ``recount_parts`` sets back."""
_COUNT_ALL = "SELECT name, value FROM counters WHERE name = ANY($1::text[]) AND expires_at > $2"


def recount_parts(first: int, *, lowered: bool, condition: str = "true") -> Mapping[str, str]:
    """The parts of a statement that change counters; their parameters begin with that number."""
    given = f"unnest(${first}::text[], ${first + 1}::text[]) AS given (name, ends)"
    parts = {
        "begun": f"""
            INSERT INTO counters (name, value, expires_at)
            SELECT name, 1, CAST(ends AS float8) FROM {given} WHERE {condition} ORDER BY name
            ON CONFLICT (name) DO UPDATE SET value = 1, expires_at = excluded.expires_at
            RETURNING name""",
        "reset": f"""
            DELETE FROM counters WHERE name IN (
                SELECT name FROM counters WHERE name = ANY(${first + 2}::text[]) AND {condition}
                ORDER BY name FOR UPDATE
            ) RETURNING name""",
    }
    if lowered:
        lowering = _LOWER.format(names=f"${first + 3}", condition=condition)
        parts["lowered"] = f"{lowering} RETURNING name"
    return parts


def recount_values(counters: Recount) -> Sequence[Sequence[object]]:
    """The parameters of ``recount_parts``."""
    ends = [str(counters.now + window) for window in counters.begun.values()]
    lowered = ([*counters.lowered],) if counters.lowered else ()
    return [*counters.begun], ends, [*counters.reset], *lowered
