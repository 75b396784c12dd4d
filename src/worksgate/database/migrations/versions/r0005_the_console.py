"""What the console, the trace of sign-ins and the seals of the audit log keep.

Only additions. The indexes of the audit log leave out the records of LINE WORKS' calls, which are
most of them: they are found by the ID of their sign-in, and cost the calls nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

description = "Administrators' roles and sessions, reasons in the audit log, and its seals."
expands = True
locks = "brief"

# The oldest revision whose program can use a database at this one, unless secrets are encrypted.
serves = "0003"

_OF_CALLS = ("code.issued", "code.redeemed", "token.refreshed", "user_info.returned")
_REFUSED_CALLS = ("client.refused", "code.refused", "code.replayed", "user_info.refused")


def upgrade() -> None:
    _audit()
    _seals()
    _administrators()
    _departures()
    _versions()
    # The programs that could use it still can: encrypted secrets have excluded some.
    op.execute(f"UPDATE compatibility SET revision = '{revision}'")  # noqa: S608  # a number of ours


def _audit() -> None:
    """Why something was refused, how long a step took, and how a person's records are found."""
    op.add_column("audit", sa.Column("reason", sa.String(64)))
    op.add_column("audit", sa.Column("elapsed_ms", sa.Double))
    no_calls = " AND ".join(f"event != '{each}'" for each in _OF_CALLS)
    refused_calls = " OR ".join(f"event = '{each}'" for each in _REFUSED_CALLS)
    for name, columns, condition in (
        ("ix_audit_subject_id", ["subject_id", "id"], no_calls),
        ("ix_audit_username", ["username", "id"], "username IS NOT NULL"),
        ("ix_audit_refused_calls", ["client_id", "at"], refused_calls),
    ):
        where = sa.text(condition)
        op.create_index(name, "audit", columns, sqlite_where=where, postgresql_where=where)


def _seals() -> None:
    """Each seal holds a digest of a range of audit records and of the seal before."""
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("purged", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("mac", sa.String(80)),
        sa.PrimaryKeyConstraint("number", name="pk_audit_seals"),
    )


def _administrators() -> None:
    """Roles, sessions of the console, and the one-time links with which it begins."""
    op.add_column("accounts", sa.Column("role", sa.String(32)))
    op.create_table(
        "console_sessions",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("proved_at", sa.Double),
        sa.Column("assurance", sa.Text, nullable=False, server_default=""),
        sa.Column("address", sa.Text),
        sa.Column("browser", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_console_sessions"),
    )
    op.create_index("ix_console_sessions_subject_id", "console_sessions", ["subject_id"])
    op.create_table(
        "first_links",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("recovers", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("key", name="pk_first_links"),
    )


def _departures() -> None:
    """People who leave on a date."""
    op.create_table(
        "departures",
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("planned_at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text),
        sa.PrimaryKeyConstraint("subject_id", name="pk_departures"),
    )
    op.create_index("ix_departures_due_at", "departures", ["due_at"])


def _versions() -> None:
    """By which an editor finds out that somebody else was faster."""
    for table in ("accounts", "people"):
        op.add_column(
            table, sa.Column("version", sa.BigInteger, nullable=False, server_default="0")
        )
