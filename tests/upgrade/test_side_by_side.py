"""The previous release is upgraded to this one under load, as docs/upgrading.md says (F-27).

Both are the real programs. ``test_upgrade`` looks at the statements, older revisions too.
"""

import asyncio
import csv
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyotp
from sqlalchemy import text
from tests.faults.exchanges import Caller, Code, Exchanges
from tests.faults.ledger import settle
from tests.faults.node import Node, Registered
from tests.faults.trial import Installation
from tests.installation import CALLBACK, PUBLIC_URL, assert_page
from tests.ports import free_port
from tests.postgres_server import bare_database_url
from tests.upgrade.browsers import Person, Visit
from tests.upgrade.programs import Program, release_before, this_release

from worksgate.audit import Event
from worksgate.database.engines import open_engines
from worksgate.directory.database import Directory
from worksgate.directory.people_list import PeopleFilter
from worksgate.store import Store
from worksgate.store.postgres.store import PostgresStore

__all__ = ["bare_database_url"]

RATE = 20
"""Codes that LINE WORKS redeems in a second, beside those of the people who sign in."""
PLANTED = 6_000
"""Of which most stay unused, unless the machine needs five minutes."""
SIGN_INS = 2
"""Sign-ins that each node must have served before the upgrade goes on."""
BETWEEN_SIGN_INS = 0.4
"""Seconds that each of them pauses."""
REGULARS = 2
"""People who sign in again and again."""
BY_SESSION = 2
"""Codes that are issued to a browser which has signed in already."""
PATIENCE = 60.0

AOI, MEI, REN, SORA, *OTHERS = [
    Person(f"{name}@example.com", f"seven green ladders of {name}", f"E-{name}")
    for name in ("aoi", "mei", "ren", "sora", *(f"p{number}" for number in range(REGULARS)))
]


