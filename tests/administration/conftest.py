"""An administration on a migrated database for each test."""

from pathlib import Path

import pytest
from tests.administration.installation import Office, office
from tests.directories import database, directory, file, hashing

from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory

__all__ = ["at_work", "database", "directory", "file", "hashing"]


@pytest.fixture
def at_work(directory: Directory, file: Path, hashing: PasswordHashing) -> Office:
    """An administration on a fresh database."""
    return office(directory, file, hashing)
