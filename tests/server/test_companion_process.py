"""The console's process beside the serving ones: it comes back, and it ends with them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from tests.databases import url_of
from tests.ports import free_port
from tests.server.processes import is_alive

PATIENCE = 120.0


@asynccontextmanager
async def served(
    tmp_path: Path, workers: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    port, console = free_port(), free_port()
    environment = {
        **os.environ,
        "WORKSGATE_DATABASE_URL": url_of(tmp_path / "worksgate.db"),
        "WORKSGATE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WORKSGATE_CONSOLE_PORT": str(console),
    }
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worksgate", "serve"),
            *("--port", str(port), "--workers", str(workers)),
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield process, f"http://127.0.0.1:{port}", f"http://localhost:{console}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answers(url: str) -> bool:
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        with suppress(httpx2.TransportError):
            return (await http.get(url)).status_code == 200
    return False


async def until(url: str, *, is_there: bool = True) -> None:
    async with asyncio.timeout(PATIENCE):
        while await answers(url) is not is_there:  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.1)


async def pids_of_console(log: Path, number: int) -> list[int]:
    """Its processes so far, as soon as so many are logged, which is a moment after their start."""
    async with asyncio.timeout(PATIENCE):
        while len(found := logged_pids(log)) < number:  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.1)
    return found


def logged_pids(log: Path) -> list[int]:
    whole_lines = log.read_text().rpartition("\n")[0].splitlines()
    lines = map(json.loads, whole_lines)
    return [line["pid"] for line in lines if line["event"] == "companion.started"]


async def gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while is_alive(pid):  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_console_is_a_process_of_its_own_that_comes_back(
    tmp_path: Path, workers: int
) -> None:
    async with served(tmp_path, workers) as (process, public, console):
        await until(f"{public}/healthz")
        await until(f"{console}/sign-in")
        assert not await answers(f"{public}/sign-in")
        assert not await answers(f"{console}/healthz")
        (pid,) = await pids_of_console(tmp_path / "log", 1)
        assert pid != process.pid
        os.kill(pid, signal.SIGKILL)
        assert await answers(f"{public}/healthz")
        await until(f"{console}/sign-in")
        _, second = await pids_of_console(tmp_path / "log", 2)
        process.terminate()
        await process.wait()
        await gone(second)
    assert process.returncode == 0


async def test_the_console_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    async with served(tmp_path, 1) as (process, _, console):
        await until(f"{console}/sign-in")
        (pid,) = await pids_of_console(tmp_path / "log", 1)
        process.kill()
        await process.wait()
        await gone(pid)
