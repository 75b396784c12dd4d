"""Fixtures: a directory and a store on one database, a mail server, and the reset between them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.directories import database, directory, file, hashing
from tests.mail_server import MailServer, mail_server
from tests.provider.account.resetting import Resetting, resetting

from worksgate.credentials.password_hashing import PasswordHashing

__all__ = ["database", "directory", "file", "hashing"]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
async def reset(
    database: Path, hashing: PasswordHashing, server: MailServer
) -> AsyncIterator[Resetting]:
    """Three people with an address, one without, one disabled; mail goes to ``server``."""
    async with resetting(database, hashing, server.url) as reset:
        yield reset
