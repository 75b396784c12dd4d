"""Browser windows that notice what should not happen: complaints of the browser, and requests to
anywhere but this machine."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # it has no types
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)

HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
WITH_PROFILE: Final = shutil.which("chromium")
"""Debian's Chromium, which reads the preferences of a profile; or None for Playwright's own."""
CHROMIUM: Final = shutil.which("chromium-headless-shell") or WITH_PROFILE
"""The same without a user interface: three fifths of the processor time for the same tests."""
ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # No page lives long enough for what optimizes a script to be worth its own time.
    "--js-flags=--no-opt --no-maglev",
    # Nothing could leave the machine if a page tried; that it does not try is checked besides.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
START_TIME: Final = 180_000.0
"""Milliseconds that Chromium may take to come up."""
PATIENCE: Final = 60_000.0
"""Milliseconds that a page may take on a busy machine before a test gives up."""

WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_OF_COLORS: Final = ("color-contrast", "link-in-text-block")
"""Rules that take longer than all others together."""
_REFUSED_PAGE = "Failed to load resource: the server responded with a status of 4"
_OVERTAKEN = "Autofocus processing was blocked because a document already has a focused element."
"""A test has filled in a field before Chromium came to the one with ``autofocus``."""


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A Chromium without a window on the screen."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=START_TIME
        )
        yield browser
        await browser.close()


@dataclass
class Window:
    """A browser of one person: a cookie jar, one tab or more, and what was noticed in them."""

    context: BrowserContext
    tab: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    tolerated: tuple[str, ...] = ()
    """What the browser may complain of, since the test makes it."""
    _pages: set[str] = field(default_factory=set)

    @classmethod
    async def of(cls, context: BrowserContext) -> "Window":
        context.set_default_timeout(PATIENCE)
        window = cls(context, context.pages[0] if context.pages else await context.new_page())
        context.on("request", window._asked)
        context.on("console", window._told)
        context.on("weberror", lambda error: window.complaints.append(str(error.error)))
        return window

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        if request.is_navigation_request():
            self._pages.add(request.url)

    def _told(self, message: ConsoleMessage) -> None:
        # Chromium also tells when a page itself has a status like 403, which ours may.
        is_page = message.location["url"] in self._pages
        is_harmless = message.text == _OVERTAKEN or (
            message.text.startswith(_REFUSED_PAGE) and is_page
        )
        if not is_harmless and not any(part in message.text for part in self.tolerated):
            self.complaints.append(f"{message.type}: {message.text}")

    async def expect_complaint(self, about: str) -> None:
        """Wait until the browser complains of this, which is what the test wants."""
        async with asyncio.timeout(PATIENCE / 1000):
            while not any(about in text for text in self.complaints):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        self.tolerated = (*self.tolerated, about)
        self.complaints = [text for text in self.complaints if about not in text]

    @property
    def strays(self) -> list[str]:
        """The requests that left this machine (R-13)."""
        urls = [request.url for request in self.requests]
        return [url for url in urls if urlsplit(url).hostname not in HOSTS and "://" in url]

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests to this path."""
        return [
            request
            for request in self.requests
            if request.method == method and urlsplit(request.url).path == path
        ]

    async def close(self) -> None:
        """Close all tabs, and check."""
        await self.context.close()
        self.check()

    def check(self) -> None:
        """Fail if anything was noticed that should not have been."""
        assert self.complaints == [], self.complaints
        assert self.strays == []

    def forget(self) -> None:
        """Notice from now on: another page comes."""
        self.requests.clear()
        self.complaints.clear()


OpenWindow = Callable[..., Awaitable[Window]]
"""Takes what ``Browser.new_context`` of Playwright takes."""


class Looks(Enum):
    """What is looked at on a page that axe-core is asked about."""

    ALL = auto()
    COLORS = auto()
    """Of a page of which all else was seen in the light."""
    WITHOUT_COLORS = auto()
    """Of a page whose colors were seen in another language."""


