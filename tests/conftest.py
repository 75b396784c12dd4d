"""Fixtures for all rooms."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.installation import Installation, installed

from worksgate import log
from worksgate.settings import Settings


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Hostile text in a report reaches the process that prints it, which takes UTF-8 alone."""
    return _encodable((yield))


def _encodable(data: Any) -> Any:
    match data:
        case str():
            return data.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {_encodable(name): _encodable(value) for name, value in data.items()}
        case list() | tuple():
            return type(data)(map(_encodable, data))
    return data


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


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What has been logged until it is called, whatever a test before has configured."""
    file = tmp_path / "logged"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    root_level = logging.getLogger().level
    monkeypatch.setattr(log, "_lines", None)
    log.configure(Settings(log_format="json"), to=descriptor)

    def read() -> str:
        assert log.flush()
        return file.read_text("utf-8")

    yield read
    log.close()
    os.close(descriptor)
    structlog.reset_defaults()
    logging.getLogger().setLevel(root_level)
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, log._Handler):
            logging.getLogger().removeHandler(handler)
