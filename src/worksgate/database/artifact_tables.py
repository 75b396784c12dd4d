"""The tables of the SQL stores: one for each kind of artifact (R-41), and the counters.

``FIRST_STATEMENTS`` is plain SQL that SQLite and PostgreSQL both accept. The first migration of the
directory executes it, so a database has one history; later changes are in ``ADDED_STATEMENTS`` and
``ADDED_COLUMNS``, by migration, and existing statements are never edited.

An access token is written at every sign-in, so the tables keep that write small: keys begin with a
time, so that their index grows at its end (``credentials.storage_key``), as do those of grants and
of expiry; and secondary indexes are short (a WITHOUT ROWID table would repeat the digest in each).
Only the index by person is updated at random positions.
"""

from collections.abc import Mapping

from worksgate.oauth.model import (
    AccessToken,
    Artifact,
    AuthorizationCode,
    Interim,
    RefreshToken,
    Session,
    SpentTransaction,
)

TABLES: Mapping[str, str] = {
    AuthorizationCode.kind: "codes",
    RefreshToken.kind: "refresh_tokens",
    AccessToken.kind: "access_tokens",
    Session.kind: "sessions",
    SpentTransaction.kind: "spent_transactions",
    Interim.kind: "interims",
}
"""The table of each kind of artifact; its columns are the fields of the artifact."""

COUNTERS = "counters"

_ARTIFACT = """
    key TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL"""

_TOKEN = f"""{_ARTIFACT},
    user_id TEXT NOT NULL,
    login_id TEXT NOT NULL,
    login_kind TEXT NOT NULL"""

_REDEEMABLE = f"""{_TOKEN},
    lifetime INTEGER NOT NULL,
    expires_in INTEGER,
    used INTEGER NOT NULL DEFAULT 0"""

_SESSION = f"""{_ARTIFACT},
    source TEXT NOT NULL,
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    external_key TEXT,
    works_account TEXT,
    authenticated_at DOUBLE PRECISION NOT NULL"""

_INTERIM = f"""{_ARTIFACT},
    purpose TEXT NOT NULL,
    data TEXT NOT NULL"""

_COUNTER = """
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL"""


def _table(name: str, columns: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} ({columns}\n)"


def _index(table: str, purpose: str, *columns: str) -> str:
    return f"CREATE INDEX IF NOT EXISTS ix_{table}_{purpose} ON {table} ({', '.join(columns)})"


def _artifacts(kind: type[Artifact], columns: str, *expiry: str) -> tuple[str, ...]:
    table = TABLES[kind.kind]
    return (
        _table(table, columns),
        _index(table, "grant", "grant_id"),
        _index(table, "subject", "subject_id"),
        _index(table, "expiry", *expiry),
    )


FIRST_STATEMENTS: tuple[str, ...] = (
    # Used ones are kept longer: each group is found without reading the other.
    *_artifacts(AuthorizationCode, _REDEEMABLE, "used", "expires_at"),
    *_artifacts(RefreshToken, _REDEEMABLE, "used", "expires_at"),
    *_artifacts(AccessToken, _TOKEN, "expires_at"),
    *_artifacts(Session, _SESSION, "expires_at"),
    *_artifacts(SpentTransaction, _ARTIFACT, "expires_at"),
    _table(COUNTERS, _COUNTER),
    _index(COUNTERS, "expiry", "expires_at"),
)

ADDED_STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "0002": _artifacts(Interim, _INTERIM, "expires_at"),
}
"""Statements of each migration, by revision."""

ADDED_COLUMNS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "0002": (
        ("sessions", "email", "TEXT"),
        ("sessions", "person_groups", "TEXT NOT NULL DEFAULT ''"),
        ("sessions", "second_factor_at", "DOUBLE PRECISION"),
        ("sessions", "revision", "TEXT"),
    ),
    "0004": (("sessions", "assurance", "TEXT NOT NULL DEFAULT ''"),),
}
"""Table, column and definition of added columns, by revision."""

CREATE_STATEMENTS: tuple[str, ...] = (
    *FIRST_STATEMENTS,
    *(statement for added in ADDED_STATEMENTS.values() for statement in added),
)
"""All tables and indexes; a new database gets the ``ADDED_COLUMNS`` by migration."""

AUDIT_STATEMENT = """
    CREATE TABLE IF NOT EXISTS audit (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        at DOUBLE PRECISION NOT NULL,
        event VARCHAR(64) NOT NULL,
        login_id TEXT, client_id TEXT, subject_id TEXT, username TEXT, address TEXT, actor TEXT,
        detail TEXT, reason VARCHAR(64), elapsed_ms DOUBLE PRECISION
    )"""
"""The directory's table of audit records, for a SQLite store that creates its own file."""
