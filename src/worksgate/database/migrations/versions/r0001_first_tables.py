"""The first tables: accounts, clients, keys, audit log, and those of the SQL store."""

import sqlalchemy as sa
from alembic import op

from worksgate.database.artifact_tables import FIRST_STATEMENTS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

description = "The first tables: accounts, clients, keys, the audit log, codes, tokens, sessions."
expands = True
locks = "none"


def upgrade() -> None:
    _accounts()
    _clients()
    _keys()
    _audit()
    for statement in FIRST_STATEMENTS:
        op.execute(statement)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("username_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("external_key", sa.Text),
        sa.Column("works_account", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("password_changed_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_login_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("username_key", name="uq_accounts_username_key"),
        sa.UniqueConstraint("external_key", name="uq_accounts_external_key"),
        sa.UniqueConstraint("works_account", name="uq_accounts_works_account"),
    )
    op.create_table(
        "retired_keys",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("retired_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_retired_keys"),
    )


def _clients() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("redirect_uris", sa.JSON, nullable=False),
        sa.Column("logout_redirect_uris", sa.JSON, nullable=False),
        sa.Column("user_key", sa.String(32), nullable=False),
        sa.Column("domain", sa.Text),
        sa.Column("require_state", sa.Boolean, nullable=False),
        sa.Column("logout_queries", sa.Boolean, nullable=False),
        sa.Column("redirect_denials", sa.Boolean, nullable=False),
        sa.Column("session_key_check", sa.String(32), nullable=False),
        sa.Column("error_style", sa.String(32), nullable=False),
        sa.Column("error_status", sa.String(32), nullable=False),
        sa.Column("expires_in_web", sa.Integer, nullable=False),
        sa.Column("expires_in_app", sa.Integer, nullable=False),
        sa.Column("expires_in_imap", sa.Integer, nullable=False),
        sa.Column("announce_expires_in", sa.Boolean, nullable=False),
        sa.Column("access_token_lifetime", sa.Integer),
        sa.Column("code_lifetime", sa.Integer, nullable=False),
        sa.Column("refresh_tokens", sa.Boolean, nullable=False),
        sa.Column("refresh_token_lifetime", sa.Integer, nullable=False),
        sa.Column("allowed_addresses", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
        sa.UniqueConstraint("name_key", name="uq_clients_name_key"),
    )
    op.create_table(
        "client_secrets",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.PrimaryKeyConstraint("digest", name="pk_client_secrets"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name="fk_client_secrets_client_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_client_secrets_client_id", "client_secrets", ["client_id"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("login_id", sa.Text),
        sa.Column("client_id", sa.Text),
        sa.Column("subject_id", sa.Text),
        sa.Column("username", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_login_id", "audit", ["login_id"])
