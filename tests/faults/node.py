"""``worksgate serve`` as a process, with the databases of a scenario."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import forking
from tests.ports import free_port

from worksgate.bootstrap.administration import open_administration
from worksgate.settings.options import Settings

READY = 60.0
"""Seconds until a node must be ready."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The client that LINE WORKS calls with."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass
class Node:
    """One node, or several workers behind one port."""

    folder: Path
    environment: Mapping[str, str]
    workers: int = 1
    prefix: tuple[str, ...] = ()
    """What stands before the command, such as ``taskset``; it must become the command itself.

    Without one the command is forked (``tests/forking.py``)."""
    port: int = 0
    process: forking.Process | None = None

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    @property
    def log(self) -> Path:
        return self.folder / f"node-{self.port}.log"

    def start(self, *, wait: bool = True) -> None:
        command = ("serve", "--port", str(self.port), "--workers", str(self.workers))
        variables = environment(self.environment)
        with self.log.open("ab") as log:
            if not self.prefix:
                self.process = forking.start(
                    *command,
                    env=variables,
                    cwd=self.folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            else:
                self.process = subprocess.Popen(
                    [*self.prefix, sys.executable, "-m", "worksgate", *command],
                    env=variables,
                    cwd=self.folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        assert self.process is not None
        until = time.monotonic() + READY
        while not self.is_ready():
            assert self.process.poll() is None, self.log.read_text("utf-8")[-2_000:]
            assert time.monotonic() < until, f"not ready:\n{self.log.read_text('utf-8')[-2_000:]}"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/readyz"
            with urllib.request.urlopen(url, timeout=3) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def kill(self) -> None:
        """``kill -9``, of all workers too."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process: those of this one, without its settings, and the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKSGATE_")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **settings}


def command(settings: Mapping[str, str], folder: Path, *arguments: str) -> str:
    """What a command of Worksgate prints. Raises RuntimeError where it is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "worksgate", *arguments],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"worksgate {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


async def register(settings: Mapping[str, str]) -> Registered:
    """Migrate the database that these variables name, and add the client ``acme``."""
    chosen = Settings(database_url=settings["WORKSGATE_DATABASE_URL"])
    async with open_administration(chosen, actor="test") as administration:
        redirect_uris = ("https://auth.worksmobile.com/cb",)
        made = await administration.clients.add("acme", redirect_uris=redirect_uris)
    return Registered(made.client.client_id, made.client_secret)
