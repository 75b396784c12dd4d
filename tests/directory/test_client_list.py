"""The queries of the client list, and how soon a change takes effect (R-139)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import query

from worksgate.directory.branding_versions import BrandingVersion
from worksgate.directory.client_list import AT_ONCE, SWEEP_INTERVAL, ClientList
from worksgate.directory.database import Directory
from worksgate.oauth.model import Client, ClientSecret


class CountedRows:
    """A directory, and how many clients were read from it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.questions: list[str] = []
        self.read: list[str] = []

    async def clients_version(self) -> int:
        self.questions.append("version")
        return await self._directory.clients_version()

    async def client_ids(self, after_version: int = -1) -> list[str]:
        self.questions.append("ids" if after_version < 0 else "changed")
        return await self._directory.client_ids(after_version)

    async def client_count(self) -> int:
        self.questions.append("count")
        return await self._directory.client_count()

    async def clients_by_id(self, ids: Sequence[str]) -> tuple[Client, ...]:
        self.read += ids
        return await self._directory.clients_by_id(ids)

    async def published_brandings(self, ids: Sequence[str] | None = None) -> list[BrandingVersion]:
        return await self._directory.published_brandings(ids)

    def since(self) -> tuple[list[str], list[str]]:
        asked, self.questions = self.questions, []
        read, self.read = self.read, []
        return asked, read


class Watched:
    """A list of clients, its clock, and the directory under it."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.now = 100.0
        self.rows = CountedRows(directory)
        self.list = ClientList(self.rows, monotonic=lambda: self.now)

    async def add(self, count: int, prefix: str = "c") -> None:
        async with self.directory.changing() as transaction:
            for number in range(count):
                name = f"{prefix}{number:04}"
                secret = ClientSecret(f"digest of {name}")
                await transaction.add_client(Client(client_id=name, name=name, secrets=(secret,)))

    async def change(self, client: Client) -> None:
        async with self.directory.changing() as transaction:
            await transaction.change_client(client, client)


@pytest.fixture
async def watched(directory: Directory) -> Watched:
    return Watched(directory)


async def test_r139_where_nothing_has_changed_a_number_is_read_and_no_client(
    watched: Watched,
) -> None:
    await watched.add(AT_ONCE + 5)
    known = await watched.list.read()
    assert len(known) == AT_ONCE + 5
    assert known["c0007"].secrets[0].digest == "digest of c0007"
    watched.rows.since()
    assert await watched.list.read() is known
    assert watched.rows.since() == (["version"], [])


async def test_r139_what_has_changed_is_read_at_the_next_look_and_nothing_else(
    watched: Watched,
) -> None:
    await watched.add(5)
    known = await watched.list.read()
    watched.rows.since()
    await watched.change(replace(known["c0003"], enabled=False))
    assert not (await watched.list.read())["c0003"].enabled
    assert known["c0003"].enabled, "a mapping that was given out stays as it was"
    assert watched.rows.since() == (["version", "changed", "count"], ["c0003"])


async def test_r139_a_secret_that_was_replaced_ends_at_the_next_look(watched: Watched) -> None:
    await watched.add(2)
    known = await watched.list.read()
    await watched.change(replace(known["c0001"], secrets=(ClientSecret("another"),)))
    (secret,) = (await watched.list.read())["c0001"].secrets
    assert secret.digest == "another"


async def test_r139_clients_that_come_and_go_are_seen_at_the_next_look(watched: Watched) -> None:
    await watched.add(3)
    known = await watched.list.read()
    async with watched.directory.changing() as transaction:
        await transaction.remove_client(known["c0000"])
    await watched.add(1, "d")
    assert sorted(await watched.list.read()) == ["c0001", "c0002", "d0000"]


async def test_where_the_number_goes_back_all_are_read_again(
    watched: Watched, database: Path, kind: str
) -> None:
    await watched.add(3)
    await watched.list.read()
    no = "false" if kind == "postgres" else "0"
    query(database, f"UPDATE clients SET enabled = {no}, version = 1")
    query(database, "UPDATE installation SET clients_version = 1")
    assert not any(client.enabled for client in (await watched.list.read()).values())


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE clients SET enabled = {no} WHERE client_id = 'c0001'", ["c0000"]),
        ("DELETE FROM clients WHERE client_id = 'c0001'", ["c0000"]),
        ("UPDATE clients SET client_id = 'e' WHERE client_id = 'c0001'", ["c0000", "e"]),
    ],
)
async def test_r139_a_change_that_was_not_counted_is_seen_within_a_second(
    watched: Watched, database: Path, kind: str, statement: str, expected: list[str]
) -> None:
    """As the release before makes it, or who works on the database by hand."""
    await watched.add(2)
    await watched.list.read()
    query(database, "DELETE FROM client_secrets")
    query(database, statement.format(no="false" if kind == "postgres" else "0"))
    watched.now += SWEEP_INTERVAL
    found = await watched.list.read()
    assert sorted(name for name, client in found.items() if client.enabled) == expected
    assert SWEEP_INTERVAL < 1


async def test_all_are_read_again_in_turn_whatever_was_counted(watched: Watched) -> None:
    await watched.add(2 * AT_ONCE + 1)
    await watched.list.read()
    seen: set[str] = set()
    for _ in range(3):
        watched.now += SWEEP_INTERVAL
        watched.rows.since()
        await watched.list.read()
        asked, read = watched.rows.since()
        assert asked == ["version", "count"]
        assert 0 < len(read) <= AT_ONCE
        seen |= set(read)
    assert len(seen) == 2 * AT_ONCE + 1
