"""Secrets in the database: encrypted under a master key that it does not contain.

These are the secrets of authenticator apps, the key that signs cookies and forms, and what
Worksgate signs in with at the LINE WORKS API. Which master key is **in force** is stored in the
database, in a row of ``keys``: new secrets are encrypted under it, on all nodes. A server may have
two keys, so nodes get a new one first, one after the other, and ``encrypt`` puts it in force
afterwards. A database without a key in force keeps secrets in plain text, as previous releases do,
which can then run side by side; those of the LINE WORKS API, which no previous release knows, are
never kept in plain text.

Plain text can always be read, so an upgrade has no moment at which anything stops.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Column, LargeBinary, Select, delete, func, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import (
    HEADER_BYTES,
    DamagedSecret,
    Keyring,
    MasterKey,
    Place,
    UnknownMasterKey,
    key_id_of,
)
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.leases import check_stopped
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion

IN_FORCE: Final = "master"
"""The row of ``keys`` that says which master key is in force: nothing, encrypted under it."""

FIRST_READER: Final = "0004"
"""The first revision whose program can read encrypted secrets."""

PAGE = 100
"""Rows that are encrypted in one transaction."""

_KEYS, _TOTP, _APPS = schema.keys, schema.totp_secrets, schema.line_works_apps


class MasterKeyMissing(DatabaseUnavailable):
    """A secret is needed that no configured master key can decrypt; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many secrets are stored, by ID of the master key, and in plain text.

    ``in_force`` is the ID of the key for new ones, None if they are stored in plain text;
    ``in_force_since`` is in seconds since the epoch.
    """

    in_force: str | None
    in_clear: int = 0
    by_key: Mapping[str, int] = field(default_factory=dict)
    in_force_since: float | None = None

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The IDs of all master keys that are needed to read everything."""
        in_force = () if self.in_force is None else (self.in_force,)
        return tuple(sorted({*in_force, *self.by_key}))

    def left_for(self, key_id: str) -> int:
        """How many secrets are not encrypted under this key."""
        return self.in_clear + sum(n for each, n in self.by_key.items() if each != key_id)


def totp_place(subject_id: str) -> Place:
    return Place(_TOTP.name, "secret", subject_id)


def key_place(name: str) -> Place:
    return Place(_KEYS.name, "value", name)


def app_place(client_id: str) -> Place:
    return Place(_APPS.name, "secret", client_id)


def check_at_hand(key_ids: tuple[str, ...], keyring: Keyring) -> None:
    """Raise MasterKeyMissing unless every one of these master keys is configured."""
    if missing := [each for each in key_ids if each not in keyring.ids]:
        raise MasterKeyMissing(_missing(", ".join(missing), keyring))


def _missing(key_id: str, keyring: Keyring) -> str:
    """The problem and what to do, in one sentence."""
    if keyring.current is None:
        return (
            f"the secrets are encrypted under master key {key_id}, and no master key is "
            "configured: set master_key_file, or WORKSGATE_MASTER_KEY_FILE, to the file that "
            "contains it"
        )
    configured = ", ".join(keyring.ids)
    return (
        f"the secrets are encrypted under master key {key_id}, and the configured one is "
        f"{configured}: set master_key_file to the file that contains {key_id}, or "
        "previous_master_key_file to it"
    )


# On a connection of the caller


async def key_in_force(connection: AsyncConnection) -> str | None:
    """The ID of the master key for new secrets, None without one."""
    stored = await connection.scalar(_value_of(IN_FORCE))
    return None if stored is None else key_id_of(stored)


async def put_in_force(connection: AsyncConnection, key: MasterKey, now: float) -> None:
    """Encrypt new secrets under this key from now on."""
    values = {"name": IN_FORCE, "value": key.seal(b"", key_place(IN_FORCE)), "at": now}
    await connection.execute(_PUT, values)
    await refuse_older_programs(connection)


async def refuse_older_programs(connection: AsyncConnection) -> None:
    """Keep programs off this database that would take a ciphertext for a secret."""
    await connection.execute(_REFUSE_OLDER, {"first": FIRST_READER})


async def count_secrets(connection: AsyncConnection) -> Counted:
    """What is stored, as of now; no secret is read whole."""
    counts: Counter[str | None] = Counter()
    for column, wanted in (
        (_TOTP.c.secret, true()),
        (_KEYS.c.value, _KEYS.c.name != IN_FORCE),
        (_APPS.c.secret, true()),
    ):
        begins = func.substr(column, 1, HEADER_BYTES, type_=LargeBinary)
        kinds = select(begins, func.length(column), func.count()).where(wanted)
        # By position: PostgreSQL takes two equal expressions with parameters for different ones.
        kinds = kinds.group_by(text("1"), text("2"))
        for beginning, length, number in await connection.execute(kinds):
            counts[key_id_of(beginning.ljust(length, b"\0"))] += number
    by_key = {key_id: number for key_id, number in counts.items() if key_id is not None}
    since = await connection.scalar(select(_KEYS.c.created_at).where(_KEYS.c.name == IN_FORCE))
    return Counted(await key_in_force(connection), counts[None], by_key, since)


