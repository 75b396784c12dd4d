"""More ways in: people of other sources, second factors, app passwords, and what a client asks."""

import sqlalchemy as sa
from alembic import op

from worksgate.database.artifact_tables import ADDED_COLUMNS, ADDED_STATEMENTS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

description = "People of other sources, second factors, app passwords, and what a client asks for."
expands = True
locks = "brief"


def upgrade() -> None:
    _accounts()
    _clients()
    _people()
    _factors()
    for statement in ADDED_STATEMENTS[revision]:
        op.execute(statement)
    for table, column, definition in ADDED_COLUMNS[revision]:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")


def _accounts() -> None:
    op.add_column("accounts", sa.Column("email", sa.Text))
    op.add_column("accounts", sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
    op.add_column(
        "accounts",
        sa.Column("must_change_password", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("ix_accounts_email", "accounts", ["email"])


def _clients() -> None:
    for column in (
        sa.Column("sources", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("second_factor", sa.String(32), nullable=False, server_default="allowed"),
        sa.Column("rules", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("imap_login", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("imap_passwords", sa.String(32), nullable=False, server_default="app_passwords"),
    ):
        op.add_column("clients", column)


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("username_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("external_key", sa.Text),
        sa.Column("works_account", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("first_login_at", sa.Double, nullable=False),
        sa.Column("last_login_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_people"),
    )
    op.create_index("ix_people_username_key", "people", ["username_key"])
    op.create_index("ix_people_works_account", "people", ["works_account"])


def _factors() -> None:
    op.create_table(
        "totp_secrets",
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("subject_id", name="pk_totp_secrets"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_codes"),
    )
    op.create_index("ix_recovery_codes_subject_id", "recovery_codes", ["subject_id"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(1400), nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("aaguid", sa.String(36), nullable=False),
        sa.Column("transports", sa.JSON, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    op.create_index("ix_passkeys_subject_id", "passkeys", ["subject_id"])
    op.create_table(
        "app_passwords",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_app_passwords"),
        sa.UniqueConstraint("digest", name="uq_app_passwords_digest"),
    )
    op.create_index("ix_app_passwords_subject_id", "app_passwords", ["subject_id"])
