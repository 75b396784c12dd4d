"""Signs in with a real browser, for pages that need JavaScript: Chromium through Playwright.

Playwright is no dependency of ours: it is used where it is installed.
"""

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.sign_in import MOST_PASSWORDS, Arrival, SignIn, Stops, Stuck
from worksgate.conformance.checks.target import Person, Target, is_local
from worksgate.conformance.checks.verdicts import Untested

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE: Final = 30.0
"""Seconds of one sign-in, from the first page to the redirect."""
_GLANCE: Final = 0.1
_FIELDS: Final = (
    "input[autocomplete~=username]:visible, input[type=email]:visible, input[type=text]:visible, "
    "input[type=tel]:visible, input:not([type]):visible"
)
_PASSWORD: Final = "input[type=password]:visible"
_MARK: Final = "data-worksgate-check"
_FILLED: Final = f"[{_MARK}]:visible"
"""A field that this check has filled in, while its page is still there."""
_CODE: Final = "input[autocomplete~=one-time-code]:visible"


class BrowserSignIn:
    """Types name and password as a person does. Each session is a window with its own cookies.

    The browser never reaches the redirect_uri: its host is cut off, and the code stays here.
    """

    is_automatic = True

    def __init__(self, target: Target, person: Person, meter: Meter) -> None:
        self._target = target
        self._person = person
        self._meter = meter
        self._windows: dict[str, BrowserContext] = {}
        self._playwright: Any = None
        self._browser: Any = None
        self._is_refused = False
        self._passwords = 0

    async def arrive(
        self,
        url: str,
        stops: Stops,
        *,
        session: str = "web",
        fills: bool = True,
        waits: float = 0.0,
        meanwhile: str | None = None,
    ) -> Arrival:
        """Open the URL in the window of the session. Raises Untested without a browser."""
        window = await self._window(session)
        async with self._meter.request():
            page = await window.new_page()
            try:
                return await _Visit(page, stops, waits, meanwhile).run(
                    url, self._fill if fills else None
                )
            finally:
                await page.close()

    def as_other(self, person: Person) -> SignIn:
        return BrowserSignIn(self._target, person, self._meter)

    async def _fill(self, page: "Page", visit: "_Visit") -> Stuck | None:
        """Fill in the form that is shown, if any; return why not."""
        if await page.locator(_FILLED).count():
            return None  # the answer to it is not there yet
        if await page.locator(_CODE).count():
            return Stuck.SECOND_FACTOR
        password = page.locator(_PASSWORD).first
        name = page.locator(_FIELDS).first
        if await password.count():
            if visit.has_sent_password or self._is_refused:
                self._is_refused = True
                return Stuck.REFUSED
            if self._passwords >= MOST_PASSWORDS:
                return Stuck.SKIPPED
            if urlsplit(page.url)[:2] != urlsplit(self._target.endpoints.web_login)[:2]:
                return Stuck.OTHER_SITE
            if visit.meanwhile is not None:
                other = await page.context.new_page()
                await other.goto(visit.meanwhile, wait_until="load")
                await other.close()
            if visit.waits:
                with self._meter.waiting_for_a_person():
                    await asyncio.sleep(visit.waits)
            if await name.count():
                await name.fill(self._person.username)
            await password.fill(self._person.password)
            self._passwords += 1
            visit.has_sent_password = True
            await self._send(password)
        elif await name.count() and not visit.has_sent_name:
            visit.has_sent_name = True
            await name.fill(self._person.username)
            await self._send(name)
        return None

    async def _send(self, field: "Locator") -> None:
        await field.evaluate(f"field => field.setAttribute('{_MARK}', '')")
        await field.press("Enter")

    async def _window(self, session: str) -> "BrowserContext":
        if self._browser is None:
            self._browser = await self._launch()
        if session not in self._windows:
            self._windows[session] = await self._browser.new_context(locale="en-US")
        return self._windows[session]

    async def _launch(self) -> Any:
        try:
            from playwright.async_api import Error, async_playwright
        except ImportError:
            raise Untested("no_playwright") from None
        if self._playwright is None:
            self._playwright = await async_playwright().start()
        installed = next(filter(None, map(shutil.which, _NAMES)), None)
        try:
            return await self._playwright.chromium.launch(
                executable_path=installed, args=list(self._arguments())
            )
        except Error:
            raise Untested("no_browser") from None

    def _arguments(self) -> list[str]:
        """Return options of Chromium: hosts that are elsewhere, and the one that is cut off."""
        rules = []
        outside = urlsplit(self._target.redirect_uri).hostname
        if outside not in self._target.hosts and not is_local(self._target.redirect_uri):
            rules.append(f"MAP {outside} ~NOTFOUND")
        if self._target.connect_to is not None:
            host, port = self._target.connect_to
            rules += [f"MAP {name} {host}:{port}" for name in self._target.hosts]
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        return [*sandbox, *([f"--host-resolver-rules={','.join(rules)}"] if rules else [])]

    async def aclose(self) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()


class _Visit:
    """One sign-in in one tab."""

    def __init__(self, page: "Page", stops: Stops, waits: float, meanwhile: str | None) -> None:
        self._page = page
        self.waits = waits
        self.meanwhile = meanwhile
        self._stops = stops
        self._outside: Any = None
        self.has_sent_password = False
        self.has_sent_name = False
        page.on("request", self._notice)

    def _notice(self, request: Any) -> None:
        if request.is_navigation_request() and self._stops(request.url):
            self._outside = self._outside or request

    async def run(self, url: str, fill: Any) -> Arrival:
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(_PATIENCE + self.waits):
                return await self._follow(url, fill)
        except TimeoutError:
            shown = Stuck.PAGE if self.has_sent_password else Stuck.NO_FORM
            return Arrival(stuck=shown)
        except Error:  # such as a page that went away while it was read
            return Arrival(stuck=Stuck.NO_ANSWER)

    async def _follow(self, url: str, fill: Any) -> Arrival:
        from playwright.async_api import Error

        status = None
        try:
            response = await self._page.goto(url, wait_until="load")
            status = None if response is None else response.status
        except Error:
            if self._outside is None:
                return Arrival(stuck=Stuck.NO_ANSWER)
        if self._outside is None and status is not None and status >= 400:
            return Arrival(stuck=Stuck.ERROR_PAGE)
        while self._outside is None:
            if fill is None:
                return Arrival(stuck=Stuck.PAGE)
            await self._page.wait_for_load_state("load")
            try:
                stuck = await fill(self._page, self)
            except Error:  # the page has changed under it
                stuck = None
            if stuck is not None and self._outside is None:
                return Arrival(stuck=stuck)
            await asyncio.sleep(_GLANCE)
        return Arrival(callback=await self._as_written())

    async def _as_written(self) -> str:
        """Return the URL as the server wrote it: a browser may have changed its bytes."""
        before = self._outside.redirected_from
        response = None if before is None else await before.response()
        location = None if response is None else await response.header_value("location")
        return location if location and "://" in location else str(self._outside.url)
