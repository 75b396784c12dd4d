"""Every way in: what somebody reads on the way is in their language, fits a phone, and shuts nobody
out. The languages take turns.

One installation for all of it, with a real LDAP server, a real OpenID provider and a real mail
server. Each reader has accounts of their own, so that no test depends on another.
"""

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.authenticators import virtual_authenticator
from tests.browser.provider_pages import log_in_there, overlook_the_provider
from tests.browser.readers import Reader
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import (
    IN_LIGHT,
    IN_LIGHT_AND_DARK,
    OpenWindow,
    Window,
    overflow,
    submit_login,
    violations,
)
from tests.mail_server import MailServer, Received, mail_server
from tests.openid_provider.real import CLIENT_ID, CLIENT_SECRET, real_provider
from tests.slapd import PASSWORD as LDAP_PASSWORD
from tests.slapd import Authority, running_slapd

from worksgate.directory.credential_changes import Change
from worksgate.settings.sources import OidcSettings, SourceSettings
from worksgate.web.account.wording import MAIL_IS_COMING, PASSWORD_IS_NEW
from worksgate.web.pages.catalogues import LANGUAGES
from worksgate.web.pages.mails import CHOOSE, NOTICES, RESET_LINK
from worksgate.web.pages.wording import PROBLEMS, Problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "correct horse battery"
NEW_PASSWORD = "seven green ladders sing"
PRODUCT = {"product": "LINE WORKS"}
OF_PAGES = frozenset({"landmark-one-main", "page-has-heading-one", "region"})
"""Rules that a mail need not keep: the program that shows it is the page around it."""


@dataclass(frozen=True)
class House:
    """All that the ways in lead through."""

    premises: Premises
    post: MailServer

    async def move_in(self, way: str, reader: Reader, *groups: str) -> str:
        """Add somebody for this way; their username, which is their mail address and key, too."""
        username = f"{way}.{reader.language.lower()}@example.com"
        await self.premises.installation.administration.users.add(
            username,
            password=PASSWORD,
            name=NAMES[reader.language],
            external_key=username,
            email=username,
            groups=groups,
        )
        return username

    async def open_login(self, tab: Page, reader: Reader) -> None:
        await tab.goto(self.premises.login_url())
        await reader.sees(tab, "Sign in to %(product)s", **PRODUCT)

    async def give_password(self, tab: Page, reader: Reader, username: str) -> None:
        await self.open_login(tab, reader)
        await submit_login(tab, username, PASSWORD)

    async def let_in(self, tab: Page, key: str) -> None:
        """The browser is back at LINE WORKS, and LINE WORKS is told that it is this person."""
        await tab.wait_for_url(f"{self.premises.other.url}/cb?**")
        installation = self.premises.installation
        token = await installation.access_token(self.premises.codes[-1])
        answer = await installation.user_info(token)
        assert answer.json() == {"user_id": key}

    def webmail(self, mail: Received) -> str:
        """Show a mail as the page of another site; its path."""
        path = f"/pages/{len(self.premises.other.pages)}"
        self.premises.other.pages[path] = mail.html
        return path

    async def mail_to(self, address: str, number: int) -> Received:
        """The last of so many mails to this address."""
        total = len(self.post.received)
        while len(found := [m for m in self.post.received if m.recipients == (address,)]) < number:
            assert len(await self.post.wait_for(total := total + 1)) >= total
        assert len(found) == number
        return found[-1]


NAMES = {
    "en": "Robin Hill",
    "ja": "青井 葵",
    "ko": "김하늘",
    "zh-CN": "林晓晴",
    "zh-TW": "林曉晴",
}
READERS = 3
"""How many languages each way in is read in."""
TURNS = cycle(LANGUAGES)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Who is in the group ``careful`` needs a second factor."""
    folder = tmp_path_factory.mktemp("house")

    with ExitStack() as stack:
        post = stack.enter_context(mail_server())
        company = stack.enter_context(running_slapd(folder / "company", Authority(folder)))
        company.add_person("tanaka", employeeNumber="E-7", cn="田中 葵")

        def sources(url: str) -> tuple[SourceSettings, ...]:
            callbacks = [f"{url}/login/callback/partner"]
            provider = stack.enter_context(real_provider(callbacks))
            partner = OidcSettings(
                name="partner",
                label="Partner",
                issuer=provider.issuer,
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                external_key_claim="employee_number",
                scopes=("openid", "profile", "email", "groups"),
            )
            return (company.settings(), partner)

        async with open_premises(
            folder, "localhost", sources, smtp_url=post.url, mail_from="sso@example.com"
        ) as premises:
            rules = ["second_factor group=careful", "allow"]
            await premises.installation.change_client(rules=rules)
            yield House(premises, post)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The languages take turns: all of them for every way in would take too long."""
    if "reader" in metafunc.fixturenames:
        first, *others = islice(TURNS, READERS)
        readers = [Reader(first), *(Reader(each, sees_colors=False) for each in others)]
        metafunc.parametrize("reader", readers, ids=[each.language for each in readers])


