"""The account pages over HTTP: who has access, what they see, and what they can change."""

import asyncio
import html
import re
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pyotp
import pytest
from tests.installation import (
    BROWSER_COOKIE,
    PASSWORD,
    SESSION_COOKIE,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    assert_page,
    csrf_of,
    installed,
)
from tests.provider.factors.authenticator import Authenticator

from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.directory.console_sessions import ConsoleSession
from worksgate.provider.factors import FACTOR_POLICY
from worksgate.provider.sign_in.browser_flow import IdentityProvider

NEW_PASSWORD = "seven green ladders sing"
OTHER = "berta@example.com"
OTHER_PASSWORD = "a fjord of nine blue herons"
CHROME_ON_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
SAFARI_ON_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
HOSTILE = '<script>alert("x")</script>'

TASKS = ("/password", "/authenticator", "/passkeys", "/recovery-codes", "/app-passwords")
POSTS = (
    "/password",
    "/authenticator",
    "/authenticator/remove",
    "/passkeys",
    "/passkeys/remove",
    "/passkeys/rename",
    "/recovery-codes",
    "/app-passwords",
    "/app-passwords/remove",
    "/sessions/end",
    "/sessions/end-all",
    "/sessions/end-everything",
)


async def signed_in(installation: Installation, *, address: str = "203.0.113.7") -> Browser:
    browser = installation.browser(address=address)
    response = await browser.sign_in_to_account()
    assert title(response) == "Your account"
    return browser


