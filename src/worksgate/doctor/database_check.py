"""Whether the database responds, has this version's schema, and holds what a sign-in needs."""

import shutil
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.clients.access_rules import parse_rules
from worksgate.credentials.master_key import Keyring
from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import Engines, open_engines, outages
from worksgate.database.migrations import HEAD, is_newer_and_serves, revision_of
from worksgate.database.postgres_engines import POSTGRES_CONNECTIONS
from worksgate.database.postgres_room import CONNECTIONS_ALLOWED, KEPT_FREE
from worksgate.database.secrets_at_rest import (
    Counted,
    MasterKeyMissing,
    check_at_hand,
    count_secrets,
)
from worksgate.directory.audit.seals import newest_seal, unsealed
from worksgate.directory.key_ownership import UserKey, disputed
from worksgate.doctor import Finding, Severity, fail, ok, warn
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings

DATABASE, KEYS, CLIENTS, CLOCK, BACKUPS = "database", "keys", "clients", "clock", "backups"
CONNECTIONS = "connections"
USER_KEYS = "user keys"
AUDIT = "audit log"

LOCK_TIMEOUT = 2.0
"""Seconds to wait for a lock."""
REPLY_TIMEOUT = 5.0
"""Seconds to wait for a response."""
LATEST_SEAL = 3_600.0
"""Seconds for which an audit record may have no seal: while a server runs, it is a minute."""
MOST_SKEW = 30.0
"""Tolerated clock skew, in seconds, between this machine and a database server."""


async def examine_database(settings: Settings) -> AsyncIterator[Finding]:
    """The database, which exists. It is read, and locked for a moment, but not written to."""
    engines = open_engines(
        settings.database_url, busy_timeout=LOCK_TIMEOUT, reply_timeout=REPLY_TIMEOUT
    )
    try:
        with outages():
            async with engines.read.connect() as connection:
                of_revision = await connection.run_sync(_of_revision)
            yield of_revision
            yield await _of_writing(engines)
            if settings.database_file is None:
                yield await _of_clock(engines)
                yield await _of_connections(engines, settings)
                yield _of_programs()
            if of_revision.severity is Severity.OK:
                async with engines.read.connect() as connection:
                    yield await connection.run_sync(_of_keys)
                    for each in await disputed(connection):
                        yield _of_disputed(*each)
                    yield _of_secrets(await count_secrets(connection), settings)
                    yield await _of_seals(connection)
    except DatabaseUnavailable as error:
        advice = "check that the file is intact and that this user may use it"
        if settings.database_file is None:
            advice = "check that the server is up, that database_url is right, and its log"
        yield fail(DATABASE, str(error), advice)
    finally:
        await engines.close()


def is_usable(findings: Iterable[Finding]) -> bool:
    """Whether this version can use the database as it is, according to the findings."""
    found = list(findings)
    of_revision = next((each for each in found if each.part == DATABASE), None)
    return (
        of_revision is not None
        and of_revision.severity is Severity.OK
        and all(each.severity is not Severity.FAIL for each in found)
    )


def examine_clients(clients: Iterable[Client], settings: Settings) -> Iterator[Finding]:
    """Whether each client has existing sources and valid rules."""
    known = {each.name for each in settings.all_sources}
    registered = list(clients)
    enabled = [client for client in registered if client.enabled]
    if not enabled:
        name = registered[0].name if len(registered) == 1 else "NAME"
        advice = f"worksgate client {'enable' if registered else 'add'} {name}"
        yield warn(CLIENTS, "there is no enabled client", advice)
    for client in enabled:
        yield from _of_client(client, known)


def _of_client(client: Client, known: set[str]) -> Iterator[Finding]:
    unknown = [name for name in client.sources if name not in known]
    problems = list(_problems_of_rules(client))
    if unknown:
        as_bad = warn if known.intersection(client.sources) else fail
        yield as_bad(
            CLIENTS,
            f"{client.name} accepts people of {', '.join(unknown)}, which the settings do not "
            "define",
            f"add a [[source]], or run worksgate client set {client.name} --source NAME",
        )
    for problem in problems:
        yield fail(
            CLIENTS,
            f"nobody can sign in to {client.name}, since a rule is invalid: {problem}",
            f"worksgate client set {client.name} --rule RULE",
        )
    if not unknown and not problems:
        yield ok(CLIENTS, f"{client.name} can be used")


def _problems_of_rules(client: Client) -> Iterator[str]:
    try:
        parse_rules(client.rules)
    except ValueError as problem:
        yield str(problem)


def _of_revision(connection: Connection) -> Finding:
    found = revision_of(connection)
    if found == HEAD:
        return ok(DATABASE, f"it responds, and is at revision {HEAD}")
    if is_newer_and_serves(connection):
        return ok(
            DATABASE, f"it responds, and is at the newer revision {found}, which supports {HEAD}"
        )
    if found is None or found < HEAD:
        was = "is empty" if found is None else f"is at revision {found}"
        sqlite = connection.dialect.name == "sqlite"
        advice = "the server does so itself at startup" if sqlite else "the server waits for it"
        return warn(
            DATABASE, f"it {was}; this version needs {HEAD}", f"worksgate migrate; {advice}"
        )
    return fail(
        DATABASE,
        f"it is at revision {found}, which this version does not know",
        "install the version of Worksgate that created it, or a newer one",
    )


