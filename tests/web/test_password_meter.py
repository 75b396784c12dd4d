"""The strength meter for new passwords: for whom, its response, and its cost."""

import asyncio
import html
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
import structlog
from tests.installation import PASSWORD, USERNAME, Browser, Installation, LoginPage, csrf_of

from worksgate.credentials import password_hashing as credentials
from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing
from worksgate.credentials.password_policy import Strength
from worksgate.provider.account.password_strength import (
    ANSWERS_PER_MINUTE,
    WAITING,
    WAITING_OF_ONE,
    PasswordMeter,
)
from worksgate.sources import Person

STRONG = "seven green ladders sing"
CANARY = "canary wharf 52 pelicans"


@dataclass
class Meter:
    """A page with a meter, as a browser has it in front of it."""

    browser: Browser
    page: httpx2.Response

    @property
    def address(self) -> str:
        found = re.search(r'data-address="([^"]*)"', self.page.text)
        assert found is not None, self.page.text
        return html.unescape(found[1])

    @property
    def fields(self) -> dict[str, str]:
        fields = {"csrf": csrf_of(self.page)}
        if 'name="txn"' in self.page.text:
            fields["txn"] = LoginPage.of(self.page).txn
        return fields

    async def ask(self, password: str, /, **headers: str) -> httpx2.Response:
        """As the script does."""
        return await self.ask_with({**self.fields, "password": password}, **headers)

    async def ask_with(self, fields: dict[str, str], **headers: str) -> httpx2.Response:
        sent = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", **headers}
        return await self.browser.http.post(self.address, data=fields, headers=sent)


async def of_account(installation: Installation) -> Meter:
    browser = installation.browser()
    return Meter(browser, await browser.sign_in_to_account(page="/password"))


async def of_link(installation: Installation) -> Meter:
    link = await installation.administration.users.issue_reset_link(USERNAME)
    browser = installation.browser()
    return Meter(browser, await browser.http.get(link))


async def of_login(installation: Installation) -> Meter:
    given = await installation.administration.users.set_password(USERNAME, temporary=True)
    browser = installation.browser()
    assert given.password is not None
    return Meter(browser, await browser.sign_in(password=given.password))


PAGES = pytest.mark.parametrize("page", [of_account, of_link, of_login])


@PAGES
async def test_r72_a_meter_says_how_strong_a_password_is_and_why_it_would_be_refused(
    installation: Installation, page: object
) -> None:
    meter = await page(installation)  # type: ignore[operator]  # one of PAGES
    told = [
        (each["score"], each["grade"], each["advice"].partition(".")[0])
        for password in ("short", "password password password", f"{USERNAME} 1", STRONG)
        if (each := (await meter.ask(password)).json())
    ]
    assert [grade for _, grade, _ in told[:1]] == ["Very weak"]
    assert [advice for _, _, advice in told] == [
        "Use at least 15 characters",
        "This password is too common",
        "It is made of names that belong to you or to your company",
        "",
    ]
    assert told[-1][:2] in ((3, "Strong"), (4, "Very strong"))
    assert all(score <= 2 for score, _, _ in told[:-1])


@PAGES
async def test_a_page_lets_its_meter_ask_us_and_nobody_else(
    installation: Installation, page: object
) -> None:
    meter = await page(installation)  # type: ignore[operator]  # one of PAGES
    policy = meter.page.headers["content-security-policy"].split("; ")
    assert "connect-src 'self'" in policy
    assert "default-src 'none'" in policy
    assert not any("unsafe" in directive for directive in policy)
    other = await installation.browser().arrive()
    assert "connect-src" not in other.headers["content-security-policy"]


@PAGES
async def test_r21_a_meter_answers_only_the_page_that_it_is_on(
    installation: Installation, page: object
) -> None:
    meter = await page(installation)  # type: ignore[operator]  # one of PAGES
    stranger = Meter(installation.browser(), meter.page)
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answers = [
        await stranger.ask(STRONG),
        await meter.ask(STRONG, **elsewhere),
        await meter.ask_with({**meter.fields, "csrf": "x", "password": STRONG}),
        await meter.ask_with({"password": STRONG}),
        await meter.browser.http.get(meter.address),
    ]
    assert [each.status_code in (204, 403, 405) for each in answers] == [True] * 5
    assert not any('"grade"' in each.text for each in answers)
    assert (await meter.ask(STRONG)).status_code == 200


