"""Fixtures of the console's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.web.console.console import ConsoleUnderTest, console_of


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsoleUnderTest]:
    async with console_of(tmp_path) as console:
        yield console
