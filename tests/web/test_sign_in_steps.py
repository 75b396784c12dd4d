"""Steps after the password: a second factor, a new password, a rule that denies."""

import re
from pathlib import Path

import httpx2
import pyotp
import pytest
import structlog
from tests.installation import (
    DEVICE_COOKIE,
    PASSWORD,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    code_of,
    installed,
)

from worksgate.audit import Event
from worksgate.clients.access_rules import parse_rule
from worksgate.database import DatabaseUnavailable
from worksgate.provider.factors import MAX_FACTOR_FAILURES, Factors
from worksgate.provider.sign_in.attempt import SignInAttempt
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.completion import SignInCompletion
from worksgate.provider.sign_in.outcomes import SignedIn

NEW_PASSWORD = "seven green ladders sing"


def step_of(response: httpx2.Response, title: str) -> LoginPage:
    """The page of a step, which has this title."""
    heading = re.search(r"<h1>(.*?)</h1>", response.text)
    assert heading is not None, response.text
    assert re.sub(r"<[^>]+>", "", heading[1]) == title, response.text
    return LoginPage.of(response)


def fields_with(response: httpx2.Response, attribute: str) -> list[str]:
    """The fields of a page that have this attribute."""
    fields: list[tuple[str, str]] = re.findall(r'<input id="(\w+)"([^>]*)>', response.text)
    return [name for name, attributes in fields if attribute in attributes]


async def away(*_: object) -> bool:
    raise DatabaseUnavailable("away")


async def begin(installation: Installation) -> tuple[Browser, httpx2.Response]:
    browser = installation.browser()
    return browser, await browser.sign_in()


async def enrolled(installation: Installation) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an authenticator app midway through a login; the app, and the recovery codes."""
    await installation.change_client(second_factor="required")
    browser, response = await begin(installation)
    page = step_of(response, "Set up two-step verification")
    key = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', response.text)
    assert key is not None
    app = pyotp.TOTP(key[1].replace(" ", ""))
    response = await browser.submit(page, step="enrol", otp=app.at(int(installation.clock())))
    page = step_of(response, "Keep your recovery codes")
    codes = re.findall(r"<li><code>([^<]+)</code>", response.text)
    response = await browser.submit(page, step="resume")
    assert response.status_code == 303, response.text
    assert (await installation.exchange(code_of(response))).status_code == 200
    installation.clock.advance(60)
    return app, codes


async def test_a_required_factor_is_set_up_midway_and_the_login_goes_on(
    installation: Installation,
) -> None:
    _, codes = await enrolled(installation)
    assert len(codes) == 10
    added = await installation.audit(event=Event.FACTOR_ADDED)
    assert [event.username for event in added] == [USERNAME]


async def test_r79_a_browser_is_known_although_it_gave_a_second_factor(
    installation: Installation,
) -> None:
    app, _ = await enrolled(installation)
    browser, response = await begin(installation)
    assert DEVICE_COOKIE not in browser.http.cookies
    page = step_of(response, "Confirm that it is you")
    await browser.submit(page, step="prove", otp=app.at(int(installation.clock())))
    assert DEVICE_COOKIE in browser.http.cookies


async def test_r120_an_outage_while_a_code_is_checked_shows_that_step_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = await enrolled(installation)
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(Factors, "check_totp", away)
        for _ in range(MAX_FACTOR_FAILURES + 1):
            response = await browser.submit(page, step="prove", otp="000000")
            assert response.status_code == 503
            page = step_of(response, "Confirm that it is you")
    told = [each for each in logs if each["event"] == "request.unavailable"]
    assert {each["detail"] for each in told} == {"away"}
    right = app.at(int(installation.clock()))
    assert code_of(await browser.submit(page, step="prove", otp=right))


@pytest.mark.parametrize("call", ["transaction_at", "return_to"])
async def test_r120_an_outage_while_a_step_is_opened_ends_no_sign_in(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    app, _ = await enrolled(installation)
    browser, address = await step_address(installation)
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(IdentityProvider, call, away)
        response = await browser.http.get(address)
    assert response.status_code == 503
    if call == "return_to":
        step_of(response, "Confirm that it is you")
    assert [each["detail"] for each in logs if each["event"] == "request.unavailable"] == ["away"]
    page = step_of(await browser.http.get(address), "Confirm that it is you")
    code = app.at(int(installation.clock()))
    assert code_of(await browser.submit(page, step="prove", otp=code))


async def test_who_comes_back_when_no_step_is_missing_any_more_is_signed_in(
    installation: Installation,
) -> None:
    await installation.change_client(second_factor="required")
    browser, address = await step_address(installation)
    step_of(await browser.http.get(address), "Set up two-step verification")
    await installation.change_client(second_factor="allowed")
    assert code_of(await browser.http.get(address))


async def test_r81_a_recovery_code_works_once(installation: Installation) -> None:
    _, codes = await enrolled(installation)
    for expected in (303, 403):
        browser, response = await begin(installation)
        page = step_of(response, "Confirm that it is you")
        response = await browser.submit(page, step="prove", recovery=codes[0])
        assert response.status_code == expected
    assert "The recovery code is not correct." in response.text
    assert "<details open>" in response.text
    for attribute in ("aria-invalid", "autofocus"):
        assert fields_with(response, attribute) == ["recovery"]


async def test_a_wrong_passkey_is_not_called_a_code(installation: Installation) -> None:
    await enrolled(installation)
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")
    response = await browser.submit(page, step="prove", passkey="{}")
    assert response.status_code == 403
    assert "The passkey was not accepted." in response.text
    assert not fields_with(response, "aria-invalid")


async def test_a_device_that_is_remembered_is_not_asked_again(installation: Installation) -> None:
    app, _ = await enrolled(installation)
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")
    code = app.at(int(installation.clock()))
    response = await browser.submit(page, step="prove", otp=code, remember="1")
    assert response.status_code == 303
    await browser.http.get("/logout")
    assert (await browser.sign_in()).status_code == 303
    _, elsewhere = await begin(installation)
    step_of(elsewhere, "Confirm that it is you")
    installation.clock.advance(31 * 86_400)
    await browser.http.get("/logout")
    step_of(await browser.sign_in(), "Confirm that it is you")


async def test_r30_a_device_that_is_remembered_as_the_person_is_disabled_is_not_spared(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is disabled after the last look at the person, before the browser has its answer."""
    app, _ = await enrolled(installation)
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")
    sign_in = SignInCompletion._sign_in

    async def disabled_then(
        completion: SignInCompletion, attempt: SignInAttempt, *, remember: bool
    ) -> SignedIn:
        signed_in = await sign_in(completion, attempt, remember=remember)
        await installation.administration.users.disable(USERNAME)
        return signed_in

    monkeypatch.setattr(SignInCompletion, "_sign_in", disabled_then)
    code = app.at(int(installation.clock()))
    await browser.submit(page, step="prove", otp=code, remember="1")
    monkeypatch.undo()
    await installation.administration.users.enable(USERNAME)
    step_of(await browser.sign_in(), "Confirm that it is you")


