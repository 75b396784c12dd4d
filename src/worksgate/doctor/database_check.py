"""Whether the database responds, has this version's schema, and holds what a sign-in needs."""

import shlex
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.administration.command_lines import command_line
from worksgate.catalogues import sentence_of
from worksgate.clients.access_rules import parse_rules
from worksgate.credentials.master_key import Keyring
from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import Engines, open_engines, outages
from worksgate.database.identity import is_marked_away, is_marked_overwritten
from worksgate.database.migrations import HEAD, is_newer_and_serves, revision_of
from worksgate.database.older_copies import difference_of
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
from worksgate.doctor.sentences import said
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings

DATABASE, KEYS, CLIENTS = said("database"), said("keys"), said("clients")
CLOCK, BACKUPS, CONNECTIONS = said("clock"), said("backups"), said("connections")
USER_KEYS, AUDIT = said("user keys"), said("audit log")

LOCK_TIMEOUT = 2.0
"""Seconds to wait for a lock."""
REPLY_TIMEOUT = 5.0
"""Seconds to wait for a response."""
LATEST_SEAL = 3_600.0
"""Seconds for which an audit record may have no seal: while a server runs, it is a minute."""
MOST_SKEW = 30.0
"""Tolerated clock skew, in seconds, between this machine and a database server."""


async def examine_database(settings: Settings) -> AsyncIterator[Finding]:
    """The database, which exists. It is read, and locked for a moment; nothing in it is changed."""
    engines = open_engines(
        settings.database_url, busy_timeout=LOCK_TIMEOUT, reply_timeout=REPLY_TIMEOUT
    )
    try:
        with outages():
            async with engines.read.connect() as connection:
                of_revision = await connection.run_sync(_of_revision)
            yield of_revision
            yield await _of_writing(engines)
            if settings.database_file is not None:
                for of_age in _of_age(settings.database_file):
                    yield of_age
            else:
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
        advice = said("check that the file is intact and that this user may use it")
        if settings.database_file is None:
            advice = said("check that the server is up, that database_url is right, and its log")
        yield fail(DATABASE, str(error), advice)
    finally:
        await engines.close()


def _of_age(file: Path) -> Iterator[Finding]:
    """Nothing, unless the file is a copy in the place of a newer one."""
    if is_marked_overwritten(file) or is_marked_away(file):
        yield warn(
            DATABASE,
            said("the file was overwritten while a server ran, which refuses everything since"),
            said("stop all servers, install a backup with worksgate restore, and start them"),
        )
    elif difference := difference_of(file):
        missing = difference.missing
        yield warn(
            DATABASE,
            said(
                "the file is an older copy, which lacks %(missing)s audit records", missing=missing
            )
            if missing
            else said("the file is a copy on which another server went on"),
            said(
                "install a backup with worksgate restore; a server that starts on this file voids "
                "all codes, tokens and sessions"
            ),
        )


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
        yield warn(CLIENTS, said("there is no enabled client"), _to_enable(registered))
    for client in enabled:
        yield from _of_client(client, known)


def _to_enable(registered: Sequence[Client]) -> str:
    """The command that leads to an enabled client."""
    match registered:
        case []:
            return "worksgate client add NAME"
        case [client]:
            return command_line("client", "enable", name=client.name)
        case _:
            return "worksgate client list"


def _of_client(client: Client, known: set[str]) -> Iterator[Finding]:
    unknown = [name for name in client.sources if name not in known]
    problems = list(_problems_of_rules(client))
    if unknown:
        as_bad = warn if known.intersection(client.sources) else fail
        yield as_bad(
            CLIENTS,
            said(
                "%(client)s accepts people of %(sources)s, which the settings do not define",
                client=client.name,
                sources=", ".join(unknown),
            ),
            said(
                "add a [[source]], or run worksgate client set %(client)s --source NAME",
                client=shlex.quote(client.name),
            ),
        )
    for problem in problems:
        yield fail(
            CLIENTS,
            said(
                "nobody can sign in to %(client)s, since a rule is invalid: %(problem)s",
                client=client.name,
                problem=problem,
            ),
            command_line("client", "set", name=client.name, options=("--rule", "RULE")),
        )
    if not unknown and not problems:
        yield ok(CLIENTS, said("%(client)s can be used", client=client.name))


def _problems_of_rules(client: Client) -> Iterator[str]:
    try:
        parse_rules(client.rules)
    except ValueError as problem:
        yield sentence_of(problem)


def _of_revision(connection: Connection) -> Finding:
    found = revision_of(connection)
    if found == HEAD:
        return ok(DATABASE, said("it responds, and is at revision %(revision)s", revision=HEAD))
    if is_newer_and_serves(connection):
        return ok(
            DATABASE,
            said(
                "it responds, and is at the newer revision %(newer)s, which supports %(revision)s",
                newer=found,
                revision=HEAD,
            ),
        )
    if found is None or found < HEAD:
        what = said("it is empty; this version needs %(revision)s", revision=HEAD)
        if found is not None:
            what = said(
                "it is at revision %(older)s; this version needs %(revision)s",
                older=found,
                revision=HEAD,
            )
        advice = said("worksgate migrate; the server waits for it")
        if connection.dialect.name == "sqlite":
            advice = said("worksgate migrate; the server does so itself at startup")
        return warn(DATABASE, what, advice)
    return fail(
        DATABASE,
        said("it is at revision %(newer)s, which this version does not know", newer=found),
        said("install the version of Worksgate that created it, or a newer one"),
    )


