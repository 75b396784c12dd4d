"""The person is what everything hangs on: what the release keeps beside the tables of 0.1.

One revision for the release, a function for each story. What takes long comes first: a table that
is altered stays locked until the commit, and servers of the release before wait for it.
"""

import secrets
from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op

from worksgate.credentials.secrets import new_ordered_id
from worksgate.credentials.usernames import username_key
from worksgate.database.artifact_tables import ADDED_COLUMNS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

description = "One owner for each user key, and what sessions, keys and clients keep from now on."
expands = True
locks = "brief"


# The oldest revision whose program can use a database at this one.
serves = "0003"

_AT_ONCE = 500

_log = structlog.get_logger("worksgate.database.migrations")


def upgrade() -> None:
    _key_owners()
    _one_installation()
    _short_lived()
    _people()
    _lapse_notices()
    _clients()
    op.execute("DELETE FROM compatibility")
    op.execute(f"INSERT INTO compatibility (revision, oldest) VALUES ('{revision}', '{serves}')")  # noqa: S608  # two numbers of ours


def _short_lived() -> None:
    """Additions to the stores: which factors were used in a session, and when."""
    for table, column, definition in ADDED_COLUMNS[revision]:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")


def _people() -> None:
    op.create_index("ix_people_external_key", "people", ["external_key"])
    op.add_column("people", sa.Column("vouched_at", sa.Double))


def _clients() -> None:
    op.add_column(
        "clients", sa.Column("version", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_index("ix_clients_version", "clients", ["version"])


def _lapse_notices() -> None:
    """When a person was notified that their app passwords lapse."""
    op.add_column("people", sa.Column("lapse_told_at", sa.Double))


def _key_owners() -> None:
    """One owner for each user key: initially, whoever has or had it."""
    table = op.create_table(
        "key_owners",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("released_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_key_owners"),
    )
    not_released = sa.text("released_at IS NULL")
    op.create_index("ix_key_owners_folded", "key_owners", ["kind", "folded"])
    op.create_index("ix_key_owners_subject_id", "key_owners", ["subject_id"])
    op.create_index(
        "uq_key_owners_owner",
        "key_owners",
        ["kind", "value"],
        unique=True,
        sqlite_where=not_released,
        postgresql_where=not_released,
    )
    if not op.get_context().as_sql:
        _fill(op.get_bind(), table)


_KINDS = ("external_key", "works_account")
_HOLDERS = (
    # The first holder owns the key; the order never depends on that of the rows.
    "SELECT '{kind}', {kind}, 'directory:' || id, created_at FROM accounts"
    " WHERE {kind} IS NOT NULL ORDER BY id",
    "SELECT kind, value, 'directory:' || account_id, retired_at FROM retired_keys"
    " WHERE kind = '{kind}' ORDER BY value",
    "SELECT '{kind}', {kind}, subject_id, first_login_at FROM people"
    " WHERE {kind} IS NOT NULL ORDER BY first_login_at, subject_id",
)


def _fill(connection: sa.Connection, table: sa.Table) -> None:
    owners: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in _KINDS:
        for question in _HOLDERS:
            for _, value, subject_id, since in connection.execute(
                sa.text(question.format(kind=kind))
            ):
                owner = owners.setdefault(
                    (kind, value),
                    {
                        "id": new_ordered_id(),
                        "kind": kind,
                        "value": value,
                        "folded": _folded(kind, value),
                        "subject_id": subject_id,
                        "since": since,
                    },
                )
                if owner["subject_id"] != subject_id:
                    _log.warning(
                        "person.key_taken",
                        kind=kind,
                        subject_id=subject_id,
                        owner=owner["subject_id"],
                    )
    rows = list(owners.values())
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(sa.insert(table), rows[start : start + _AT_ONCE])


def _folded(kind: str, value: str) -> str:
    """The canonical form of a key's spellings, as of this revision."""
    key = username_key(value)
    return key.partition("@")[0] if kind == "works_account" else key


def _one_installation() -> None:
    """An ID by which a replaced database is detected; a counter of changes."""
    op.create_table(
        "installation",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("clients_version", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.execute(f"INSERT INTO installation (id) VALUES ('{secrets.token_hex(16)}')")  # noqa: S608  # hexadecimal digits
