"""Responses that must not leak by timing. Medians of alternating calls, in this process.

Machines are busy and noise only adds time, so a difference has to show again and again: it counts
when six rounds in a row find it. Where a password is hashed, the time is that of the processor:
hashing yields to all other work (F-24), so a clock on the wall would measure the others.
"""

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import bcrypt
import pytest
from tests.installation import PASSWORD, USERNAME, Installation, installed
from tests.unhurried import tries
from tests.web.test_imap_login import ask, open_to_mail_clients

from worksgate.credentials.imported_hashes import turns
from worksgate.directory.source import REFUSAL_TIME
from worksgate.oauth.model import SecondFactor

pytestmark = pytest.mark.hashing

ROUNDS = 6
Action = Callable[[], Awaitable[object]]
Timer = Callable[[], float]


async def difference(one: Action, other: Action, pairs: int, timer: Timer) -> float:
    """The difference of the medians, in seconds; which of a pair comes first takes turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        for which in (0, 1) if number % 2 else (1, 0):
            began = timer()
            await (one, other)[which]()
            times[which].append(timer() - began)
    return abs(statistics.median(times[0]) - statistics.median(times[1]))


async def least_difference(
    one: Action, other: Action, pairs: int, enough: float, timer: Timer = time.perf_counter
) -> float:
    found = []
    for _ in range(ROUNDS):
        found.append(await difference(one, other, pairs, timer))
        if found[-1] < enough:
            break
    return min(found)


def call(installation: Installation, path: str, form: dict[str, str]) -> Action:
    """A call straight to the application: nothing else is in the time."""
    body = urlencode(form).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
        "client": ("203.0.113.7", 1),
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: object) -> None:
        return None

    return lambda: installation.application(dict(scope), receive, send)


async def test_r49_unknown_client_and_wrong_secret_take_the_same_time(
    installation: Installation,
) -> None:
    for number in range(20):
        await installation.administration.clients.add(f"Other {number}")
    await installation.settle()
    for path in ("/accessToken", "/userInfo"):
        form = installation.token_form("x", access_token="x", client_secret="wrong")
        wrong = call(installation, path, form)
        unknown = call(installation, path, {**form, "client_id": "A" * 22})
        assert await least_difference(wrong, unknown, 300, 0.001) < 0.001, path


async def test_r77_an_unknown_person_costs_what_a_known_one_does(tmp_path: Path) -> None:
    async with installed(
        tmp_path, login_free_failures=100, login_failures_per_address=10_000
    ) as installation:
        browser = installation.browser()
        page = await browser.login_page()

        def guess(name: str) -> Action:
            return lambda: browser.submit(page, username=name, password="wrong horse battery")

        known, unknown = guess(USERNAME), guess("nobody@example.com")
        assert await least_difference(known, unknown, 15, 0.005, time.process_time) < 0.005


async def test_r77_r121_an_imported_hash_does_not_reveal_by_its_time_whose_it_is(
    tmp_path: Path,
) -> None:
    async with installed(
        tmp_path, login_free_failures=100, login_failures_per_address=10_000
    ) as installation:
        slow = bcrypt.hashpw(b"paper lantern by the river", bcrypt.gensalt(11)).decode()
        row = {"username": "imported@example.com", "name": "Imported", "password_hash": slow}
        await installation.administration.people_import.run([row], dry_run=False)
        browser = installation.browser()
        page = await browser.login_page()

        for name in ("nobody@example.com", USERNAME, "imported@example.com"):
            began = time.monotonic()
            await browser.submit(page, username=name, password="wrong horse battery")
            assert time.monotonic() - began >= REFUSAL_TIME, name


async def test_r121_mail_clients_do_not_learn_by_the_time_that_a_refused_password_was_right(
    tmp_path: Path,
) -> None:
    async with installed(tmp_path) as installation:
        await open_to_mail_clients(installation, second_factor=SecondFactor.REQUIRED)
        slow = bcrypt.hashpw(b"paper lantern by the river", bcrypt.gensalt(4)).decode()
        row = {"username": "imported@example.com", "name": "Imported", "password_hash": slow}
        await installation.administration.people_import.run([row], dry_run=False)
        for password in ("wrong horse battery", PASSWORD):
            began = time.monotonic()
            assert (await ask(installation, password=password)).status_code == 401
            assert time.monotonic() - began >= REFUSAL_TIME, password


IMPORTED, IMPORTED_PASSWORD = "imported@example.com", "paper lantern by the river"
NAMES = ("nobody@example.com", USERNAME, IMPORTED)


@asynccontextmanager
async def with_one_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    """An installation with an imported hash, where one check uses up the turns of a minute."""
    for seconds in ("ASSUMED", "WITHIN"):
        monkeypatch.setattr(turns, seconds, 60.0)
    async with installed(
        folder, login_free_failures=100, login_failures_per_address=10_000
    ) as installation:
        slow = bcrypt.hashpw(IMPORTED_PASSWORD.encode(), bcrypt.gensalt(11)).decode()
        row = {"username": IMPORTED, "name": "Imported", "password_hash": slow}
        await installation.administration.people_import.run([row], dry_run=False)
        yield installation


async def page_after(
    installation: Installation, username: str, password: str = "wrong horse battery"
) -> tuple[int, str, float]:
    """The status, the body without the name and what was drawn for this form, and the seconds."""
    browser = installation.browser()
    page = await browser.login_page()
    began = time.monotonic()
    response = await browser.submit(page, username=username, password=password)
    seconds = time.monotonic() - began
    body = re.sub(r'(value|nonce|href|action|content|data-options)="[^"]*"', "", response.text)
    return response.status_code, body.replace(username, ""), seconds


@pytest.mark.parametrize("name", NAMES)
async def test_r145_guesses_at_once_do_not_reveal_whose_hash_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with with_one_turn(tmp_path, monkeypatch) as installation:
        pages = await asyncio.gather(*(page_after(installation, name) for _ in range(4)))
    assert sorted(status for status, _, _ in pages) == [403, 503, 503, 503]
    assert all(seconds >= REFUSAL_TIME for _, _, seconds in pages)


async def test_r145_where_too_many_imported_hashes_wait_all_refusals_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_one_turn(tmp_path, monkeypatch) as installation:
        assert (await page_after(installation, IMPORTED))[0] == 403
        pages = await asyncio.gather(*(page_after(installation, name) for name in NAMES))
        assert {status for status, _, _ in pages} == {503}
        assert len({body for _, body, _ in pages}) == 1
        assert "Many people are signing in" in pages[0][1]
        assert all(seconds >= REFUSAL_TIME for _, _, seconds in pages)
        assert (await page_after(installation, IMPORTED, IMPORTED_PASSWORD))[0] == 503
        assert (await page_after(installation, USERNAME, PASSWORD))[0] == 303


async def test_r145_mail_clients_learn_no_more_where_too_many_imported_hashes_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_one_turn(tmp_path, monkeypatch) as installation:
        await open_to_mail_clients(installation)
        assert (await ask(installation, IMPORTED, "wrong horse battery")).status_code == 401
        for name in NAMES:
            for each in tries():
                with each:
                    began = time.monotonic()
                    response = await ask(installation, name, "wrong horse battery")
                    assert response.status_code == 503, name
                    assert REFUSAL_TIME <= time.monotonic() - began < 3.0, name
        assert (await ask(installation, USERNAME, PASSWORD)).status_code == 200


async def test_r79_a_throttled_guess_takes_the_same_time_for_an_unknown_person(
    tmp_path: Path,
) -> None:
    """Once throttled, no hash runs for either: then the look into the store must be alike."""
    async with installed(tmp_path, login_free_failures=1) as installation:
        browser = installation.browser()
        page = await browser.login_page()

        def guess(name: str) -> Action:
            return lambda: browser.submit(page, username=name, password="wrong horse battery")

        known, unknown = guess(USERNAME), guess("nobody@example.com")
        await known()
        await unknown()
        assert await least_difference(known, unknown, 40, 0.005) < 0.005