@dataclass
class Load:
    """LINE WORKS and people, who use the nodes that are behind the proxy now."""

    client: Registered
    exchanges: Exchanges = field(default_factory=Exchanges)
    signed_in: Counter[int] = field(default_factory=Counter)
    """By the port of the node."""
    nodes: dict[int, tuple[Node, Caller]] = field(default_factory=dict)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _visits: Counter[int] = field(default_factory=Counter)

    def send_to(self, *nodes: Node) -> None:
        """Let the proxy use these nodes as well."""
        for node in nodes:
            self.nodes[node.port] = node, calling(node, self.client)

    async def spare(self, node: Node) -> None:
        """Send a node nothing more, and wait until nothing is under way there."""
        _, caller = self.nodes.pop(node.port)
        await asyncio.sleep(0.05)
        while caller.under_way or self._visits[node.port]:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.02)
        await caller.close()

    async def redeem(self, codes: Sequence[Code]) -> None:
        """Post codes at a steady rate, to the nodes in turn."""
        async with asyncio.TaskGroup() as group:
            for number, code in enumerate(codes):
                if self.has_ended.is_set():
                    return
                group.create_task(self.exchanges.post(self._caller(number), code))
                await asyncio.sleep(1 / RATE)
        raise AssertionError("there were too few codes")

    async def keep_signing_in(self, person: Person) -> None:
        """Sign in at the nodes in turn, each time with a browser that nobody knows."""
        while not self.has_ended.is_set():
            fewest = min(self.nodes, key=lambda port: self.signed_in[port])
            node, _ = self.nodes[fewest]
            async with self.visit(node) as visit:
                await self.redeem_elsewhere(node, person, await visit.code(person))
            await asyncio.sleep(BETWEEN_SIGN_INS)

    @asynccontextmanager
    async def visit(self, node: Node) -> AsyncIterator[Visit]:
        self._visits[node.port] += 1
        try:
            async with Visit(node, self.client.client_id) as visit:
                yield visit
        finally:
            self._visits[node.port] -= 1

    async def redeem_elsewhere(self, node: Node, person: Person, code: str) -> None:
        """Post the code of a sign-in to another node than issued it, if there is one."""
        self.signed_in[node.port] += 1
        number = list(self.nodes).index(node.port) + 1 if node.port in self.nodes else 0
        answer = await self.exchanges.post(self._caller(number), Code(code, person.user_id))
        assert answer.status == 200, answer

    async def goes_on(self) -> None:
        """Wait until each node has let more people in."""
        wanted = {port: self.signed_in[port] + SIGN_INS for port in self.nodes}
        async with asyncio.timeout(PATIENCE):
            while any(self.signed_in[port] < number for port, number in wanted.items()):  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def running(self, codes: Sequence[Code]) -> AsyncIterator[None]:
        """Redeem and sign in beside the block, until its end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.redeem(codes))
            for person in OTHERS:
                group.create_task(self.keep_signing_in(person))
            try:
                yield
            finally:
                self.has_ended.set()

    async def close(self) -> None:
        for _, caller in self.nodes.values():
            await caller.close()

    def caller_of(self, node: Node) -> Caller:
        _, caller = self.nodes[node.port]
        return caller

    def _caller(self, number: int) -> Caller:
        callers = [caller for _, caller in self.nodes.values()]
        return callers[number % len(callers)]


def calling(node: Node, client: Registered) -> Caller:
    """LINE WORKS, behind the proxy of a node."""
    return Caller(node.port, client.client_id, client.client_secret, by_https=True)


@dataclass
class Upgrade:
    """One installation, and the two programs for it."""

    url: str
    folder: Path
    before: Program
    now: Program
    stack: AsyncExitStack

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str, folder: Path) -> "AsyncIterator[Upgrade]":
        async with AsyncExitStack() as stack:
            upgrade = cls(url, folder, release_before(folder), this_release(folder), stack)
            upgrade.configure()
            for program in (upgrade.before, upgrade.now):
                assert (await program.imported_from()).is_relative_to(program.source)
            yield upgrade

    def configure(self, **more: str) -> None:
        """Write the settings of all nodes."""
        settings = {"public_url": PUBLIC_URL, "database_url": self.url, **more}
        lines = [f'{name} = "{value}"' for name, value in settings.items()]
        lines.append('trusted_proxies = ["127.0.0.1/32"]')
        (self.folder / "worksgate.toml").write_text("\n".join([*lines, ""]), "utf-8")

    async def furnish(self) -> Registered:
        """Make the database with the release before: a client, and people."""
        await self.before.ok("migrate")
        added = await self.before.ok("client", "add", "a", "--redirect-uri", CALLBACK, "--json")
        with (self.folder / "people.csv").open("w", encoding="utf-8", newline="") as rows:
            writer = csv.writer(rows)
            writer.writerow(["username", "password", "external_key"])
            for each in (AOI, MEI, REN, SORA, *OTHERS):
                writer.writerow([each.username, each.password, each.user_id])
        await self.before.ok("user", "import", "people.csv")
        client = json.loads(added)
        return Registered(client["client_id"], client["client_secret"])

    async def serve(self, program: Program) -> Node:
        node = await program.serve()
        self.stack.push_async_callback(asyncio.to_thread, node.stop)
        return node

    async def encrypt(self, *nodes: Node) -> None:
        """The steps of "Encrypting the secrets"."""
        await self.now.ok("key", "new", "master.key")
        self.configure(master_key_file="master.key")
        for node in nodes:
            assert node.process is not None
            node.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            while not all("settings.read" in node.log.read_text("utf-8") for node in nodes):  # noqa: ASYNC110  # another process says it
                await asyncio.sleep(0.05)
        await self.now.ok("key", "encrypt", "--yes")

    async def is_encrypted(self) -> None:
        found = json.loads(await self.now.ok("key", "show", "--json"))
        assert found["in_force"] == found["current"] is not None
        assert (found["in_clear"], list(found["encrypted"])) == (0, [found["current"]])

    async def finds(self, person: Person, typed: str) -> None:
        """Whom the release before has renamed, and all others, are in the list of the console."""
        await self.now.ok("purge")  # it looks at everybody
        directory = Directory.open(self.url)
        try:
            found = await directory.people_list.page(PeopleFilter(text=typed))
            assert [each.username for each in found] == [person.username]
            everybody = await directory.people_list.count(PeopleFilter())
            assert everybody == len((AOI, MEI, REN, SORA, *OTHERS))
        finally:
            await directory.close()

    async def is_too_new_for_the_release_before(self) -> None:
        """The way back is a backup, once secrets are encrypted."""
        self.configure()
        refused = await self.before.run("serve", "--port", str(free_port()))
        assert refused.returncode == 1
        assert "revision 0006" in refused.stdout + refused.stderr

    async def records(self) -> Counter[str]:
        """How many audit records there are of each event."""
        engines = open_engines(self.url)
        try:
            async with engines.read.connect() as connection:
                rows = await connection.execute(text("SELECT event FROM audit"))
                return Counter(str(event) for (event,) in rows)
        finally:
            await engines.close()


@asynccontextmanager
async def store_at(url: str) -> AsyncIterator[Store]:
    store = await PostgresStore.open(url)
    try:
        yield store
    finally:
        await store.close()


async def planted(upgrade: Upgrade, client: Registered) -> list[Code]:
    """Codes that can be redeemed at once, each of a person of its own."""
    installation = Installation("", upgrade.folder, {}, partial(store_at, upgrade.url))
    installation.client = client
    return await installation.plant(PLANTED)


async def test_f27_nodes_are_upgraded_one_by_one_and_no_call_and_no_sign_in_fails(
    bare_database_url: str, tmp_path: Path
) -> None:
    async with Upgrade.of(bare_database_url, tmp_path) as upgrade:
        client = await upgrade.furnish()
        codes = await planted(upgrade, client)
        load = Load(client)
        upgrade.stack.push_async_callback(load.close)
        first, second = await asyncio.gather(*(upgrade.serve(upgrade.before) for _ in range(2)))
        load.send_to(first, second)
        async with load.visit(first) as visit:
            apps = {SORA: await visit.set_up_app(SORA)}
        async with load.running(codes):
            await load.goes_on()
            await upgrade.now.ok("migrate")
            await load.goes_on()

            await load.spare(first)
            await asyncio.to_thread(first.stop)
            third = await upgrade.serve(upgrade.now)
            load.send_to(third)
            await load.goes_on()
            apps |= await both_releases_let_the_same_people_in(load, old=second, new=third)
            await upgrade.before.ok_at_last("user", "set", REN.username, "--name", "ﾚﾝ")

            await load.spare(second)
            await asyncio.to_thread(second.stop)
            fourth = await upgrade.serve(upgrade.now)
            load.send_to(fourth)
            await load.goes_on()

            await upgrade.encrypt(third, fourth)
            await load.goes_on()
            async with load.visit(fourth) as visit:
                code = await visit.code_by_app(SORA, apps[SORA])
                await load.redeem_elsewhere(fourth, SORA, code)
            await upgrade.is_encrypted()
            await upgrade.finds(REN, "れん")

        answers = load.exchanges.all
        assert Counter(each.told for each in answers) == {"200": len(answers)}
        assert len(answers) > sum(load.signed_in.values()) > 5 * SIGN_INS
        records = await upgrade.records()
        assert records[Event.CODE_REDEEMED] == len(answers)
        assert records[Event.LOGIN_SUCCEEDED] == sum(load.signed_in.values()) + len(apps)
        assert records[Event.CODE_ISSUED] == sum(load.signed_in.values()) + BY_SESSION
        assert records[Event.FACTOR_ADDED] == len(apps)
        caller = load.caller_of(fourth)
        account = await settle(load.exchanges, caller, list(load.exchanges.answers))
        assert account.judge() == []
        assert account.good == account.posted == len(answers)
        await upgrade.is_too_new_for_the_release_before()


async def both_releases_let_the_same_people_in(
    load: Load, *, old: Node, new: Node
) -> Mapping[Person, pyotp.TOTP]:
    """Whatever a person has from one release is good at the other; the apps that were set up."""
    apps = {}
    for here, there, person in ((old, new, MEI), (new, old, REN)):
        async with load.visit(here) as visit:
            apps[person] = await visit.set_up_app(person)
        async with load.visit(there) as visit:
            code = await visit.code_by_app(person, apps[person])
            await load.redeem_elsewhere(there, person, code)
        async with load.visit(here) as visit:
            await load.redeem_elsewhere(here, AOI, await visit.code(AOI))
            visit.go_to(there)
            answer = await load.exchanges.post(
                load.caller_of(here), Code(await visit.code_by_session(), AOI.user_id)
            )
            assert answer.status == 200
            # A form is signed by the release that shows it: at the other one, it begins again.
            visit.browser.http.cookies.clear()
            visit.go_to(here)
            page = await visit.browser.login_page()
            visit.go_to(there)
            typed = {"username": AOI.username, "password": AOI.password}
            assert_page(await visit.browser.submit(page, **typed), 403)
            await load.redeem_elsewhere(there, AOI, await visit.code(AOI))
    return apps


async def test_f27_one_machine_is_upgraded_by_a_restart(tmp_path: Path) -> None:
    async with Upgrade.of(f"sqlite:///{tmp_path}/worksgate.db", tmp_path) as upgrade:
        client = await upgrade.furnish()
        node = await upgrade.serve(upgrade.before)
        async with Visit(node, client.client_id) as visit:
            app = await visit.set_up_app(SORA)
        async with Visit(node, client.client_id) as browser:
            caller = calling(node, client)
            bought = await caller.exchange(Code(await browser.code(AOI), AOI.user_id))
            unused = Code(await browser.code_by_session(), AOI.user_id)
            await caller.close()
            await upgrade.before.ok("backup", "before.backup")
            await asyncio.to_thread(node.stop)

            early = await upgrade.now.run("user", "list")
            assert (early.returncode, "run worksgate migrate" in early.stderr) == (1, True)
            node = await upgrade.serve(upgrade.now)
            browser.go_to(node)
            caller = calling(node, client)
            known = await caller.user_info(bought.body["access_token"])
            assert known.body["user_id"] == AOI.user_id
            assert (await caller.exchange(unused)).status == 200
            await browser.code_by_session()
            await caller.close()

        await upgrade.encrypt(node)
        await asyncio.to_thread(node.stop)
        await upgrade.now.ok("key", "encrypt", "--yes")
        database = (tmp_path / "worksgate.db").read_bytes()
        assert app.byte_secret() not in database
        node = await upgrade.serve(upgrade.now)
        async with Visit(node, client.client_id) as visit:
            await visit.code_by_app(SORA, app)
        await upgrade.is_encrypted()
        await asyncio.to_thread(node.stop)

        await upgrade.is_too_new_for_the_release_before()
        await upgrade.before.ok("restore", "before.backup", "--force")
        node = await upgrade.serve(upgrade.before)
        async with Visit(node, client.client_id) as visit:
            await visit.code(AOI)