async def _of_writing(engines: Engines) -> Finding:
    """Take the writer's lock and release it: a transaction begins with it.

    On PostgreSQL some rows are written to a table that nobody else sees, and undone: does its disk
    have room?
    """
    try:
        with outages():
            async with engines.write.connect() as connection:
                await connection.execute(text("SELECT 1"))
                if connection.dialect.name == "postgresql" and await connection.scalar(_MAY_TRY):
                    await connection.execute(_SOME_ROWS)
                await connection.rollback()
    except DatabaseUnavailable as error:
        return fail(
            DATABASE,
            said("it cannot be written to: %(problem)s", problem=error),
            said(
                "check that its disk has room, who else holds it, and that this user may write to "
                "it"
            ),
        )
    return ok(DATABASE, said("it is writable"))


_MAY_TRY = text("SELECT has_database_privilege(current_database(), 'TEMPORARY')")
_SOME_ROWS = text(
    "CREATE TEMPORARY TABLE worksgate_doctor ON COMMIT DROP AS"
    " SELECT repeat('x', 1000) AS filling FROM generate_series(1, 1000)"
)


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
            said(
                "the clock of the database server and that of this machine are %(seconds)s seconds "
                "apart",
                seconds=f"{abs(skew):.0f}",
            ),
            said("synchronize both with NTP: codes and sessions expire by these clocks"),
        )
    within = max(1, round(abs(skew)))
    return ok(CLOCK, said("it is within %(seconds)s s of the database server's", seconds=within))


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
            said(
                "the server allows %(usable)s, and one process of this server needs up to %(each)s",
                usable=usable,
                each=each,
            ),
            said(
                "raise max_connections of PostgreSQL, or the CONNECTION LIMIT of its role or "
                "database, or lower database_connections; processes share the available "
                "connections, are slower with fewer, and need one each and one more"
            ),
        )
    return ok(
        CONNECTIONS,
        said(
            "the server allows %(usable)s: enough for %(processes)s processes on all nodes, each "
            "with up to %(each)s; more share them",
            usable=usable,
            processes=processes,
            each=each,
        ),
    )


def _of_programs() -> Finding:
    """The programs that ``backup`` and ``restore`` run for PostgreSQL."""
    missing = [name for name in ("pg_dump", "pg_restore") if shutil.which(name) is None]
    if missing:
        return warn(
            BACKUPS,
            said(
                "backups can neither be written nor restored here: %(program)s is missing",
                program=missing[0],
            ),
            said(
                "install PostgreSQL's client programs, at least as new as the server, or write "
                "backups on a machine that has them"
            ),
        )
    return ok(BACKUPS, said("pg_dump and pg_restore are installed"))


def _of_disputed(key: UserKey, holder: str, owner: str) -> Finding:
    return warn(
        USER_KEYS,
        said(
            "%(holder)s has the %(key)s, which belongs to %(owner)s",
            holder=holder,
            key=key,
            owner=owner,
        ),
        said(
            "change it in the source or with worksgate user set; or, if they should have it, run "
            "worksgate user release-key %(key)s",
            key=shlex.quote(key.value),
        ),
    )


async def _of_seals(connection: AsyncConnection) -> Finding:
    """Whether a server seals the audit log. ``worksgate audit verify`` compares it."""
    seal = await newest_seal(connection)
    count, since = await unsealed(connection, 0 if seal is None else seal.last_id)
    if since is not None and time.time() - since > LATEST_SEAL:
        return warn(
            AUDIT,
            said(
                "%(count)s of its records, the first %(hours)s hours old, have no seal yet: a "
                "change to them would not be found",
                count=count,
                hours=f"{(time.time() - since) / 3_600:.0f}",
            ),
            said("start the server, or look for audit.sealing_postponed in its log"),
        )
    if seal is None:
        return ok(AUDIT, said("a server will make its first seal within a minute"))
    return ok(
        AUDIT,
        said(
            "it is sealed up to record %(record)s; %(count)s are newer",
            record=seal.last_id,
            count=count,
        ),
    )


def _of_keys(connection: Connection) -> Finding:
    if connection.scalar(text("SELECT count(*) FROM keys")):
        return ok(KEYS, said("the key that signs cookies and forms exists"))
    return ok(KEYS, said("the key that signs cookies and forms will be created at the first start"))


_WITHOUT_THE_KEY = said(
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
            said(
                "no master key is configured: anyone with a copy of the database or a backup has "
                "the secrets of authenticator apps, and the key that signs forms"
            ),
            said(
                "run worksgate key new FILE, set master_key_file to it on every node, reload, "
                "then run worksgate key encrypt"
            ),
        )
    key_id = keyring.current.id
    if left := counted.left_for(key_id):
        return warn(
            KEYS,
            said(
                "%(count)s of the secrets are not encrypted under master key %(key)s",
                count=left,
                key=key_id,
            ),
            said("run worksgate key encrypt, once all servers have that key"),
        )
    found = said("all secrets are encrypted under master key %(key)s", key=key_id)
    if keyring.previous:
        found = said(
            "all secrets are encrypted under master key %(key)s; previous_master_key_file is no "
            "longer needed",
            key=key_id,
        )
    return ok(KEYS, found)
