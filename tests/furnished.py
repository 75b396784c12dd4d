"""A company's database with something in every table, made anew for each test; what is in it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.databases import NOW, url_of
from tests.store.artifacts import access_token, code, key_of, refresh_token, session
from tests.store.artifacts import spent_transaction as spent

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.database.engines import open_engines
from worksgate.database.migrations import migrate
from worksgate.database.migrations.tables import ALL, LASTING
from worksgate.directory import Account
from worksgate.directory.audit.seal_verification import Finding
from worksgate.directory.database import Directory
from worksgate.oauth.model import AuthorizationCode, Client, ClientSecret, Interim, RefreshToken
from worksgate.sources import Person
from worksgate.store import Store, Successors
from worksgate.store.sqlite.store import SqliteStore

ACCOUNTS = 1_050
"""More than a page."""

USED_CODE, GOOD_CODE = "used code", "good code"
USED_REFRESH, GOOD_REFRESH = "used refresh token", "good refresh token"
TOKEN, SESSION = "access token", "session"


@pytest.fixture(scope="session")
def furnished_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with something in every table, made once."""
    file = tmp_path_factory.mktemp("company") / "worksgate.db"
    asyncio.run(furnished(file))
    return file.read_bytes()


@pytest.fixture
def source(furnished_bytes: bytes, tmp_path: Path) -> str:
    """The address of a furnished database, ``source.db``."""
    (tmp_path / "source.db").write_bytes(furnished_bytes)
    return url_of(tmp_path / "source.db")


@pytest.fixture
def target(tmp_path: Path) -> str:
    """The address of a database that is not there yet, ``target.db``."""
    return url_of(tmp_path / "target.db")


async def furnish(url: str, store: Store) -> None:
    """Put something into every table of a migrated database."""
    directory = Directory.open(url)
    try:
        await _furnish_directory(directory)
    finally:
        await directory.close()
    await _furnish_store(store)


async def furnished(file: Path) -> str:
    """A furnished SQLite database; its address."""
    await migrate(url_of(file))
    store = await SqliteStore.open(file, spare=0)
    try:
        await furnish(url_of(file), store)
    finally:
        await store.close()
    return url_of(file)


async def content(url: str, tables: tuple[str, ...] = ALL) -> dict[str, list[Any]]:
    """The rows of tables in any order, as Python has them."""
    lasting = {each.name: each for each in (*LASTING, schema.keys, schema.leases)}
    engines = open_engines(url)
    try:
        async with engines.read.connect() as connection:
            return {name: await _rows(connection, lasting, name) for name in tables}
    finally:
        await engines.close()


async def _rows(connection: AsyncConnection, known: dict[str, Any], name: str) -> list[Any]:
    if name in known:
        query: Any = select(known[name])
    else:
        columns = await connection.execute(text(f"SELECT * FROM {name} LIMIT 0"))
        query = text(f"SELECT {', '.join(sorted(columns.keys()))} FROM {name}")
    return sorted(map(tuple, (await connection.execute(query)).all()), key=repr)


async def sealed_records(url: str) -> int:
    """How many audit records have a seal; all of them fit."""
    directory, findings = Directory.open(url), list[Finding]()
    try:
        verified = await directory.seals.verify({}, findings.append, lambda done: None)
    finally:
        await directory.close()
    assert findings == []
    return verified.records


async def _furnish_directory(directory: Directory) -> None:
    await directory.signing_key()
    await directory.leases.take("something", "somebody", 1_000.0)
    client = Client(
        client_id="tenant",
        name="Tenant",
        redirect_uris=("https://auth.worksmobile.com/cb",),
        allowed_addresses=("192.0.2.0/24", "2001:db8::/32"),
        secrets=(ClientSecret(key_of("secret"), None, NOW),),
    )
    async with directory.changing() as transaction:
        await transaction.add_client(client)
        await transaction.add_accounts(list(map(_account, range(ACCOUNTS))))
        await transaction.change_account(_account(0), _account(0, external_key="E-new"), NOW)
    person = Person(
        subject_id="ldap:1", username="hana@example.com", name="하나", groups=("가", "나")
    )
    await directory.people.remember("ldap", person, NOW + 0.1)
    events = [
        AuditEvent(event=Event.LOGIN_FAILED, at=NOW + number, username="誰か", detail="a\\tb")
        for number in range(2_100)
    ]
    await directory.record(events)
    async with directory.writing() as connection:
        await connection.execute(delete(schema.audit).where(schema.audit.c.at < NOW + 100))
        for table, values in _ROWS.items():
            await connection.execute(insert(schema.metadata.tables[table]), [values])
    while await directory.seals.seal_next(await directory.seals.settled(), NOW):
        pass