async def _of_writing(engines: Engines) -> Finding:
    """Take the writer's lock and release it: a transaction begins with it."""
    try:
        with outages():
            async with engines.write.connect() as connection:
                await connection.execute(text("SELECT 1"))
                await connection.rollback()
    except DatabaseUnavailable as error:
        return fail(
            DATABASE,
            f"it cannot be written to: {error}",
            "check who else holds it, and that this user may write to it",
        )
    return ok(DATABASE, "it is writable")


async def _of_clock(engines: Engines) -> Finding:
    """Codes expire by the clock of the process, some other data by that of the database server."""
    with outages():
        async with engines.read.connect() as connection:
            before = time.time()
            theirs = float(
                await connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0
            )
    skew = theirs - (before + time.time()) / 2
    if abs(skew) > MOST_SKEW:
        return warn(
            CLOCK,
            f"the clock of the database server and that of this machine are {abs(skew):.0f} "
            "seconds apart",
            "synchronize both with NTP: codes and sessions expire by these clocks",
        )
    return ok(CLOCK, f"it is within {max(1, round(abs(skew)))} s of the database server's")


async def _of_connections(engines: Engines, settings: Settings) -> Finding:
    """For how many processes the server has connections, since each opens them under load."""
    with outages():
        async with engines.read.connect() as connection:
            usable = int(await connection.scalar(text(CONNECTIONS_ALLOWED)) or 0)
    each = settings.database_connections + POSTGRES_CONNECTIONS
    processes = (usable - KEPT_FREE) // each
    if processes < 1:
        return warn(
            CONNECTIONS,
            f"the server allows {usable}, and one process of this server needs up to {each}",
            "raise max_connections of PostgreSQL, or lower database_connections; processes "
            "share the available connections, and are slower with fewer",
        )
    return ok(
        CONNECTIONS,
        f"the server allows {usable}: enough for {processes} processes on all nodes, each with "
        f"up to {each}; more share them",
    )


def _of_programs() -> Finding:
    """The programs that ``backup`` and ``restore`` run for PostgreSQL."""
    missing = [name for name in ("pg_dump", "pg_restore") if shutil.which(name) is None]
    if missing:
        return warn(
            BACKUPS,
            f"backups can neither be written nor restored here: {missing[0]} is missing",
            "install PostgreSQL's client programs, at least as new as the server, or write "
            "backups on a machine that has them",
        )
    return ok(BACKUPS, "pg_dump and pg_restore are installed")


def _of_disputed(key: UserKey, holder: str, owner: str) -> Finding:
    return warn(
        USER_KEYS,
        f"{holder} has the {key}, which belongs to {owner}",
        "change it in the source or with worksgate user set; or, if they should have it, run "
        f"worksgate user release-key {key.value}",
    )


async def _of_seals(connection: AsyncConnection) -> Finding:
    """Whether a server seals the audit log. ``worksgate audit verify`` compares it."""
    seal = await newest_seal(connection)
    count, since = await unsealed(connection, 0 if seal is None else seal.last_id)
    if since is not None and time.time() - since > LATEST_SEAL:
        return warn(
            AUDIT,
            f"{count} of its records, the first {(time.time() - since) / 3_600:.0f} hours old, "
            "have no seal yet: a change to them would not be found",
            "start the server, or look for audit.sealing_postponed in its log",
        )
    if seal is None:
        return ok(AUDIT, "a server will make its first seal within a minute")
    return ok(AUDIT, f"it is sealed up to record {seal.last_id}; {count} are newer")


def _of_keys(connection: Connection) -> Finding:
    if connection.scalar(text("SELECT count(*) FROM keys")):
        return ok(KEYS, "the key that signs cookies and forms exists")
    return ok(KEYS, "the key that signs cookies and forms will be created at the first start")


_WITHOUT_THE_KEY = (
    "provide the file of that master key, or a copy of it; if all copies are lost, worksgate "
    "key forget-lost continues without it, and first shows what that costs"
)


def _of_secrets(counted: Counted, settings: Settings) -> Finding:
    """Whether the secrets are encrypted, under a master key that is configured."""
    keyring = Keyring.of(settings.master_key, settings.previous_master_key)
    try:
        check_at_hand(counted.key_ids, keyring)
    except MasterKeyMissing as missing:
        return fail(KEYS, str(missing), _WITHOUT_THE_KEY)
    if keyring.current is None:
        return warn(
            KEYS,
            "no master key is configured: anyone with a copy of the database or a backup has "
            "the secrets of authenticator apps, and the key that signs forms",
            "run worksgate key new FILE, set master_key_file to it on every node, reload, "
            "then run worksgate key encrypt",
        )
    key_id = keyring.current.id
    if left := counted.left_for(key_id):
        return warn(
            KEYS,
            f"{left} of the secrets are not encrypted under master key {key_id}",
            "run worksgate key encrypt, once all servers have that key",
        )
    done = "; previous_master_key_file is no longer needed" if keyring.previous else ""
    return ok(KEYS, f"all secrets are encrypted under master key {key_id}{done}")
