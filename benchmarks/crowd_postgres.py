"""A PostgreSQL database with millions of live tokens, filled as fast as it can be."""

import time
from collections.abc import Callable
from typing import Any

STEP = 500_000
FILLED = 70
"""Percent to which the pages of the indexes are filled: about what is left of the one by person
after months; the others, which grow at their end, are fuller."""

_FILL = """
    INSERT INTO access_tokens
        (key, grant_id, subject_id, client_id, expires_at, user_id, login_id, login_kind)
    SELECT made || md5(n::text || 'a' || random()) || md5(n::text || 'b' || random()),
        made || substr(md5(n::text || 'c' || random()), 1, 14), 'subject-' || person || '-------',
        $3, $4::float8 + n * 0.001, 'E-' || person,
        made || substr(md5(n::text || 'd' || random()), 1, 14), 'web'
    FROM generate_series($1::bigint, $2::bigint) AS n,
        LATERAL lpad((n % 100000)::text, 6, '0') AS person,
        LATERAL lpad(to_hex($5::bigint + n), 11, '0') AS made
"""
_INDEXES = """
    SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisprimary
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'access_tokens'::regclass
"""


async def fill(db: Any, client_id: str, tokens: int, say: Callable[[str], None]) -> float:
    """Add so many tokens that live for days; the seconds that it took.

    The rows are made by the server and come before the indexes, which is many times faster.
    """
    began = time.monotonic()
    indexes = await db.fetch(_INDEXES)
    for name, _, is_primary in indexes:
        await db.execute(
            f"ALTER TABLE access_tokens DROP CONSTRAINT {name}"
            if is_primary
            else f"DROP INDEX {name}"
        )
    await db.execute("SET synchronous_commit = off")
    await db.execute("SET maintenance_work_mem = '1GB'")
    expires_at = time.time() + 5 * 86_400
    first_made = int(time.time() * 1_000) - tokens
    for first in range(0, tokens, STEP):
        last = min(first + STEP, tokens)
        await db.execute(_FILL, first, last - 1, client_id, expires_at, first_made)
        say(f"filling   {last:,} tokens, {time.monotonic() - began:.0f} s")
    for name, definition, is_primary in indexes:
        await db.execute(
            f"ALTER TABLE access_tokens ADD CONSTRAINT {name} PRIMARY KEY (key)"
            f" WITH (fillfactor = {FILLED})"
            if is_primary
            else f"{definition} WITH (fillfactor = {FILLED})"
        )
        say(f"filling   {name}, {time.monotonic() - began:.0f} s")
    await db.execute("VACUUM ANALYZE access_tokens")
    # What is to be written is written now, and not in a round.
    await db.execute("CHECKPOINT")
    return time.monotonic() - began


async def size(db: Any) -> int:
    """The bytes of the whole database."""
    return int(await db.fetchval("SELECT pg_database_size(current_database())"))
