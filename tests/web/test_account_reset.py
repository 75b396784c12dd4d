"""The pages for a forgotten password: a link by mail or from an administrator."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import structlog
from tests.installation import (
    PASSWORD,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    assert_page,
    csrf_of,
    installed,
)
from tests.mail_server import MailServer, mail_server

from worksgate.administration.users import Identified
from worksgate.audit import Event
from worksgate.web.pages.catalogues import LANGUAGES

NEW_PASSWORD = "seven green ladders sing"


@dataclass
class Office:
    """An installation that can send mail, and where the mail goes."""

    installation: Installation
    mail: MailServer


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with mail_server() as server:
        async with installed(
            tmp_path, smtp_url=server.url, mail_from="sso@example.com"
        ) as installation:
            await installation.administration.users.change(USERNAME, email=USERNAME)
            yield Office(installation, server)


def heading(response: httpx2.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", response.text)
    assert found is not None, response.text
    return html.unescape(found[1])


async def ask(browser: Browser, typed: str) -> httpx2.Response:
    form = await browser.account("/forgot")
    assert heading(form) == "Forgot your password?"
    fields = {"csrf": csrf_of(form), "username": typed}
    answer = await browser.http.post(f"{browser.path}/account/forgot", data=fields)
    return await browser.to_page(answer)


async def choose(browser: Browser, link: str, password: str) -> httpx2.Response:
    page = LoginPage.of(await browser.http.get(link))
    return await browser.submit(page, step="reset", new_password=password)


async def link_for(installation: Installation) -> str:
    return await installation.administration.users.issue_reset_link(USERNAME)


def told(response: httpx2.Response) -> tuple[int, str, list[str]]:
    """All that an answer says to whoever asked."""
    kept = [name for name in response.headers if name not in ("set-cookie", "date")]
    return response.status_code, response.text, sorted(kept)


async def test_a_forgotten_password_is_replaced_by_mail(office: Office) -> None:
    browser = office.installation.browser()
    login = await browser.login_page()
    found = re.search(r'href="([^"]*)">Forgot your password\?', login.response.text)
    assert found is not None
    assert urlsplit(found[1]).path == "/account/forgot"
    assert heading(await ask(browser, USERNAME)) == "Check your email"
    (mail,) = await office.mail.wait_for(1)
    response = await choose(office.installation.browser(), mail.link, NEW_PASSWORD)
    assert_page(response, 200)
    assert heading(response) == "Your password was changed"
    assert await office.installation.browser().code(password=NEW_PASSWORD)
    assert (await browser.sign_in()).status_code == 403
    await office.mail.wait_for(2)
    assert [str(mail.message["subject"]) for mail in office.mail.received] == [
        "Choose a new password for LINE WORKS",
        "Your password for LINE WORKS was changed",
    ]


async def test_r79_the_answer_is_the_same_for_everybody(office: Office) -> None:
    answers = [
        told(await ask(office.installation.browser(), typed))
        for typed in (USERNAME, "nobody@example.com", "", "x" * 300, "<script>")
    ]
    assert len({repr(answer) for answer in answers}) == 1


async def test_a_mail_is_in_the_language_of_the_page(office: Office) -> None:
    browser = office.installation.browser()
    form = await browser.account("/forgot", lang="ja")
    fields = {"csrf": csrf_of(form), "username": USERNAME}
    answer = await browser.http.post("/account/forgot?lang=ja", data=fields)
    response = await browser.to_page(answer)
    assert response.headers["content-language"] == "ja"
    (mail,) = await office.mail.wait_for(1)
    assert "パスワード" in str(mail.message["subject"])


async def test_r21_nobody_can_be_made_to_ask(office: Office) -> None:
    browser = office.installation.browser()
    token = csrf_of(await browser.account("/forgot"))
    for fields, headers in (
        ({"csrf": ""}, {}),
        ({"csrf": csrf_of(await office.installation.browser().account("/forgot"))}, {}),
        ({"csrf": token}, {"origin": "https://evil.example"}),
    ):
        data = {**fields, "username": USERNAME}
        response = await browser.http.post("/account/forgot", data=data, headers=headers)
        assert_page(response, 403)
    await office.installation.provider.audit.flush()
    assert await office.installation.audit(event=Event.PASSWORD_RESET_REQUESTED) == []


async def test_where_no_mail_can_be_sent_nothing_is_promised(installation: Installation) -> None:
    browser = installation.browser()
    assert "Forgot your password?" not in (await browser.login_page()).response.text
    assert_page(await browser.account("/forgot"), 404)


async def test_an_administrators_link_works_where_no_mail_can_be_sent(
    anywhere: Installation,
) -> None:
    link = await link_for(anywhere)
    response = await choose(anywhere.browser(), link, NEW_PASSWORD)
    assert heading(response) == "Your password was changed"
    assert f'href="{anywhere.path}/account"' in response.text
    assert await anywhere.browser().code(password=NEW_PASSWORD)


async def test_r84_a_link_works_once_and_looking_does_not_use_it_up(
    installation: Installation,
) -> None:
    link = await link_for(installation)
    for _ in range(3):
        page = await installation.browser().http.get(link)
        assert heading(page) == "Choose your own password"
    browser = installation.browser()
    form = LoginPage.of(await browser.http.get(link))
    assert (await browser.submit(form, new_password=NEW_PASSWORD)).status_code == 200
    again = await browser.submit(form, new_password="nine other green ladders")
    for response in (again, await browser.http.get(link)):
        assert_page(response, 410)
        assert heading(response) == "This link does not work any more"
        assert "Ask for a new" not in response.text  # nobody could be asked here
        assert "Ask your administrator for a new one." in response.text
    assert await installation.browser().code(password=NEW_PASSWORD)


async def test_r84_a_link_dies_after_half_an_hour(office: Office) -> None:
    link = await link_for(office.installation)
    browser = office.installation.browser()
    form = LoginPage.of(await browser.http.get(link))
    office.installation.clock.advance(1_801)
    for response in (
        await browser.http.get(link),
        await browser.submit(form, new_password=NEW_PASSWORD),
    ):
        assert_page(response, 410)
        assert 'href="/account/forgot"' in response.text
    assert await office.installation.browser().code()


async def type_code(browser: Browser, typed: str) -> httpx2.Response:
    fields = {"csrf": csrf_of(await browser.account("/code")), "code": typed}
    answer = await browser.http.post(f"{browser.path}/account/code", data=fields)
    assert answer.status_code == 303
    return await browser.http.get(answer.headers["location"])


async def code_for(installation: Installation) -> str:
    users = installation.administration.users
    return await users.issue_reset_code(USERNAME, Identified.CALLED_BACK)


async def test_r233_a_code_that_was_read_out_chooses_a_password_once(
    anywhere: Installation,
) -> None:
    code, browser = await code_for(anywhere), anywhere.browser()
    form = LoginPage.of(await type_code(browser, f" {code.upper().replace('-', ' ')} "))
    assert heading(form.response) == "Choose your own password"
    response = await browser.submit(form, step="reset", new_password=NEW_PASSWORD)
    assert heading(response) == "Your password was changed"
    assert await anywhere.browser().code(password=NEW_PASSWORD)
    again = await type_code(anywhere.browser(), code)
    assert_page(again, 403)
    assert "This code is not valid." in again.text


async def test_r233_a_code_lasts_for_a_quarter_of_an_hour(installation: Installation) -> None:
    code = await code_for(installation)
    installation.clock.advance(901)
    for typed in (code, "", "0000-0000-0000", "x" * 300, "\0"):
        assert_page(await type_code(installation.browser(), typed), 403)
    assert code.replace("-", "") not in repr(installation.rows("SELECT * FROM interims"))


async def test_r21_a_code_is_typed_on_our_own_page(installation: Installation) -> None:
    code, browser = await code_for(installation), installation.browser()
    token = csrf_of(await browser.account("/code"))
    for fields, headers in (
        ({"csrf": ""}, {}),
        ({"csrf": token}, {"origin": "https://evil.example"}),
    ):
        data = {**fields, "code": code}
        answer = await browser.http.post("/account/code", data=data, headers=headers)
        assert_page(answer, 403)


@pytest.mark.parametrize("query", ["", "?token=", "?token=x", "?token=%00", "?token=a&token=b"])
async def test_an_unknown_link_is_reported(installation: Installation, query: str) -> None:
    response = await installation.browser().account(f"/reset{query}")
    assert_page(response, 410)


async def test_r70_r72_a_weak_password_keeps_the_link_good(installation: Installation) -> None:
    link = await link_for(installation)
    for weak, why in (
        ("short", "Use at least 15 characters."),
        ("", "Use at least 15 characters."),
        ("password password password", "This password is too common"),
        (f"{USERNAME} 1", "made of names that belong to you"),
    ):
        response = await choose(installation.browser(), link, weak)
        assert_page(response, 403)
        assert "This password cannot be used." in response.text
        assert why in response.text
    assert (await choose(installation.browser(), link, NEW_PASSWORD)).status_code == 200


async def test_r21_a_link_cannot_be_used_from_another_site(installation: Installation) -> None:
    link = await link_for(installation)
    browser = installation.browser()
    form = LoginPage.of(await browser.http.get(link))
    data = form.form(new_password=NEW_PASSWORD)
    for changes, headers in (
        ({"csrf": ""}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ):
        answer = await browser.http.post(form.action, data={**data, **changes}, headers=headers)
        assert_page(answer, 403)
    assert await installation.browser().code(password=PASSWORD)


async def test_r10_the_secret_of_a_link_goes_nowhere_and_into_no_log(
    installation: Installation,
) -> None:
    link = await link_for(installation)
    (secret,) = parse_qs(urlsplit(link).query)["token"]
    browser = installation.browser()
    with structlog.testing.capture_logs() as logs:
        page = await browser.http.get(link)
        await choose(browser, link, NEW_PASSWORD)
        await choose_again(browser, page)
        with installation.locked():
            await browser.http.get(link)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count(secret) == 1
    assert secret not in repr(logs)
    assert secret not in repr(await installation.audit())
    assert all(secret not in repr(row) for row in installation.rows("SELECT * FROM interims"))


async def choose_again(browser: Browser, page: httpx2.Response) -> None:
    response = await browser.submit(LoginPage.of(page), new_password=NEW_PASSWORD)
    assert response.status_code == 410


async def test_the_page_behind_a_link_changes_its_language_and_keeps_its_secret(
    installation: Installation,
) -> None:
    browser = installation.browser()
    form = LoginPage.of(await browser.http.get(await link_for(installation)))
    assert "?lang=" not in form.response.text.partition("</form>")[2]
    page = await browser.submit(form, language="ja", new_password="")
    assert page.headers["content-language"] == "ja"
    response = await browser.submit(LoginPage.of(page), new_password=NEW_PASSWORD)
    assert response.headers["content-language"] == "ja"
    assert await installation.browser().code(password=NEW_PASSWORD)


async def test_what_follows_a_form_can_be_read_in_every_language(office: Office) -> None:
    browser = office.installation.browser()
    response = await ask(browser, USERNAME)
    for language in (*LANGUAGES[1:], "en"):
        found = re.search(rf'<a href="([^"]*lang={language})"', response.text)
        if found is not None:
            response = await browser.http.get("/account/forgot" + html.unescape(found[1]))
            assert response.headers["content-language"] == language
            assert response.status_code == 200
    assert len(office.mail.received) <= 1


async def test_a_reset_signs_nobody_in_and_ends_all_sessions(installation: Installation) -> None:
    old = installation.browser()
    await old.code()
    browser = installation.browser()
    await choose(browser, await link_for(installation), NEW_PASSWORD)
    assert not await browser.is_signed_in()
    assert not await old.is_signed_in()
