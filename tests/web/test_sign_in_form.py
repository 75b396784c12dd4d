"""The sign-in form: required fields, refusals, and failures."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.installation import (
    BROWSER_COOKIE,
    CALLBACK,
    DEVICE_COOKIE,
    PASSWORD,
    REDIRECT_URI,
    SESSION_COOKIE,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    assert_page,
    code_of,
    installed,
)

from worksgate.audit import Event
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.directory.source import DirectorySource
from worksgate.web.pages.catalogues import LANGUAGES

RIGHT = {"username": USERNAME, "password": PASSWORD}
SECOND = "user2@example.com"
SECOND_PASSWORD = "another horse battery"

THIRTY_MINUTES = 30 * 60


@pytest.fixture
async def eager(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation that throttles after two failures."""
    async with installed(tmp_path, login_free_failures=2) as installation:
        installation.clock.stop()
        yield installation


async def add_second(installation: Installation) -> None:
    await installation.administration.users.add(
        SECOND, password=SECOND_PASSWORD, name="User Two", external_key="user2"
    )


# What a posted form must bring


async def test_r18_a_login_dies_after_thirty_minutes(installation: Installation) -> None:
    await installation.change_client(domain="example.com")
    browser = installation.browser()
    page = await browser.login_page()
    installation.clock.advance(THIRTY_MINUTES + 1)
    response = await browser.submit(page, **RIGHT)
    assert_page(response, 400)
    start_over = "https://auth.worksmobile.com/d/login/example.com?accessUrl=https%3A%2F%2Ftalk"
    assert f'href="{start_over}' in response.text
    assert SESSION_COOKIE not in browser.http.cookies


async def test_r18_without_a_domain_the_page_still_says_what_to_do(
    installation: Installation,
) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    installation.clock.advance(THIRTY_MINUTES + 1)
    response = await browser.submit(page, **RIGHT)
    assert_page(response, 400)
    assert "start again" in response.text.lower()


async def test_r19_a_login_belongs_to_the_browser_that_began_it(
    installation: Installation,
) -> None:
    attacker, victim = installation.browser(), installation.browser()
    page = await attacker.login_page()
    own = await victim.login_page()
    assert_page(await victim.submit(page, **RIGHT), 403)
    mixed = {"txn": page.txn, "csrf": own.csrf, **RIGHT}
    assert_page(await victim.http.post(page.action, data=mixed), 403)
    assert (await victim.submit(own, **RIGHT)).status_code == 303


async def test_r19_nothing_in_a_transaction_can_be_changed(installation: Installation) -> None:
    browser = installation.browser()
    page, other = await browser.login_page(), await browser.login_page(worksId="x")
    payload, _, signature = page.txn.rpartition(".")
    for txn in (
        other.txn.rpartition(".")[0] + "." + signature,
        payload,
        f"{payload}.",
        f"{page.txn}x",
        "",
        "\x00",
        "é" * 100,
    ):
        response = await browser.http.post(page.action, data={**page.form(**RIGHT), "txn": txn})
        assert_page(response, 403)


