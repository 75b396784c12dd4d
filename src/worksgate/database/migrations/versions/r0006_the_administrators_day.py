"""What the console's editors, lists, wizard, branding, jobs, rehearsals, alerts and the API keep.

Only additions: nothing of a sign-in reads or writes these tables but the branding of its page.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

description = "Changes, the wizard, branding, jobs, members, alerts, the API, passkeys, roles."
expands = True
locks = "brief"

# The oldest revision whose program can use a database at this one, unless secrets are encrypted.
serves = "0003"


def upgrade() -> None:
    _changes()
    _wizard()
    _branding()
    _jobs()
    _members()
    _departures()
    _alerts()
    _console_passkeys()
    _administrators_of_sources()
    _line_works_apps()
    _invitations()
    _removed_accounts()
    _deployer_tokens()
    _preferences()
    _audit_by_actor()
    # A password reset by e-mail address read all accounts.
    op.create_index("ix_accounts_email_folded", "accounts", [sa.text("lower(email)")])
    _lists_of_people()
    # The programs that could use it still can: encrypted secrets have excluded some.
    op.execute(f"UPDATE compatibility SET revision = '{revision}'")  # noqa: S608  # a number of ours


def _changes() -> None:
    """What administrators changed: each field before and after."""
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("role", sa.String(32)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("undoes", sa.BigInteger),
        sa.Column("session", sa.String(64)),
        sa.Column("request_id", sa.String(64)),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_subject", "changes", ["subject", "number"])
    for name in ("session", "request_id"):
        some = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_changes_{name}",
            "changes",
            [name, "number"],
            sqlite_where=some,
            postgresql_where=some,
        )


def _wizard() -> None:
    """What was answered and checked in the set-up wizard."""
    op.create_table(
        "wizard_answers",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_wizard_answers"),
    )


def _branding() -> None:
    """Drafts and published versions of how a client's sign-in page looks."""
    op.create_table(
        "branding_versions",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("logo", sa.LargeBinary),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("published_at", sa.Double),
        sa.PrimaryKeyConstraint("client_id", "number", name="pk_branding_versions"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            ondelete="CASCADE",
            name="fk_branding_versions_client_id",
        ),
    )


def _jobs() -> None:
    """Bulk changes of people, and what each did to whom, so that it can be undone."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("role", sa.String(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("position", sa.Text),
        sa.Column("undoes", sa.String(64)),
        sa.Column("session", sa.String(64)),
        sa.Column("request_id", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_table(
        "job_rows",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("job_id", "subject_id", name="pk_job_rows"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name="fk_job_rows_job_id"
        ),
    )


def _members() -> None:
    """The members of LINE WORKS, of the file that its console gives, and what a rehearsal found.

    Each set of rows has an ID, and counts once that is the one in ``wizard_answers``.
    """
    op.create_table(
        "line_works_members",
        sa.Column("reading", sa.String(64), nullable=False),
        sa.Column("account", sa.String(512), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("external_key", sa.Text),
        sa.Column("state", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("reading", "account", name="pk_line_works_members"),
    )
    op.create_table(
        "rehearsal_findings",
        sa.Column("rehearsal", sa.String(64), nullable=False),
        sa.Column("finding", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("account", sa.String(512)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("subject_id", sa.String(512)),
        sa.Column("username", sa.Text),
        sa.Column("key_here", sa.Text),
        sa.Column("key_there", sa.Text),
        sa.PrimaryKeyConstraint("rehearsal", "finding", "number", name="pk_rehearsal_findings"),
    )


def _departures() -> None:
    """Whether an administrator was to leave, whether there, too, and in which request of whom."""
    op.add_column("departures", sa.Column("role", sa.String(32)))
    op.add_column("departures", sa.Column("suspends", sa.Boolean))
    op.add_column("departures", sa.Column("session", sa.String(64)))
    op.add_column("departures", sa.Column("request_id", sa.String(64)))


def _alerts() -> None:
    """What administrators were told of."""
    op.create_table(
        "alerts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("mailed_at", sa.Double),
        sa.Column("posted_at", sa.Double),
        sa.Column("messaged_at", sa.Double),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("key", name="pk_alerts"),
    )
    op.create_index("ix_alerts_since", "alerts", ["since"])


def _console_passkeys() -> None:
    """For which console a passkey was made; none for those of people's own sign-ins."""
    op.add_column("passkeys", sa.Column("console_host", sa.String(253)))


