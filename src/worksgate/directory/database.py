"""The directory's database, on SQLite or PostgreSQL.

Every method is one transaction, and may raise DatabaseUnavailable. Changes by an administrator go
through ``changing``, which commits the change and its audit record together. A cancelled caller
does not interrupt what it began: the method completes on its own, so a storm of disconnects costs
neither connections nor wrong results (F-21).
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain
from typing import Any, Self

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.credentials.master_key import NO_MASTER_KEY, Keyring
from worksgate.credentials.usernames import username_key
from worksgate.database import ConcurrentChange, SerializationFailure, read_ahead, schema
from worksgate.database.audit_rows import event_row
from worksgate.database.direct_reads import (
    DirectReads,
    GivesWay,
    JoinedReads,
    Query,
    Row,
    SqliteReads,
)
from worksgate.database.engines import REPLY_TIMEOUT, Engines, open_engines, outages
from worksgate.database.identity import DatabaseGuard
from worksgate.database.leases import Leases
from worksgate.database.reachability import Begin, Reachability, reachability_of
from worksgate.database.recording import insert_of_events, write_events
from worksgate.database.repository import run_to_completion
from worksgate.database.secrets_at_rest import SecretsAtRest, key_place
from worksgate.database.sqlite_file import file_of
from worksgate.directory import SUBJECT_PREFIX, Account, queries
from worksgate.directory.administrators import AdministratorRows
from worksgate.directory.alerts import AlertRows
from worksgate.directory.app_passwords import AppPasswordRows
from worksgate.directory.audit.seals import Seals
from worksgate.directory.audit.sign_in_counts import SignInCounts
from worksgate.directory.branding_versions import BrandingVersion, BrandingVersions
from worksgate.directory.change_log import Author, ChangeLog
from worksgate.directory.console_groups import NO_GROUPS, ConsoleGroups
from worksgate.directory.console_sessions import ConsoleSessionRows, end_console_sessions
from worksgate.directory.credential_changes import Announce, Change, announced, ignore_change
from worksgate.directory.departures import Departures
from worksgate.directory.deployer_tokens import DeployerTokenRows
from worksgate.directory.endings import Endings, end_app_passwords
from worksgate.directory.factors import FactorRows
from worksgate.directory.first_links import FirstLinkRows
from worksgate.directory.going_live import GoingLiveRows
from worksgate.directory.invitations import InvitationRows
from worksgate.directory.jobs import JobRows
from worksgate.directory.key_ownership import (
    KeyOwnership,
    UserKey,
    record_owners,
    unrecorded,
)
from worksgate.directory.line_works_apps import LineWorksApps
from worksgate.directory.people import People
from worksgate.directory.people_index import PeopleIndex
from worksgate.directory.people_list import PeopleList
from worksgate.directory.preferences import Preferences
from worksgate.directory.queries import AuditFilter
from worksgate.directory.read_ahead import ReadAhead
from worksgate.directory.removed_accounts import RemovedAccounts
from worksgate.directory.rows import account_from
from worksgate.directory.set_up import SetUpRows
from worksgate.directory.taken_names import TakenNames, taken_names
from worksgate.directory.transaction import Transaction
from worksgate.oauth.model import Client
from worksgate.settings.addresses.postgres import is_postgres
from worksgate.sources import Person

SIGNING_KEY = "signing"
SIGNING_KEY_BYTES = 32

_PAGE = 500


class Directory:
    """Accounts, clients, keys and the audit log.

    ``allow_similar_keys`` lets two people have user keys that differ only in spelling (R-116).
    """

    def __init__(
        self,
        engines: Engines,
        reachability: Reachability | None = None,
        guard: DatabaseGuard | None = None,
        *,
        keyring: Keyring = NO_MASTER_KEY,
        allow_similar_keys: bool = False,
        console_groups: ConsoleGroups = NO_GROUPS,
    ) -> None:
        self.allow_similar_keys = allow_similar_keys
        self.console_groups = console_groups
        self._engines = engines
        self._guard = guard
        self._reachability = reachability
        self._direct: DirectReads | None = None
        self.read_ahead = ReadAhead()
        self._inserts: dict[int, str] = {}
        self.unfinished: set[asyncio.Task[Any]] = set()
        self.people = People(
            self, allow_similar_keys=allow_similar_keys, console_groups=console_groups
        )
        self.secrets = SecretsAtRest(self, keyring)
        self.factors = FactorRows(self, self.secrets)
        self.app_passwords = AppPasswordRows(self)
        self.line_works_apps = LineWorksApps(self, self.secrets)
        self.leases = Leases(self)
        self.seals = Seals(self, keyring)
        self.endings = Endings(self)
        self.announce: Announce = ignore_change
        self.administrators = AdministratorRows(self)
        self.console_sessions = ConsoleSessionRows(self)
        self.first_links = FirstLinkRows(self)
        self.preferences = Preferences(self)
        self.invitations = InvitationRows(self)
        self.people_index = PeopleIndex(self)
        self.deployer_tokens = DeployerTokenRows(self)
        self.people_list = PeopleList(self)
        self.departures = Departures(self)
        self.removed_accounts = RemovedAccounts(self)
        self.set_up = SetUpRows(self)
        self.brandings = BrandingVersions(self)
        self.jobs = JobRows(self)
        self.going_live = GoingLiveRows(self)
        self.change_log = ChangeLog(self)
        self.sign_ins = SignInCounts(self)
        self.alerts = AlertRows(self)

    @classmethod
    def open(
        cls,
        database_url: str,
        guard: DatabaseGuard | None = None,
        *,
        keyring: Keyring = NO_MASTER_KEY,
        allow_similar_keys: bool = False,
        console_groups: ConsoleGroups = NO_GROUPS,
    ) -> Self:
        """A directory that connects on first use.

        ``guard`` knows which database it is, ``keyring`` decrypts its secrets. Raises ValueError if
        Worksgate cannot use the address.
        """
        engines = open_engines(database_url, reply_timeout=REPLY_TIMEOUT)
        reachability = reachability_of(database_url, engines)
        directory = cls(
            engines,
            reachability,
            guard,
            keyring=keyring,
            allow_similar_keys=allow_similar_keys,
            console_groups=console_groups,
        )
        if not is_postgres(database_url):
            directory.read_through(SqliteReads(file_of(database_url), guard))
        return directory

    def read_through(self, direct: DirectReads) -> None:
        """Run the reads of a sign-in on a driver; it is closed with the directory."""
        self._direct = direct
        self.read_ahead.reads = direct if isinstance(direct, JoinedReads) else None
        if self._reachability is not None and isinstance(direct, GivesWay):
            self._reachability.make_room = direct.give_way

    async def close(self) -> None:
        """Finish work in progress and close all connections."""
        await asyncio.gather(*self.unfinished, return_exceptions=True)
        if self._direct is not None:
            self._direct.close()
        if self._reachability is not None:
            await self._reachability.close()
        await self._engines.close()

    async def check_connections(self) -> None:
        """Raise DatabaseUnavailable while the server has too few connections; all is served."""
        if self._reachability is not None:
            self._reachability.check_connections()

    async def check_disk(self) -> None:
        """Raise DatabaseUnavailable if PostgreSQL has refused a write lately: its disk is full."""
        if self._reachability is not None:
            self._reachability.check_disk()

    async def ping(self) -> None:
        """Return if the database responds, and is still the one of the start."""
        await self.clients_version()

    @run_to_completion
    async def clients(self) -> tuple[Client, ...]:
        """All clients by name, with their secrets, including expired ones."""
        async with self.reading() as connection:
            return await queries.all_clients(connection)

    @run_to_completion
    async def clients_version(self) -> int:
        """The number of changes to clients, from the database of the start.

        Raises DatabaseUnavailable if another database responds.
        """
        found = await self._installation()
        if self._guard is not None:
            with outages():
                self._guard.check_installation(None if found is None else found["id"])
        return 0 if found is None else int(found["clients_version"])

    @run_to_completion
    async def client_ids(self, after_version: int = -1) -> list[str]:
        """The IDs of all clients, or of those that were changed after a version."""
        async with self.reading() as connection:
            return await queries.client_ids(connection, after_version)

    @run_to_completion
    async def client_count(self) -> int:
        """How many clients there are."""
        async with self.reading() as connection:
            return await queries.count_clients(connection)

    @run_to_completion
    async def clients_by_id(self, ids: Sequence[str]) -> tuple[Client, ...]:
        """The existing ones of a few clients, by name, with their secrets."""
        async with self.reading() as connection:
            return await queries.clients_by_id(connection, ids)

    async def published_brandings(self, ids: Sequence[str] | None = None) -> list[BrandingVersion]:
        """The branding that is shown of each of these clients that has one, or of all."""
        return await self.brandings.published(ids)

    @run_to_completion
    async def client(self, name_or_id: str) -> Client | None:
        """The client with this ID or, failing that, with this name in any spelling."""
        async with self.reading() as connection:
            return await queries.find_client(connection, name_or_id)

    @run_to_completion
    async def clients_page(self, text: str, after: str | None, limit: int) -> tuple[Client, ...]:
        """The next clients by name, after a name; ``text`` is part of a name, or an ID."""
        async with self.reading() as connection:
            return await queries.clients_page(connection, text, after, limit)

    async def account_by_username(self, username: str) -> Account | None:
        """The account with this name in any spelling (R-78)."""
        if not username.isprintable():
            return None  # no account has such a name, and not every database could search for it
        return await self._account(queries.BY_USERNAME, username_key(username))

    @run_to_completion
    async def has_imported_hashes(self) -> bool:
        """Whether a person has not signed in yet with the password they were imported with."""
        async with self.reading() as connection:
            return await queries.has_imported_hashes(connection)

    async def account_by_id(self, id: str) -> Account | None:  # noqa: A002  # the name of the field
        return await self._account(queries.BY_ID, id)

    async def person(self, subject_id: str) -> Person | None:
        """The person with this subject, of any source, as known here."""
        if subject_id.startswith(SUBJECT_PREFIX):
            account = await self.account_by_id(subject_id.removeprefix(SUBJECT_PREFIX))
            return None if account is None else account.person
        remembered = await self.people.find(subject_id)
        return None if remembered is None else remembered.person

    @run_to_completion
    async def accounts_by_email(self, email: str, limit: int) -> list[Account]:
        """At most ``limit`` enabled accounts with this e-mail address, in upper or lower case."""
        if not (email.isascii() and email.isprintable()):
            return []  # no e-mail could be sent there
        async with self.reading() as connection:
            return await queries.accounts_by_email(connection, email, limit)

    async def accounts(self) -> AsyncIterator[Account]:
        """All accounts by name, a page at a time, so that a long read blocks nobody."""
        last = ""
        while page := await self._page_after(last):
            for account in page:
                yield account
            last = username_key(page[-1].username)

    @run_to_completion
    async def taken_names(self, accounts: Sequence[Account]) -> TakenNames:
        """The holders of the names and user keys of these accounts, as of now."""
        async with self.reading() as connection:
            return await taken_names(
                connection, accounts, allow_similar_keys=self.allow_similar_keys
            )

    @run_to_completion
    async def key_owners(self, keys: Sequence[UserKey]) -> KeyOwnership:
        """The owners of these user keys, and of similar ones, as of now."""
        async with self.reading() as connection:
            return await KeyOwnership.of(connection, keys, allow_similar=self.allow_similar_keys)

    @run_to_completion
    async def record_unrecorded_keys(self, now: float, limit: int) -> int:
        """Record owners of keys that a server of the previous release assigned; return how many.

        Nothing is locked if there are none.
        """
        async with self.reading() as connection:
            if not await unrecorded(connection, 1):
                return 0
        async with self.writing() as connection:
            found = await unrecorded(connection, limit)
            await record_owners(connection, {}, now, held=found)
            return len(found)

    async def signing_key(self) -> bytes:
        """The key that signs cookies and forms: created once, the same for all processes.

        Raises MasterKeyMissing if it is encrypted under a master key that is not configured.
        """
        stored = await self._key(SIGNING_KEY) or await self._make_key(SIGNING_KEY)
        return self.secrets.unseal(stored, key_place(SIGNING_KEY))

    @run_to_completion
    async def keep_hash(self, account: Account, password_hash: str) -> bool:
        """Store a stronger hash of a right password.

        False, and nothing is stored, if the password has changed since ``account`` was read.
        """
        table = schema.accounts
        unchanged = (table.c.id == account.id, table.c.password_hash == account.password_hash)
        values = {"password_hash": password_hash}
        async with self.writing_one() as connection:
            result = await connection.execute(update(table).where(*unchanged).values(values))
            return result.rowcount == 1

    @run_to_completion
    async def change_password(
        self,
        account_id: str,
        password_hash: str,
        now: float,
        *,
        expected_hash: str | None,
        event: AuditEvent,
        ends_app_passwords: bool = True,
    ) -> bool:
        """Store a password that a person chose, together with its audit record.

        Their app passwords are deleted if ``ends_app_passwords``. False, and nothing is stored, if
        they are gone or have another hash than expected.
        """
        table = schema.accounts
        unchanged = (table.c.id == account_id, table.c.password_hash == expected_hash)
        values = {
            "password_hash": password_hash,
            "password_changed_at": now,
            "must_change_password": False,
            "version": table.c.version + 1,
        }
        async with self.writing() as connection:
            result = await connection.execute(update(table).where(*unchanged).values(values))
            if result.rowcount != 1:
                return False
            await write_events(connection, event)
            await end_console_sessions(connection, SUBJECT_PREFIX + account_id)
            if ends_app_passwords:
                await end_app_passwords(connection, SUBJECT_PREFIX + account_id)
        self.publish(Change.PASSWORD_CHANGED, event)
        return True

    @run_to_completion
    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Write audit records, all or none, in one statement.

        The audit log passes at most ``audit.writer.AT_ONCE`` of them.
        """
        if events:
            values = tuple(chain.from_iterable(map(event_row, events)))
            async with self.writing_one() as connection:
                await connection.exec_driver_sql(self._insert_of(len(events)), values)

    def _insert_of(self, count: int) -> str:
        """The statement for so many audit records, the only rows that come in thousands.

        On SQLite a statement releases the GIL and has to get it back from a busy event loop: for
        each single row that would cost more than the row.
        """
        if count not in self._inserts:
            self._inserts[count] = insert_of_events(self._engines.write, count)
        return self._inserts[count]

    @run_to_completion
    async def audit(self, audit_filter: AuditFilter) -> list[AuditEvent]:
        """The newest matching audit records, the oldest of them first."""
        async with self.reading() as connection:
            return await queries.find_events(connection, audit_filter)

    @run_to_completion
    async def audit_before(
        self, audit_filter: AuditFilter, before: int | None
    ) -> list[tuple[int, AuditEvent]]:
        """The next matching audit records before an ID, the newest of them first."""
        async with self.reading() as connection:
            return await queries.events_before(connection, audit_filter, before)

    @run_to_completion
    async def changes(self, limit: int) -> list[AuditEvent]:
        """The last changes by administrators, the newest first."""
        async with self.reading() as connection:
            return await queries.last_changes(connection, limit)

    @run_to_completion
    async def usernames(self, subject_ids: Collection[str]) -> dict[str, str]:
        """Current usernames by subject, of people who exist."""
        async with self.reading() as connection:
            return await queries.find_usernames(connection, subject_ids)

    @run_to_completion
    async def last_usernames(self, subject_ids: Collection[str]) -> dict[str, str]:
        """Current usernames by subject, and the last ones of removed people."""
        async with self.reading() as connection:
            return await queries.find_last_usernames(connection, subject_ids)

    @run_to_completion
    async def purge_secrets(self, now: float) -> int:
        """Remove expired client secrets; return the number."""
        table = schema.client_secrets
        async with self.writing() as connection:
            return (
                await connection.execute(delete(table).where(table.c.expires_at <= now))
            ).rowcount

    @asynccontextmanager
    async def changing(self, author: Author | None = None) -> AsyncIterator[Transaction]:
        """One transaction that commits at the end of the block, or leaves nothing behind.

        What an ``author`` changes in it is kept, field by field (``change_log``).

        Raises DatabaseUnavailable, or Conflict if somebody was faster: ConcurrentChange, if a retry
        may succeed.
        """
        try:
            async with self.writing() as connection:
                transaction = Transaction(
                    connection, allow_similar_keys=self.allow_similar_keys, author=author
                )
                yield transaction
                await transaction.write_changes()
        except SerializationFailure as outpaced:
            # What a verb does again, the caller of this one cannot be made to.
            raise ConcurrentChange(str(outpaced)) from None
        for change, event in transaction.changed_passwords:
            self.publish(change, event)

    def publish(self, change: Change, event: AuditEvent) -> None:
        """Announce a committed change of a person's credentials."""
        self.announce(announced(change, event))

    async def rows(self, query: Query, **values: object) -> Sequence[Row]:
        """What a query finds at this moment, on the driver if it can be asked at once.

        What the step has read ahead is not read again.
        """
        found = read_ahead.take(read_ahead.read_of(query, values))
        if found is None and self._direct is not None:
            found = await self._direct.find(query, values)
        if found is not None:
            return query.rows(found)
        return await self._rows_by_engine(query, values)

    async def _installation(self) -> Row | None:
        """Asked several times a second: where connections are few, over one that is open."""
        if self._reachability is not None and self._reachability.is_short:
            rows = await self.rows(_INSTALLATION)
            return rows[0] if rows else None
        async with self.reading() as connection:
            row: Row | None = (await connection.execute(_INSTALLATION.select)).mappings().first()
            return row

    @run_to_completion
    async def _rows_by_engine(self, query: Query, values: Mapping[str, object]) -> Sequence[Row]:
        async with self.reading() as connection:
            found = await connection.execute(query.select, values)
            rows: Sequence[Row] = found.mappings().all()
            return rows

    async def _account(self, query: Query, key: str) -> Account | None:
        found = await self.rows(query, key=key)
        return account_from(found[0]) if found else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one question."""
        with outages():
            self._check_lately()
            async with self._watched(self._engines.read.connect) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block."""
        read_ahead.drop()
        with outages():
            self._check()
            async with self._watched(self._engines.write.begin) as connection:
                yield connection
            self._has_written()

    @asynccontextmanager
    async def writing_one(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement, which is a transaction by itself.

        On SQLite a second one would be another transaction: nothing would roll back the first.
        """
        read_ahead.drop()
        with outages():
            self._check()
            async with self._watched(self._engines.write_one.begin) as connection:
                yield connection
            self._has_written()

    def _check(self) -> None:
        if self._guard is not None:
            self._guard.check()

    def _has_written(self) -> None:
        if isinstance(self._direct, SqliteReads):
            self._direct.has_written()

    def _check_lately(self) -> None:
        if self._guard is not None:
            self._guard.check_lately()

    def _watched(self, begin: Begin) -> AbstractAsyncContextManager[AsyncConnection]:
        return begin() if self._reachability is None else self._reachability.watching(begin)

    @run_to_completion
    async def _page_after(self, username_key: str) -> list[Account]:
        async with self.reading() as connection:
            return await queries.accounts_after(connection, username_key, _PAGE)

    @run_to_completion
    async def _key(self, name: str) -> bytes | None:
        query = select(schema.keys.c.value).where(schema.keys.c.name == name)
        async with self.reading() as connection:
            return await connection.scalar(query)

    @run_to_completion
    async def _make_key(self, name: str) -> bytes:
        """Create a key unless another process has: the second gets the first one's.

        Returns what is stored of it. A database without any secret begins with the master key.
        """
        fresh = secrets.token_bytes(SIGNING_KEY_BYTES)
        query = select(schema.keys.c.value).where(schema.keys.c.name == name)
        now = time.time()
        async with self.writing() as connection:
            await self.secrets.begin_with(connection, now)
            stored = await self.secrets.seal(connection, fresh, key_place(name))
            await connection.execute(_INSERT_KEY, {"name": name, "value": stored, "at": now})
            found: bytes = (await connection.execute(query)).scalar_one()
        return found


_INSTALLATION = Query(select(schema.installation))

_INSERT_KEY = text(
    "INSERT INTO keys (name, value, created_at) VALUES (:name, :value, :at) ON CONFLICT DO NOTHING"
)
