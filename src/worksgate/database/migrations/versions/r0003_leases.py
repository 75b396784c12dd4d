"""Leases, and which programs can use the database: for several nodes, and for the way back."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

description = "Leases, so that one of several nodes removes what has expired, and a way back."
expands = True
locks = "none"


# The oldest revision whose program can use a database at this one.
serves = "0003"


def upgrade() -> None:
    # A restored backup may be older than these tables, which exist then already.
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        if_not_exists=True,
    )
    op.create_table(
        "compatibility",
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("oldest", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_compatibility"),
        if_not_exists=True,
    )
    op.execute("DELETE FROM compatibility")
    op.execute(f"INSERT INTO compatibility (revision, oldest) VALUES ('{revision}', '{serves}')")  # noqa: S608  # two numbers of ours
