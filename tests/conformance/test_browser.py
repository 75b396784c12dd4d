"""A sign-in page that needs JavaScript, in a real Chromium."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.browser.windows import launched, overflow
from tests.conformance.implementation import USERNAME, Implementations, Way, serving
from tests.conformance.runs import run_checks, target_at

from worksgate.conformance.checks.browser import BrowserSignIn
from worksgate.conformance.checks.examination import CHECKS, Result, chosen, examine
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.target import Person, Target
from worksgate.conformance.checks.verdicts import Message, Outcome
from worksgate.conformance.report.html_page import html_page
from worksgate.conformance.report.summary import Report
from worksgate.conformance.report.texts import LANGUAGES, Texts

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def implementations() -> Implementations:
    return Implementations()


@pytest.fixture(scope="module")
def origin(implementations: Implementations) -> Iterator[str]:
    with serving(implementations) as address:
        yield address


async def in_browser(target: Target, *only: str) -> dict[str, Result]:
    assert target.person is not None
    meter = Meter(Redactor(target.secrets))
    sign_in = BrowserSignIn(target, target.person, meter)
    return {
        result.check.id: result
        async for result in examine(target, chosen(only, []), sign_in, meter)
    }


async def test_a_page_that_needs_javascript_is_signed_in_at(origin: str) -> None:
    target = target_at(origin, "login.script")
    plain = await run_checks(target, ["login.comes_back"])
    message = plain.results["login.comes_back"].message
    assert message is not None
    assert message.key == "stuck_no_form"
    results = await in_browser(
        target,
        *("login.comes_back", "login.byte_for_byte", "login.other_account", "token.one_time"),
        *("login.foreign_redirect", "login.two_tabs", "logout.ends_session"),
    )
    outcomes = {name: result.outcome for name, result in results.items()}
    assert set(outcomes.values()) == {Outcome.PASS}, results


@pytest.mark.parametrize("fault", ["login.two_tabs", "login.wrong_password"])
async def test_a_browser_opens_two_tabs_and_types_a_wrong_password(fault: str, origin: str) -> None:
    results = await in_browser(target_at(origin, fault), fault)
    assert results[fault].outcome is Outcome.FAIL


async def test_a_browser_waits_before_it_types(
    origin: str, implementations: Implementations
) -> None:
    check = "operation.late_sign_in"
    implementations.named("late").way = Way(page_lifetime=10)
    results = await in_browser(target_at(origin, "late", late_after=11), check)
    assert results[check].outcome is Outcome.PASS


async def test_r201_a_browser_types_a_refused_password_once(
    origin: str, implementations: Implementations
) -> None:
    name = "browser.refused"
    target = target_at(origin, name)
    results = await in_browser(
        replace(target, person=Person(USERNAME, "wrong")), "login.comes_back", "login.app"
    )
    message = results["login.comes_back"].message
    assert message is not None
    assert message.key == "stuck_refused"
    assert implementations.all[name].passwords == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_report_is_no_wider_than_a_phone(language: str) -> None:
    kinds = ((Outcome.FAIL, "redirected"), (Outcome.NOT_TESTED, "local"))
    report = Report(
        name="sso.a-company-with-a-long-name.example.com",
        addresses=(("web_login", "https://sso.a-company-with-a-long-name.example.com/sign-in.do"),),
        client_id="0123456789abcdef",
        at=0,
        took=1,
        requests=1,
        version="1.0",
        results=[
            Result(check, outcome, Message(key))
            for check in CHECKS.values()
            for outcome, key in kinds
        ],
    )
    async with launched() as browser:
        tab = await browser.new_page(viewport={"width": 360, "height": 800})
        await tab.set_content(html_page(report, Texts(language)))
        assert await overflow(tab) <= 0
