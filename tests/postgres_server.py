"""A real PostgreSQL: one for a test run, and a database for each test.

``database_url`` is the fixture: the address of a new, migrated database. Whoever has a folder
instead of a fixture asks for ``url_for`` it, ``giving_back`` the database at the end. A test that
kills its server or uses up its connections starts another one with ``running_postgres``.
"""

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from tests.machine import require
from tests.ports import free_port
from tests.postgres_protocol import simple_query

from worksgate.database.migrations import migrate

__all__ = [
    "PostgresServer",
    "bare_database_url",
    "database_url",
    "giving_back",
    "running_postgres",
    "shared_postgres",
    "url_for",
]

_TEMPLATE = "migrated"
_START_TIME = 120.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    "superuser_reserved_connections": "3",
}


class PostgresServer:
    """A server in a folder of its own, which trusts whoever is on this machine."""

    def __init__(self, folder: Path, port: int, settings: dict[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._numbers = count(1)
        self._free: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    # The process

    def create(self) -> None:
        """Make an empty cluster and, in it, the database that others are copied from."""
        self._take_over()
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
        data = f"--pgdata={self._folder / 'data'}"
        _run([postgres_program("initdb"), "--no-sync", *options, data], self._folder)
        self.start()
        self.query("CREATE ROLE worksgate LOGIN")
        self.query(f"CREATE DATABASE {_TEMPLATE} OWNER worksgate")
        with ThreadPoolExecutor(1) as thread:  # whoever asks first may be in an event loop
            thread.submit(asyncio.run, migrate(self.url_of(_TEMPLATE))).result()

    def copy(self, other: "PostgresServer") -> None:
        """Take over the cluster of a server that has ended, as another installation."""
        self._take_over()
        _run(["cp", "-a", str(other._folder / "data"), str(self._folder)], self._folder)
        self.start()
        self.query(_NEW_ID, _TEMPLATE)

    def _take_over(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._folder, _unprivileged())

    def start(self) -> None:
        """Start, and return as soon as it answers."""
        until = time.monotonic() + _START_TIME
        while not self._has_started(until):
            # After a kill the last of its processes may still be ending.
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)

    def _has_started(self, until: float) -> bool:
        settings = {
            **_SETTINGS,
            **self._settings,
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_nobody(),
                    postgres_program("postgres"),
                    "-D",
                    str(self._folder / "data"),
                    *options,
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        while self._process.poll() is None and time.monotonic() < until:
            if self._says_that_it_is_ready():
                return True
            time.sleep(0.02)
        return False

    def _says_that_it_is_ready(self) -> bool:
        """In the file by which ``pg_ctl`` knows it too."""
        try:
            said = (self._folder / "data" / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return said[:1] == [str(self.pid)] and [line.strip() for line in said[7:]] == ["ready"]

    @property
    def pid(self) -> int:
        """The process that all the others come from."""
        assert self._process is not None
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """``kill -9``: nothing is said to anybody, and nothing more is written."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End at once, as ``pg_ctl stop -m immediate`` does."""
        self._end(signal.SIGQUIT)

    def shut_down(self) -> None:
        """End in order, as ``pg_ctl stop`` does: nothing is to be recovered."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait()

    def log(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")[-4_000:]

    # Databases

    def url_of(self, database: str, *, user: str = "worksgate") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def lend(self, *, migrated: bool = True) -> str:
        """The name of a database that is empty, with its tables or without."""
        if migrated and self._free:
            return self._free.pop()
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        template = _TEMPLATE if migrated else "template0"
        self.query(f"CREATE DATABASE {name} TEMPLATE {template} OWNER worksgate")
        return name

    def take_back(self, name: str, *, migrated: bool = True) -> None:
        """Empty the tables of a database for the next test, or remove one that had none."""
        if migrated:
            self.query(_DISCONNECT + _EMPTY, name)
            self._free.append(name)
        else:
            self.query(f"DROP DATABASE {name} WITH (FORCE)")

    def query(self, sql: str, database: str = "postgres") -> list[tuple[str, ...]]:
        """The rows of some statements as texts, as the superuser on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), _START_TIME) as connection:
            return simple_query(connection, sql, user="postgres", database=database)


@contextmanager
def running_postgres(*, inside: Path | None = None, **settings: str) -> Iterator[PostgresServer]:
    """A server with these settings, in a new folder ``inside`` another.

    ``fsync`` is off: no test cuts the power of this machine.
    """
    with _server(inside, settings) as server:
        server.copy(_first_cluster())
        yield server


@cache
def _first_cluster() -> PostgresServer:
    """A server that has ended; to copy its files is faster than to make others."""
    stack = ExitStack()
    atexit.register(stack.close)
    server = stack.enter_context(_server(None, {}))
    server.create()
    server.shut_down()
    return server


@contextmanager
def _server(inside: Path | None, settings: dict[str, str]) -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="worksgate-postgres-", dir=inside))  # short: a socket
    server = PostgresServer(folder, free_port(), {"fsync": "off", **settings})
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)  # the last of its processes may still be ending


@cache
def shared_postgres() -> PostgresServer:
    """The server that all tests of this process share, and its forks, each with own databases."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_postgres())


def url_for(folder: Path) -> str:
    """The address of the database of this folder, which has its tables; always the same."""
    server = shared_postgres()
    if folder not in _lent:
        _lent[folder] = server.lend()
    return server.url_of(_lent[folder])


@contextmanager
def giving_back(folder: Path) -> Iterator[None]:
    """At the end the database of this folder is empty and another's, if there was one."""
    try:
        yield
    finally:
        if folder in _lent:
            shared_postgres().take_back(_lent.pop(folder))


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """The address of a database of the test's own, which has its tables."""
    with giving_back(tmp_path):
        yield url_for(tmp_path)


@pytest.fixture
def bare_database_url() -> Iterator[str]:
    """The address of a database that has no tables yet."""
    server = shared_postgres()
    name = server.lend(migrated=False)
    yield server.url_of(name)
    server.take_back(name, migrated=False)


_lent: dict[Path, str] = {}

# What others have begun is over before the tables are emptied: they are waited for.
_DISCONNECT = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
"""
_NEW_ID = "UPDATE installation SET id = md5(random()::text)"
_EMPTY = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
        INSERT INTO installation (id) VALUES (md5(random()::text));
    END $$
"""


def postgres_program(name: str) -> str:
    """A program of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    return str(found[-1]) if found else require(name)


def _version(program: Path) -> float:
    return float(program.parts[-3])


def _unprivileged() -> str:
    """Somebody who is not root, as PostgreSQL demands."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_unprivileged())
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(command: Sequence[str], folder: Path) -> str:
    result = subprocess.run(
        [*_as_nobody(), *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