def title(response: httpx2.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", response.text)
    assert found is not None, response.text
    return found[1]


def is_login(response: httpx2.Response) -> bool:
    return response.status_code == 200 and 'name="txn"' in response.text


async def followed(browser: Browser, response: httpx2.Response) -> str:
    """The page that a redirect leads to."""
    assert response.status_code == 303, response.text
    return (await browser.http.get(response.headers["location"])).text


def values(text: str, name: str) -> list[str]:
    """The values of all fields of this name, each once."""
    return list(dict.fromkeys(re.findall(rf'name="{name}" value="([^"]*)"', text)))


async def set_up_app(installation: Installation, browser: Browser) -> pyotp.TOTP:
    app = app_of(await browser.account("/authenticator"))
    response = await browser.post_to_account(
        "/authenticator", {"otp": app.at(int(installation.clock()))}
    )
    assert response.status_code in (200, 303), response.text
    return app


def app_of(response: httpx2.Response) -> pyotp.TOTP:
    key = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', response.text)
    assert key is not None, response.text
    return pyotp.TOTP(key[1].replace(" ", ""))


async def add_passkey(
    browser: Browser, authenticator: Authenticator, name: str = ""
) -> httpx2.Response:
    options = options_of(await browser.account("/passkeys"))
    answer = {"passkey": authenticator.create(options), "name": name}
    return await browser.post_to_account("/passkeys", answer)


def options_of(response: httpx2.Response) -> str:
    found = re.search(r'data-options="([^"]*)"', response.text)
    assert found is not None, response.text
    return html.unescape(found[1])


# Who gets in


async def test_an_outage_shows_no_sign_in_form_that_nobody_could_use(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(IdentityProvider, "check_open", away)
    assert_page(await installation.browser().account(), 503)


async def test_who_is_not_signed_in_finds_the_login_form_and_then_the_account(
    anywhere: Installation,
) -> None:
    browser = anywhere.browser()
    login = await browser.account()
    assert is_login(login)
    response = await browser.submit(LoginPage.of(login), username=USERNAME, password=PASSWORD)
    assert response.headers["location"] == f"{anywhere.settings.public_url}/account"
    page = await browser.http.get(response.headers["location"])
    assert title(page) == "Your account"
    assert USERNAME in page.text


@pytest.mark.parametrize("page", TASKS)
async def test_a_login_leads_to_the_page_that_was_asked_for(
    installation: Installation, page: str
) -> None:
    await installation.change_client(imap_login=True)
    browser = installation.browser()
    login = LoginPage.of(await browser.account(page, lang="ja"))
    response = await browser.submit(login, username=USERNAME, password=PASSWORD)
    assert response.headers["location"] == (
        f"{installation.settings.public_url}/account{page}?lang=ja"
    )


async def test_a_session_of_line_works_opens_the_account(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    assert title(await browser.account()) == "Your account"


async def test_the_overview_has_an_address_with_a_slash_too(installation: Installation) -> None:
    browser = await signed_in(installation)
    assert title(await browser.account("/")) == "Your account"


async def test_r09_r10_account_pages_are_kept_nowhere_and_run_nothing_but_ours(
    installation: Installation,
) -> None:
    browser = await signed_in(installation)
    for page in ("", "/password", "/authenticator", "/passkeys"):
        response = await browser.account(page)
        assert_page(response, 200)
        policy = response.headers["content-security-policy"]
        for directive in (
            "default-src 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ):
            assert directive in policy
        assert "unsafe" not in policy
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("asked", "language"),
    [("ja", "ja"), ("ko-KR", "ko"), ("zh-CN", "zh-CN"), ("zh-Hant-HK", "zh-TW")],
)
async def test_the_language_that_was_chosen_stays(
    installation: Installation, asked: str, language: str
) -> None:
    browser = await signed_in(installation)
    overview = await browser.account(lang=asked)
    assert overview.headers["content-language"] == language
    assert f'href="/account/password?lang={language}"' in overview.text
    response = await browser.http.post(
        f"/account/sessions/end?lang={language}",
        data={"csrf": csrf_of(overview), "session": "unknown"},
    )
    assert response.headers["location"] == f"/account?done=gone&lang={language}"


# Forms that are not ours


@pytest.mark.parametrize("page", POSTS)
async def test_r21_a_form_without_its_token_changes_nothing(
    installation: Installation, page: str
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    for token in ("", "x", csrf_of(await other.account())):
        response = await browser.http.post(f"/account{page}", data={"csrf": token})
        assert_page(response, 403)
        assert title(response) == "Nothing was changed"
    assert title(await browser.account()) == "Your account"


@pytest.mark.parametrize("page", POSTS)
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}],
    ids=["origin", "fetch-site"],
)
async def test_r21_a_form_of_another_site_changes_nothing(
    installation: Installation, page: str, headers: Mapping[str, str]
) -> None:
    browser = await signed_in(installation)
    response = await browser.post_to_account(page, **headers)
    assert_page(response, 403)
    assert title(await browser.account()) == "Your account"


async def test_a_token_ends_with_its_session(installation: Installation) -> None:
    browser = await signed_in(installation)
    token = csrf_of(await browser.account())
    await browser.http.get("/logout")
    await browser.sign_in_to_account()
    response = await browser.http.post("/account/sessions/end-all", data={"csrf": token})
    assert response.status_code == 403


async def test_a_form_that_comes_without_a_session_is_refused(installation: Installation) -> None:
    browser = await signed_in(installation)
    token = csrf_of(await browser.account())
    browser.http.cookies.delete(SESSION_COOKIE)
    response = await browser.http.post("/account/sessions/end-all", data={"csrf": token})
    assert_page(response, 403)


@pytest.mark.parametrize("page", [p for p in POSTS if p.endswith("remove") or "end" in p])
async def test_what_has_no_page_of_its_own_cannot_be_got(
    installation: Installation, page: str
) -> None:
    browser = await signed_in(installation)
    response = await browser.account(page)
    assert_page(response, 405)
    assert response.headers["allow"] == "POST"


# A fresh login


@pytest.mark.parametrize("page", TASKS)
async def test_r83_a_page_that_changes_something_asks_for_a_fresh_login(
    installation: Installation, page: str
) -> None:
    installation.clock.stop()
    await installation.change_client(imap_login=True)
    browser = await signed_in(installation)
    if page == "/recovery-codes":
        await set_up_app(installation, browser)
    assert not is_login(await browser.account(page))
    installation.clock.advance(599)
    assert not is_login(await browser.account(page))
    installation.clock.advance(2)
    assert is_login(await browser.account(page))
    assert "sign in once more" in (await browser.account()).text


async def test_r83_no_form_changes_anything_without_a_fresh_login(
    installation: Installation,
) -> None:
    await installation.change_client(imap_login=True)
    browser = await signed_in(installation)
    app = await set_up_app(installation, browser)
    await add_passkey(browser, Authenticator())
    await browser.post_to_account("/app-passwords", {"name": "mail"})
    text = (await browser.account()).text
    (passkey,), (app_password,) = values(text, "passkey"), values(text, "app_password")
    before = state(installation)
    installation.clock.advance(601)
    for page, fields in (
        ("/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("/authenticator", {"otp": app.now()}),
        ("/authenticator/remove", {}),
        ("/passkeys", {"passkey": "{}"}),
        ("/passkeys/remove", {"passkey": passkey}),
        ("/passkeys/rename", {"passkey": passkey, "name": "x"}),
        ("/recovery-codes", {}),
        ("/app-passwords", {"name": "another"}),
        ("/app-passwords/remove", {"app_password": app_password}),
        ("/sessions/end-everything", {}),
    ):
        assert is_login(await browser.post_to_account(page, fields)), page
    assert state(installation) == before


def state(installation: Installation) -> list[object]:
    """All that a fresh login is needed for; when somebody has signed in is noted later."""
    kept: list[object] = []
    for table in ("accounts", "totp_secrets", "passkeys", "recovery_codes", "app_passwords"):
        names = installation.rows("SELECT name FROM pragma_table_info(?)", table)
        columns = ", ".join(str(name) for (name,) in names if name != "last_login_at")
        kept.append(installation.rows(f"SELECT {columns} FROM {table}"))
    return kept


async def test_r83_a_login_without_the_second_factor_is_no_full_one(
    installation: Installation,
) -> None:
    """Somebody who has only the password cannot turn the second factor off by it."""
    await installation.change_client(second_factor="off")
    browser = installation.browser()
    await set_up_app(installation, await signed_in(installation))
    await browser.code()
    assert title(await browser.account()) == "Your account"
    assert is_login(await browser.account("/authenticator"))
    assert is_login(await browser.post_to_account("/authenticator/remove"))


async def test_r83_a_fresh_login_with_the_second_factor_leads_to_the_page(
    installation: Installation,
) -> None:
    app = await set_up_app(installation, await signed_in(installation))
    installation.clock.advance(60)
    browser = installation.browser()
    login = LoginPage.of(await browser.account("/authenticator"))
    step = await browser.submit(login, username=USERNAME, password=PASSWORD)
    assert title(step) == "Confirm that it is you"
    code = app.at(int(installation.clock()))
    response = await browser.submit(LoginPage.of(step), step="prove", otp=code)
    assert response.headers["location"].endswith("/account/authenticator")
    page = await browser.http.get(response.headers["location"])
    assert title(page) == "Set up an authenticator app"


# The password


async def change(browser: Browser, current: str, new: str) -> httpx2.Response:
    fields = {"current_password": current, "new_password": new}
    return await browser.post_to_account("/password", fields)


async def test_a_changed_password_ends_all_other_sessions_and_renews_this_one(
    installation: Installation,
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    before = browser.cookie(SESSION_COOKIE)
    token = await installation.access_token()
    response = await change(browser, PASSWORD, NEW_PASSWORD)
    assert "Your password was changed." in await followed(browser, response)
    assert browser.cookie(SESSION_COOKIE) != before
    assert is_login(await other.account())
    assert (await installation.user_info(token)).status_code != 200
    thief = installation.browser()
    thief.set_cookie(SESSION_COOKIE, before)
    assert is_login(await thief.account())
    assert (await installation.browser().sign_in()).status_code == 403
    assert await installation.browser().code(password=NEW_PASSWORD)
    (event,) = await installation.audit(event=Event.PASSWORD_CHANGED)
    assert (event.username, event.address) == (USERNAME, "203.0.113.7")


async def test_a_wrong_present_password_changes_nothing(installation: Installation) -> None:
    browser = await signed_in(installation)
    response = await change(browser, "something else entirely", NEW_PASSWORD)
    assert_page(response, 403)
    assert "The current password is not correct." in response.text
    (event,) = await installation.audit(event=Event.LOGIN_FAILED)
    assert event.username == USERNAME
    assert await installation.browser().code()


async def test_r78_the_present_password_cannot_be_guessed_without_end(
    installation: Installation,
) -> None:
    installation.clock.stop()
    browser = await signed_in(installation)
    answers = [(await change(browser, "wrong", NEW_PASSWORD)).status_code for _ in range(11)]
    response = await change(browser, PASSWORD, NEW_PASSWORD)
    assert (answers[0], response.status_code) == (403, 429)
    assert int(response.headers["retry-after"]) >= 1
    assert "Please wait" in response.text


@pytest.mark.parametrize(
    ("password", "advice"),
    [
        ("short", "Use at least 15 characters."),
        ("password password password", "This password is too common."),
        (PASSWORD, "the password that you have now"),
    ],
)
async def test_r70_r72_a_weak_new_password_is_refused_with_advice(
    installation: Installation, password: str, advice: str
) -> None:
    browser = await signed_in(installation)
    response = await change(browser, PASSWORD, password)
    assert_page(response, 403)
    assert advice in response.text
    assert not re.search(r'type="password"[^>]*value=', response.text)


@pytest.mark.parametrize("fields", [{}, {"current_password": PASSWORD}, {"new_password": "x"}])
async def test_both_passwords_are_needed(
    installation: Installation, fields: Mapping[str, str]
) -> None:
    browser = await signed_in(installation)
    response = await browser.post_to_account("/password", fields)
    assert_page(response, 400)
    assert "Please enter both passwords." in response.text


# The authenticator app


async def test_an_app_is_set_up_and_asked_for_at_the_next_login(
    installation: Installation,
) -> None:
    browser = await signed_in(installation)
    before = browser.cookie(SESSION_COOKIE)
    page = await browser.account("/authenticator")
    app = app_of(page)
    assert app_of(await browser.account("/authenticator")).secret == app.secret
    code = app.at(int(installation.clock()))
    response = await browser.post_to_account("/authenticator", {"otp": code})
    assert title(response) == "Keep your recovery codes"
    assert len(re.findall(r"<li><code>([^<]+)</code>", response.text)) == 10
    assert browser.cookie(SESSION_COOKIE) != before
    overview = (await browser.account()).text
    assert "10 left" in overview
    assert "with two-step verification" in overview
    assert app.secret not in overview
    login = LoginPage.of(await installation.browser().account())
    assert login.response.status_code == 200
    newcomer = installation.browser()
    step = await newcomer.submit(
        LoginPage.of(await newcomer.account()), username=USERNAME, password=PASSWORD
    )
    assert title(step) == "Confirm that it is you"


async def test_a_wrong_first_code_turns_nothing_on(installation: Installation) -> None:
    browser = await signed_in(installation)
    app = app_of(await browser.account("/authenticator"))
    response = await browser.post_to_account("/authenticator", {"otp": "000000"})
    assert_page(response, 403)
    assert "The code is not correct." in response.text
    assert app_of(response).secret == app.secret
    assert installation.rows("SELECT * FROM totp_secrets") == []


async def test_r143_whoever_types_many_wrong_first_codes_is_told_how_long_to_wait(
    installation: Installation,
) -> None:
    installation.clock.stop()  # the first wait is short: a busy machine might sit it out
    browser = await signed_in(installation)
    app = app_of(await browser.account("/authenticator"))
    for _ in range(FACTOR_POLICY.free):
        response = await browser.post_to_account("/authenticator", {"otp": "000000"})
        assert_page(response, 403)
    code = app.at(int(installation.clock()))
    response = await browser.post_to_account("/authenticator", {"otp": code})
    assert_page(response, 429)
    assert int(response.headers["retry-after"]) >= 1
    assert "Too many wrong codes were entered." in response.text
    assert app_of(response).secret == app.secret
    failed = [each for each in await installation.audit() if each.event is Event.FACTOR_FAILED]
    assert len(failed) == FACTOR_POLICY.free, "what is not looked at is not recorded one by one"
    installation.clock.advance(FACTOR_POLICY.first_delay)
    code = app.at(int(installation.clock()))
    response = await browser.post_to_account("/authenticator", {"otp": code})
    assert response.status_code in (200, 303), response.text


async def test_a_secret_that_was_never_shown_in_this_session_cannot_be_confirmed(
    installation: Installation,
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    app = app_of(await other.account("/authenticator"))
    code = app.at(int(installation.clock()))
    response = await browser.post_to_account("/authenticator", {"otp": code})
    assert "That took too long" in await followed(browser, response)
    assert installation.rows("SELECT * FROM totp_secrets") == []


async def test_an_app_is_turned_off(installation: Installation) -> None:
    browser = await signed_in(installation)
    await set_up_app(installation, browser)
    response = await browser.post_to_account("/authenticator/remove")
    assert "The authenticator app is turned off." in await followed(browser, response)
    assert installation.rows("SELECT * FROM totp_secrets") == []
    again = await browser.post_to_account("/authenticator/remove")
    assert "It had already been removed." in await followed(browser, again)
    assert await installation.browser().code()


async def test_recovery_codes_are_renewed(installation: Installation) -> None:
    browser = await signed_in(installation)
    assert_page(await browser.account("/recovery-codes"), 404)
    await set_up_app(installation, browser)
    before = installation.rows("SELECT * FROM recovery_codes")
    assert title(await browser.account("/recovery-codes")) == "Create new recovery codes?"
    response = await browser.post_to_account("/recovery-codes")
    assert title(response) == "Keep your recovery codes"
    after = installation.rows("SELECT * FROM recovery_codes")
    assert len(after) == 10
    assert not set(before) & set(after)


# Passkeys


async def test_a_passkey_is_added_and_removed(installation: Installation) -> None:
    browser, authenticator = await signed_in(installation), Authenticator()
    response = await add_passkey(browser, authenticator, "my phone")
    assert title(response) == "Keep your recovery codes"
    overview = (await browser.account()).text
    assert "<h3>my phone</h3>" in overview
    assert values(overview, "passkey") == [authenticator.id]
    response = await browser.post_to_account("/passkeys/remove", {"passkey": authenticator.id})
    assert "The passkey was removed." in await followed(browser, response)
    assert installation.rows("SELECT * FROM passkeys") == []


async def test_a_passkey_gets_another_name(installation: Installation) -> None:
    browser, authenticator = await signed_in(installation), Authenticator()
    await add_passkey(browser, authenticator, "my phone")

    async def rename(name: str, passkey: str = authenticator.id) -> httpx2.Response:
        return await browser.post_to_account("/passkeys/rename", {"passkey": passkey, "name": name})

    renamed = await followed(browser, await rename(" 仕事用の<iPhone> "))
    assert "The passkey was renamed." in renamed
    assert "<h3>仕事用の&lt;iPhone&gt;</h3>" in renamed
    assert "A passkey was renamed" in renamed
    for refused in ("x" * 65, "two\nlines", "\u202egnirts"):
        response = await rename(refused)
        assert_page(response, 400)
        assert "This name cannot be used." in response.text
    assert "already been removed" in await followed(browser, await rename("x", "another"))
    assert installation.rows("SELECT name FROM passkeys") == [("仕事用の<iPhone>",)]
    details = "SELECT detail FROM audit WHERE event = 'factor.renamed'"
    assert installation.rows(details) == [("passkey renamed: my phone → 仕事用の<iPhone>",)]


async def test_r82_a_challenge_is_good_for_one_answer(installation: Installation) -> None:
    browser = await signed_in(installation)
    await set_up_app(installation, browser)  # a first factor would renew the session
    options = options_of(await browser.account("/passkeys"))
    for number, answer in enumerate(Authenticator().create(options) for _ in range(2)):
        response = await browser.post_to_account("/passkeys", {"passkey": answer})
        if number:
            assert "done=lost" in response.headers["location"]
    assert len(installation.rows("SELECT * FROM passkeys")) == 1


async def test_r82_a_challenge_belongs_to_its_session_and_dies(
    installation: Installation,
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    options = options_of(await other.account("/passkeys"))
    options_of(await browser.account("/passkeys"))
    answer = {"passkey": Authenticator().create(options)}
    assert_page(await browser.post_to_account("/passkeys", answer), 403)
    assert installation.rows("SELECT * FROM passkeys") == []


@pytest.mark.parametrize("answer", ["", "{}", "x" * 2_000])
async def test_r108_what_is_no_passkey_is_refused(installation: Installation, answer: str) -> None:
    browser = await signed_in(installation)
    await browser.account("/passkeys")
    response = await browser.post_to_account("/passkeys", {"passkey": answer})
    assert_page(response, 403)
    assert "The passkey was not added." in response.text
    assert installation.rows("SELECT * FROM passkeys") == []


async def test_where_browsers_know_no_passkeys_none_are_offered(tmp_path: Path) -> None:
    async with installed(tmp_path, public_url="https://192.0.2.1") as installation:
        browser = await signed_in(installation)
        shown = (await browser.account()).text.partition("<body")[2]
        assert "passkey" not in shown.lower()
        assert_page(await browser.account("/passkeys"), 404)


# App passwords


async def test_app_passwords_are_offered_where_a_client_takes_them(
    installation: Installation,
) -> None:
    browser = await signed_in(installation)
    assert "App passwords" not in (await browser.account()).text
    assert_page(await browser.account("/app-passwords"), 404)
    assert_page(await browser.post_to_account("/app-passwords", {"name": "x"}), 404)
    await installation.change_client(imap_login=True)
    assert "App passwords" in (await browser.account()).text
    response = await browser.post_to_account("/app-passwords", {"name": "mail at home"})
    password = re.search(r'id="app-password">([a-z0-9-]+)<', response.text)
    assert password is not None
    overview = (await browser.account()).text
    assert "mail at home" in overview
    assert password[1] not in overview
    (app_password,) = values(overview, "app_password")
    response = await browser.post_to_account(
        "/app-passwords/remove", {"app_password": app_password}
    )
    assert "The app password was removed." in await followed(browser, response)
    assert installation.rows("SELECT * FROM app_passwords") == []


# Sessions


async def test_another_session_can_be_ended_and_this_one_goes_on(
    installation: Installation,
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    text = (await browser.account()).text
    (session,) = values(text, "session")
    response = await browser.post_to_account("/sessions/end", {"session": session})
    assert "That sign-in was ended." in await followed(browser, response)
    assert is_login(await other.account())
    again = await browser.post_to_account("/sessions/end", {"session": session})
    assert "It had already been removed." in await followed(browser, again)


async def test_r27_the_name_of_a_session_opens_nothing(installation: Installation) -> None:
    browser, _ = await signed_in(installation), await signed_in(installation)
    text = (await browser.account()).text
    (session,) = values(text, "session")
    ((key,), *_) = installation.rows("SELECT key FROM sessions")
    assert str(key) not in text
    thief = installation.browser()
    thief.set_cookie(SESSION_COOKIE, session.ljust(54, "A"))
    assert is_login(await thief.account())


async def test_r30_signing_out_everywhere_ends_this_session_too(
    installation: Installation,
) -> None:
    browser, other = await signed_in(installation), await signed_in(installation)
    token = await installation.access_token()
    response = await browser.post_to_account("/sessions/end-all")
    assert "You are signed out" in await followed(browser, response)
    for each in (browser, other):
        assert is_login(await each.account())
        assert not await each.is_signed_in()
    assert (await installation.user_info(token)).status_code != 200
    (event,) = await installation.audit(event=Event.LOGOUT)
    assert event.username == USERNAME


async def test_r156_signing_out_everywhere_ends_sessions_of_the_console(
    installation: Installation,
) -> None:
    directory = installation.administration.users._directory
    seen = await installation.administration.administrators.set_role(USERNAME, Role.ADMIN)
    now = installation.clock()
    session = ConsoleSession(
        key="0" * 64,
        subject_id=seen.person.subject_id,
        created_at=now,
        used_at=now,
        expires_at=now + 600,
        proved_at=now,
    )
    event = AuditEvent(event=Event.CONSOLE_SIGNED_IN, at=now)
    assert await directory.console_sessions.begin(session, seen, event)
    browser = await signed_in(installation)
    await browser.post_to_account("/sessions/end-all")
    assert await directory.console_sessions.find("0" * 64, now) is None


async def test_signing_out_everywhere_needs_no_fresh_login(installation: Installation) -> None:
    browser = await signed_in(installation)
    installation.clock.advance(3_600)
    response = await browser.post_to_account("/sessions/end-all")
    assert response.headers["location"] == "/logout"


# Other people's


@pytest.fixture
async def others(installation: Installation) -> Browser:
    """Somebody else, with one of everything."""
    await installation.change_client(imap_login=True)
    await installation.administration.users.add(
        OTHER, password=OTHER_PASSWORD, name=HOSTILE, external_key="berta"
    )
    browser = installation.browser()
    await browser.sign_in_to_account(OTHER, OTHER_PASSWORD)
    await add_passkey(browser, Authenticator(), HOSTILE)
    await browser.post_to_account("/app-passwords", {"name": HOSTILE})
    second = installation.browser()
    login = LoginPage.of(await second.account())
    await second.submit(login, username=OTHER, password=OTHER_PASSWORD)
    return browser


async def test_r101_what_is_another_persons_cannot_be_touched(
    installation: Installation, others: Browser
) -> None:
    text = (await others.account()).text
    browser = await signed_in(installation)
    before = state(installation)
    sessions = installation.rows("SELECT grant_id FROM sessions WHERE username = ?", OTHER)
    assert sessions
    for page, name in (("/passkeys/remove", "passkey"), ("/app-passwords/remove", "app_password")):
        (theirs,) = values(text, name)
        response = await browser.post_to_account(page, {name: theirs})
        assert "It had already been removed." in await followed(browser, response)
    for (session,) in sessions:
        response = await browser.post_to_account("/sessions/end", {"session": str(session)})
        assert "It had already been removed." in await followed(browser, response)
    await browser.post_to_account("/sessions/end-all")
    assert state(installation) == before
    assert title(await others.account()) == "Your account"


async def test_names_are_shown_as_text(others: Browser) -> None:
    text = (await others.account()).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") >= 3


async def test_the_history_is_the_persons_own(installation: Installation, others: Browser) -> None:
    await installation.browser(address="198.51.100.9").sign_in(USERNAME, "a wrong password")
    browser = await signed_in(installation)
    await installation.provider.audit.flush()
    mine, theirs = (await browser.account()).text, (await others.account()).text
    assert "Somebody tried to sign in, without success" in mine
    assert "198.51.100.9" in mine
    assert "Acme" not in theirs
    assert "198.51.100.9" not in theirs
    assert "A way of two-step verification was added" in theirs
    assert "A way of two-step verification was added" not in mine


async def test_a_long_history_waits_behind_a_word(installation: Installation) -> None:
    browser = await signed_in(installation)
    for _ in range(9):
        await installation.browser().code()
    await installation.provider.audit.flush()
    text = (await browser.account()).text
    assert text.count("Signed in<") == 10
    assert "Show earlier activity" in text
    assert "<span>Acme</span>" in text


async def test_somebody_who_is_disabled_is_out_at_once(installation: Installation) -> None:
    browser = await signed_in(installation)
    await installation.administration.users.disable(USERNAME)
    assert is_login(await browser.account())


# What surrounds it


async def test_an_unknown_code_in_the_address_says_nothing(installation: Installation) -> None:
    browser = await signed_in(installation)
    response = await browser.account(done=HOSTILE)
    assert_page(response, 200)
    assert "alert(" not in response.text
    assert 'role="status"' not in response.text


@pytest.mark.slow
@pytest.mark.deadlines
async def test_an_outage_is_reported_and_ends_no_session(installation: Installation) -> None:
    browser = await signed_in(installation)
    with installation.locked():
        response = await browser.post_to_account("/sessions/end-all")
    assert_page(response, 503)
    assert response.headers["retry-after"]
    assert title(await browser.account()) == "Your account"


async def test_r22_the_account_pages_set_no_cookie_of_their_own(
    installation: Installation,
) -> None:
    browser = await signed_in(installation)
    assert set(browser.http.cookies) == {BROWSER_COOKIE, SESSION_COOKIE, "__Host-wg_device"}


async def test_a_password_change_is_finished_though_nobody_waits_for_it(
    installation: Installation,
) -> None:
    """The database is slow at the wrong moment: the answer is late, the old sessions end."""
    browser, other = await signed_in(installation), await signed_in(installation)
    form = await browser.account("/password")
    fields = {
        "csrf": csrf_of(form),
        "current_password": PASSWORD,
        "new_password": NEW_PASSWORD,
    }
    request = asyncio.create_task(browser.http.post("/account/password", data=fields))
    changed = "SELECT 1 FROM audit WHERE detail = 'changed their password'"
    async with asyncio.timeout(60):
        while not installation.rows(changed):  # noqa: ASYNC110  # it tells of no event
            await asyncio.sleep(0)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    async with asyncio.timeout(60):
        while not is_login(await other.account()):  # noqa: ASYNC110  # it tells of no event
            await asyncio.sleep(0.01)


def sessions_of(page: httpx2.Response) -> list[str]:
    """The places where the person is signed in, each as the text of its line."""
    section = page.text.partition('id="sessions"')[2].partition("</section>")[0]
    lines = [re.sub(r"<[^>]*>|\s+", " ", each) for each in section.split("<li>")[1:-1]]
    return [" ".join(each.split()) for each in lines]


async def test_sessions_are_told_apart_by_the_place_that_they_came_from(
    installation: Installation,
) -> None:
    await signed_in(installation, address="203.0.113.8")
    installation.clock.advance(60)
    await signed_in(installation, address="2001:db8::9")
    installation.clock.advance(60)
    browser = await signed_in(installation)
    told = sessions_of(await browser.account())
    assert [each.partition(" Ends")[0] for each in told] == [
        "This browser Signed in 1 second ago 203.0.113.7",
        "Another browser Signed in 1 minute ago 2001:db8::9",
        "Another browser Signed in 2 minutes ago 203.0.113.8",
    ]


@pytest.mark.parametrize(
    ("language", "distance"),
    [
        ("en", "3 hours ago"),
        ("ja", "3時間前"),
        ("ko", "3시간 전"),
        ("zh-CN", "3 小时前"),
        ("zh-TW", "3 小時前"),
    ],
)
async def test_a_moment_is_reported_by_its_distance_and_exactly_on_request(
    installation: Installation, language: str, distance: str
) -> None:
    await signed_in(installation, address="203.0.113.8")
    installation.clock.advance(3 * 3_600)
    browser = await signed_in(installation)
    text = (await browser.account(lang=language)).text
    exact = r'<time datetime="[^"]+Z" title="[^"]*20\d\d[^"]* \d\d:\d\d UTC" data-distance>'
    assert re.search(exact + distance, text)


async def test_sessions_are_called_by_their_browsers(installation: Installation) -> None:
    for header in (CHROME_ON_WINDOWS, SAFARI_ON_IPHONE):
        browser = installation.browser()
        browser.http.headers["User-Agent"] = header
        await browser.sign_in_to_account()
        installation.clock.advance(60)
    page = await browser.account()
    assert [each.partition(" Signed in")[0] for each in sessions_of(page)] == [
        "Safari on iPhone This browser",
        "Chrome on Windows",
    ]
    first, second = sessions_of(await browser.account("", lang="ko"))
    assert first.startswith("Safari(iPhone) ")
    assert second.startswith("Chrome(Windows) ")
    kept = {event.detail for event in await installation.audit(event=Event.LOGIN_SUCCEEDED)}
    assert kept == {"Safari on iPhone", "Chrome on Windows"}


async def test_two_sign_ins_of_one_moment_are_not_mixed_up(installation: Installation) -> None:
    installation.clock.stop()
    await signed_in(installation, address="203.0.113.8")
    browser = await signed_in(installation)
    told = sessions_of(await browser.account())
    assert len(told) == 2
    assert not any("203.0.113." in each for each in told)


async def test_what_an_administrator_did_is_told_as_theirs(installation: Installation) -> None:
    browser = await signed_in(installation)
    await set_up_app(installation, browser)
    await installation.administration.people.reset_factors(USERNAME)
    installation.clock.advance(60)
    page = (await (await signed_in(installation)).account()).text
    assert "An administrator removed your two-step verification" in page
    assert "A way of two-step verification was removed" not in page


async def remembered(installation: Installation, app: pyotp.TOTP) -> Browser:
    """A browser that is not asked for a second factor any more."""
    browser = installation.browser()
    step = LoginPage.of(await browser.sign_in())
    code = app.at(int(installation.clock()))
    await browser.submit(step, step="prove", otp=code, remember="1")
    assert await is_spared(browser)
    return browser


async def is_spared(browser: Browser) -> bool:
    await browser.http.get("/logout")
    return (await browser.sign_in()).status_code == 303


async def test_remembered_devices_end_when_the_app_is_replaced(
    installation: Installation,
) -> None:
    browser = await signed_in(installation)
    app = await set_up_app(installation, browser)
    installation.clock.advance(60)
    spared = await remembered(installation, app)
    await set_up_app(installation, browser)
    assert not await is_spared(spared)


@pytest.mark.parametrize("factor", ["authenticator", "passkey"])
async def test_remembered_devices_end_with_any_factor(
    installation: Installation, factor: str
) -> None:
    """With the one that is left, they are asked again."""
    browser, authenticator = await signed_in(installation), Authenticator()
    app = await set_up_app(installation, browser)
    await add_passkey(browser, authenticator)
    installation.clock.advance(60)
    spared = await remembered(installation, app)
    if factor == "authenticator":
        await browser.post_to_account("/authenticator/remove")
    else:
        (passkey,) = values((await browser.account()).text, "passkey")
        await browser.post_to_account("/passkeys/remove", {"passkey": passkey})
    assert not await is_spared(spared)


async def test_r83_a_remembered_device_gives_the_second_factor_all_the_same(
    installation: Installation,
) -> None:
    app = await set_up_app(installation, await signed_in(installation))
    installation.clock.advance(60)
    browser = installation.browser()
    step = await browser.sign_in()
    code = app.at(int(installation.clock()))
    await browser.submit(LoginPage.of(step), step="prove", otp=code, remember="1")
    installation.clock.advance(700)
    login = LoginPage.of(await browser.account("/authenticator"))
    step = await browser.submit(login, username=USERNAME, password=PASSWORD)
    assert title(step) == "Confirm that it is you"
    code = app.at(int(installation.clock()))
    response = await browser.submit(LoginPage.of(step), step="prove", otp=code)
    page = await browser.http.get(response.headers["location"])
    assert title(page) == "Set up an authenticator app"
