"""A store with millions of live tokens, filled as fast as SQLite can."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from load import Failed

STEP = 250_000
BYTES_A_TOKEN = 600
"""With its four indexes; for the question whether the disk is large enough."""

# In the order of their coming, a millisecond after one another, as they would be after months of
# sign-ins.
_FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers LIMIT ?)
    INSERT INTO access_tokens
        (key, grant_id, subject_id, client_id, expires_at, user_id, login_id, login_kind)
    SELECT made || lower(hex(randomblob(32))), made || substr(hex(randomblob(7)), 1, 14),
        printf('subject-%06d-------', n % 100000), ?, ? + n * 0.001,
        printf('E-%06d', n % 100000), made || substr(hex(randomblob(7)), 1, 14), 'web'
    FROM (SELECT n, printf('%011x', ? + n) AS made FROM numbers)
"""


def fill(database: Path, client_id: str, tokens: int, say: Callable[[str], None]) -> float:
    """Add so many tokens that live for days; the seconds that it took. Raises Failed."""
    free = shutil.disk_usage(database.parent).free
    if free < 2 * tokens * BYTES_A_TOKEN:
        raise Failed(f"{2 * tokens * BYTES_A_TOKEN / 2**30:.0f} GiB of disk are needed")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    began = time.monotonic()
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA cache_size = {-min(memory // 2, 8 * 2**30) // 1024}")
        expires_at = time.time() + 5 * 86_400
        first_made = int(time.time() * 1_000) - tokens
        db.execute("BEGIN EXCLUSIVE")
        for first in range(0, tokens, STEP):
            count = min(STEP, tokens - first)
            db.execute(_FILL, (first, count, client_id, expires_at, first_made))
            say(f"filling   {min(first + STEP, tokens):,} tokens, {time.monotonic() - began:.0f} s")
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    descriptor = os.open(database, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)
    return time.monotonic() - began
