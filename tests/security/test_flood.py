"""A flood from a hundred thousand networks on every public path, and people who sign in meanwhile.

The networks are what a trusted proxy says, as an attacker's would be. The day's budgets are small
here, so that seconds use them up; what a real day allows is in docs/capacity.md.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.installation import (
    PASSWORD,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    code_of,
    installed,
)

from worksgate import password_reset, stranger_records
from worksgate.audit import AuditEvent, Event
from worksgate.stranger_records import A_DAY

PROXY = "127.0.0.1"
NETWORKS = 100_000
SECONDS = 12.0
LEAST = 500
"""Requests of the flood, however slow the machine is."""
CALLERS = 8
SMALL_DAY = 30
PORTION = 10
COMPLETE = {
    Event.LOGIN_REQUESTED,
    Event.LOGIN_SUCCEEDED,
    Event.CODE_ISSUED,
    Event.CODE_REDEEMED,
    Event.USER_INFO_RETURNED,
}


class Flood:
    """Sends requests to everything that anybody can reach, each from another network."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._http = installation.http(address=PROXY)
        self._networks = self._all_networks()
        self.sent: Counter[tuple[str, str]] = Counter()
        self.errors: Counter[int] = Counter()

    @staticmethod
    def _all_networks() -> Iterator[str]:
        for number in cycle(range(NETWORKS)):
            yield f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"

    def targets(self) -> list[tuple[str, str]]:
        """Each method of each path, and what lies below and beside them."""
        running = self._installation.application._running
        assert running is not None
        routes = running.routes
        paths = {path: [*methods] for path, methods in routes.handlers.items()}
        for path in routes.calls:
            paths |= {path: ["GET", "POST"], f"{path}/below": ["GET"]}
        imap = self._installation.settings.imap_login_path
        paths |= {imap: ["GET"], f"{imap}/acme": ["GET"], "/nothing/here": ["GET", "POST"]}
        return [(method, path) for path, methods in paths.items() for method in methods]

    async def call(self, method: str, path: str) -> None:
        headers = {"X-Forwarded-For": next(self._networks), "X-Forwarded-Proto": "https"}
        if path == self._installation.settings.web_login_path:
            await self._at_the_page(method, headers)
        else:
            await self._send(method, path, headers, _junk(path))
        self.sent[method, path] += 1

    async def _at_the_page(self, method: str, headers: Mapping[str, str]) -> None:
        """A good authorization request; or a wrong password for some name, in its form."""
        browser = Browser(self._http, self._installation.client.client.client_id)
        self._http.cookies.clear()
        page = await browser.arrive(headers)
        if method == "POST" and page.status_code == 200:
            form = LoginPage.of(page).form(username=f"{id(headers)}@example.com", password="x" * 20)
            await self._send("POST", LoginPage.of(page).action, headers, form)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> None:
        data = dict(form) if method == "POST" else None
        response = await self._http.request(method, path, headers=dict(headers), data=data)
        self.errors[response.status_code] += 1


def _junk(path: str) -> dict[str, str]:
    return {
        "client_id": "nobody",
        "client_secret": "x" * 40,
        "code": path,
        "access_token": path,
        "grant_type": "authorization_code",
        "username": "aoi@example.com",
    }


async def flooded(flood: Flood) -> None:
    until = time.monotonic() + SECONDS
    targets = cycle(flood.targets())

    async def caller() -> None:
        while time.monotonic() < until or sum(flood.sent.values()) < LEAST:
            await flood.call(*next(targets))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def sign_in(installation: Installation) -> None:
    """One whole sign-in of somebody who types their password wrong first."""
    browser = installation.browser(address="198.51.100.20")
    await browser.sign_in(USERNAME, "wrong horse battery")
    response = await browser.sign_in(USERNAME, PASSWORD)
    if response.status_code != 303:  # the hashing is busy: "in a moment", says the page
        return
    exchanged = await installation.exchange(code_of(response))
    await installation.user_info(exchanged.json()["access_token"])


async def people_until(installation: Installation, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await sign_in(installation)
        await asyncio.sleep(0.2)


@pytest.fixture
def small_days() -> Iterator[None]:
    with (
        patch.object(stranger_records, "A_DAY", dict.fromkeys(A_DAY, SMALL_DAY)),
        patch.object(stranger_records, "PORTION", PORTION),
        patch.object(password_reset, "REQUESTS_A_DAY", SMALL_DAY),
        patch.object(password_reset, "PORTION", PORTION),
    ):
        yield


@pytest.mark.usefixtures("small_days")
async def test_r137_a_flood_on_every_path_keeps_its_budgets_and_people_sign_in(
    tmp_path: Path,
) -> None:
    async with installed(tmp_path, trusted_proxies=(PROXY,)) as installation:
        before = await installation.audit(limit=1_000)
        flood, stop = Flood(installation), asyncio.Event()
        people = asyncio.create_task(people_until(installation, stop))
        await flooded(flood)
        stop.set()
        await people
        await sign_in(installation)
        await installation.settle()

        assert set(flood.targets()) == set(flood.sent), "no path was left out"
        assert set(flood.errors) & {500} == set()
        events = (await installation.audit(limit=100_000))[len(before) :]
        _check_people(events)
        _check_strangers(events)
        for table in ("codes", "refresh_tokens", "spent_transactions", "interims"):
            theirs = f"SELECT count(*) FROM {table} WHERE subject_id NOT LIKE 'directory:%'"
            assert installation.rows(theirs)[0][0] in range(_signed_in(events) + 1), table


def _signed_in(events: list[AuditEvent]) -> int:
    return sum(event.event is Event.LOGIN_SUCCEEDED for event in events)


def _check_people(events: list[AuditEvent]) -> None:
    """Each sign-in that came to its end has all its records."""
    by_login: dict[str | None, set[Event]] = {}
    for event in events:
        by_login.setdefault(event.login_id, set()).add(event.event)
    ended = [kinds for kinds in by_login.values() if Event.LOGIN_SUCCEEDED in kinds]
    assert ended
    assert all(kinds == COMPLETE for kinds in ended)


def _check_strangers(events: list[AuditEvent]) -> None:
    """No event has more records than a day allows, and a process may have taken beyond it."""
    in_full = Counter(
        event.event for event in events if (event.address or "").startswith("2001:db8:")
    )
    assert in_full[Event.LOGIN_REQUESTED] == 0
    assert set(in_full) <= set(A_DAY)
    for event, count in in_full.items():
        assert count <= SMALL_DAY + PORTION, event
    assert in_full[Event.CLIENT_REFUSED] >= SMALL_DAY, "it was a flood"