@pytest_asyncio.fixture(loop_scope="session")
async def phone(open_window: OpenWindow, reader: Reader) -> Window:
    return await on_phone(open_window, reader)


async def on_phone(open_window: OpenWindow, reader: Reader) -> Window:
    size = {"width": 360, "height": 740}
    return await open_window(locale=reader.locale, viewport=size, reduced_motion="reduce")


async def judged(tab: Page, reader: Reader, *, but_for: frozenset[str] = frozenset()) -> None:
    """Nobody is shut out of this page, and it needs no scrolling sideways."""
    assert await overflow(tab) <= 0
    for scheme, looks in IN_LIGHT_AND_DARK if reader.sees_colors else IN_LIGHT:
        await tab.emulate_media(color_scheme=scheme)
        found = await violations(tab, looks)
        assert [each for each in found if json.loads(each)["id"] not in but_for] == [], scheme


async def press(tab: Page, name: str) -> None:
    await tab.get_by_role("button", name=name, exact=True).click()


async def set_up_app(house: House, tab: Page, reader: Reader) -> pyotp.TOTP:
    """Set up an authenticator app where the sign-in asks for it; the recovery codes come next."""
    await reader.sees(tab, "Set up two-step verification")
    await tab.get_by_text(reader.words("I cannot scan it")).click()
    await judged(tab, reader)
    key = await tab.locator("details .code").inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.get_by_label(reader.words("Code from the app")).fill(present_code(house, app))
    await press(tab, reader.words("Turn on"))
    await reader.sees(tab, "Keep your recovery codes")
    await judged(tab, reader)
    return app


def present_code(house: House, app: pyotp.TOTP) -> str:
    return app.at(int(house.premises.installation.clock()))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_sentence_that_was_forgotten_is_found(language: str) -> None:
    """The check of the pages: one in this language is fine until another's sentence is on it."""
    reader = Reader(language)
    page = f"{reader.words('Confirm that it is you')}\n{reader.words('Use a recovery code')}"
    assert reader.foreign_words(page) == []
    for other in set(LANGUAGES) - {language}:
        sentence = Reader(other).words(MAIL_IS_COMING.to_do)
        found = reader.foreign_words(f"{page}\n{sentence}")
        assert sentence in found
        assert all(each in sentence for each in found)  # its end is a sentence elsewhere, too


async def test_password(house: House, phone: Window, reader: Reader) -> None:
    username = await house.move_in("password", reader)
    tab = phone.tab
    await house.open_login(tab, reader)
    await tab.get_by_label(reader.words("User name")).fill(username)
    await tab.get_by_label(reader.words("Password"), exact=True).fill("wrong")
    await press(tab, reader.words("Sign in"))
    wrong = PROBLEMS[Problem.WRONG_PASSWORD]
    for sentence in (wrong.happened, wrong.to_do):
        await expect(tab.get_by_role("alert")).to_contain_text(reader.words(sentence))
    await reader.sees(tab, "Sign in to %(product)s", **PRODUCT)
    await judged(tab, reader)
    await tab.get_by_label(reader.words("Password"), exact=True).fill(PASSWORD)
    await press(tab, reader.words("Sign in"))
    await house.let_in(tab, username)


async def test_ldap(house: House, phone: Window, reader: Reader) -> None:
    await house.open_login(phone.tab, reader)
    await phone.tab.get_by_label(reader.words("User name")).fill("tanaka")
    await phone.tab.get_by_label(reader.words("Password"), exact=True).fill(LDAP_PASSWORD)
    await press(phone.tab, reader.words("Sign in"))
    await house.let_in(phone.tab, "E-7")


async def test_another_provider(house: House, phone: Window, reader: Reader) -> None:
    await house.open_login(phone.tab, reader)
    await judged(phone.tab, reader)
    await press(phone.tab, reader.words("Continue with %(provider)s", provider="Partner"))
    await log_in_there(phone.tab, "hanako")
    await house.let_in(phone.tab, "E-hanako")
    overlook_the_provider(phone)


