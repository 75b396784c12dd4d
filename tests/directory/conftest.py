"""A migrated database for each test."""

from tests.directories import database, directory, file

__all__ = ["database", "directory", "file"]