async def _overwrite_what_is_freed(connection: AsyncConnection) -> None:
    """Make SQLite overwrite deleted plain text in the free part of a page."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA secure_delete = ON")


async def _give_up_apps(
    connection: AsyncConnection, key_ids: Collection[str], event: AuditEvent
) -> None:
    """Delete the apps of the API under lost master keys, with a record of each."""
    apps = await connection.execute(select(_APPS.c.client_id, _APPS.c.secret))
    for client_id, stored in apps.all():
        if key_id_of(stored) in key_ids:
            await connection.execute(delete(_APPS).where(_APPS.c.client_id == client_id))
            removed = msgspec.structs.replace(
                event,
                event=Event.CLIENT_CHANGED,
                client_id=client_id,
                detail="the app of the LINE WORKS API is removed: its master key is lost",
            )
            await write_events(connection, removed)


_PUT = text(
    "INSERT INTO keys (name, value, created_at) VALUES (:name, :value, :at)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, created_at = excluded.created_at"
)
_REFUSE_OLDER = text("UPDATE compatibility SET oldest = :first WHERE oldest < :first")


def _value_of(name: str) -> Select[tuple[Any]]:
    return select(_KEYS.c.value).where(_KEYS.c.name == name)


class SecretsAtRest(Repository[Connections]):
    """Reads and writes the secrets of a database; methods may raise DatabaseUnavailable."""

    def __init__(self, connections: Connections, keyring: Keyring) -> None:
        super().__init__(connections)
        self._keyring = keyring

    # For readers and writers of a secret

    def unseal(self, stored: bytes, place: Place) -> bytes:
        """The secret stored at a place. Raises MasterKeyMissing or DatabaseUnavailable."""
        try:
            return self._keyring.unseal(stored, place)
        except UnknownMasterKey as unknown:
            raise MasterKeyMissing(_missing(unknown.id, self._keyring)) from None
        except DamagedSecret as damaged:
            raise DatabaseUnavailable(str(damaged)) from None

    async def seal(self, connection: AsyncConnection, secret: bytes, place: Place) -> bytes:
        """The stored form of a secret, in the transaction that stores it.

        Raises MasterKeyMissing if the key in force is not configured.
        """
        key_id = await key_in_force(connection)
        return secret if key_id is None else self._key(key_id).seal(secret, place)

    async def seal_always(self, connection: AsyncConnection, secret: bytes, place: Place) -> bytes:
        """The same for a secret that is never stored in plain text.

        Raises MasterKeyMissing, also if no master key is in force.
        """
        if await key_in_force(connection) is None:
            raise MasterKeyMissing(
                "no master key is in force, and this secret is kept encrypted only: run worksgate "
                "key new FILE, set master_key_file to it, then run worksgate key encrypt"
            )
        return await self.seal(connection, secret, place)

    def unseal_always(self, stored: bytes, place: Place) -> bytes:
        """A secret that is never stored in plain text, so that plain text there is a forgery.

        Raises MasterKeyMissing or DatabaseUnavailable.
        """
        if key_id_of(stored) is None:
            raise DatabaseUnavailable(f"the secret in {place.purpose} is not encrypted")
        return self.unseal(stored, place)

    async def stored_as(
        self, connection: AsyncConnection, subject_id: str, secret: bytes
    ) -> bytes | None:
        """The current stored form of a secret that was read before; None if it has changed.

        It may have been encrypted under another key meanwhile, which does not change the secret.
        """
        theirs = select(_TOTP.c.secret).where(_TOTP.c.subject_id == subject_id)
        stored: bytes | None = await connection.scalar(theirs)
        if stored is None:
            return None
        present = self.unseal(stored, totp_place(subject_id))
        return stored if hmac.compare_digest(present, secret) else None

    async def begin_with(self, connection: AsyncConnection, now: float) -> None:
        """Put the master key in force in a database without any secret yet, if there is one."""
        if self._keyring.current is None or await key_in_force(connection) is not None:
            return
        for table in (_KEYS, _TOTP, _APPS):
            if await connection.scalar(select(func.count()).select_from(table)):
                return
        await put_in_force(connection, self._keyring.current, now)

    # For opening and administering an installation

    @run_to_completion
    async def count(self) -> Counted:
        """What is stored, as of now."""
        async with self._connections.reading() as connection:
            return await count_secrets(connection)

    async def check(self) -> Counted:
        """What is stored. Raises MasterKeyMissing if the keys cannot decrypt all of it."""
        counted = await self.count()
        check_at_hand(counted.key_ids, self._keyring)
        return counted

    @run_to_completion
    async def check_in_force(self) -> None:
        """Raise MasterKeyMissing if the key in force is not configured.

        Another node may have put it in force while this one runs.
        """
        async with self._connections.reading() as connection:
            key_id = await key_in_force(connection)
        if key_id is not None:
            check_at_hand((key_id,), self._keyring)

    @run_to_completion
    async def put_in_force(self, event: AuditEvent) -> None:
        """Encrypt new secrets under the current key, together with the audit record.

        Nothing happens if that is so already. Raises MasterKeyMissing without a current key.
        """
        key = self._current()
        async with self._connections.writing() as connection:
            if await key_in_force(connection) != key.id:
                await put_in_force(connection, key, event.at)
                await write_events(connection, event)

    @run_to_completion
    async def check_stopped(self) -> None:
        """Raise DatabaseInUse if a server uses the database."""
        async with self._connections.reading() as connection:
            await check_stopped(connection)

    @run_to_completion
    async def holders_under(self, key_ids: Collection[str]) -> list[str]:
        """The subjects whose secrets are encrypted under one of these master keys, in order."""
        async with self._connections.reading() as connection:
            rows = await connection.execute(
                select(_TOTP.c.subject_id, _TOTP.c.secret).order_by(_TOTP.c.subject_id)
            )
            return [row.subject_id for row in rows if key_id_of(row.secret) in key_ids]

    @run_to_completion
    async def give_up(self, key_ids: Collection[str], event: AuditEvent) -> None:
        """Delete the server's keys, and the apps of the API, under lost master keys.

        The current key is in force from then on. The server creates its keys again at its start; an
        administrator sets an app again.
        Raises MasterKeyMissing, without changes, while a person has a secret under them.
        """
        key = self._current()
        async with self._connections.writing() as connection:
            secrets = await connection.scalars(select(_TOTP.c.secret))
            if left := {found for each in secrets if (found := key_id_of(each)) in key_ids}:
                raise MasterKeyMissing(
                    _missing(", ".join(sorted(filter(None, left))), self._keyring)
                )
            rows = await connection.execute(select(_KEYS.c.name, _KEYS.c.value))
            for name, stored in rows.all():
                if key_id_of(stored) in key_ids:
                    await connection.execute(delete(_KEYS).where(_KEYS.c.name == name))
            await _give_up_apps(connection, key_ids, event)
            await put_in_force(connection, key, event.at)
            await write_events(connection, event)

    @run_to_completion
    async def encrypt_keys(self) -> int:
        """Encrypt the keys of the server, and the apps of the API, under the key in force.

        Returns how many were not yet.
        """
        async with self._connections.writing() as connection:
            await _overwrite_what_is_freed(connection)
            keys = await self._encrypt_all(connection, _KEYS.c.name, _KEYS.c.value, key_place)
            apps = await self._encrypt_all(connection, _APPS.c.client_id, _APPS.c.secret, app_place)
            return keys + apps

    async def _encrypt_all(
        self,
        connection: AsyncConnection,
        name: Column[str],
        value: Column[bytes],
        place: Callable[[str], Place],
    ) -> int:
        """Encrypt a table of few rows; return how many were not under the key in force."""
        changed = 0
        for row, stored in (await connection.execute(select(name, value))).all():
            if place(row) == key_place(IN_FORCE):
                continue
            fresh = await self._under_key_in_force(connection, stored, place(row))
            if fresh is not None:
                same = (name == row, value == stored)
                await connection.execute(update(name.table).where(*same).values({value: fresh}))
                changed += 1
        return changed

    @run_to_completion
    async def encrypt_page(self, after: str) -> tuple[str | None, int]:
        """Encrypt the secrets of the next people, in one transaction, under the key in force.

        Returns the last subject of the page, None if nobody comes after ``after``, and how many
        were not encrypted under that key yet.
        """
        columns = (_TOTP.c.subject_id, _TOTP.c.secret)
        page = select(*columns).where(columns[0] > after).order_by(columns[0]).limit(PAGE)
        async with self._connections.writing() as connection:
            await _overwrite_what_is_freed(connection)
            rows = (await connection.execute(page)).all()
            changed = 0
            for subject_id, stored in rows:
                fresh = await self._under_key_in_force(connection, stored, totp_place(subject_id))
                if fresh is not None:
                    same = (columns[0] == subject_id, columns[1] == stored)
                    await connection.execute(update(_TOTP).where(*same).values(secret=fresh))
                    changed += 1
        return (rows[-1].subject_id if rows else None), changed

    async def _under_key_in_force(
        self, connection: AsyncConnection, stored: bytes, place: Place
    ) -> bytes | None:
        """What to store instead, None if it is encrypted under the key in force."""
        key_id = await key_in_force(connection)
        if key_id is None or key_id_of(stored) == key_id:
            return None
        return self._key(key_id).seal(self.unseal(stored, place), place)

    def _current(self) -> MasterKey:
        if self._keyring.current is None:
            raise MasterKeyMissing("no master key is configured: worksgate key new creates one")
        return self._keyring.current

    def _key(self, key_id: str) -> MasterKey:
        try:
            return self._keyring.key(key_id)
        except UnknownMasterKey:
            raise MasterKeyMissing(_missing(key_id, self._keyring)) from None
