"""The fixtures of the database: a migrated one for each test, on SQLite and on PostgreSQL."""

from tests.database.conftest import (
    bare_database_url,
    database,
    database_url,
    directory,
    file,
    kind,
)

__all__ = ["bare_database_url", "database", "database_url", "directory", "file", "kind"]
