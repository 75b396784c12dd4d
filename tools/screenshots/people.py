"""Every page that people see: of a sign-in, of what goes wrong there, and of their account.

Everybody and everything in the pictures is made for them, on an installation like those of the
tests, and gone when they are taken: keys, codes and links open nothing. What went wrong is shown by
the pages themselves, as the tests make them of any problem.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyotp
from PIL import Image
from playwright.async_api import Browser, Page, StorageState, ViewportSize
from tests.browser.authenticators import virtual_authenticator
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import Window, submit_login
from tests.mail_server import MailServer, Received, mail_server
from tests.web.test_pages import every_page
from tools.screenshots.camera import (
    LANGUAGES,
    PATIENCE,
    PHONE,
    Picture,
    both,
    in_rows,
    scaled,
)

from worksgate.provider.sign_in.outcomes import FactorPurpose
from worksgate.settings.options import Settings
from worksgate.settings.sources import OidcSettings
from worksgate.web.pages.wording import Problem

Shots = tuple[Image.Image, Image.Image]
"""A page by day and by night."""

PASSWORD = "correct horse battery"
PUBLIC_URL = "https://sso.example.com"
DESK: Final[ViewportSize] = {"width": 864, "height": 520}
HIGHEST = 760
"""Pixels of a page on a phone that are shown."""
COMPANY = "Example Trading"
COLUMNS: Final = 6
"""Of a sheet with what goes wrong."""
AT_SIGN_IN: Final = (
    *(Problem.WRONG_PASSWORD, Problem.DISABLED, Problem.THROTTLED, Problem.UNAVAILABLE),
    *(Problem.PASSWORD_EXPIRED, Problem.LOGIN_LOST),
)
"""Some of what the form for the password can say."""
ON_SHEETS = 0.75
"""Of the scale of a page."""
ADDRESS = "203.0.113.20"
"""Where everybody comes from, as a reverse proxy would tell."""
PARTNERS = ("Microsoft", "Google")


@dataclass(frozen=True)
class Look:
    """Whose phone it is, in which language."""

    language: str
    login: str
    name: str
    device: str
    program: str

    def username(self, office: str) -> str:
        return f"{self.login}@{office}.example.com"


LOOKS = (
    Look("en", "aoi", "Aoi Tanaka", "My phone", "Mail at work"),
    Look("ja", "tanaka", "田中 葵", "会社のスマートフォン", "会社のメール"),
    Look("ko", "haneul", "김하늘", "회사 휴대폰", "회사 메일"),
)


@dataclass(frozen=True)
class Studio:
    """A browser, and an installation with a mail server to look at."""

    browser: Browser
    premises: Premises
    post: MailServer

    async def window(self, look: Look, *, cookies: StorageState | None = None) -> Window:
        """A phone; with the cookies of another window, a computer of the same person."""
        context = await self.browser.new_context(
            viewport=DESK if cookies else PHONE,
            locale=LANGUAGES[look.language],
            timezone_id="Asia/Tokyo",
            reduced_motion="reduce",
            extra_http_headers={"X-Forwarded-For": ADDRESS},
            storage_state=cookies,
        )
        window = await Window.of(context)
        context.set_default_timeout(PATIENCE)
        return window

    async def add(self, look: Look, office: str, *groups: str) -> str:
        """Somebody new, in an office where nobody else has their name; their username."""
        username = look.username(office)
        await self.premises.installation.administration.users.add(
            username,
            password=PASSWORD,
            name=look.name,
            external_key=username,
            email=username,
            groups=groups,
        )
        return username

    async def give_password(self, tab: Page, username: str) -> None:
        await tab.goto(self.premises.login_url())
        await submit_login(tab, username, PASSWORD)

    async def arrived(self, tab: Page) -> None:
        await tab.wait_for_url(f"{self.premises.other.url}/cb?**")

    def code(self, key: str) -> str:
        """What an authenticator app with this key shows now."""
        return pyotp.TOTP(key.replace(" ", "")).at(int(self.premises.installation.clock()))


@asynccontextmanager
async def open_studio(browser: Browser, folder: Path) -> AsyncIterator[Studio]:
    """Who is in the group ``careful`` needs a second factor."""
    partners = tuple(
        # Nobody presses these buttons, so nobody need answer.
        OidcSettings(
            name=label.lower(),
            label=label,
            issuer="http://127.0.0.1:9",
            client_id="worksgate",
            external_key_claim="sub",
        )
        for label in PARTNERS
    )
    with mail_server() as post:
        async with open_premises(
            folder,
            "localhost",
            lambda _: partners,
            company_name=COMPANY,
            trusted_proxies=("127.0.0.1/32",),
            smtp_url=post.url,
            mail_from="sso@example.com",
        ) as premises:
            await premises.installation.change_client(
                rules=["second_factor group=careful", "allow"], imap_login=True
            )
            yield Studio(browser, premises, post)


async def shot(tab: Page) -> Shots:
    return await both(tab, PHONE, [(tab.url.partition("/account")[0], PUBLIC_URL)], highest=HIGHEST)


async def factors(studio: Studio, look: Look) -> Mapping[str, Shots]:
    """An authenticator app is set up, and asked for; a recovery code stands in for it."""
    shots = {}
    username = await studio.add(look, "tokyo", "careful")
    tab = (await studio.window(look)).tab
    await tab.goto(studio.premises.login_url())
    await tab.fill("#username", username)
    shots["sign-in"] = await shot(tab)
    await submit_login(tab, username, PASSWORD)
    await tab.wait_for_selector(".qr")
    shots["set-up"] = await shot(tab)
    key = await tab.locator("details .code").text_content()
    await tab.fill("#code", studio.code(str(key)))
    await tab.locator("form:has(#code) [type=submit]").click()
    await tab.wait_for_selector(".codes")
    shots["recovery-codes"] = await shot(tab)
    first = await tab.locator(".codes code").first.inner_text()
    await tab.context.close()

    studio.premises.installation.clock.advance(60)
    tab = (await studio.window(look)).tab
    await studio.give_password(tab, username)
    await tab.fill("#code", studio.code(str(key)))
    shots["code"] = await shot(tab)
    await tab.fill("#code", "")
    await tab.locator("details:has(#recovery) summary").click()
    await tab.fill("#recovery", first)
    shots["recovery-code"] = await shot(tab)
    await tab.context.close()
    return shots


async def passkey(studio: Studio, look: Look) -> Mapping[str, Shots]:
    """A passkey is asked for; it was made on the way before."""
    username = await studio.add(look, "osaka", "careful")
    window = await studio.window(look)
    authenticator = await virtual_authenticator(window)
    tab = window.tab
    await studio.give_password(tab, username)
    await tab.locator("[data-passkey=create]").click()
    await tab.locator("form:has([value=resume]) [type=submit]").click()
    await studio.arrived(tab)
    await authenticator.touched(yes=False)
    await tab.goto(f"{studio.premises.url}/logout")
    await studio.give_password(tab, username)
    await tab.locator("[data-passkey=get]").wait_for()
    picture = await shot(tab)
    await tab.context.close()
    return {"passkey": picture}


async def reset(studio: Studio, look: Look) -> Mapping[str, Shots]:
    """A forgotten password: the link is asked for, comes by mail, and leads to a new one."""
    shots = {}
    username = await studio.add(look, "kyoto")
    tab = (await studio.window(look)).tab
    await tab.goto(f"{studio.premises.url}/account/forgot")
    await tab.fill("#username", username)
    shots["forgot"] = await shot(tab)
    number = len(studio.post.received) + 1
    await tab.locator("form:has(#username) [type=submit]").click()
    mail = (await studio.post.wait_for(number))[-1]
    await tab.goto("about:blank")
    await tab.set_content(_as_in_a_mail_program(studio, mail))
    shots["mail"] = await shot(tab)
    await tab.goto(mail.link)
    await tab.fill("#new-password", "seven green ladders sing")
    await tab.wait_for_selector("[data-score]")
    shots["new-password"] = await shot(tab)
    await tab.goto(f"{studio.premises.url}/account/code")
    shots["reset-code"] = await shot(tab)
    await tab.context.close()
    return shots


def _as_in_a_mail_program(studio: Studio, mail: Received) -> str:
    """A mail below its subject and its sender, with the address that a real one would have."""
    subject, sender = (escape(str(mail.message[name])) for name in ("Subject", "From"))
    head = (
        f'<p style="margin:0;font-size:18px;font-weight:600;text-wrap:balance">{subject}</p>'
        f'<p style="margin:4px 0 24px;font-size:13px;opacity:.75">{sender}</p>'
    )
    body = mail.html.replace(studio.premises.url, PUBLIC_URL)
    return body.replace("<div", f"{head}<div", 1)


async def account(studio: Studio, look: Look) -> Mapping[str, Shots]:
    """The account page of somebody who uses all of it, and an app password that is new."""
    shots = {}
    username = await studio.add(look, "seoul")
    url = f"{studio.premises.url}/account"
    await _sign_in_elsewhere(studio, look, username, url)
    window = await studio.window(look)
    await virtual_authenticator(window)
    tab = window.tab
    await tab.goto(f"{url}/authenticator")
    await submit_login(tab, username, PASSWORD)
    await _add_factors(studio, look, tab, url)
    await tab.goto(f"{url}/app-passwords")
    await tab.fill("#name", look.program)
    await tab.locator("form:has(#name) [type=submit]").click()
    await tab.wait_for_selector("#app-password")
    shots["app-password"] = await shot(tab)
    await tab.goto(url)
    shots["account"] = await shot(tab)
    shots["account-desk"] = await _at_the_desk(studio, look, tab)
    for page in ("password", "authenticator", "passkeys", "recovery-codes", "app-passwords"):
        await tab.goto(f"{url}/{page}")
        shots[f"account-{page}"] = await shot(tab)
    shots["not-me"] = await _not_me(studio, tab)
    await tab.goto(f"{studio.premises.url}/logout")
    shots["signed-out"] = await shot(tab)
    await tab.context.close()
    return shots


async def _not_me(studio: Studio, tab: Page) -> Shots:
    """Behind the link of the mail that says what was changed."""
    notices = [each for each in studio.post.received if "/not-me" in each.html]
    await tab.goto(notices[-1].link)
    return await shot(tab)


async def _add_factors(studio: Studio, look: Look, tab: Page, url: str) -> None:
    """Turn on the app whose picture is shown, and make a passkey."""
    key = await tab.locator("details .code").text_content()
    await tab.fill("#code", studio.code(str(key)))
    await tab.locator("form:has(#code) [type=submit]").click()
    await tab.wait_for_selector(".codes")
    await tab.goto(f"{url}/passkeys")
    await tab.fill("#name", look.device)
    await tab.locator("[data-passkey=create]").click()
    await tab.wait_for_url(f"{url}?**")


async def _at_the_desk(studio: Studio, look: Look, phone: Page) -> Shots:
    """The page of the phone as a computer shows it."""
    tab = (await studio.window(look, cookies=await phone.context.storage_state())).tab
    await tab.goto(phone.url)
    shots = await both(tab, DESK)
    await tab.context.close()
    return shots


async def _sign_in_elsewhere(studio: Studio, look: Look, username: str, url: str) -> None:
    """Let the same person be signed in on another browser, too."""
    tab = (await studio.window(look)).tab
    await tab.goto(url)
    await submit_login(tab, username, PASSWORD)
    await tab.wait_for_selector("#sessions")
    await tab.context.close()


async def problems(studio: Studio, look: Look) -> Mapping[str, Shots]:
    """Sheets of what can go wrong, and pages that only a sign-in under way has."""
    pages = dict(every_page(Settings(company_name=COMPANY), look.language))
    return {
        "choice": await _rendered(studio, look, [pages["choice"].html], 1),
        "must-change": await _rendered(studio, look, [pages["new password"].html], 1),
        "problems": await _sheet(studio, look, pages, rf"login ({'|'.join(AT_SIGN_IN)})"),
        "factor-problems": await _sheet(
            studio, look, pages, rf"{FactorPurpose.ANY} wrong\w+ all|enrol any wrong\w+"
        ),
        "notices": await _sheet(studio, look, pages, "notice .*"),
    }


async def _sheet(studio: Studio, look: Look, pages: Mapping[str, Any], wanted: str) -> Shots:
    found = [page.html for name, page in pages.items() if re.fullmatch(wanted, name)]
    return await _rendered(studio, look, found, COLUMNS)


async def _rendered(studio: Studio, look: Look, pages: Sequence[str], columns: int) -> Shots:
    tab = (await studio.window(look)).tab
    shots = []
    for html in pages:
        await tab.set_content(html)
        shots.append(await shot(tab))
    await tab.context.close()
    if columns == 1:
        return shots[0]
    smaller = [tuple(scaled(each, ON_SHEETS) for each in one) for one in shots]
    day, night = (in_rows(each, columns) for each in zip(*smaller, strict=True))
    return day, night


SCENES = (factors, passkey, reset, account, problems)
NAMES: Final = (
    *("sign-in", "choice", "set-up", "recovery-codes", "code", "recovery-code", "passkey"),
    *("must-change", "forgot", "mail", "new-password", "reset-code"),
    *("account", "account-desk", "account-password", "account-authenticator", "account-passkeys"),
    *("account-recovery-codes", "account-app-passwords", "app-password", "not-me", "signed-out"),
    *("problems", "factor-problems", "notices"),
)
"""The pictures, in the order of the page that shows them."""


async def pictures(browser: Browser) -> AsyncIterator[Picture]:
    """Each page in each language."""
    with TemporaryDirectory() as folder:
        async with open_studio(browser, Path(folder)) as studio:
            for look in LOOKS:
                for scene in SCENES:
                    for name, shots in (await scene(studio, look)).items():
                        yield Picture(name, look.language, shots)