_ROWS: dict[str, dict[str, object]] = {
    "totp_secrets": {
        "subject_id": "directory:1",
        "secret": bytes(range(20)),
        "last_step": 2**40,
        "created_at": NOW,
        "last_used_at": None,
    },
    "recovery_codes": {"digest": key_of("r"), "subject_id": "directory:1", "created_at": NOW},
    "passkeys": {
        "id": "passkey",
        "subject_id": "directory:1",
        "public_key": b"\x00\xff",
        "sign_count": 7,
        "backed_up": True,
        "aaguid": "00000000-0000-0000-0000-000000000000",
        "transports": ["usb", "nfc"],
        "name": "鍵",
        "created_at": NOW,
        "last_used_at": NOW + 1 / 3,
        "console_host": "console.example.com",
    },
    "app_passwords": {
        "id": "app",
        "digest": key_of("app"),
        "subject_id": "directory:1",
        "name": "Mail",
        "created_at": NOW,
        "last_used_at": None,
    },
    "departures": {
        "subject_id": "directory:2",
        "source": "directory",
        "username": "誰か",
        "due_at": NOW + 1 / 7,
        "planned_at": NOW,
        "actor": None,
        "suspends": True,
    },
    "removed_accounts": {
        "id": "gone",
        "username_key": "過去の人",
        "removed_at": NOW + 1 / 7,
        "actor": "console:直子",
        "haystack": "過去の人",
        "account": {
            "id": "gone",
            "username": "過去の人",
            "created_at": NOW / 3,
            "groups": ["営業"],
        },
    },
    "console_sessions": {
        "key": key_of("session of the console"),
        "subject_id": "directory:1",
        "created_at": NOW,
        "used_at": NOW,
        "expires_at": NOW + 600,
    },
    "first_links": {"key": key_of("link"), "created_at": NOW, "expires_at": NOW + 600},
    "console_invitations": {
        "key": key_of("invitation"),
        "id": "invitation",
        "name": "新しい 管理者",
        "email": "new@example.com",
        "role": "help_desk",
        "created_at": NOW,
        "expires_at": NOW + 600,
        "inviter": "directory:1",
        "actor": "console:直子",
    },
    "deployer_tokens": {
        "key": key_of("deployer token"),
        "id": "token",
        "name": "本番の CI",
        "created_at": NOW,
        "expires_at": NOW + 600,
        "used_at": NOW + 1 / 3,
        "maker": "directory:1",
        "actor": "console:直子",
    },
    "preferences": {"subject_id": "directory:1", "language": "ja"},
    "changes": {
        "number": 1,
        "at": NOW + 1 / 7,
        "actor": "console:直子",
        "role": "owner",
        "kind": "client",
        "subject": "tenant",
        "version": 2**40,
        "fields": [["name", "古い", "新しい"]],
        "undoes": None,
        "session": "3f9a1c0752",
        "request_id": "8c1f0e6d5b4a3921",
    },
    "wizard_answers": {"name": "where", "value": {"domain": "例.jp"}, "actor": None, "at": NOW},
    "branding_versions": {
        "client_id": "tenant",
        "number": 1,
        "content": {"name": "会社"},
        "logo": bytes(range(256)),
        "created_at": NOW,
        "actor": "cli:root",
        "published_at": None,
    },
    "jobs": {
        "id": "job",
        "kind": "disable",
        "arguments": {"all": False},
        "actor": "console:直子",
        "role": "admin",
        "state": "done",
        "created_at": NOW,
        "ended_at": NOW + 1 / 7,
        "total": 1,
        "done": 1,
        "failed": 0,
        "position": "directory:1",
        "undoes": None,
        "session": "3f9a1c0752",
        "request_id": "8c1f0e6d5b4a3921",
    },
    "job_rows": {
        "job_id": "job",
        "subject_id": "directory:1",
        "outcome": "done",
        "before": {"enabled": True},
        "detail": None,
    },
    "line_works_apps": {
        "client_id": "tenant",
        "secret": bytes(range(64)),
        "set_at": NOW + 1 / 7,
        "actor": "cli:root",
    },
    "line_works_members": {
        "reading": "r",
        "account": "aoi@hikari",
        "name": "田中 葵",
        "external_key": "E-1",
        "state": "active",
    },
    "rehearsal_findings": {
        "rehearsal": "r",
        "finding": "ready",
        "number": 1,
        "account": "aoi@hikari",
        "name": "田中 葵",
        "subject_id": "directory:1",
        "username": "aoi",
        "key_here": "E-1",
        "key_there": None,
    },
    "alerts": {
        "key": key_of("alert"),
        "kind": "slow",
        "details": {"seconds": 1.9},
        "since": NOW,
        "seen_at": NOW + 1 / 7,
        "mailed_at": None,
        "posted_at": NOW,
        "messaged_at": None,
        "tries": 1,
    },
}


def _account(number: int, **changes: Any) -> Account:
    values = {"external_key": f"E-{number}", "name": "田中 葵", "groups": ("営業",), **changes}
    return Account(
        id=f"{number:06}",
        username=f"Person{number}@example.com",
        created_at=NOW + number / 7,
        password_hash="$argon2id$v=19$m=19456,t=2,p=1$not$one",
        enabled=number % 3 > 0,
        **values,
    )


async def _furnish_store(store: Store) -> None:
    await store.save(*(code(name) for name in (USED_CODE, GOOD_CODE)))
    await store.save(*(refresh_token(name) for name in (USED_REFRESH, GOOD_REFRESH)))
    await store.save(access_token(TOKEN), session(SESSION), spent())
    await store.save(
        Interim(
            key=key_of("interim"),
            grant_id="g",
            subject_id="s",
            client_id="",
            expires_at=NOW + 600,
            purpose="reset",
            data="secret",
        )
    )
    await store.bump("failures", 600.0, NOW)
    for kind, name in ((AuthorizationCode, USED_CODE), (RefreshToken, USED_REFRESH)):
        bought = Successors(access_token_key=key_of(f"bought with {name}"))
        await store.redeem(kind, key_of(name), "tenant", bought, NOW)


def every_table_has_rows(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as db:
        return all(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ALL)


async def number_of_next_change(url: str) -> int:
    """The number that a PostgreSQL database gives to a change that is recorded now."""
    connection = await asyncpg.connect(url)
    try:
        number = await connection.fetchval(
            "INSERT INTO changes (at, kind, subject, version, fields) "
            "VALUES (0, 'client', 'tenant', 1, '[]') RETURNING number"
        )
    finally:
        await connection.close()
    return int(number)
