"""The snapshot of all clients: its maximum age, and who waits for a new one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from worksgate.clients.registry import MAX_AGE, RENEW_AFTER, ClientRegistry, ClientsTogether
from worksgate.database import DatabaseUnavailable
from worksgate.oauth.model import Client, ImapPasswords, SecondFactor, SessionKeyCheck


class Clients:
    """A list of clients that changes, a clock that is set, and a reading that can be held up."""

    def __init__(self) -> None:
        self.names = ["first"]
        self.now = 100.0
        self.readings = 0
        self.is_down = False
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.registry = ClientRegistry(self.load, monotonic=lambda: self.now)

    async def load(self) -> Mapping[str, Client]:
        self.readings += 1
        if self.is_down:
            raise DatabaseUnavailable("down")
        found = {name: Client(client_id=name, name=name, secrets=()) for name in self.names}
        await self.may_end.wait()
        return found

    async def known(self) -> list[str]:
        return list(await self.registry.snapshot())


async def test_a_snapshot_is_renewed_before_its_time_is_over_and_nobody_waits() -> None:
    clients = Clients()
    await clients.known()
    clients.names.append("second")
    clients.may_end.clear()
    clients.now += MAX_AGE * RENEW_AFTER

    assert [await clients.known() for _ in range(5)] == [["first"]] * 5
    await asyncio.sleep(0)
    assert clients.readings == 2  # for all of them

    clients.may_end.set()
    await asyncio.sleep(0.01)
    assert await clients.known() == ["first", "second"]


async def test_a_snapshot_that_is_too_old_is_not_used() -> None:
    clients = Clients()
    await clients.known()
    clients.names = []
    clients.may_end.clear()
    clients.now += MAX_AGE
    waiting = asyncio.create_task(clients.known())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    clients.may_end.set()
    assert await waiting == []


async def test_an_outage_shows_when_the_time_is_over_and_not_before() -> None:
    clients = Clients()
    await clients.known()
    clients.is_down = True
    clients.now += MAX_AGE * RENEW_AFTER
    for _ in range(3):
        assert await clients.known() == ["first"]
        await asyncio.sleep(0)
    clients.now += MAX_AGE * (1 - RENEW_AFTER)
    with pytest.raises(DatabaseUnavailable):
        await clients.known()


async def test_a_reading_that_began_before_a_change_is_not_taken_for_the_new_state() -> None:
    clients = Clients()
    await clients.known()
    clients.may_end.clear()
    clients.now += MAX_AGE * RENEW_AFTER
    await clients.known()  # a reading of the old state is under way
    await asyncio.sleep(0)
    clients.names = ["second"]
    clients.registry.expire()
    asked = asyncio.create_task(clients.known())
    await asyncio.sleep(0)
    clients.may_end.set()

    assert await asked == ["second"]
    await asyncio.sleep(0.01)
    assert await clients.known() == ["second"]


def each(name: str, **settings: Any) -> Client:
    return Client(client_id=name, name=name, **settings)


RULES = ("require factor network!=192.0.2.0/24",)


def test_clients_that_rule_alike_are_one_of_those_that_rule() -> None:
    alike = [each(f"alike{number}", rules=RULES) for number in range(50)]
    theirs = each("theirs", sources=("ldap", "entra"), rules=RULES)
    apps = each("apps", rules=RULES, session_key_check=SessionKeyCheck.FAIL_CLOSED)
    strict = each("strict", second_factor=SecondFactor.REQUIRED, enabled=False)
    together = ClientsTogether.of([*alike, theirs, apps, strict])
    assert together.rulers(None) == together.rulers("directory") == (alike[0], apps)
    assert together.rulers("ldap") == (alike[0], apps, theirs)


def test_mail_programs_are_let_in_by_enabled_clients_and_to_their_sources() -> None:
    own = {"imap_login": True, "imap_passwords": ImapPasswords.ALL}
    closed = each("closed", enabled=False, **own)
    by_app = each("by app password", imap_login=True)
    theirs = each("theirs", sources=("ldap",), **own)
    for_all = each("for all", **own)
    together = ClientsTogether.of([closed, by_app, theirs])
    assert together.mail_clients == (by_app, theirs)
    assert [together.takes_own_password(source) for source in ("ldap", "x")] == [True, False]
    assert ClientsTogether.of([closed, for_all]).takes_own_password("x")
    assert not ClientsTogether.of([closed, by_app]).takes_own_password("ldap")


async def test_what_clients_have_in_common_is_made_once_for_a_snapshot() -> None:
    clients = Clients()
    first = await clients.registry.together()
    assert await clients.registry.together() is first
    clients.registry.expire()
    assert await clients.registry.together() is not first
