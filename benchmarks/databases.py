"""PostgreSQL and Valkey for the benchmarks: started in the folder of a run, ended with the block.

They are the servers of the tests, with two differences: PostgreSQL is as durable as it comes, and
both are kept on one core.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import machine
from load import Failed
from process import ROOT, free_port
from provision import Missing

sys.path.append(str(ROOT))

from tests.postgres_server import PostgresServer, postgres_program
from tests.valkey_server import ValkeyServer

_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    # No checkpoint within a round: it would come to one contestant and not to the other.
    "checkpoint_timeout": "30min",
    "max_wal_size": "16GB",
}


@contextmanager
def running_postgres(folder: Path, core: int) -> Iterator[PostgresServer]:
    """A PostgreSQL on this core. Raises Missing where it is not installed, or Failed."""
    if not shutil.which(postgres_program("postgres")):
        raise Missing("PostgreSQL is not installed: apt-get install postgresql")
    folder.mkdir()
    # It runs as somebody else where this is root, and has to find its way to its folder.
    folder.parent.chmod(0o711)
    server = PostgresServer(folder, free_port(), _SETTINGS)
    try:
        server.create()
        _keep_on(core, server.pid)
        yield server
    except AssertionError as problem:
        raise Failed(f"PostgreSQL: {str(problem).strip()[-300:]}") from problem
    finally:
        server.stop()


@contextmanager
def running_valkey(folder: Path, core: int) -> Iterator[ValkeyServer]:
    """A Valkey on this core, all of it in memory. Raises Missing or Failed."""
    if not (shutil.which("valkey-server") or shutil.which("redis-server")):
        raise Missing("Valkey is not installed: apt-get install valkey-server")
    server = ValkeyServer(folder)
    try:
        server.start()
        _keep_on(core, server.pid)
        yield server
    except AssertionError as problem:
        raise Failed(f"Valkey: {str(problem).strip()[-300:]}") from problem
    finally:
        server.close()


def _keep_on(core: int, pid: int) -> None:
    """Keep a server on a core: its threads and processes, and what they start from now on."""
    for process in machine.family(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
