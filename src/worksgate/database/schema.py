"""The tables, as the code sees them; ``migrations`` creates them, and a test compares the two.

Times are seconds since the epoch. Text that must be unique in any spelling has a ``…_key`` column
next to it with its ``usernames.username_key``. Only types that SQLite and PostgreSQL share are
used.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    false,
    func,
    literal_column,
    or_,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("external_key", Text, unique=True),
    Column("works_account", Text, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("password_changed_at", Double),
    Column("created_at", Double, nullable=False),
    Column("last_login_at", Double),
    Column("email", Text),
    Column("groups", JSON, nullable=False, server_default="[]"),
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    Column("role", String(32)),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("reading", Text, nullable=False, server_default=""),
    Column("sort_key", Text),
    Column("haystack", Text),
    Index(None, "email"),
)
Index("ix_accounts_email_folded", func.lower(accounts.c.email))
"""Whoever resets a password may have typed their address in capitals."""

people = Table(
    "people",
    metadata,
    Column("subject_id", String(512), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("external_key", Text, index=True),
    Column("works_account", Text, index=True),
    Column("email", Text),
    Column("groups", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("first_login_at", Double, nullable=False),
    Column("last_login_at", Double, nullable=False),
    Column("vouched_at", Double),
    Column("lapse_told_at", Double),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("role", String(32)),
    Column("group_role", String(32)),
    Column("role_group", Text),
    Column("reading", Text, nullable=False, server_default=""),
    Column("sort_key", Text),
    Column("haystack", Text),
)
"""``role`` is that of an administrator of the console, ``group_role`` what ``role_group`` gives."""
Index("ix_people_role", people.c.role, sqlite_where=people.c.role.is_not(None))
Index("ix_people_group_role", people.c.group_role, sqlite_where=people.c.group_role.is_not(None))
for _table, _key in ((accounts, accounts.c.id), (people, people.c.subject_id)):
    # A server of the previous release writes no sort_key (``directory.people_index``).
    _sort_key = func.coalesce(_table.c.sort_key, _table.c.username_key)
    Index(f"ix_{_table.name}_sort_key", _sort_key, _key)

removed_accounts = Table(
    "removed_accounts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username_key", Text, nullable=False, index=True),
    Column("removed_at", Double, nullable=False),
    Column("actor", Text),
    Column("haystack", Text, nullable=False),
    Column("account", JSON, nullable=False),
    Index("ix_removed_accounts_removed_at", "removed_at", "id"),
)
"""Accounts that were removed, as they were, until they are purged or restored.

``haystack`` is what a search looks at.
"""

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("subject_id", String(512), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("subject_id", String(512), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(1400), primary_key=True),
    Column("subject_id", String(512), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("transports", JSON, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("console_host", String(253)),
)
"""``console_host`` is where a passkey of the console was made, which signs in nowhere else."""

app_passwords = Table(
    "app_passwords",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("subject_id", String(512), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
)

key_owners = Table(
    "key_owners",
    metadata,
    # Begins with a time. Not numbered by the database: ``move`` and ``restore`` copy only rows.
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("value", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("subject_id", String(512), nullable=False, index=True),
    Column("since", Double, nullable=False),
    Column("released_at", Double),
    Index("ix_key_owners_folded", "kind", "folded"),
)
"""The current and former owner of each user key; a key has one owner until it is released.

