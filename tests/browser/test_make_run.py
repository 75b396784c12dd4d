"""The newcomer's first step: ``make run`` in a fresh clone, a complete sign-in, and the console.

Nothing is there but the files of the repository, an empty home and a short environment: what
works only on a developer's machine fails here.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.windows import OpenWindow, open_console_as_told, sign_in_as_told
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
SETUP_TIME = 600.0
"""Seconds that a busy machine with a slow network may take to install what Worksgate runs on."""
STOP_TIME = 60.0
NETWORK = ("pip_", "uv_", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_")
"""How this machine reaches PyPI, where it says so by variables; the newcomer's would too."""


async def test_make_run_leads_a_newcomer_from_a_fresh_clone_to_a_whole_sign_in(
    tmp_path: Path, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", reduced_motion="reduce")
    clone = fresh_clone(tmp_path / "worksgate")
    async with make_run(clone, tmp_path) as lines:
        await sign_in_as_told(window.tab, lines)
        numbers = await window.tab.locator(".step .number").all_inner_texts()
        assert numbers == [str(number) for number in range(1, 12)]
        await expect(window.tab.locator(".step.is-failed")).to_have_count(0)
        await open_console_as_told(window.tab, lines)
    assert (clone / ".venv/bin/worksgate").exists()


def fresh_clone(folder: Path) -> Path:
    """A copy of what a clone would hold, with what is not committed yet."""
    names = subprocess.run(
        # the files may belong to somebody else than who runs the tests
        ("git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    for name in names.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():  # one that is deleted stays listed until that is committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@asynccontextmanager
async def make_run(clone: Path, folder: Path) -> AsyncIterator[list[str]]:
    """Run it as at a newcomer's terminal, with what it prints; Ctrl-C ends it, and all of it."""
    ports = f"--port {free_port()} --simulator-port {free_port()} --console-port {free_port()}"
    told = folder / "told"
    with told.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *("make", "run", f"ARGS={ports}"),
            cwd=clone,
            env=environment(folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SETUP_TIME):
            lines = [(await process.stdout.readline()).decode().rstrip() for _ in range(5)]
        assert all(lines), told.read_text()
        yield lines
        os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(STOP_TIME):
            rest = await process.stdout.read()  # to its end, when nobody can write to it any more
            await process.wait()
        assert (rest, "Traceback" in told.read_text()) == (b"", False), told.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def environment(folder: Path) -> dict[str, str]:
    """An empty home, but the wheels that are here already are not fetched once more."""
    home = folder / "home"
    home.mkdir()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    network = {
        name: value for name, value in os.environ.items() if name.lower().startswith(NETWORK)
    }
    path = os.environ["PATH"]
    return {
        **network,
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": cache,
    }