def _administrators_of_sources() -> None:
    """The role that a person of another source has in the console, and until when it counts."""
    op.add_column("console_sessions", sa.Column("asked_at", sa.Double))
    added = ("role VARCHAR(32)", "group_role VARCHAR(32)", "role_group TEXT")
    _add_columns("people", *added, *_LISTS)
    some = sa.text("role IS NOT NULL")
    op.create_index("ix_people_role", "people", ["role"], sqlite_where=some, postgresql_where=some)
    some = sa.text("group_role IS NOT NULL")
    op.create_index(
        "ix_people_group_role",
        "people",
        ["group_role"],
        sqlite_where=some,
        postgresql_where=some,
    )


def _line_works_apps() -> None:
    """What Worksgate signs in with at the LINE WORKS API; always encrypted."""
    op.create_table(
        "line_works_apps",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("set_at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text),
        sa.PrimaryKeyConstraint("client_id", name="pk_line_works_apps"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            ondelete="CASCADE",
            name="fk_line_works_apps_client_id",
        ),
    )


def _invitations() -> None:
    """One-time links of further administrators."""
    op.create_table(
        "console_invitations",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("inviter", sa.String(512)),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_console_invitations"),
        sa.UniqueConstraint("id", name="uq_console_invitations_id"),
    )


def _removed_accounts() -> None:
    """Accounts that were removed, as they were: the previous release knows nothing of them."""
    op.create_table(
        "removed_accounts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("username_key", sa.Text, nullable=False),
        sa.Column("removed_at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("haystack", sa.Text, nullable=False),
        sa.Column("account", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_removed_accounts"),
    )
    op.create_index("ix_removed_accounts_username_key", "removed_accounts", ["username_key"])
    op.create_index("ix_removed_accounts_removed_at", "removed_accounts", ["removed_at", "id"])


_LISTS = ("reading TEXT DEFAULT '' NOT NULL", "sort_key TEXT", "haystack TEXT")
"""How names are read, and what lists and searches find people by; the program fills it."""


def _lists_of_people() -> None:
    """``people`` has the columns already."""
    _add_columns("accounts", *_LISTS)
    for table, key in (("accounts", "id"), ("people", "subject_id")):
        sort_key = sa.text("coalesce(sort_key, username_key)")
        op.create_index(f"ix_{table}_sort_key", table, [sort_key, key])


def _add_columns(table: str, *columns: str) -> None:
    """In one statement, if there may be several: the table is locked until the commit."""
    added = [f"ADD COLUMN {column}" for column in columns]
    at_once = [", ".join(added)] if op.get_bind().dialect.name == "postgresql" else added
    for some in at_once:
        op.execute(f"ALTER TABLE {table} {some}")


def _deployer_tokens() -> None:
    """Tokens with which a pipeline applies a file of clients."""
    op.create_table(
        "deployer_tokens",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("used_at", sa.Double),
        sa.Column("maker", sa.String(512)),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_deployer_tokens"),
        sa.UniqueConstraint("id", name="uq_deployer_tokens_id"),
        sa.UniqueConstraint("name", name="uq_deployer_tokens_name"),
    )


def _preferences() -> None:
    """The language that an administrator has chosen."""
    op.create_table(
        "preferences",
        sa.Column("subject_id", sa.String(512), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_preferences"),
    )


def _audit_by_actor() -> None:
    """What one administrator did: few records have an actor."""
    some = sa.text("actor IS NOT NULL")
    op.create_index(
        "ix_audit_actor", "audit", ["actor", "id"], sqlite_where=some, postgresql_where=some
    )
