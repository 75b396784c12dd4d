"""``worksgate demo``, running, and the operations of its command line."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from worksgate.administration import Administration
from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo import command
from worksgate.cli.demo.company import OWNER
from worksgate.cli.demo.line_works_api import FILE
from worksgate.settings.loading import load

USUAL: Final = {
    "--port": command.PORT,
    "--simulator-port": command.SIMULATOR_PORT,
    "--console-port": command.CONSOLE_PORT,
}
LINES: Final = 5
"""That it prints; in the last one is the link into the console."""


@dataclass(frozen=True)
class Demonstration:
    """The addresses of one that runs, and its administration, in the name of its owner."""

    simulator: str
    console: str
    door: str
    """The page that opens the console."""
    said: Sequence[tuple[str, str]]
    """Its ports, each with the usual one."""
    administration: Administration


@asynccontextmanager
async def running_demonstration() -> AsyncIterator[Demonstration]:
    """Start it on free ports, in a folder that is removed at the end."""
    ports = {name: _free_port() for name in USUAL}
    options = [str(part) for pair in ports.items() for part in pair]
    with TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("worksgate"),
            *("demo", "--folder", folder, *options),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            door = (await _lines(process))[-1].split()[-1]
            file, port = Path(folder, FILE), ports["--console-port"]
            settings = load(file, {}, {"console_port": port})
            async with open_administration(settings, actor=f"console:{OWNER}") as administration:
                yield Demonstration(
                    f"http://127.0.0.1:{ports['--simulator-port']}",
                    f"http://localhost:{port}",
                    door,
                    [(f":{ports[name]}", f":{usual}") for name, usual in USUAL.items()],
                    administration,
                )
        finally:
            process.terminate()
            await process.wait()


async def _lines(process: asyncio.subprocess.Process) -> list[str]:
    lines = []
    if process.stdout is not None:
        lines = [(await process.stdout.readline()).decode() for _ in range(LINES)]
    if not all(lines):
        raise SystemExit("the demonstration did not start")
    return lines


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
