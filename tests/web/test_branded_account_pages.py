"""The pages and mails that belong to no sign-in, in the look of the client that they are about."""

import base64
import hashlib
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.installation import USERNAME, Browser, Installation, LoginPage, csrf_of, installed
from tests.mail_server import MailServer, mail_server
from tests.web.test_branded_sign_in_page import publish
from tests.web.test_headers import policy_of

NAME, USUAL = "光製作所 <b>", "Usual &amp; Co"
SHOWN = html.escape(NAME)
NEW_PASSWORD = "seven green ladders sing"


@dataclass
class Office:
    """An installation whose client has a branding, and where its mail goes."""

    installation: Installation
    mail: MailServer


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with mail_server() as server:
        async with installed(
            tmp_path,
            company_name="Usual & Co",
            smtp_url=server.url,
            mail_from="sso@example.com",
        ) as installation:
            await installation.administration.users.change(USERNAME, email=USERNAME)
            await publish(installation, name=NAME, light="#7a1f5c", dark="")
            yield Office(installation, server)


def assert_look(response: httpx2.Response, *, is_clients: bool) -> None:
    """A page shows the client or the company, and its policy allows just its own styles."""
    assert (SHOWN in response.text, USUAL in response.text) == (is_clients, not is_clients)
    assert ("--accent:#7a1f5c" in response.text) is is_clients
    styles = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digests = [hashlib.sha256(html.unescape(each).encode()).digest() for each in styles]
    hashes = {f"'sha256-{base64.b64encode(each).decode()}'" for each in digests}
    assert set(policy_of(response)["style-src"]) == hashes


async def ask(browser: Browser, link: str) -> httpx2.Response:
    """Ask for a reset link on the page at an address; the page that follows."""
    form = await browser.http.get(link)
    action = re.search(r'<form[^>]*action="([^"]*)"', form.text)
    assert action is not None
    fields = {"csrf": csrf_of(form), "username": USERNAME}
    answer = await browser.http.post(html.unescape(action[1]), data=fields)
    return await browser.http.get(answer.headers["location"])


async def test_r198_a_recovery_keeps_the_look_of_the_client_to_its_end(office: Office) -> None:
    browser = office.installation.browser()
    login = (await browser.login_page(lang="en")).response
    found = re.search(r'href="([^"]*)">Forgot your password\?', login.text)
    assert found is not None
    link = html.unescape(found[1])
    assert_look(await browser.http.get(link), is_clients=True)
    assert_look(await ask(browser, link), is_clients=True)
    (mail,) = await office.mail.wait_for(1)
    assert NAME in mail.text
    assert "Usual & Co" not in mail.text
    page = await browser.http.get(mail.link)
    assert_look(page, is_clients=True)
    last = await browser.submit(LoginPage.of(page), step="reset", new_password=NEW_PASSWORD)
    assert "Your password was changed" in last.text
    assert_look(last, is_clients=True)
    assert await office.installation.browser().code(password=NEW_PASSWORD)


@pytest.mark.parametrize("client", ["", "nobody", "&client=", "disabled", "of another source"])
async def test_r198_whoever_names_no_client_of_theirs_sees_the_company(
    office: Office, client: str
) -> None:
    installation = office.installation
    if client == "disabled":
        await installation.administration.clients.disable("Acme")
    elif client == "of another source":
        await installation.administration.clients.change("Acme", sources=["elsewhere"])
    if client in ("disabled", "of another source"):
        await installation.settle()
        client = installation.client.client.client_id
    browser = installation.browser()
    link = f"/account/forgot?lang=en&client={client}"
    assert_look(await browser.http.get(link), is_clients=False)
    assert_look(await ask(browser, link), is_clients=False)
    (mail,) = await office.mail.wait_for(1)
    assert "Usual & Co" in mail.text
    assert "client=" not in mail.link


async def test_r198_what_is_too_long_for_a_client_goes_into_no_other_address(
    office: Office,
) -> None:
    browser = office.installation.browser()
    for length, is_kept in ((64, True), (65, False)):
        page = await browser.http.get(f"/account/forgot?lang=en&client={'x' * length}")
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        assert action is not None
        assert ("client=x" in action[1]) is is_kept


async def test_r198_the_account_of_people_with_one_client_has_its_look(office: Office) -> None:
    installation = office.installation
    browser = installation.browser()
    assert_look(await browser.sign_in_to_account(), is_clients=True)
    assert_look(await browser.account("/password"), is_clients=True)
    other = await installation.administration.clients.add("Beta", sources=["elsewhere"])
    await installation.settle()
    assert_look(await browser.account(), is_clients=True)
    await installation.administration.clients.change(other.client.client_id, sources=[])
    await installation.settle()
    assert_look(await browser.account(), is_clients=False)


async def test_r198_a_notice_and_the_page_behind_it_have_the_look_of_the_only_client(
    office: Office,
) -> None:
    installation = office.installation
    await installation.administration.users.set_password(USERNAME, NEW_PASSWORD)
    (mail,) = await office.mail.wait_for(1)
    assert (NAME in mail.text, "Usual & Co" in mail.text) == (True, False)
    await installation.settle()
    browser = installation.browser()
    page = await browser.http.get(mail.link)
    assert_look(page, is_clients=True)
    secret = mail.link.rpartition("=")[2]
    fields = {"csrf": csrf_of(page), "token": secret}
    assert_look(await browser.http.post("/account/not-me", data=fields), is_clients=True)
    await office.mail.wait_for(2)  # that everything has been ended
    await installation.administration.clients.add("Beta", sources=[])
    await installation.settle()
    await installation.administration.users.set_password(USERNAME, "eight blue rivers run")
    (*_, last) = await office.mail.wait_for(3)
    assert (NAME in last.text, "Usual & Co" in last.text) == (False, True)
