"""The pictures of docs/ways-in.md: what people see on each way in, side by side on three phones.

An English one and a Korean one by day, a Japanese one by night. Everybody and everything in them
is made for the picture, on an installation like those of the tests, and gone when it is taken:
keys, codes and links open nothing.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pyotp
import structlog
from PIL import Image
from playwright.async_api import Browser, FloatRect, Page, StorageState
from tests.browser.authenticators import virtual_authenticator
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import Window, launched, submit_login
from tests.mail_server import MailServer, Received, mail_server

from worksgate.settings.sources import OidcSettings

PASSWORD = "correct horse battery"
PUBLIC_URL = "https://sso.example.com"
PHONE = (390, 520)
DESK = (864, 520)
"""Width and least height of what is shown, in pixels."""
STAGE = "#c3cfd6"
"""What the phones lie on: it goes with light pages and with dark ones."""
MARGIN = 16
"""Pixels below the last element of a page that is cut off."""
ADDRESS = "203.0.113.20"
"""Where everybody comes from, as a reverse proxy would tell."""
LARGEST = 120_000
"""Bytes of one picture: the page shows them all at once."""
PARTNERS = ("Microsoft", "Google")


@dataclass(frozen=True)
class Look:
    """Whose phone it is, and by which light."""

    locale: str
    scheme: Literal["light", "dark"]
    login: str
    name: str
    device: str
    program: str

    def username(self, office: str) -> str:
        return f"{self.login}@{office}.example.com"


LOOKS = (
    Look("en-US", "light", "aoi", "Aoi Tanaka", "My phone", "Mail at work"),
    Look("ja-JP", "dark", "tanaka", "田中 葵", "会社のスマートフォン", "会社のメール"),
    Look("ko-KR", "light", "haneul", "김하늘", "회사 휴대폰", "회사 메일"),
)


@dataclass(frozen=True)
class Studio:
    """A browser, and an installation with a mail server to look at."""

    browser: Browser
    premises: Premises
    post: MailServer

    async def window(self, look: Look, *, cookies: StorageState | None = None) -> Window:
        """A phone; with the cookies of another window, a computer of the same person."""
        width, height = DESK if cookies else PHONE
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            locale=look.locale,
            timezone_id="Asia/Tokyo",
            color_scheme=look.scheme,
            reduced_motion="reduce",
            extra_http_headers={"X-Forwarded-For": ADDRESS},
            storage_state=cookies,
        )
        return await Window.of(context)

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
async def open_studio(folder: Path) -> AsyncIterator[Studio]:
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
        async with (
            launched() as browser,
            open_premises(
                folder,
                "localhost",
                lambda _: partners,
                company_name="Example Trading",
                trusted_proxies=("127.0.0.1/32",),
                smtp_url=post.url,
                mail_from="sso@example.com",
            ) as premises,
        ):
            await premises.installation.change_client(
                rules=["second_factor group=careful", "allow"], imap_login=True
            )
            yield Studio(browser, premises, post)


async def shot(tab: Page, until: str = "body") -> bytes:
    """A page from its top to the end of an element; at least what the window shows."""
    await tab.mouse.move(0, 0)
    bottom = "(found) => found.getBoundingClientRect().bottom + scrollY"
    end = await tab.eval_on_selector(until, bottom)
    size = tab.viewport_size
    assert size is not None  # noqa: S101  # all windows here have one
    height = max(end + (MARGIN if until != "body" else 0), size["height"])
    frame: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": height}
    return await tab.screenshot(clip=frame, full_page=True, animations="disabled", caret="hide")


async def factors(studio: Studio, look: Look) -> Mapping[str, bytes]:
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


async def passkey(studio: Studio, look: Look) -> Mapping[str, bytes]:
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


async def reset(studio: Studio, look: Look) -> Mapping[str, bytes]:
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


async def account(studio: Studio, look: Look) -> Mapping[str, bytes]:
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
    shots["account"] = await shot(tab, until="section:has(#two-step)")
    if look is LOOKS[0]:
        shots["account-desk"] = await _at_the_desk(studio, look, tab)
    await tab.context.close()
    return shots


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


async def _at_the_desk(studio: Studio, look: Look, phone: Page) -> bytes:
    """The page of the phone as a computer shows it."""
    tab = (await studio.window(look, cookies=await phone.context.storage_state())).tab
    await tab.goto(phone.url)
    picture = await shot(tab)
    await tab.context.close()
    return picture


async def _sign_in_elsewhere(studio: Studio, look: Look, username: str, url: str) -> None:
    """Let the same person be signed in on another browser, too."""
    tab = (await studio.window(look)).tab
    await tab.goto(url)
    await submit_login(tab, username, PASSWORD)
    await tab.wait_for_selector("#sessions")
    await tab.context.close()


async def side_by_side(browser: Browser, shots: list[bytes]) -> bytes:
    """One picture of several."""
    page = await browser.new_page(viewport={"width": 2_000, "height": 800})
    images = "".join(
        f'<p style="background:{_last_color(each)}">'
        f'<img src="data:image/png;base64,{base64.b64encode(each).decode()}">'
        for each in shots
    )
    await page.set_content(
        "<style>body,p{margin:0}img{display:block}p{border-radius:20px;overflow:hidden}"
        f"div{{display:inline-flex;gap:24px;padding:24px;background:{STAGE}}}</style>"
        f"<div>{images}</div>"
    )
    picture = await page.locator("div").screenshot()
    await page.close()
    return with_few_colors(picture)


def _last_color(shot: bytes) -> str:
    """The color at the lower edge, with which a short page goes on beside longer ones."""
    with Image.open(BytesIO(shot)) as image:
        last = image.crop((0, image.height - 1, 1, image.height))
        red, green, blue = last.convert("RGB").tobytes()
    return f"rgb({red} {green} {blue})"


def with_few_colors(picture: bytes) -> bytes:
    """The picture with 256 colors, which are enough for text on even ground."""
    made = BytesIO()
    with Image.open(BytesIO(picture)) as image:
        few = image.convert("RGB").quantize(
            256, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
        )
        few.save(made, "PNG", optimize=True)
    return made.getvalue()


async def pictures() -> Mapping[str, bytes]:
    """All pictures by their names."""
    with TemporaryDirectory() as folder:
        async with open_studio(Path(folder)) as studio:
            shots: dict[str, list[bytes]] = {}
            for look in LOOKS:
                for scene in (factors, passkey, reset, account):
                    for name, picture in (await scene(studio, look)).items():
                        shots.setdefault(name, []).append(picture)
            return {name: await side_by_side(studio.browser, each) for name, each in shots.items()}


def take(folder: Path) -> None:
    """Write all pictures; ends with a message if one has become too large."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name, picture in asyncio.run(pictures()).items():
        if len(picture) > LARGEST:
            raise SystemExit(f"{name} has {len(picture):,} bytes, and {LARGEST:,} are enough")
        (folder / f"{name}.png").write_bytes(picture)
        print(f"{folder / name}.png: {len(picture):,} bytes")
