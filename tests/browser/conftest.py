"""One Chromium and one demonstration for all tests of this room; a fresh window for each test.

A browser lives in one event loop, so these tests share one: the session's.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.browser.servers import Demo, Premises, open_premises, running_demo
from tests.browser.windows import PATIENCE, OpenWindow, Window, launched

expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest_asyncio.fixture(loop_scope="session")
async def premises(tmp_path: Path) -> AsyncIterator[Premises]:
    """An installation of this test alone."""
    async with open_premises(tmp_path) as premises:
        yield premises


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(chromium: Browser) -> AsyncIterator[OpenWindow]:
    """Opens windows that share nothing; each is closed, and judged, when the test is over."""
    windows: list[Window] = []

    async def open_window(**options: object) -> Window:
        context = await chromium.new_context(**options)  # type: ignore[arg-type]  # passed on
        windows.append(await Window.of(context))
        return windows[-1]

    yield open_window
    for window in windows:
        await window.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(open_window: OpenWindow) -> Window:
    """A window of somebody who reads English."""
    return await open_window(locale="en-US")