async def test_r125_what_no_person_could_change_is_refused_before_the_form(
    installation: Installation,
) -> None:
    rule = "deny network=203.0.113.0/24"
    browser = installation.browser()
    page = await browser.login_page()
    await installation.change_client(rules=[rule])
    answers = [
        await browser.arrive(),
        await browser.submit(page, username=USERNAME, password=PASSWORD),
        await browser.submit(page, username=USERNAME, password="wrong"),
        await browser.submit(page, passkey="{}"),
    ]
    for response in answers:
        assert response.status_code == 403
        assert "You cannot sign in from here" in response.text
    assert not await installation.audit(event=Event.LOGIN_FAILED)
    refused = await installation.audit(event=Event.LOGIN_REFUSED)
    assert [each.detail for each in refused] == [f"rule: {parse_rule(rule)}"] * 4


async def test_a_rule_that_denies_keeps_a_right_password_out(installation: Installation) -> None:
    await installation.change_client(rules=["deny group!=staff network=203.0.113.0/24"])
    browser, response = await begin(installation)
    assert response.status_code == 403
    assert "You cannot sign in from here" in response.text
    assert not await browser.is_signed_in()
    (refused,) = await installation.audit(event=Event.LOGIN_REFUSED)
    assert "203.0.113.0/24" in (refused.detail or "")
    elsewhere = installation.browser(address="198.51.100.7")
    assert (await elsewhere.sign_in()).status_code == 303


async def test_r85_a_temporary_password_is_changed_first(installation: Installation) -> None:
    given = await installation.administration.users.set_password(USERNAME, temporary=True)
    assert given.password is not None
    browser = installation.browser()
    page = step_of(await browser.sign_in(password=given.password), "Choose your own password")
    weak = await browser.submit(page, step="password", new_password="password1234567")
    assert weak.status_code == 403
    assert 'name="new_password"' in weak.text
    page = step_of(weak, "Choose your own password")
    same = await browser.submit(page, step="password", new_password=given.password)
    page = step_of(same, "Choose your own password")
    response = await browser.submit(page, step="password", new_password=NEW_PASSWORD)
    assert (await installation.exchange(code_of(response))).status_code == 200
    again = installation.browser()
    assert (await again.sign_in(password=given.password)).status_code == 403
    assert (await again.sign_in(password=NEW_PASSWORD)).status_code == 303