Scheme = Literal["light", "dark"]
IN_LIGHT_AND_DARK: Final[Sequence[tuple[Scheme, Looks]]] = (
    ("light", Looks.ALL),
    ("dark", Looks.COLORS),
)
IN_LIGHT: Final[Sequence[tuple[Scheme, Looks]]] = (("light", Looks.WITHOUT_COLORS),)


async def violations(tab: Page, looks: Looks = Looks.ALL) -> list[str]:
    """What axe-core finds wrong on a page, one line for each element."""
    await tab.wait_for_load_state()  # with its style
    if not await tab.evaluate("'axe' in window"):
        await tab.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = await tab.evaluate(
        """async (options) => (await axe.run(document, options)).violations.flatMap(
            ({id, nodes}) => nodes.map((node) => ({id, html: node.html, why: node.failureSummary}))
        )""",
        {**_RULES[looks], "resultTypes": ["violations"]},
    )
    return [json.dumps(violation, ensure_ascii=False) for violation in found]


async def violations_everywhere(
    tab: Page, widths: Sequence[int], *, with_colors: bool = True
) -> list[str]:
    """The same, each with where it is: in windows of these widths, in light and dark."""
    found = []
    for width in widths:
        await tab.set_viewport_size({"width": width, "height": 900})
        for scheme, looks in IN_LIGHT_AND_DARK if with_colors else IN_LIGHT:
            await tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{scheme}, {width}: {what}" for what in await violations(tab, looks)]
    return found


_EVERY_RULE: Final = {"runOnly": {"type": "tag", "values": WCAG}}
_RULES: Final[Mapping[Looks, Mapping[str, Any]]] = {
    Looks.ALL: _EVERY_RULE,
    Looks.WITHOUT_COLORS: {
        **_EVERY_RULE,
        "rules": {rule: {"enabled": False} for rule in _OF_COLORS},
    },
    Looks.COLORS: {"runOnly": {"type": "rule", "values": _OF_COLORS}},
}


async def overflow(tab: Page) -> int:
    """Pixels by which a page is wider than its window."""
    return int(await tab.evaluate("document.documentElement.scrollWidth - innerWidth"))


async def css(tab: Page, selector: str, name: str) -> str:
    """One computed style of the first element that matches."""
    value = await tab.eval_on_selector(selector, "(e, name) => getComputedStyle(e)[name]", name)
    return str(value)


async def hold_timers(tab: Page) -> None:
    """Let no timer of a page go off from now on: what it shows for a moment stays.

    A busy machine might look too late.
    """
    await tab.evaluate("() => { window.held = []; window.setTimeout = (what) => held.push(what); }")


async def release_timers(tab: Page) -> None:
    """Let the timers go off that were held."""
    assert await tab.evaluate("() => { for (const what of held) what(); return held.length; }") > 0


async def sign_in_as_told(tab: Page, lines: Sequence[str]) -> None:
    """Do what the first lines of ``worksgate demo`` say, until the simulator shows the sign-in."""
    where, whom, *_ = lines
    page = re.fullmatch(r"Open (\S+) and press “(.+)”\.", where)
    assert page is not None, where
    who = re.fullmatch(r"Sign in as (\S+) with the password: (.+)", whom)
    assert who is not None, whom
    await tab.goto(page[1])
    await tab.get_by_role("button", name=page[2]).click()
    await tab.get_by_label("User name").fill(who[1])
    await tab.get_by_label("Password", exact=True).fill(who[2])
    await tab.get_by_role("button", name="Sign in", exact=True).click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Signed in")


async def open_console_as_told(tab: Page, lines: Sequence[str]) -> None:
    """Do what the last line of ``worksgate demo`` says, until the console is open."""
    told = re.fullmatch(r"Administrators open (\S+)", lines[-1])
    assert told is not None, lines
    await tab.goto(told[1])
    await tab.get_by_role("button", name="Open the console").click()
    await expect(tab.get_by_role("navigation")).to_contain_text("Owner")


async def submit_login(tab: Page, username: str, password: str) -> None:
    """Fill in the login form and press its button."""
    await tab.fill("#username", username)
    await tab.fill("#password", password)
    await tab.click("button.button:not([name])")
