"""The programs of the previous release and of this one, each as an administrator runs it.

The one before is a wheel, for a checkout may come without the history. It was built from the last
commit of that release, and the same bytes come again from::

    git archive d0fb121 | tar -x -C FOLDER
    cd FOLDER && python -m hatchling build -t wheel

It is unpacked into a folder that stands before the site-packages, and runs with the packages of
this release.
"""

import asyncio
import atexit
import compileall
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from tests import forking
from tests.faults.node import Node, environment

WHEEL_BEFORE = Path(__file__).with_name("worksgate-0.1.0-py3-none-any.whl")
SOURCE = Path(__file__).parents[2] / "src"

_COMMAND_TIME = 60.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Program:
    """One release, for the installation whose ``worksgate.toml`` is in a folder."""

    source: Path
    """Where it is imported from."""
    folder: Path

    @property
    def variables(self) -> Mapping[str, str]:
        return {"PYTHONPATH": str(self.source)}

    async def imported_from(self) -> Path:
        """Where ``python -m worksgate`` finds the program, whatever else is installed."""
        found = await self._python("-c", "import worksgate; print(worksgate.__file__)")
        return Path(found.stdout.strip())

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What becomes of a command."""
        if self.source != SOURCE:
            return await self._python("-m", "worksgate", *arguments)
        done = await asyncio.to_thread(
            forking.run, *arguments, cwd=self.folder, env=environment({})
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    async def ok(self, *arguments: str) -> str:
        """What a command prints that succeeds."""
        done = await self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    async def ok_at_last(self, *arguments: str) -> str:
        """The same, where sign-ins may change the same rows: then a command asks to try again."""
        for _ in range(_TRIES):
            done = await self.run(*arguments)
            if done.returncode == 0:
                return done.stdout
            assert "try again" in done.stderr, f"{arguments}: {done.stdout}{done.stderr}"
        raise AssertionError(f"{arguments}: {done.stderr}")

    async def serve(self) -> Node:
        """A server that is ready."""
        node = Node(self.folder, {} if self.source == SOURCE else self.variables)
        await asyncio.to_thread(node.start)
        return node

    async def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment(self.variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_TIME,
        )


def this_release(folder: Path) -> Program:
    return Program(SOURCE, folder)


def release_before(folder: Path) -> Program:
    return Program(_unpacked(), folder)


@cache
def _unpacked() -> Path:
    """Where the wheel is, for all tests of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="worksgate-before-")))
    with ZipFile(WHEEL_BEFORE) as wheel:
        wheel.extractall(folder)
    compileall.compile_dir(folder, quiet=1)  # what the tests start writes no bytecode
    return folder