async def test_a_login_survives_a_restart_between_its_steps(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation:
        app, _ = await enrolled(installation)
        browser, response = await begin(installation)
        page = step_of(response, "Confirm that it is you")
        async with installation.another_node() as node:
            other = node.browser()
            other.http.cookies = browser.http.cookies
            code = app.at(int(installation.clock()))
            response = await other.submit(page, step="prove", otp=code)
            assert response.status_code == 303
        assert PASSWORD not in response.text


# The page of a step has an address: back, forward and reload


async def step_address(installation: Installation) -> tuple[Browser, str]:
    """Begin a login that needs a second factor; the address of the page that asks for it."""
    browser = installation.browser()
    page = await browser.login_page()
    form = page.form(username=USERNAME, password=PASSWORD)
    answer = await browser.http.post(page.action, data=form)
    assert answer.status_code == 303
    return browser, answer.headers["location"]


async def test_r141_a_step_can_be_come_back_to_and_nothing_goes_on_by_it(
    installation: Installation,
) -> None:
    app, _ = await enrolled(installation)
    browser, address = await step_address(installation)
    pages = [step_of(await browser.http.get(address), "Confirm that it is you") for _ in range(3)]
    assert not await browser.is_signed_in()
    code = app.at(int(installation.clock()))
    response = await browser.submit(pages[0], step="prove", otp=code)
    assert code_of(response)
    over = await browser.http.get(address)
    assert over.status_code == 410
    assert "This sign-in is over" in over.text
    assert await browser.is_signed_in()


async def test_r141_the_address_of_a_step_is_worth_nothing_in_another_browser(
    installation: Installation,
) -> None:
    app, _ = await enrolled(installation)
    browser, address = await step_address(installation)
    other = installation.browser()
    await other.login_page()
    for stranger in (other, installation.browser()):
        response = await stranger.http.get(address)
        assert response.status_code == 410
        assert "This sign-in is over" in response.text
        assert USERNAME not in response.text
    page = step_of(await browser.http.get(address), "Confirm that it is you")
    code = app.at(int(installation.clock()))
    assert code_of(await browser.submit(page, step="prove", otp=code))


async def test_r141_the_address_of_a_step_holds_no_secret(installation: Installation) -> None:
    await enrolled(installation)
    browser, address = await step_address(installation)
    page = step_of(await browser.http.get(address), "Confirm that it is you")
    secret = browser.cookie("__Host-wg_browser")
    assert re.fullmatch(r"/login/step\?at=[0-9a-f]{64}&lang=en", address)
    assert all(each not in address for each in (secret, page.csrf, page.txn))


async def test_r141_a_wrong_code_is_answered_by_no_redirect(installation: Installation) -> None:
    """Who guesses sees by no redirect that anything has gone on; the step can be come back to."""
    app, _ = await enrolled(installation)
    browser, address = await step_address(installation)
    page = step_of(await browser.http.get(address), "Confirm that it is you")
    answer = await browser.http.post(page.action, data=page.form(step="prove", otp="000000"))
    assert answer.status_code == 403
    assert "The code is not correct." in answer.text
    again = step_of(await browser.http.get(address), "Confirm that it is you")
    code = app.at(int(installation.clock()))
    assert code_of(await browser.submit(again, step="prove", otp=code))


async def test_r141_recovery_codes_are_shown_until_they_are_kept(
    installation: Installation,
) -> None:
    await installation.change_client(second_factor="required")
    browser, address = await step_address(installation)
    response = await browser.http.get(address)
    page = step_of(response, "Set up two-step verification")
    key = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', response.text)
    assert key is not None
    code = pyotp.TOTP(key[1].replace(" ", "")).at(int(installation.clock()))
    await browser.submit(page, step="enrol", otp=code)
    shown = [await browser.http.get(address) for _ in range(2)]
    codes = re.findall(r"<li><code>([^<]+)</code>", shown[0].text)
    assert len(codes) == 10
    assert re.findall(r"<li><code>([^<]+)</code>", shown[1].text) == codes
    kept = repr(installation.rows("SELECT * FROM interims"))
    assert all(each not in kept for each in codes)
    page = step_of(shown[1], "Keep your recovery codes")
    assert code_of(await browser.submit(page, step="resume"))
    after = await browser.http.get(address)
    assert after.status_code == 410
    assert codes[0] not in after.text


async def test_a_step_can_be_read_in_every_language(installation: Installation) -> None:
    app, _ = await enrolled(installation)
    browser, address = await step_address(installation)
    response = await browser.http.get(address)
    titles = {"ko": "본인 확인", "zh-CN": "验证您的身份", "zh-TW": "驗證您的身分", "ja": "本人確認"}
    for language, title in titles.items():
        found = re.search(rf'<a href="([^"]*)" lang="{language}"', response.text)
        assert found is not None
        response = await browser.http.get(found[1].replace("&amp;", "&"))
        page = step_of(response, title)
    response = await browser.submit(page, step="prove", otp="000000")
    assert response.headers["content-language"] == "ja"
    code = app.at(int(installation.clock()))
    assert code_of(await browser.submit(LoginPage.of(response), step="prove", otp=code))
