"""The person is what everything hangs on: what the release keeps beside the tables of 0.1.

One revision for the release, a function for each story.
"""

from alembic import op

from worksgate.store.schema import ADDED_COLUMNS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

description = "One owner for each user key, and what sessions, keys and clients keep from now on."
expands = True
locks = "brief"


# The oldest revision whose program can use a database at this one.
serves = "0003"


def upgrade() -> None:
    _short_lived()
    op.execute("DELETE FROM compatibility")
    op.execute(f"INSERT INTO compatibility (revision, oldest) VALUES ('{revision}', '{serves}')")  # noqa: S608  # two numbers of ours


def _short_lived() -> None:
    """What the stores keep: of a session, which factors were given and when."""
    for table, column, definition in ADDED_COLUMNS[revision]:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