async def test_authenticator_app(
    house: House, phone: Window, reader: Reader, open_window: OpenWindow
) -> None:
    username = await house.move_in("app", reader, "careful")
    await house.give_password(phone.tab, reader, username)
    app = await set_up_app(house, phone.tab, reader)
    await press(phone.tab, reader.words("I have kept them: continue"))
    await house.let_in(phone.tab, username)

    house.premises.installation.clock.advance(60)
    tab = (await on_phone(open_window, reader)).tab
    await house.give_password(tab, reader, username)
    await reader.sees(tab, "Confirm that it is you")
    await tab.get_by_label(reader.words("Code from your authenticator app")).fill("000000")
    await press(tab, reader.words("Verify"))
    wrong = reader.words(PROBLEMS[Problem.WRONG_CODE].happened)
    await expect(tab.get_by_role("alert")).to_contain_text(wrong)
    await reader.sees(tab, "Confirm that it is you")
    await judged(tab, reader)
    code = present_code(house, app)
    await tab.get_by_label(reader.words("Code from your authenticator app")).fill(code)
    await press(tab, reader.words("Verify"))
    await house.let_in(tab, username)


async def test_recovery_code(
    house: House, phone: Window, reader: Reader, open_window: OpenWindow
) -> None:
    username = await house.move_in("recovery", reader, "careful")
    await house.give_password(phone.tab, reader, username)
    await set_up_app(house, phone.tab, reader)
    code = await phone.tab.locator(".codes code").first.inner_text()

    tab = (await on_phone(open_window, reader)).tab
    await house.give_password(tab, reader, username)
    await reader.sees(tab, "Confirm that it is you")
    await tab.get_by_text(reader.words("Use a recovery code"), exact=True).click()
    await reader.sees(tab, "Confirm that it is you")
    await judged(tab, reader)
    await tab.get_by_label(reader.words("Recovery code"), exact=True).fill(code)
    await press(tab, reader.words("Use this code"))
    await house.let_in(tab, username)


async def test_passkey(house: House, phone: Window, reader: Reader) -> None:
    """It is made on the way in, asked for as the second factor, and stands for the password."""
    username = await house.move_in("passkey", reader, "careful")
    authenticator = await virtual_authenticator(phone)
    tab = phone.tab
    await house.give_password(tab, reader, username)
    await reader.sees(tab, "Set up two-step verification")
    await press(tab, reader.words("Create a passkey"))
    await reader.sees(tab, "Keep your recovery codes")
    await press(tab, reader.words("I have kept them: continue"))
    await house.let_in(tab, username)

    await authenticator.touched(yes=False)
    await tab.goto(f"{house.premises.url}/logout")
    await reader.sees(tab, "You are signed out")
    await house.give_password(tab, reader, username)
    await reader.sees(tab, "Confirm that it is you")
    await judged(tab, reader)
    await authenticator.touched(yes=True)
    await press(tab, reader.words("Use a passkey"))
    await house.let_in(tab, username)

    # Without the list that the browser would show at the name, there is the button.
    hide = "delete PublicKeyCredential.isConditionalMediationAvailable"
    await phone.context.add_init_script(hide)
    await tab.goto(f"{house.premises.url}/logout")
    await house.open_login(tab, reader)
    await press(tab, reader.words("Sign in with a passkey"))
    await house.let_in(tab, username)


async def test_reset_link_out_of_a_mail(house: House, phone: Window, reader: Reader) -> None:
    username = await house.move_in("reset", reader)
    tab = phone.tab
    await house.open_login(tab, reader)
    await tab.get_by_role("link", name=reader.words("Forgot your password?")).click()
    await reader.sees(tab, "Forgot your password?")
    await judged(tab, reader)
    await tab.get_by_label(reader.words("User name or email address")).fill(username)
    await press(tab, reader.words("Send me a link"))
    await reader.sees(tab, MAIL_IS_COMING.title)
    await judged(tab, reader)

    mail = await house.mail_to(username, 1)
    assert mail.message["Subject"] == reader.words(RESET_LINK.subject, **PRODUCT)
    assert reader.foreign_words(mail.text) == []
    await tab.goto(house.premises.other.neighbour + house.webmail(mail))
    assert reader.foreign_words(await tab.locator("body").inner_text()) == []
    await judged(tab, reader, but_for=OF_PAGES)
    await tab.get_by_role("link", name=reader.words(CHOOSE)).click()
    await expect(tab).to_have_url(mail.link)

    await reader.sees(tab, "Choose your own password")
    await judged(tab, reader)
    await tab.get_by_label(reader.words("New password")).fill(NEW_PASSWORD)
    await press(tab, reader.words("Save and continue"))
    await reader.sees(tab, PASSWORD_IS_NEW.title)
    await judged(tab, reader)
    told = await house.mail_to(username, 2)
    assert told.message["Subject"] == reader.words(
        NOTICES[Change.PASSWORD_RESET].subject, **PRODUCT
    )

    await house.give_password(tab, reader, username)  # the old one
    await expect(tab.get_by_role("alert")).to_be_visible()
    await submit_login(tab, username, NEW_PASSWORD)
    await house.let_in(tab, username)
