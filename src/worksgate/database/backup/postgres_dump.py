"""The database of a backup on PostgreSQL, using its pg_dump and pg_restore.

**A dump is SQL, and it is never executed.** Somebody who can alter an unencrypted backup could have
added a trigger or a function. So our own migrations create the tables, pg_restore has no
connection, and only rows are taken from its output: lines of COPY, which PostgreSQL treats as data,
whatever they contain.

**A dump has no name** on the disk, where it is unencrypted while it is being encrypted: no
interruption leaves it behind. It is in ``/var/tmp``, or ``TMPDIR``.

The programs get their password through the environment, never as an argument, which other users of
the machine could read; if the address has none, they look for it themselves, in ``~/.pgpass``.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from worksgate.database.backup import BackupError
from worksgate.database.migrations.tables import ALL, VOIDED

LOCK_TIMEOUT = 5_000
"""Milliseconds to wait for a table that is in use."""

_PACKAGES = "install PostgreSQL's client programs, at least as new as the server"
_KNOWN_TO_LIBPQ = frozenset(
    (
        *("application_name", "channel_binding", "client_encoding", "connect_timeout"),
        *("gssencmode", "host", "hostaddr", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "krbsrvname", "passfile", "port", "require_auth", "requirepeer"),
        *("service", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcrl"),
        *("sslcrldir", "sslkey", "sslmode", "sslnegotiation", "sslrootcert", "sslsni"),
        *("target_session_attrs", "tcp_user_timeout", "user"),
    )
)
"""Query parameters of an address that these programs understand."""

_COPY = re.compile(rb"COPY (?:[^ ]+\.)?([a-z_]+) \(([a-z0-9_\", ]+)\) FROM stdin;\n")
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('[^']+', ([0-9]{1,18}), true\);\n")
_END_OF_ROWS = b"\\.\n"
_LONGEST_ROW = 64 * 1024 * 1024
_CHUNK = 256 * 1024
"""Bytes that are sent to PostgreSQL at a time."""


def nameless_file() -> BinaryIO:
    """An empty file to write to and read from, which disappears when it is closed."""
    return TemporaryFile(dir=os.environ.get("TMPDIR", "/var/tmp"))  # noqa: S108  # it has no name there


async def dump(database_url: str, snapshot: str) -> BinaryIO:
    """Dump the tables of a database in a snapshot. Raises BackupError, or OSError."""
    address, environment = arguments(database_url)
    dumped = nameless_file()
    try:
        command = (
            *("pg_dump", "--no-password", f"--dbname={address}"),
            "--format=custom",
            "--compress=0",  # the backup is compressed as a whole
            "--encoding=UTF8",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={snapshot}",
            *(f"--table={name}" for name in ALL),
            *(f"--exclude-table-data={name}" for name in (*VOIDED, "installation")),
        )
        async with _running(*command, environment=environment, stdout=dumped):
            pass
    except BaseException:
        dumped.close()
        raise
    return dumped


async def load(connection: Any, dumped: BinaryIO, table: str) -> int | None:
    """Add a table's rows from a dump; return how many, or None if the dump lacks the table.

    ``connection`` is asyncpg's, in a transaction. Raises BackupError.
    """
    import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

    async with _reading(dumped, table) as out:
        columns = await _columns(out, table)
        if columns is None:
            return None
        try:
            status = await connection.copy_to_table(table, source=_rows(out), columns=columns)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Its text may quote a row.
            code = getattr(error, "sqlstate", None) or ""
            raise BackupError(
                f"the database rejects the {table} of the backup: {type(error).__name__} "
                f"{code}".rstrip()
            ) from None
        if await _columns(out, table) is not None:
            raise BackupError(f"the backup has the table {table} twice: it was altered")
    return int(status.rpartition(" ")[2])


async def last_number(dumped: BinaryIO, sequence: str) -> int | None:
    """The last number that a sequence has issued, or None.

    Raises BackupError.
    """
    found = None
    async with _reading(dumped, sequence) as out:
        while line := await _line(out):
            if setval := _SETVAL.fullmatch(line):
                found = int(setval[1])
    return found


@asynccontextmanager
async def _reading(dumped: BinaryIO, name: str) -> AsyncIterator[asyncio.StreamReader]:
    """The SQL of a dump for the content of a table or a sequence."""
    dumped.seek(0)
    command = ("pg_restore", "--data-only", f"--table={name}", "--file=-")
    async with _running(*command, stdin=dumped) as out:
        yield out


async def _columns(out: asyncio.StreamReader, table: str) -> list[str] | None:
    """Skip to the rows; return their columns, or None if there are no rows."""
    while line := await _line(out):
        begins = _COPY.fullmatch(line)
        if begins and begins[1].decode() == table:
            return begins[2].decode().replace('"', "").split(", ")
    return None


async def _rows(out: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The rows, many at a time."""
    waiting = bytearray()
    while (line := await _line(out)) != _END_OF_ROWS:
        if not line:
            raise BackupError("the rows of the backup are not terminated: it was altered")
        waiting += line
        if len(waiting) >= _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


async def _line(out: asyncio.StreamReader) -> bytes:
    try:
        return await out.readline()
    except ValueError:
        raise BackupError("the backup has a row that is too long: it was altered") from None


def arguments(database_url: str) -> tuple[str, Mapping[str, str]]:
    """The address without its password, for a command line, and variables for the rest."""
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


@asynccontextmanager
async def _running(
    program: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    stdin: BinaryIO | int = asyncio.subprocess.DEVNULL,
    stdout: BinaryIO | int = asyncio.subprocess.PIPE,
) -> AsyncIterator[asyncio.StreamReader]:
    """Run a program and yield its output. Raises BackupError if it is missing, or fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *options,
            env={**os.environ, **(environment or {}), "LC_ALL": "C"},
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_ROW,
        )
    except FileNotFoundError:
        raise BackupError(f"{program} is not installed: {_PACKAGES}") from None
    complaints = asyncio.create_task(_read_all(process.stderr))
    try:
        yield process.stdout or asyncio.StreamReader()
        output = await complaints
        await process.wait()
    except BaseException:
        complaints.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise BackupError(_explain(program, output))


async def _read_all(out: asyncio.StreamReader | None) -> str:
    return "" if out is None else (await out.read()).decode(errors="replace")


def _explain(program: str, output: str) -> str:
    """The first error of a program; later ones follow from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((line for line in lines if "error:" in line), lines[0] if lines else "it failed")
    why = first.removeprefix(f"{program}: ").removeprefix("error: ")
    hint = f"; {_PACKAGES}" if "version" in why else ""
    return f"{program}: {why}{hint}"