Rows are never deleted.
"""

Index(
    "uq_key_owners_owner",
    key_owners.c.kind,
    key_owners.c.value,
    unique=True,
    # PostgreSQL has it too, by migration: naming it here would load that dialect everywhere.
    sqlite_where=key_owners.c.released_at.is_(None),
)

# Keys given up by an account or a person, for servers of the previous release.
retired_keys = Table(
    "retired_keys",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("value", Text, primary_key=True),
    Column("account_id", String(64), nullable=False),
    Column("retired_at", Double, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("profile", String(32), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("redirect_uris", JSON, nullable=False),
    Column("logout_redirect_uris", JSON, nullable=False),
    Column("user_key", String(32), nullable=False),
    Column("domain", Text),
    Column("require_state", Boolean, nullable=False),
    Column("logout_queries", Boolean, nullable=False),
    Column("redirect_denials", Boolean, nullable=False),
    Column("session_key_check", String(32), nullable=False),
    Column("error_style", String(32), nullable=False),
    Column("error_status", String(32), nullable=False),
    Column("expires_in_web", Integer, nullable=False),
    Column("expires_in_app", Integer, nullable=False),
    Column("expires_in_imap", Integer, nullable=False),
    Column("announce_expires_in", Boolean, nullable=False),
    Column("access_token_lifetime", Integer),
    Column("code_lifetime", Integer, nullable=False),
    Column("refresh_tokens", Boolean, nullable=False),
    Column("refresh_token_lifetime", Integer, nullable=False),
    Column("allowed_addresses", JSON, nullable=False),
    Column("sources", JSON, nullable=False, server_default="[]"),
    Column("second_factor", String(32), nullable=False, server_default="allowed"),
    Column("rules", JSON, nullable=False, server_default="[]"),
    Column("imap_login", Boolean, nullable=False, server_default=false()),
    Column("imap_passwords", String(32), nullable=False, server_default="app_passwords"),
    Column("version", BigInteger, nullable=False, server_default="0", index=True),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column(
        "client_id",
        String(64),
        ForeignKey("clients.client_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
)

installation = Table(
    "installation",
    metadata,
    Column("id", String(64), primary_key=True),
    # Counts the changes to clients: processes with clients in memory read this number first.
    Column("clients_version", BigInteger, nullable=False, server_default="0"),
)

keys = Table(
    "keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_at", Double, nullable=False),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("subject_id", String(512), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("proved_at", Double),
    Column("assurance", Text, nullable=False, server_default=""),
    Column("address", Text),
    Column("browser", Text),
    Column("asked_at", Double),
)
"""Sessions of administrators; ``proved_at`` is when they last used a second factor, ``asked_at``
when their source last vouched for them."""

first_links = Table(
    "first_links",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("recovers", Boolean, nullable=False, server_default=false()),
)
"""One-time links for the first owner; one that ``recovers`` also works if there is an owner."""

console_invitations = Table(
    "console_invitations",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("role", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("inviter", String(512)),
    Column("actor", Text, nullable=False),
)
"""One-time links of further administrators; ``inviter`` is the subject of the owner who made it,
none for the command line."""

deployer_tokens = Table(
    "deployer_tokens",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", String(256), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("used_at", Double),
    Column("maker", String(512)),
    Column("actor", Text, nullable=False),
)
"""Tokens that may apply a file of clients; ``maker`` is the subject of the owner who made it, none
for the command line."""

preferences = Table(
    "preferences",
    metadata,
    Column("subject_id", String(512), primary_key=True),
    Column("language", String(16), nullable=False),
)
"""What administrators have chosen for themselves: the language of the console and of mails."""

departures = Table(
    "departures",
    metadata,
    Column("subject_id", String(512), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("username", Text, nullable=False),
    Column("due_at", Double, nullable=False, index=True),
    Column("planned_at", Double, nullable=False),
    Column("actor", Text),
    Column("role", String(32)),
    Column("suspends", Boolean),
    Column("session", String(64)),
    Column("request_id", String(64)),
)
"""People who leave on a date; ``role`` is theirs in the console when that was planned.

``suspends`` is whether they are suspended at LINE WORKS, too.
"""

changes = Table(
    "changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text),
    Column("role", String(32)),
    Column("kind", String(32), nullable=False),
    Column("subject", String(512), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("undoes", BigInteger),
    Column("session", String(64)),
    Column("request_id", String(64)),
    Index("ix_changes_subject", "subject", "number"),
    sqlite_autoincrement=True,
)
"""What administrators changed: ``fields`` is a list of (field, before, after).

``session`` and ``request_id`` name those of the console; neither is a secret.
"""
for _name in ("session", "request_id"):
    _some = changes.c[_name].is_not(None)
    Index(f"ix_changes_{_name}", changes.c[_name], changes.c.number, sqlite_where=_some)

wizard_answers = Table(
    "wizard_answers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("actor", Text),
    Column("at", Double, nullable=False),
)
"""What was answered and checked in the set-up wizard, and by whom."""

branding_versions = Table(
    "branding_versions",
    metadata,
    Column(
        "client_id",
        String(64),
        ForeignKey("clients.client_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("content", JSON, nullable=False),
    Column("logo", LargeBinary),
    Column("created_at", Double, nullable=False),
    Column("actor", Text),
    Column("published_at", Double),
)
"""How a client's sign-in page looks: drafts, and what was published, of which the last counts."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("actor", Text),
    Column("role", String(32)),
    Column("state", String(16), nullable=False),
    Column("created_at", Double, nullable=False, index=True),
    Column("ended_at", Double),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("position", Text),
    Column("undoes", String(64)),
    Column("session", String(64)),
    Column("request_id", String(64)),
)
"""Bulk changes of people; ``position`` is the last subject that was dealt with."""