async def test_r20_an_empty_post_advances_nothing(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    for form in ({}, {"choice": "continue"}, {"cancel": "1"}, RIGHT):
        response = await browser.http.post(page.action, data=form)
        assert response.status_code in (400, 403, 415)
        assert "location" not in response.headers
    for fields in ({}, {"username": USERNAME}, {"password": PASSWORD}):
        response = await browser.submit(page, **fields)
        assert response.status_code == 400, fields
        assert "location" not in response.headers
    going_on = await browser.submit(page, choice="continue")
    assert "location" not in going_on.headers
    assert "password" in going_on.text
    assert SESSION_COOKIE not in browser.http.cookies
    assert (await browser.submit(page, **RIGHT)).status_code == 303


async def test_r20_the_address_of_the_code_is_the_one_that_was_checked(
    installation: Installation,
) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    evil = "https://evil.example/cb?state=1"
    response = await browser.http.post(
        f"{page.action}&redirect_uri=https%3A%2F%2Fevil.example",
        data=page.form(**RIGHT, redirect_uri=evil, client_id="x"),
    )
    assert response.headers["location"].startswith(f"{REDIRECT_URI}&code=")


FOREIGN_ORIGINS = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "an old browser on another site": {"Origin": "https://evil.example"},
    "a sibling host": {"Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "plain http": {"Origin": "http://sso.example.com"},
}


async def test_r21_a_form_from_another_site_is_refused(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    for reason, headers in FOREIGN_ORIGINS.items():
        response = await browser.http.post(page.action, data=page.form(**RIGHT), headers=headers)
        assert response.status_code == 403, reason
        assert "location" not in response.headers
    own = {"Origin": "https://sso.example.com", "Sec-Fetch-Site": "same-origin"}
    response = await browser.http.post(page.action, data=page.form(**RIGHT), headers=own)
    assert response.status_code == 303


async def test_r25_with_cookies_blocked_one_page_says_so(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    browser.http.cookies.clear()
    response = await browser.submit(page, **RIGHT)
    assert_page(response, 400)
    assert "cookie" in response.text.lower()


async def test_r25_r26_an_empty_cookie_jar_and_no_script_are_enough(
    installation: Installation,
) -> None:
    """The form is a plain one; what the page sets is all that it needs."""
    browser = installation.browser()
    page = await browser.login_page()
    form = re.search(r"<form.*?</form>", page.response.text, re.DOTALL)
    assert form
    assert 'method="post"' in form[0]
    assert 'type="submit"' in form[0]
    names = set(re.findall(r'<input[^>]* name="(\w+)"', form[0]))
    assert names == {"txn", "csrf", "username", "password"}
    assert set(browser.http.cookies) == {BROWSER_COOKIE}
    assert (await browser.submit(page, **RIGHT)).status_code == 303


async def test_r74_the_field_lets_password_managers_and_paste_work(
    installation: Installation,
) -> None:
    text = (await installation.browser().login_page()).response.text
    field = re.search(r'<input id="password"[^>]*>', text)
    assert field
    assert 'type="password"' in field[0]
    assert 'autocomplete="current-password"' in field[0]
    assert "maxlength" not in field[0]
    assert "onpaste" not in text
    assert 'data-show="Show"' in text  # the button that shows what was typed


async def test_r76_a_password_that_is_far_too_long_is_simply_wrong(
    installation: Installation,
) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    response = await browser.submit(page, username=USERNAME, password="é" * 2_100)
    assert_page(response, 403)
    too_long = await browser.submit(page, username=USERNAME, password="x" * 5_000)
    assert_page(too_long, 400)


# One login, one code


async def test_a_form_sent_twice_gives_one_code(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    first, second = await asyncio.gather(
        browser.submit(page, **RIGHT), browser.submit(page, **RIGHT)
    )
    assert sorted((first.status_code, second.status_code)) == [303, 409]
    late = first if first.status_code == 409 else second
    assert_page(late, 409)
    assert installation.rows("SELECT count(*) FROM codes") == [(1,)]


async def test_who_sent_a_form_twice_can_go_on_from_the_page(
    installation: Installation,
) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    assert (await browser.submit(page, **RIGHT)).status_code == 303
    again = await browser.submit(page, **RIGHT)
    assert_page(again, 409)
    link = re.search(r'class="button full" href="([^"]*)"', again.text)
    assert link
    onward = await browser.http.get(link[1].replace("&amp;", "&"))
    assert onward.headers["location"].startswith(f"{REDIRECT_URI}&code=")


async def test_two_tabs_do_not_disturb_each_other(installation: Installation) -> None:
    browser = installation.browser()
    one = await browser.login_page(redirect_uri=f"{CALLBACK}?state=one")
    two = await browser.login_page(redirect_uri=f"{CALLBACK}?state=two")
    first = await browser.submit(one, **RIGHT)
    second = await browser.submit(two, **RIGHT)
    assert first.headers["location"].startswith(f"{CALLBACK}?state=one&code=")
    assert second.headers["location"].startswith(f"{CALLBACK}?state=two&code=")
    assert code_of(first) != code_of(second)


# Whose account


async def asked_for_another(installation: Installation) -> tuple[Browser, LoginPage]:
    """A browser that is signed in and asked for somebody else."""
    await add_second(installation)
    browser = installation.browser()
    await browser.code()
    page = LoginPage.of(await browser.arrive(worksId=SECOND))
    assert 'name="choice"' in page.response.text
    assert "User One" in page.response.text
    return browser, page


async def test_another_account_than_the_session_s_is_asked_about(
    installation: Installation,
) -> None:
    browser, page = await asked_for_another(installation)
    response = await browser.submit(page, choice="continue")
    token = await installation.access_token(code_of(response))
    assert (await installation.user_info(token)).json() == {"user_id": "user1"}
    assert_page(await browser.submit(page, choice="continue"), 409)


async def test_who_wants_the_other_account_signs_in_as_it(installation: Installation) -> None:
    browser, page = await asked_for_another(installation)
    form = LoginPage.of(await browser.submit(page, choice="other"))
    assert form.username == SECOND
    response = await browser.submit(form, username=SECOND, password=SECOND_PASSWORD)
    token = await installation.access_token(code_of(response))
    assert (await installation.user_info(token)).json() == {"user_id": "user2"}
    assert installation.rows("SELECT username FROM sessions") == [(SECOND,)]


async def test_the_not_you_link_empties_the_field(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page(worksId="user9@example.com")
    link = re.search(r'<a href="([^"]*)">Not you', page.response.text)
    assert link
    cleared = LoginPage.of(await browser.http.get(link[1].replace("&amp;", "&")))
    assert cleared.username == ""
    assert (await browser.submit(cleared, **RIGHT)).status_code == 303


async def test_a_person_without_the_user_key_is_told(installation: Installation) -> None:
    await installation.administration.users.add("user3@example.com", password=SECOND_PASSWORD)
    browser = installation.browser()
    response = await browser.sign_in("user3@example.com", SECOND_PASSWORD)
    assert_page(response, 403)
    assert installation.rows("SELECT count(*) FROM codes") == [(0,)]


# Giving up


async def test_cancelling_leads_back_where_the_client_wants_to_know(
    installation: Installation,
) -> None:
    await installation.change_client(redirect_denials=True)
    browser = installation.browser()
    page = await browser.login_page()
    assert 'name="cancel"' in page.response.text
    response = await browser.submit(page, cancel="1")
    assert response.status_code == 303
    assert response.headers["location"] == f"{REDIRECT_URI}&error=access_denied"


# Wrong passwords


async def test_a_wrong_password_can_be_corrected_where_one_is(
    installation: Installation,
) -> None:
    browser = installation.browser()
    wrong = await browser.sign_in(password="wrong horse battery")
    assert_page(wrong, 403)
    page = LoginPage.of(wrong)
    assert page.username == USERNAME
    assert "wrong horse" not in wrong.text
    assert (await browser.submit(page, **RIGHT)).status_code == 303


async def test_r15_r79_an_answer_does_not_reveal_whether_an_account_exists(
    installation: Installation,
) -> None:
    for name in (USERNAME, "nobody@example.com"):
        response = await installation.browser().sign_in(name, "wrong horse battery")
        assert_page(response, 403)
        assert "user name or the password is not correct" in response.text


async def test_r78_thirty_parallel_guesses_cause_ten_checks(installation: Installation) -> None:
    installation.clock.stop()
    browser = installation.browser()
    page = await browser.login_page()
    responses = await asyncio.gather(
        *(browser.submit(page, username=name, password="wrong") for name in _spellings() * 10)
    )
    statuses = [response.status_code for response in responses]
    assert (statuses.count(403), statuses.count(429)) == (10, 20)
    assert len(await installation.audit(event=Event.LOGIN_FAILED)) == 10
    throttled = next(response for response in responses if response.status_code == 429)
    assert int(throttled.headers["retry-after"]) >= 1
    right = await browser.submit(page, **RIGHT)
    assert right.status_code == 429


async def test_r79_a_browser_that_has_signed_in_before_is_not_locked_out(
    eager: Installation,
) -> None:
    known = eager.browser()
    await known.code()
    for _ in range(4):
        await eager.browser().sign_in(password="wrong horse battery")
    assert (await eager.browser().sign_in()).status_code == 429
    known.http.cookies.delete(SESSION_COOKIE)
    assert (await known.sign_in()).status_code == 303


async def test_r79_a_device_cookie_cannot_be_made_or_passed_on(eager: Installation) -> None:
    await add_second(eager)
    other = eager.browser()
    await other.code(SECOND, SECOND_PASSWORD)
    device = other.cookie(DEVICE_COOKIE)
    for _ in range(2):
        await eager.browser().sign_in(password="wrong horse battery")
    forged = f"{'A' * 22}.{device.partition('.')[2]}"
    for value in (device, forged, f"{'A' * 22}.{'B' * 27}", "~" * 50):
        browser = eager.browser()
        browser.http.cookies.set(DEVICE_COOKIE, value, domain="sso.example.com")
        assert (await browser.sign_in()).status_code == 429


async def test_f24_where_no_password_can_be_checked_nothing_is_done_for_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: DirectorySource, *, is_known: bool = True) -> None:
        raise HashingBusy

    monkeypatch.setattr(DirectorySource, "check_capacity", refuse)
    browser = installation.browser()
    page = await browser.login_page()
    before = installation.rows("SELECT * FROM counters")
    busy = await browser.submit(page, username=USERNAME, password=PASSWORD)
    assert_page(busy, 503)
    assert "Many people are signing in" in busy.text
    assert installation.rows("SELECT * FROM counters") == before
    monkeypatch.undo()
    again = await browser.submit(LoginPage.of(busy), username=USERNAME, password=PASSWORD)
    assert again.status_code == 303


async def test_a_disabled_person_is_told_only_after_the_right_password(
    installation: Installation,
) -> None:
    await installation.administration.users.disable(USERNAME)
    wrong = await installation.browser().sign_in(password="wrong horse battery")
    assert "has been disabled" not in wrong.text
    right = await installation.browser().sign_in()
    assert_page(right, 403)
    assert "has been disabled" in right.text
    assert installation.rows("SELECT count(*) FROM sessions") == [(0,)]


async def test_r229_whoever_was_removed_is_answered_as_an_unknown_name(
    installation: Installation,
) -> None:
    async def answer() -> tuple[int, str]:
        response = await installation.browser().sign_in()
        return response.status_code, re.sub(r"[\w.~-]{40,}", "", response.text)

    await installation.administration.users.remove(USERNAME)
    removed = await answer()
    await installation.administration.removals.remove_for_good(USERNAME)
    assert removed == await answer()
    assert removed[0] != 303


async def test_the_page_speaks_the_reader_s_language(installation: Installation) -> None:
    browser = installation.browser()
    for language in LANGUAGES:
        response = await browser.arrive({"Accept-Language": f"{language};q=0.9"})
        assert response.headers["content-language"] == language
        page = LoginPage.of(response)
        assert parse_qs(urlsplit(page.action).query) == {"lang": [language]}
    switched = await browser.arrive({"Accept-Language": "en"}, lang="ja")
    assert switched.headers["content-language"] == "ja"


def _spellings() -> list[str]:
    return [USERNAME, USERNAME.upper(), f" {USERNAME} "]
