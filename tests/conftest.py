"""Fixtures for all rooms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.installation import Installation, installed


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """Worksgate at the root of its host."""
    async with installed(tmp_path) as installation:
        yield installation


@pytest.fixture
async def mounted(tmp_path: Path) -> AsyncIterator[Installation]:
    """Worksgate mounted under a path of another application."""
    async with installed(tmp_path, path="/sso") as installation:
        yield installation


@pytest.fixture(params=["", "/sso"], ids=["at-root", "mounted"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    """Both, one after the other."""
    async with installed(tmp_path, path=request.param) as installation:
        yield installation
