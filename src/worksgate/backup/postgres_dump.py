"""The database of a backup on PostgreSQL: by its own pg_dump and pg_restore.

They get their password through the environment, never as an argument, which others on the machine
could read; without one in the address they look for it themselves, in ``~/.pgpass``.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from worksgate.backup import BackupError
from worksgate.directory.migrations.tables import ALL, SHORT_LIVED

LOCK_TIMEOUT = 5_000
"""Milliseconds that a table is waited for that somebody else uses."""

_PACKAGES = "install PostgreSQL's client programs, as new as the server or newer"
_KNOWN_TO_LIBPQ = frozenset(
    (
        *("application_name", "channel_binding", "client_encoding", "connect_timeout"),
        *(
            "host",
            "hostaddr",
            "port",
            "user",
            "keepalives",
            "keepalives_idle",
            "keepalives_interval",
        ),
        *("gssencmode", "krbsrvname", "passfile", "require_auth", "requirepeer", "service"),
        *("sslcert", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation", "sslrootcert"),
        *("sslsni", "ssl_max_protocol_version", "ssl_min_protocol_version"),
        *("target_session_attrs", "tcp_user_timeout"),
    )
)
"""What an address may ask for after its ``?`` that these programs understand."""


async def dump(database_url: str, to: Path, snapshot: str) -> None:
    """Write the tables of a database to a new file, as they are in a snapshot.

    Raises BackupError.
    """
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    await _run(
        "pg_dump",
        database_url,
        "--format=custom",
        "--compress=0",  # the backup is compressed as a whole
        "--no-owner",
        "--no-privileges",
        f"--snapshot={snapshot}",
        *(f"--table={name}" for name in ALL),
        *(f"--exclude-table-data={name}" for name in (*SHORT_LIVED, "keys")),
        f"--file={to}",
    )


async def load(database_url: str, dumped: Path) -> None:
    """Put the tables of a dump in the place of those that are there, all or none.

    Raises BackupError.
    """
    await _run(
        "pg_restore",
        database_url,
        "--single-transaction",
        "--exit-on-error",
        "--clean",
        "--if-exists",
        "--no-owner",
        "--no-privileges",
        str(dumped),
    )


def arguments(database_url: str) -> tuple[str, Mapping[str, str]]:
    """The address without its password, for a command line, and variables that hold the rest."""
    parts = urlsplit(database_url)
    sign_in, at, hosts = parts.netloc.rpartition("@")
    user, colon, password = sign_in.partition(":")
    options = dict(parse_qsl(parts.query))
    environment = {"PGOPTIONS": f"-c lock_timeout={LOCK_TIMEOUT} -c statement_timeout=0"}
    if "password" in options:
        environment["PGPASSWORD"] = options["password"]
    elif colon:
        environment["PGPASSWORD"] = unquote(password)
    known = {name: value for name, value in options.items() if name in _KNOWN_TO_LIBPQ}
    address = urlunsplit(("postgresql", f"{user}{at}{hosts}", parts.path, urlencode(known), ""))
    return address, environment


async def _run(program: str, database_url: str, *options: str) -> None:
    address, environment = arguments(database_url)
    command: Sequence[str] = (program, "--no-password", f"--dbname={address}", *options)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment, "LC_ALL": "C"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise BackupError(f"{program} is not there: {_PACKAGES}") from None
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise BackupError(_explain(program, said.decode(errors="replace")))


def _explain(program: str, said: str) -> str:
    """The first thing that a program complained about; later ones follow from it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if "error:" in line), lines[0] if lines else "it failed")
    why = first.removeprefix(f"{program}: ").removeprefix("error: ")
    hint = f"; {_PACKAGES}" if "version" in why else ""
    return f"{program}: {why}{hint}"