@PAGES
async def test_an_answer_is_kept_nowhere_and_the_password_too(
    installation: Installation, page: object
) -> None:
    meter = await page(installation)  # type: ignore[operator]  # one of PAGES
    with structlog.testing.capture_logs() as logs:
        answer = await meter.ask(CANARY)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert CANARY not in f"{logs}{answer.text}{await installation.audit()}"
    tables = [name for (name,) in installation.rows("SELECT name FROM sqlite_master")]
    assert "interims" in tables
    assert CANARY.encode() not in installation.database.read_bytes()


@PAGES
async def test_a_meter_changes_nothing_and_the_form_still_works(
    installation: Installation, page: object
) -> None:
    meter = await page(installation)  # type: ignore[operator]  # one of PAGES
    for _ in range(3):
        assert (await meter.ask(STRONG)).status_code == 200
    fields = {**meter.fields, "new_password": STRONG, "current_password": PASSWORD}
    if page is of_login:
        fields["step"] = "password"
    action = meter.address.replace("/strength", "")
    done = await meter.browser.http.post(action, data=fields)
    assert done.status_code in (200, 303), done.text
    assert await installation.browser().code(password=STRONG)


async def test_a_meter_does_not_say_what_the_present_password_is(
    installation: Installation,
) -> None:
    meter = await of_account(installation)
    assert (await meter.ask(PASSWORD)).json()["advice"] == ""


async def test_r84_a_link_that_was_used_moves_no_meter(installation: Installation) -> None:
    meter = await of_link(installation)
    form = LoginPage.of(meter.page)
    assert (await meter.browser.submit(form, new_password=STRONG)).status_code == 200
    assert (await meter.ask(STRONG)).status_code == 204


async def test_a_login_that_is_not_at_its_password_moves_no_meter(
    installation: Installation,
) -> None:
    browser = installation.browser()
    login = await browser.login_page()
    fields = login.form(password=STRONG)
    assert (await browser.http.post("/login/strength", data=fields)).status_code == 204
    assert await browser.submit(login, username=USERNAME, password=PASSWORD)
    assert (await browser.http.post("/login/strength", data=fields)).status_code == 204


async def test_r83_a_login_that_is_too_old_moves_no_meter(installation: Installation) -> None:
    meter = await of_account(installation)
    installation.clock.advance(3_600)
    assert (await meter.ask(STRONG)).status_code == 204


@pytest.mark.parametrize(
    ("language", "grade"), [("ja", "とても弱い"), ("ko", "매우 약함"), ("en", "Very weak")]
)
async def test_a_meter_speaks_the_language_of_its_page(
    installation: Installation, language: str, grade: str
) -> None:
    link = await installation.administration.users.issue_reset_link(USERNAME)
    browser = installation.browser()
    meter = Meter(browser, await browser.http.get(f"{link}&lang={language}"))
    assert json.loads((await meter.ask("short")).text)["grade"] == grade


async def test_a_person_may_ask_so_often_in_a_minute(installation: Installation) -> None:
    installation.clock.stop()
    meter = await of_link(installation)
    answers = [(await meter.ask("x")).status_code for _ in range(ANSWERS_PER_MINUTE + 1)]
    assert answers == [200] * ANSWERS_PER_MINUTE + [204]
    installation.clock.advance(60)
    assert (await meter.ask("x")).status_code == 200


def person(number: int = 0) -> Person:
    return Person(subject_id=f"directory:{number}", username=f"u{number}@x.example", name="U")


class Estimates:
    """Estimates that end when they are let; ``begun`` counts them."""

    def __init__(self) -> None:
        self.begun = 0
        self.first = threading.Event()
        self.let = threading.Event()

    def __call__(self, *_: object) -> Strength:
        self.begun += 1
        self.first.set()
        assert self.let.wait(60)
        return Strength(4)


@pytest.fixture
def estimates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Estimates]:
    estimates = Estimates()
    monkeypatch.setattr(credentials, "password_strength", estimates)
    yield estimates
    estimates.let.set()


