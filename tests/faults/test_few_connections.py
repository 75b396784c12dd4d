"""Nodes on a PostgreSQL server with fewer connections than they would use (F-07).

Two nodes with two workers each want 60 connections, and more at a start or a reload. They need
five, and the tests and the command have some of them too.
"""

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.any_store import children_of
from tests.faults.exchanges import Answer, Code
from tests.faults.node import Node, command
from tests.faults.signing_in import Person, SignIn, add_people, sign_in
from tests.faults.trial import Installation
from tests.ports import free_port
from tests.postgres_server import PostgresServer, running_postgres
from tests.unhurried import tries

from worksgate.store import Store
from worksgate.store.postgres.store import PostgresStore

pytestmark = pytest.mark.hashing

NODES = 2
WORKERS = 2
SECONDS = 4.0
RATE = 20
"""Codes that LINE WORKS redeems in a second, each with a user info after it."""
AT_ONCE = 2
"""People who sign in at each node at the same time, each again and again."""
COMMAND_TIME = 15.0


@dataclass
class Seen:
    """What everybody was answered, and what operators were told meanwhile."""

    tokens: list[Answer] = field(default_factory=list)
    user_infos: list[Answer] = field(default_factory=list)
    sign_ins: list[SignIn] = field(default_factory=list)
    readiness: list[dict[str, Any]] = field(default_factory=list)
    command_took: float = 0.0

    @property
    def short(self) -> list[dict[str, Any]]:
        """What was said where connections were short."""
        found = [each["checks"]["connections"] for each in self.readiness]
        return [each for each in found if each["status"] != "ok"]


@asynccontextmanager
async def store_of(url: str) -> AsyncIterator[Store]:
    """A store that takes one connection from the others."""
    store = await PostgresStore.open(url, connections=1)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def nodes_on(server: PostgresServer, folder: Path) -> AsyncIterator[Installation]:
    """Nodes that were started at once."""
    url = server.url_of(server.lend())
    settings = {"WORKSGATE_DATABASE_URL": url, "WORKSGATE_LOG_LEVEL": "warning"}
    installation = Installation("PostgreSQL", folder, settings, partial(store_of, url))
    await installation.set_up()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(NODES):
                more = {"WORKSGATE_ADMIN_PORT": str(free_port())}
                group.create_task(installation.start_node(more, workers=WORKERS))
        yield installation
    finally:
        for caller in installation.callers:
            await caller.close()
        await asyncio.to_thread(installation.stop)


async def redeem(installation: Installation, seen: Seen) -> None:
    """LINE WORKS redeems codes, and asks whose the tokens are."""

    async def one(number: int, code: Code) -> None:
        caller = installation.callers[number % NODES]
        token = await caller.exchange(code)
        seen.tokens.append(token)
        if token.status == 200:
            seen.user_infos.append(await caller.user_info(token.body["access_token"]))

    codes = await installation.plant(int(SECONDS * RATE))
    async with asyncio.TaskGroup() as group:
        for number, code in enumerate(codes):
            group.create_task(one(number, code))
            await asyncio.sleep(1 / RATE)


async def keep_signing_in(
    installation: Installation, node: Node, person: Person, seen: Seen
) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        seen.sign_ins.append(await sign_in(node.port, installation.client.client_id, person))


async def keep_looking(node: Node, seen: Seen) -> None:
    """Ask one process after the other how it is, as operators may."""
    until = time.monotonic() + SECONDS
    url = f"http://127.0.0.1:{node.environment['WORKSGATE_ADMIN_PORT']}/readyz"
    while time.monotonic() < until:
        seen.readiness.append(await asyncio.to_thread(_read, url))
        await asyncio.sleep(0.3)


def _read(url: str) -> dict[str, Any]:
    """Raises HTTPError where the answer is 503."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def disable(installation: Installation, person: Person, seen: Seen) -> None:
    """An administrator needs a connection amid all that."""
    await asyncio.sleep(SECONDS / 2)
    began = time.monotonic()
    arguments = ("user", "disable", person.username)
    await asyncio.to_thread(command, installation.settings, installation.folder, *arguments)
    seen.command_took = time.monotonic() - began


async def served_by(installation: Installation, people: list[Person]) -> Seen:
    """What is seen while codes are redeemed, people sign in, and the first one is disabled."""
    seen = Seen()
    unlucky, *others = people
    async with asyncio.TaskGroup() as group:
        group.create_task(redeem(installation, seen))
        group.create_task(disable(installation, unlucky, seen))
        for node in installation.nodes:
            group.create_task(keep_looking(node, seen))
        for number, person in enumerate(others):
            node = installation.nodes[number % NODES]
            group.create_task(keep_signing_in(installation, node, person, seen))
    return seen


def workers_of(installation: Installation) -> list[int]:
    """The processes that serve."""
    parents = [node.process.pid for node in installation.nodes if node.process is not None]
    return [worker for parent in parents for worker in children_of(parent)]


def logged(installation: Installation) -> str:
    return "".join(node.log.read_text("utf-8") for node in installation.nodes)


@pytest.mark.parametrize("most", [40, 11])
async def test_f07_all_are_served_where_nodes_want_more_connections_than_there_are(
    most: int, tmp_path: Path
) -> None:
    for turn, each in enumerate(tries()):  # the nodes have real deadlines
        folder = tmp_path / f"{turn}"
        folder.mkdir()
        with each:
            await _check_that_all_are_served(most, folder)


async def _check_that_all_are_served(most: int, folder: Path) -> None:
    with running_postgres(max_connections=str(most)) as server:
        async with nodes_on(server, folder) as installation:
            people = await add_people(installation, 1 + NODES * AT_ONCE)
            workers = workers_of(installation)
            seen = await served_by(installation, people)
            assert workers_of(installation) == workers
            after = [
                await sign_in(node.port, installation.client.client_id, people[0])
                for node in installation.nodes
            ]
            said = logged(installation)
    assert Counter(each.told for each in seen.tokens) == {"200": int(SECONDS * RATE)}, said
    assert Counter(each.told for each in seen.user_infos) == {"200": int(SECONDS * RATE)}, said
    assert Counter(each.status for each in seen.sign_ins).keys() == {303}, said
    assert all(each.code is not None for each in seen.sign_ins)
    assert len(seen.sign_ins) > len(people)
    assert seen.command_took < COMMAND_TIME
    assert [each.code for each in after] == [None] * NODES
    if seen.short or most == 11:
        assert {"max_connections" in each["reason"] for each in seen.short} == {True}
        assert '"event":"readiness.impaired"' in said
        assert '"check":"connections"' in said
