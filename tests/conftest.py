"""Fixtures for all rooms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.installation import Installation, installed


@pytest.fixture(params=["", "/sso"], ids=["at-root", "mounted"])
async def installation(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Installation]:
    """Worksgate at the root of its host, and once more mounted under a path."""
    async with installed(tmp_path, path=request.param) as installation:
        yield installation
