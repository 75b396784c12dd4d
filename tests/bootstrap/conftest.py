"""A migrated database for each test, and one pool that hashes."""

from tests.directories import database, directory, file, hashing

__all__ = ["database", "directory", "file", "hashing"]
