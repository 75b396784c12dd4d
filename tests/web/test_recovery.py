"""Changed credentials over HTTP: notices, “this was not me”, and what is revoked."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyotp
import pytest
from tests.installation import (
    PASSWORD,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    application_of,
    assert_page,
    csrf_of,
    installed,
)
from tests.mail_server import MailServer, Received, mail_server
from tests.provider.factors.authenticator import Authenticator
from tests.web.test_account import (
    add_passkey,
    app_of,
    is_login,
    set_up_app,
    signed_in,
    title,
    values,
)
from tests.web.test_imap_login import ask
from tests.web.test_sign_in_steps import step_of

from worksgate.directory.endings import Endings
from worksgate.provider.account.disavowal import LIFETIME, PER_NETWORK
from worksgate.provider.factors import app_password_lapse
from worksgate.sources import Person
from worksgate.web.pages.catalogues import LANGUAGES, translations

DAY = 86_400.0
NEW_PASSWORD = "seven green ladders sing"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)


@dataclass
class Company:
    """An installation that sends mail, and the mailbox of its one person."""

    site: Installation
    post: MailServer

    async def mails(self, count: int) -> list[Received]:
        """The mails once there are so many; no more have come."""
        found = await self.post.wait_for(count)
        assert len(found) == count, [str(mail.message["Subject"]) for mail in found]
        return found

    async def mail(self, number: int) -> Received:
        return (await self.mails(number))[-1]

    async def subjects(self, count: int) -> list[str]:
        return sorted(str(mail.message["Subject"]) for mail in await self.mails(count))

    async def add_app_password(self, browser: Browser) -> str:
        """A new app password, as it is shown."""
        response = await browser.post_to_account("/app-passwords", {"name": "Mail"})
        found = re.search(r'id="app-password">([^<]+)<', response.text)
        assert found is not None, response.text
        return found[1]

    async def works(self, app_password: str) -> bool:
        return (await ask(self.site, password=app_password)).status_code == 200


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    async with opened(tmp_path) as company:
        yield company


@asynccontextmanager
async def opened(folder: Path, **settings: object) -> AsyncIterator[Company]:
    with mail_server() as post:
        chosen: dict[str, Any] = {
            "smtp_url": post.url,
            "mail_from": "sso@example.com",
            "support_url": "mailto:help@example.com",
            **settings,
        }
        async with installed(folder, **chosen) as site:
            await site.administration.users.change(USERNAME, email=USERNAME)
            await site.change_client(imap_login=True)
            yield Company(site, post)


def path_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


async def press(browser: Browser, link: str) -> httpx2.Response:
    """Open the link of a notice and press its button."""
    page = await browser.http.get(path_of(link))
    assert_page(page, 200)
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return await browser.http.post(
        f"{browser.path}/account/not-me", data={"csrf": csrf_of(page), "token": token}
    )


# Who is told


async def test_r126_each_change_on_the_account_pages_is_reported_by_mail(company: Company) -> None:
    browser = await signed_in(company.site)
    await set_up_app(company.site, browser)
    assert await company.subjects(1) == ["An authenticator app was added for LINE WORKS"]
    await add_passkey(browser, Authenticator())
    await browser.post_to_account("/recovery-codes")
    await browser.post_to_account("/authenticator/remove")
    await company.add_app_password(browser)
    text = (await browser.account()).text
    (passkey,), (app_password,) = values(text, "passkey"), values(text, "app_password")
    await browser.post_to_account("/app-passwords/remove", {"app_password": app_password})
    await browser.post_to_account("/passkeys/remove", {"passkey": passkey})
    fields = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await browser.post_to_account("/password", fields)
    assert await company.subjects(8) == [
        "A passkey for LINE WORKS was added",
        "A passkey for LINE WORKS was removed",
        "An app password for LINE WORKS was created",
        "An app password for LINE WORKS was removed",
        "An authenticator app was added for LINE WORKS",
        "New recovery codes for LINE WORKS",
        "Your authenticator app for LINE WORKS was removed",
        "Your password for LINE WORKS was changed",
    ]
    await browser.post_to_account("/sessions/end-everything")
    mail = await company.mail(9)
    assert mail.message["Subject"] == "You were signed out of LINE WORKS everywhere"
    assert {each.recipients for each in company.post.received} == {(USERNAME,)}


async def test_r126_a_factor_that_is_set_up_during_a_sign_in_is_reported_and_so_is_a_used_code(
    company: Company,
) -> None:
    await company.site.change_client(second_factor="required")
    browser = company.site.browser()
    response = await browser.sign_in()
    page = step_of(response, "Set up two-step verification")
    key = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', response.text)
    assert key is not None
    app = pyotp.TOTP(key[1].replace(" ", ""))
    response = await browser.submit(page, step="enrol", otp=app.at(int(company.site.clock())))
    codes = re.findall(r"<li><code>([^<]+)</code>", response.text)
    assert await company.subjects(1) == ["An authenticator app was added for LINE WORKS"]
    another = company.site.browser()
    page = LoginPage.of(await another.sign_in())
    await another.submit(page, step="prove", recovery=codes[0])
    assert await company.subjects(2) == [
        "A recovery code for LINE WORKS was used",
        "An authenticator app was added for LINE WORKS",
    ]


async def test_r126_an_administrators_changes_are_told_and_the_command_hears_of_it(
    company: Company,
) -> None:
    administration = company.site.administration
    browser = await signed_in(company.site)
    await set_up_app(company.site, browser)
    await administration.users.set_password(USERNAME, NEW_PASSWORD)
    await administration.people.reset_factors(USERNAME)
    await administration.people.end_everything(USERNAME)
    assert await company.subjects(4) == [
        "An administrator set your password for LINE WORKS",
        "An authenticator app was added for LINE WORKS",
        "You were signed out of LINE WORKS everywhere",
        "Your two-step verification for LINE WORKS was removed",
    ]
    texts = [mail.text for mail in company.post.received if "By: An administrator" in mail.text]
    assert len(texts) == 3
    await administration.users.disable(USERNAME)
    await administration.users.remove(USERNAME)
    await company.mails(4)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_r126_notice_is_in_the_language_of_the_browser_with_its_name_and_address(
    company: Company, language: str
) -> None:
    browser = await signed_in(company.site)
    token = csrf_of(await browser.account())
    await browser.http.post(
        f"/account/app-passwords?lang={language}",
        data={"csrf": token, "name": "Mail"},
        headers={"user-agent": CHROME},
    )
    mail = await company.mail(1)
    subject = translations(language).gettext("An app password for %(product)s was created")
    assert mail.message["Subject"] == subject % {"product": "LINE WORKS"}
    assert "Chrome" in mail.text
    assert "203.0.113.7" in mail.text


async def test_somebody_without_an_address_changes_things_all_the_same(company: Company) -> None:
    await company.site.administration.users.change(USERNAME, email="")
    browser = await signed_in(company.site)
    assert await company.works(await company.add_app_password(browser))
    await company.mails(0)


# This was not me


async def test_r127_opening_the_link_changes_nothing_however_often(company: Company) -> None:
    browser = await signed_in(company.site)
    app_password = await company.add_app_password(browser)
    link = (await company.mail(1)).link
    scanner = company.site.browser(address="198.51.100.1")
    for _ in range(3):
        response = await scanner.http.get(path_of(link))
        assert_page(response, 200)
        assert title(response) == "Was this not you?"
    assert title(await browser.account()) == "Your account"
    assert await company.works(app_password)


async def test_r127_the_button_ends_everything_once(company: Company) -> None:
    browser = await signed_in(company.site)
    token = await company.site.access_token()
    app_password = await company.add_app_password(browser)
    link = (await company.mail(1)).link
    response = await press(company.site.browser(address="198.51.100.1"), link)
    assert_page(response, 200)
    assert title(response) == "Everything has been ended"
    assert "/account/forgot" in response.text
    assert "mailto:help@example.com" in response.text
    assert is_login(await browser.account())
    assert (await company.site.user_info(token)).status_code != 200
    assert not await company.works(app_password)
    assert (await company.site.browser().sign_in()).status_code == 403
    again = await company.site.browser().http.get(path_of(link))
    assert_page(again, 410)
    mail = await company.mail(2)
    assert mail.message["Subject"] == "Your account for LINE WORKS was secured"
    assert "http" not in mail.text
    details = [event.detail for event in await company.site.audit(event="user.changed")]
    assert "“this was not me”: the password was voided" in details
    assert await company.site.audit(event="app_password.removed")


async def test_r127_a_reset_link_of_the_mailbox_opens_an_account_that_lost_no_factor(
    company: Company,
) -> None:
    browser = await signed_in(company.site)
    await company.add_app_password(browser)
    await press(company.site.browser(), (await company.mail(1)).link)
    await company.mails(2)
    other = company.site.browser()
    token = csrf_of(await other.http.get("/account/forgot"))
    await other.http.post("/account/forgot", data={"csrf": token, "username": USERNAME})
    assert "reset?token=" in (await company.mail(3)).text


async def test_r127_where_a_factor_goes_the_mailbox_alone_opens_nothing(company: Company) -> None:
    """A thief of the mailbox must not take the factor away and have a reset link sent."""
    browser = await signed_in(company.site)
    await set_up_app(company.site, browser)
    response = await press(company.site.browser(), (await company.mail(1)).link)
    assert "Your account stays closed." in html.unescape(response.text)
    await company.mails(2)
    assert company.site.rows("SELECT 1 FROM totp_secrets") == []
    other = company.site.browser()
    token = csrf_of(await other.http.get("/account/forgot"))
    await other.http.post("/account/forgot", data={"csrf": token, "username": USERNAME})
    events = await company.site.audit(event="password_reset.requested")
    while not events:
        events = await company.site.audit(event="password_reset.requested")
    assert events[0].detail == "nobody with this name can get e-mail"
    await company.mails(2)
    assert not (await company.site.administration.users.get(USERNAME)).enabled


async def test_r127_a_factor_that_is_added_while_the_link_is_used_goes_and_closes_the_account(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await signed_in(company.site)
    await company.add_app_password(browser)
    link = (await company.mail(1)).link
    newer_factors = Endings.newer_factors

    async def added_after(endings: Endings, subject_id: str, since: float) -> int:
        found = await newer_factors(endings, subject_id, since)
        await set_up_app(company.site, browser)
        return found

    monkeypatch.setattr(Endings, "newer_factors", added_after)
    response = await press(company.site.browser(), link)
    assert "Your account stays closed." in html.unescape(response.text)
    assert company.site.rows("SELECT 1 FROM totp_secrets") == []
    assert not (await company.site.administration.users.get(USERNAME)).enabled


async def test_r127_a_factor_from_before_the_change_stays(company: Company) -> None:
    browser = await signed_in(company.site)
    await set_up_app(company.site, browser)
    company.site.clock.advance(60)
    await company.add_app_password(browser)
    mails = await company.mails(2)
    (link,) = [mail.link for mail in mails if "app password" in str(mail.message["Subject"])]
    await press(company.site.browser(), link)
    assert len(company.site.rows("SELECT 1 FROM totp_secrets")) == 1
    assert (await company.site.administration.users.get(USERNAME)).enabled


async def test_r127_a_thief_with_a_session_cannot_take_the_link_away(company: Company) -> None:
    thief = await signed_in(company.site)
    await company.add_app_password(thief)
    link = (await company.mail(1)).link
    await thief.post_to_account("/sessions/end-all")
    assert title(await press(company.site.browser(), link)) == "Everything has been ended"


async def test_r127_the_other_links_of_the_person_go_with_the_first(company: Company) -> None:
    browser = await signed_in(company.site)
    await company.add_app_password(browser)
    await company.add_app_password(browser)
    first, second = [mail.link for mail in await company.mails(2)]
    await press(company.site.browser(), first)
    assert (await company.site.browser().http.get(path_of(second))).status_code == 410


async def test_r127_a_link_expires(company: Company) -> None:
    browser = await signed_in(company.site)
    await company.add_app_password(browser)
    link = (await company.mail(1)).link
    company.site.clock.advance(LIFETIME - 60)
    assert (await company.site.browser().http.get(path_of(link))).status_code == 200
    company.site.clock.advance(120)
    assert (await company.site.browser().http.get(path_of(link))).status_code == 410


async def test_r127_no_link_is_guessed_without_end(company: Company) -> None:
    browser = company.site.browser()
    statuses = [
        (await browser.http.get("/account/not-me?token=guess")).status_code
        for _ in range(PER_NETWORK + 1)
    ]
    assert statuses == [410] * PER_NETWORK + [429]


async def test_r127_guesses_from_the_same_network_keep_nobody_from_their_link(
    company: Company,
) -> None:
    await company.add_app_password(await signed_in(company.site))
    link = (await company.mail(1)).link
    neighbour = company.site.browser()
    for _ in range(PER_NETWORK + 1):
        refused = await neighbour.http.get("/account/not-me?token=guess")
    assert refused.status_code == 429
    assert title(await press(company.site.browser(), link)) == "Everything has been ended"


async def test_r136_links_that_are_none_leave_nothing_in_the_store(company: Company) -> None:
    counters = "SELECT name FROM counters"
    before = company.site.rows(counters)
    for number in range(5):
        stranger = company.site.browser(address=f"2001:db8:{number}::1")
        assert (await stranger.http.get("/account/not-me?token=guess")).status_code == 410
    assert company.site.rows(counters) == before


async def test_r127_another_language_of_the_page_ends_nothing(company: Company) -> None:
    app_password = await company.add_app_password(await signed_in(company.site))
    link = (await company.mail(1)).link
    (token,) = parse_qs(urlsplit(link).query)["token"]
    browser = company.site.browser()
    page = await browser.http.get(path_of(link))
    assert token not in re.sub(r'name="token" value="[^"]+"', "", page.text)
    other = await browser.http.post(
        f"{browser.path}/account/not-me",
        data={"csrf": csrf_of(page), "token": token, "language": "ja"},
    )
    assert other.status_code == 303
    shown = await browser.http.get(other.headers["location"])
    assert shown.headers["content-language"] == "ja"
    assert await company.works(app_password)
    assert title(await press(company.site.browser(), link)) == "Everything has been ended"


async def test_the_name_of_the_product_stays_on_one_line_of_the_title_of_a_mail(
    company: Company,
) -> None:
    await set_up_app(company.site, await signed_in(company.site))
    (mail,) = await company.mails(1)
    assert "was added for LINE\N{NO-BREAK SPACE}WORKS</h1>" in mail.html
    assert str(mail.message["Subject"]).endswith("was added for LINE WORKS")


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {}])
async def test_r127_no_other_site_presses_the_button(
    company: Company, headers: Mapping[str, str]
) -> None:
    browser = await signed_in(company.site)
    app_password = await company.add_app_password(browser)
    (token,) = parse_qs(urlsplit((await company.mail(1)).link).query)["token"]
    response = await company.site.browser().http.post(
        "/account/not-me", data={"csrf": "x", "token": token}, headers=headers
    )
    assert_page(response, 403)
    assert await company.works(app_password)


async def test_r127_another_link_of_ours_is_none_of_these(company: Company) -> None:
    link = await company.site.administration.users.issue_reset_link(USERNAME)
    (token,) = parse_qs(urlsplit(link).query)["token"]
    response = await company.site.browser().http.get(f"/account/not-me?token={token}")
    assert response.status_code == 410
    assert (await company.site.browser().http.get(path_of(link))).status_code == 200


async def test_the_link_is_kept_as_a_digest(company: Company) -> None:
    browser = await signed_in(company.site)
    await company.add_app_password(browser)
    (token,) = parse_qs(urlsplit((await company.mail(1)).link).query)["token"]
    assert token not in company.site.database.read_bytes().decode("latin-1")


# What ends with what


async def test_r128_a_reset_link_and_a_password_of_an_administrator_end_app_passwords(
    company: Company,
) -> None:
    administration = company.site.administration
    app_password = await company.add_app_password(await signed_in(company.site))
    assert await company.works(app_password)
    link = await administration.users.issue_reset_link(USERNAME)
    browser = company.site.browser()
    page = LoginPage.of(await browser.http.get(path_of(link)))
    response = await browser.submit(page, new_password=NEW_PASSWORD)
    assert title(response) == "Your password was changed"
    assert not await company.works(app_password)
    await browser.sign_in_to_account(password=NEW_PASSWORD)
    another = await company.add_app_password(browser)
    assert await company.works(another)
    await administration.users.set_password(USERNAME, PASSWORD)
    assert not await company.works(another)


@pytest.mark.parametrize("keep", [False, True])
async def test_r128_an_own_change_asks_about_app_passwords(company: Company, *, keep: bool) -> None:
    browser = await signed_in(company.site)
    assert "keep_app_passwords" not in (await browser.account("/password")).text
    app_password = await company.add_app_password(browser)
    form = (await browser.account("/password")).text
    assert re.search(r'name="keep_app_passwords" value="1">', form)  # not ticked
    fields = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    chosen = {"keep_app_passwords": "1"} if keep else {}
    await browser.post_to_account("/password", {**fields, **chosen})
    assert await company.works(app_password) is keep


async def test_r127_the_person_ends_everything_with_a_fresh_sign_in(company: Company) -> None:
    browser, other = await signed_in(company.site), await signed_in(company.site)
    assert "end-everything" not in (await browser.account()).text
    app_password = await company.add_app_password(browser)
    assert "end-everything" in (await browser.account()).text
    await browser.post_to_account("/sessions/end-everything")
    assert is_login(await browser.account())
    assert is_login(await other.account())
    assert not await company.works(app_password)


async def test_r127_disabling_somebody_ends_their_app_passwords_for_good(company: Company) -> None:
    app_password = await company.add_app_password(await signed_in(company.site))
    await company.site.administration.users.disable(USERNAME)
    await company.site.administration.users.enable(USERNAME)
    assert not await company.works(app_password)


# What is said of mail programs


@pytest.mark.parametrize(("passwords", "told"), [("all", True), ("app_passwords", False)])
async def test_a_first_factor_says_that_it_cuts_off_mail_programs(
    company: Company,
    passwords: str,
    told: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    site = company.site
    await site.change_client(imap_passwords=passwords)
    browser = await signed_in(site)
    for page in ("/authenticator", "/passkeys"):
        shown = (await browser.account(page)).text
        assert ("Mail programs will be signed out" in shown) is told
    app = app_of(await browser.account("/authenticator"))
    response = await browser.post_to_account("/authenticator", {"otp": app.at(int(site.clock()))})
    assert ("Your mail programs need an app password now" in response.text) is told
    assert ('href="/account/app-passwords"' in response.text) is told
    assert "Mail programs will be signed out" not in (await browser.account("/passkeys")).text


# People of other sources


class Elsewhere:
    """A source of passwords that knows one person, and may not be able to look them up."""

    name = "elsewhere"

    def __init__(self, *, finds: bool) -> None:
        self._finds = finds
        self.person = Person(
            subject_id="elsewhere:1",
            username="hana@example.com",
            name="Hana",
            external_key="E-1",
            works_account="hana@example.com",
            email="hana@example.com",
        )

    async def authenticate(self, username: str, password: str) -> Person | None:
        return self.person if (username, password) == ("hana@example.com", PASSWORD) else None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return self.person if self._finds else last_seen


@asynccontextmanager
async def elsewhere(folder: Path, *, finds: bool, **settings: object) -> AsyncIterator[Company]:
    """A company whose people are of a source of its own."""
    async with opened(folder, **settings) as company:
        site = company.site
        application = application_of(
            site.settings, sources=[Elsewhere(finds=finds)], clock=site.clock
        )
        await application.start()
        served = replace(site, application=application, _http=[])
        try:
            yield Company(served, company.post)
        finally:
            await served.close()
            await application.close()


async def hana(company: Company) -> Browser:
    browser = company.site.browser()
    await browser.sign_in_to_account("hana@example.com", PASSWORD)
    return browser


async def works_for_hana(company: Company, app_password: str) -> bool:
    response = await ask(company.site, "hana@example.com", app_password)
    return response.status_code == 200


@pytest.mark.parametrize(
    ("finds", "lapse", "days", "works"),
    [
        (False, 30 * DAY, 29, True),
        (False, 30 * DAY, 31, False),
        (False, 7 * DAY, 8, False),
        (False, 0, 3_000, True),
        (True, 30 * DAY, 3_000, True),
    ],
)
async def test_r129_app_passwords_lapse_where_the_source_cannot_be_asked(
    tmp_path: Path,
    finds: bool,  # noqa: FBT001  # a parameter of the test
    lapse: float,
    days: int,
    works: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    async with elsewhere(tmp_path, finds=finds, app_password_lapse=lapse) as company:
        browser = await hana(company)
        app_password = await company.add_app_password(browser)
        says_until = "They work until" in (await browser.account()).text
        assert says_until is (not finds and lapse > 0)
        assert await works_for_hana(company, app_password)
        company.site.clock.advance(days * DAY)
        assert await works_for_hana(company, app_password) is works
        await hana(company)  # a sign-in at the source counts
        assert await works_for_hana(company, app_password)


@pytest.fixture
def at_every_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_password_lapse, "EVERY", 0.02)


async def quiet(company: Company, mails: int) -> None:
    """No mail comes beyond these."""
    await asyncio.sleep(0.3)
    assert len(company.post.received) == mails


@pytest.mark.usefixtures("at_every_moment")
async def test_r144_a_week_before_app_passwords_lapse_their_owner_gets_one_mail(
    tmp_path: Path,
) -> None:
    async with elsewhere(tmp_path, finds=False, app_password_lapse=30 * DAY) as company:
        app_password = await company.add_app_password(await hana(company))
        await company.mails(1)
        company.site.clock.advance(22.9 * DAY)
        await quiet(company, 1)
        company.site.clock.advance(0.2 * DAY)
        mail = await company.mail(2)
        assert mail.message["Subject"] == "Sign in to LINE WORKS to keep your app passwords"
        text = mail.text
        assert "stop working within a week" in " ".join(text.split())
        assert "sign in as usual" in text
        assert "If it was" not in text
        assert "http" not in text, "it has no link"
        company.site.clock.advance(3 * DAY)
        await quiet(company, 2)
        (recorded,) = await company.site.audit(event="app_password.lapsing")
        assert recorded.detail == "no sign-in for 23 days"
        assert await works_for_hana(company, app_password)
        await hana(company)
        company.site.clock.advance(22 * DAY)
        await quiet(company, 2)
        company.site.clock.advance(2 * DAY)
        await company.mails(3)


@pytest.mark.usefixtures("at_every_moment")
@pytest.mark.parametrize(
    ("finds", "lapse", "days"), [(True, 30, 29), (False, 30, 31), (False, 0, 300)]
)
async def test_r144_nobody_is_told_where_nothing_will_lapse(
    tmp_path: Path,
    finds: bool,  # noqa: FBT001  # a parameter of the test
    lapse: int,
    days: int,
) -> None:
    async with elsewhere(tmp_path, finds=finds, app_password_lapse=lapse * DAY) as company:
        await company.add_app_password(await hana(company))
        await company.mails(1)
        company.site.clock.advance(days * DAY)
        await quiet(company, 1)
        assert not await company.site.audit(event="app_password.lapsing")


@pytest.mark.usefixtures("at_every_moment")
async def test_r144_who_has_no_app_password_is_told_nothing(tmp_path: Path) -> None:
    async with elsewhere(tmp_path, finds=False, app_password_lapse=30 * DAY) as company:
        await hana(company)
        company.site.clock.advance(25 * DAY)
        await quiet(company, 0)


async def test_r127_people_of_another_source_keep_their_password_and_hear_where_to_change_it(
    tmp_path: Path,
) -> None:
    async with elsewhere(tmp_path, finds=True) as company:
        browser = await hana(company)
        app_password = await company.add_app_password(browser)
        response = await press(company.site.browser(), (await company.mail(1)).link)
        assert "Your password is kept by your company: change it there now" in response.text
        assert is_login(await browser.account())
        assert not await works_for_hana(company, app_password)
        assert title(await (await hana(company)).account()) == "Your account"


async def test_r127_people_of_another_source_stay_out_where_a_factor_went(tmp_path: Path) -> None:
    async with elsewhere(tmp_path, finds=True) as company:
        browser = await hana(company)
        await add_passkey(browser, Authenticator())
        response = await press(company.site.browser(), (await company.mail(1)).link)
        assert "until your administrator opens your account again" in response.text
        other = company.site.browser()
        login = LoginPage.of(await other.account())
        refused = await other.submit(login, username="hana@example.com", password=PASSWORD)
        assert refused.status_code == 403
