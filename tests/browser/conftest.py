"""One Chromium and one demonstration for all tests of this room; a fresh window for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Playwright
from tests.browser.servers import Demo, Premises, open_premises, running_demo
from tests.browser.windows import Window, launched

OpenWindow = Callable[..., Awaitable[Window]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser lives in one event loop, so the tests that use it share one."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo
