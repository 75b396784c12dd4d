"""What Worksgate signs in with at the LINE WORKS API, in the database: encrypted, or not at all."""

from pathlib import Path

import pytest
from sqlalchemy import update
from tests.databases import NOW, directory_in, query
from tests.line_works_api.fake_api import SECRET, app

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import Keyring, MasterKey, key_id_of
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.secrets_at_rest import MasterKeyMissing
from worksgate.directory.database import Directory
from worksgate.oauth.model import Client

OLD, NEW = (MasterKey(bytes([number] * 32)) for number in (1, 2))


def event(detail: str = "") -> AuditEvent:
    return AuditEvent(event=Event.SYSTEM, at=NOW, actor="cli:root", detail=detail)


async def begin(directory: Directory, *clients: str) -> None:
    """A database that is in use: with its key in force, and clients."""
    await directory.signing_key()
    async with directory.changing() as transaction:
        for each in clients:
            await transaction.add_client(Client(client_id=each, name=each))


def stored(database: Path) -> dict[str, bytes]:
    rows = query(database, "SELECT client_id, secret FROM line_works_apps")
    return {client_id: bytes(secret) for client_id, secret in rows}


async def test_r216_an_app_is_kept_encrypted_and_read_again(database: Path) -> None:
    async with directory_in(database, Keyring(NEW)) as directory:
        await begin(directory, "tenant")
        await directory.line_works_apps.keep("tenant", app(), event("set"))
        await directory.line_works_apps.keep("tenant", app(scopes=("directory",)), event("again"))
        kept = await directory.line_works_apps.find("tenant")
        assert kept is not None
        assert (kept.app, kept.set_at, kept.actor) == (app(scopes=("directory",)), NOW, "cli:root")
        assert SECRET not in repr(kept)
        assert (await directory.secrets.check()).left_for(NEW.id) == 0
    (secret,) = stored(database).values()
    assert key_id_of(secret) == NEW.id
    content = b"".join(
        file.read_bytes()
        for file in database.parent.iterdir()
        if file.name.startswith(database.name)
    )
    for readable in (SECRET, "serviceaccount", "PRIVATE KEY", app().private_key[40:80]):
        assert readable.encode() not in content
    details = query(database, "SELECT detail FROM audit ORDER BY id")
    assert details == [("set",), ("again",)]


async def test_r216_without_a_master_key_in_force_nothing_is_kept(database: Path) -> None:
    async with directory_in(database) as directory:
        await begin(directory, "tenant")
        with pytest.raises(MasterKeyMissing, match="worksgate key encrypt"):
            await directory.line_works_apps.keep("tenant", app(), event())
    assert not stored(database)
    assert not query(database, "SELECT * FROM audit")


async def test_r216_the_app_of_one_client_is_none_of_another_and_plain_text_is_a_forgery(
    database: Path,
) -> None:
    async with directory_in(database, Keyring(NEW)) as directory:
        await begin(directory, "ours", "theirs")
        for client_id in ("ours", "theirs"):
            await directory.line_works_apps.keep(client_id, app(client_id=client_id), event())
        query(
            database,
            "UPDATE line_works_apps SET secret = (SELECT secret FROM line_works_apps"
            " WHERE client_id = 'theirs') WHERE client_id = 'ours'",
        )
        with pytest.raises(DatabaseUnavailable, match="belongs to another row"):
            await directory.line_works_apps.find("ours")
        plain = b'{"client_id":"evil","service_account":"a@b","scopes":["directory"]}'
        async with directory.writing() as connection:
            table = schema.line_works_apps
            ours = update(table).where(table.c.client_id == "ours")
            await connection.execute(ours.values(secret=plain))
        with pytest.raises(DatabaseUnavailable, match="not encrypted"):
            await directory.line_works_apps.find("ours")
        assert await directory.line_works_apps.find("theirs") is not None


async def test_r216_an_app_is_rotated_with_the_master_key(database: Path) -> None:
    async with directory_in(database, Keyring(OLD)) as directory:
        await begin(directory, "tenant")
        await directory.line_works_apps.keep("tenant", app(), event())
    async with directory_in(database, Keyring(NEW, OLD)) as directory:
        assert (await directory.secrets.check()).by_key == {OLD.id: 2}
        await directory.secrets.put_in_force(event())
        assert await directory.secrets.encrypt_keys() == 2
        assert await directory.secrets.encrypt_keys() == 0
    async with directory_in(database, Keyring(NEW)) as directory:
        kept = await directory.line_works_apps.find("tenant")
        assert kept is not None
        assert kept.app == app()
    async with directory_in(database, Keyring(OLD)) as directory:
        with pytest.raises(MasterKeyMissing, match=NEW.id):
            await directory.line_works_apps.find("tenant")


async def test_r216_an_app_under_a_lost_master_key_is_given_up_and_recorded(
    database: Path,
) -> None:
    async with directory_in(database, Keyring(OLD)) as directory:
        await begin(directory, "tenant")
        await directory.line_works_apps.keep("tenant", app(), event())
    async with directory_in(database, Keyring(NEW)) as directory:
        await directory.secrets.give_up([OLD.id], event("given up"))
        assert await directory.line_works_apps.find("tenant") is None
    records = query(database, "SELECT client_id, detail FROM audit WHERE client_id IS NOT NULL")
    assert records == [
        ("tenant", "the app of the LINE WORKS API is removed: its master key is lost")
    ]


async def test_r216_with_its_client_an_app_goes(database: Path) -> None:
    async with directory_in(database, Keyring(NEW)) as directory:
        await begin(directory, "tenant", "other")
        await directory.line_works_apps.keep("tenant", app(), event())
        await directory.line_works_apps.keep("other", app(), event())
        client = await directory.client("tenant")
        assert client is not None
        async with directory.changing() as transaction:
            await transaction.remove_client(client)
        assert stored(database).keys() == {"other"}
        assert await directory.line_works_apps.remove("other", event())
        assert not await directory.line_works_apps.remove("other", event())
