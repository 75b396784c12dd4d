"""A migrated database for each test, and the second factors on it."""

from collections.abc import Iterator

import pytest
from tests.directories import database, directory, file
from tests.provider.factors.desk import ORIGIN, Audit, Desk

from worksgate.directory.database import Directory
from worksgate.provider.factors import AppPasswords, Factors, RelyingParty

__all__ = ["database", "directory", "file"]


@pytest.fixture
def desk(directory: Directory) -> Iterator[Desk]:
    audit = Audit()
    factors = Factors(directory.factors, audit, RelyingParty.of(ORIGIN, "Acme"))
    yield Desk(directory, factors, AppPasswords(directory.app_passwords), audit)
    factors.close()
