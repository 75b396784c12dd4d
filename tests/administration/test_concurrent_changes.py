"""Concurrent changes by several administrators: PostgreSQL aborts one, which is retried (F-14)."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.administration.installation import office
from tests.databases import directory_in, url_of
from tests.postgres_server import giving_back

from worksgate.administration import Administration, Outdated
from worksgate.administration.transactions import retried_on_conflict
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database import ConcurrentChange, Conflict
from worksgate.database.repository import ATTEMPTS


@pytest.fixture
async def on_postgresql(tmp_path: Path, hashing: PasswordHashing) -> AsyncIterator[Administration]:
    file = tmp_path / "worksgate.postgres"
    with giving_back(file):
        url_of(file)
        async with directory_in(file) as directory:
            yield office(directory, file, hashing).administration


async def test_clients_that_are_added_at_once_are_all_kept(on_postgresql: Administration) -> None:
    adding = (on_postgresql.clients.add(f"client {number}") for number in range(8))
    await asyncio.gather(*adding)
    assert len(await on_postgresql.clients.all()) == 8


async def test_of_those_who_add_the_same_name_at_once_one_wins(
    on_postgresql: Administration,
) -> None:
    adding = (on_postgresql.clients.add("Acme") for _ in range(4))
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in outcomes) == 3
    assert not any(isinstance(each, ConcurrentChange) for each in outcomes)


async def test_r163_of_those_who_save_the_same_version_at_once_one_wins(
    on_postgresql: Administration,
) -> None:
    seen = (await on_postgresql.clients.add("Acme")).client
    saving = (
        on_postgresql.clients.change("Acme", domain=domain, expected_version=seen.version)
        for domain in ("a.example", "b.example", "c.example")
    )
    outcomes = await asyncio.gather(*saving, return_exceptions=True)
    assert sum(isinstance(each, Outdated) for each in outcomes) == 2
    changes = await on_postgresql.changes.page(subject=seen.client_id, limit=9)
    (kept, _added) = [each.change for each in changes]
    domain = (await on_postgresql.clients.get("Acme")).domain
    assert [each.after for each in kept.fields] == [domain]
    await on_postgresql.changes.undo(kept.number, [kept.kind])
    assert (await on_postgresql.clients.get("Acme")).domain is None


class Overtaking:
    """A call that is overtaken some times."""

    def __init__(self, times: int) -> None:
        self.left = times

    @retried_on_conflict
    async def call(self, /) -> str:
        if self.left:
            self.left -= 1
            raise ConcurrentChange("others are changing the same")
        return "kept"


async def test_a_call_is_begun_again_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, _high: low)  # it would wait for two seconds
    assert await Overtaking(ATTEMPTS - 1).call() == "kept"
    with pytest.raises(ConcurrentChange):
        await Overtaking(ATTEMPTS).call()