job_rows = Table(
    "job_rows",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("subject_id", String(512), primary_key=True),
    Column("outcome", String(32), nullable=False),
    Column("before", JSON),
    Column("detail", Text),
)
"""What a job did to each person, so that it can be undone."""

line_works_members = Table(
    "line_works_members",
    metadata,
    Column("reading", String(64), primary_key=True),
    Column("account", String(512), primary_key=True),
    Column("name", Text, nullable=False),
    Column("external_key", Text),
    Column("state", String(32), nullable=False),
)
"""The members of LINE WORKS, by the file of its console or its API; one reading is current."""

rehearsal_findings = Table(
    "rehearsal_findings",
    metadata,
    Column("rehearsal", String(64), primary_key=True),
    Column("finding", String(32), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("account", String(512)),
    Column("name", Text, nullable=False),
    Column("subject_id", String(512)),
    Column("username", Text),
    Column("key_here", Text),
    Column("key_there", Text),
)
"""What a rehearsal found about whom; one rehearsal is current."""

line_works_apps = Table(
    "line_works_apps",
    metadata,
    Column(
        "client_id",
        String(64),
        ForeignKey("clients.client_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("secret", LargeBinary, nullable=False),
    Column("set_at", Double, nullable=False),
    Column("actor", Text),
)
"""What Worksgate signs in with at the LINE WORKS API of each client; always encrypted."""

alerts = Table(
    "alerts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("details", JSON, nullable=False),
    Column("since", Double, nullable=False, index=True),
    Column("seen_at", Double, nullable=False),
    Column("mailed_at", Double),
    Column("posted_at", Double),
    Column("messaged_at", Double),
    Column("tries", Integer, nullable=False, server_default="0"),
)
"""Alerts to administrators by mail, webhook or bot: one for each occurrence."""

compatibility = Table(
    "compatibility",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("oldest", String(32), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", String(64), nullable=False),
    Column("login_id", Text),
    Column("client_id", Text),
    Column("subject_id", Text),
    Column("username", Text),
    Column("address", Text),
    Column("actor", Text),
    Column("detail", Text),
    Column("reason", String(64)),
    Column("elapsed_ms", Double),
    Index(None, "at"),
    Index(None, "login_id"),
    # Numbers are never reused, not even after the oldest records were purged.
    sqlite_autoincrement=True,
)

_OF_CALLS = ("code.issued", "code.redeemed", "token.refreshed", "user_info.returned")
_REFUSED_CALLS = ("client.refused", "code.refused", "code.replayed", "user_info.refused")

# Both databases have them, by migration; naming PostgreSQL's condition here would load its dialect.
# As comparisons: for an IN SQLite builds a set at every insertion, at a third of its cost.
NOT_OF_CALLS = and_(*(audit.c.event != literal_column(repr(each)) for each in _OF_CALLS))
"""Records other than those of LINE WORKS' calls; with it, an index finds them by subject."""
OF_REFUSED_CALLS = or_(*(audit.c.event == literal_column(repr(each)) for each in _REFUSED_CALLS))
"""Records of refused calls; with it, an index finds them by client."""

Index("ix_audit_subject_id", audit.c.subject_id, audit.c.id, sqlite_where=NOT_OF_CALLS)
Index("ix_audit_username", audit.c.username, audit.c.id, sqlite_where=audit.c.username.is_not(None))
Index("ix_audit_actor", audit.c.actor, audit.c.id, sqlite_where=audit.c.actor.is_not(None))
Index("ix_audit_refused_calls", audit.c.client_id, audit.c.at, sqlite_where=OF_REFUSED_CALLS)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("purged", BigInteger, nullable=False, server_default="0"),
    Column("mac", String(80)),
)
"""Each seal holds a digest of a range of audit records and of the seal before."""