@pytest.fixture
async def hashing() -> AsyncIterator[PasswordHashing]:
    hashing = PasswordHashing(threads=1, waiting=1)
    yield hashing
    hashing.close()


async def test_f24_meters_leave_the_threads_to_those_who_sign_in(
    hashing: PasswordHashing, estimates: Estimates
) -> None:
    """And one place among the estimates is all that they take from those who send a form."""
    encoded = await hashing.hash(STRONG)
    meter = PasswordMeter(hashing, "")
    questions = [
        asyncio.create_task(meter.strength(person(number), STRONG, 0.0))
        for number in range(WAITING + 5)
    ]
    await asyncio.sleep(0)
    assert await hashing.verify(STRONG, encoded)
    form = asyncio.create_task(hashing.check_new(STRONG, whose="f"))
    await asyncio.sleep(0)
    estimates.let.set()
    assert await form == STRONG
    answers = await asyncio.gather(*questions)
    assert answers == [Strength(4)] * WAITING + [None] * 5


async def test_f24_a_meter_holds_its_place_until_its_thread_has_ended(
    estimates: Estimates,
) -> None:
    """It held it until its caller gave up, and the next one took another thread."""
    hashing = PasswordHashing(threads=3)
    meter = PasswordMeter(hashing, "")
    questions = [
        asyncio.create_task(meter.strength(person(number), STRONG, 0.0)) for number in range(3)
    ]
    assert await asyncio.to_thread(estimates.first.wait, 60)
    for question in questions:
        question.cancel()
        await asyncio.sleep(0.01)  # in which the next one would begin
    assert estimates.begun == 1
    estimates.let.set()
    assert await meter.strength(person(), STRONG, 0.0) == Strength(4)
    assert estimates.begun == 2, "whoever gave up before their turn is not estimated"
    hashing.close()


async def test_f24_a_person_does_not_take_all_places_of_the_meters(
    hashing: PasswordHashing, estimates: Estimates
) -> None:
    meter = PasswordMeter(hashing, "")
    flood = [asyncio.create_task(meter.strength(person(), STRONG, 0.0)) for _ in range(WAITING)]
    other = asyncio.create_task(meter.strength(person(1), STRONG, 0.0))
    await asyncio.sleep(0)
    estimates.let.set()
    assert await other == Strength(4)
    assert (await asyncio.gather(*flood)).count(None) == WAITING - WAITING_OF_ONE


async def test_a_meter_has_no_answer_where_too_many_forms_wait(hashing: PasswordHashing) -> None:
    checked = threading.Event()
    forms = [asyncio.create_task(hashing._estimates.run(checked.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await PasswordMeter(hashing, "").strength(person(), STRONG, 0.0) is None
    with pytest.raises(HashingBusy):
        await hashing.check_new(STRONG, whose="f")
    checked.set()
    await asyncio.gather(*forms)


async def test_f24_people_sign_in_while_hostile_passwords_are_estimated(
    installation: Installation,
) -> None:
    """One of these took 4 s of a thread that checks passwords, and there is one of them."""
    hostile = "4@a8b({[<c6g9e3&h#i!1|l0o$5s7t+%x2z" * 4
    link, account = await of_link(installation), await of_account(installation)
    # Somebody else, for the form below changes the password of the first.
    await installation.administration.users.add(
        "sora@example.com", password=STRONG, external_key="E-2"
    )
    flood = [
        asyncio.create_task(each.ask(hostile)) for each in (link, account) for _ in range(WAITING)
    ]
    fields = {**link.fields, "new_password": hostile[:30] + "a" * 40}
    action = link.address.replace("/strength", "")
    form = asyncio.create_task(link.browser.http.post(action, data=fields))
    assert await installation.browser().code("sora@example.com", STRONG)
    answers = await asyncio.gather(*flood)
    assert {each.status_code for each in answers} == {200, 204}
    assert (await form).status_code == 303  # to the form, which says what is wrong


async def test_r76_a_very_long_password_is_not_estimated(installation: Installation) -> None:
    meter = await of_link(installation)
    answer = await meter.ask("x" * 1_500)
    assert answer.json()["advice"].startswith("It is too long.")
