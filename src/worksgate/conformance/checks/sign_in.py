"""How the check gets its authorization codes: the ways to sign the test person in.

`FormSignIn` does what a browser without JavaScript would do. `HandSignIn` asks somebody to open a
URL. `browser.BrowserSignIn` drives a real browser.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

from worksgate.conformance.checks.forms import (
    Form,
    Step,
    charset_of,
    joined,
    sends_to,
    sign_in_form,
)
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.target import Person, Target
from worksgate.conformance.exchange import Exchange, TimeLimits
from worksgate.conformance.line_works import LineWorks, parse_callback

MOST_STEPS: Final = 12
"""Pages and redirects of one sign-in."""
MOST_PASSWORDS: Final = 25
"""How often the right password is typed in one run; a system with sessions needs it twice."""
PAGE_SIZE_LIMIT: Final = 2_000_000
"""Bytes of a page that are read."""
PAGE_LIMITS: Final = TimeLimits(connect=5.0, answer=15.0)
"""Pages are for people: the limits of LINE WORKS do not apply to them."""

Stops = Callable[[str], bool]
"""Whether a browser that is sent to this URL has left the sign-in."""

BROWSER_HEADERS: Final = (
    ("User-Agent", "Mozilla/5.0 (compatible; worksgate-check)"),
    ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en"),
)


class Stuck(StrEnum):
    """Why a sign-in did not lead out of the implementation."""

    PAGE = "page"
    NO_ANSWER = "no_answer"
    ERROR_PAGE = "error_page"
    REFUSED = "refused"
    SECOND_FACTOR = "second_factor"
    NO_FORM = "no_form"
    OTHER_SITE = "other_site"
    TOO_MANY_STEPS = "too_many_steps"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a sign-in ended: at a URL outside, with a code typed by hand, or stuck.

    `callback` is as the server wrote it. `exchange` is the last request, if there was one.
    """

    callback: str | None = None
    typed_code: str | None = None
    stuck: Stuck | None = None
    exchange: Exchange | None = None

    @property
    def code(self) -> str | None:
        """The authorization code, or None without exactly one."""
        if self.callback is None:
            return self.typed_code
        try:
            return parse_callback(self.callback)
        except ValueError:
            return None


class SignIn(Protocol):
    """A way to sign in. `is_automatic` is whether it needs nobody at the keyboard."""

    is_automatic: bool

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
        """Open a URL as the browser of that session; sign in on the way, unless not `fills`.

        `waits` is how many seconds the page with the password stands there before it is typed,
        `meanwhile` a URL that the same browser opens by then.
        """
        ...

    def as_other(self, person: Person) -> "SignIn":
        """Return the same way for another name or password, with sessions of its own."""
        ...

    async def aclose(self) -> None: ...


class HandSignIn:
    """Asks somebody to open the URL, and for the URL at which their browser ends, or the code."""

    is_automatic = False

    def __init__(self, ask: Callable[[str], Awaitable[str]], meter: Meter) -> None:
        self._ask = ask
        self._meter = meter

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
        with self._meter.waiting_for_a_person():
            said = (await self._ask(url)).strip()
        if not said:
            return Arrival(stuck=Stuck.SKIPPED)
        if "://" not in said:
            return Arrival(typed_code=said)
        return Arrival(callback=said) if stops(said) else Arrival(stuck=Stuck.PAGE)

    def as_other(self, person: Person) -> SignIn:
        """Whoever is at the keyboard types what they like."""
        return self

    async def aclose(self) -> None:
        """There is nothing to close."""


class FormSignIn:
    """Fills in plain HTML forms. Each session has its own cookies.

    A password that was refused once is never typed again in this run, and none is sent to another
    site than that of the sign-in page.
    """

    is_automatic = True

    def __init__(self, target: Target, person: Person | None, meter: Meter) -> None:
        self._target = target
        self._person = person
        self._meter = meter
        self._sessions: dict[str, LineWorks] = {}
        self._is_refused = False
        self._is_proved = False
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
        way = _Way(self._browser(session), self._meter, stops)
        arrival = await way.follow(url)
        for _ in range(MOST_STEPS):
            if arrival.stuck is not Stuck.PAGE or not fills or arrival.exchange is None:
                return arrival
            page = arrival.exchange
            form = sign_in_form(_text(page), page.request.url, _charset(page))
            if form is None or self._person is None:
                return Arrival(stuck=_end_at(page, way), exchange=page)
            if (stuck := self._objection(form, url, way)) is not None:
                return Arrival(stuck=stuck, exchange=page)
            if form.step is Step.PASSWORD:
                if meanwhile is not None:
                    await _Way(way.browser, self._meter, stops).follow(meanwhile)
                with self._meter.waiting_for_a_person():
                    await asyncio.sleep(waits)
            arrival = await self._submit(way, form, self._person)
        return Arrival(stuck=Stuck.TOO_MANY_STEPS, exchange=arrival.exchange)

    def as_other(self, person: Person) -> SignIn:
        return FormSignIn(self._target, person, self._meter)

    def _objection(self, form: Form, url: str, way: "_Way") -> Stuck | None:
        """Return why the form must not be filled in, if so."""
        if form.step is Step.CODE:
            return Stuck.SECOND_FACTOR
        if form.step is Step.USERNAME and Step.USERNAME in way.sent:
            return Stuck.REFUSED
        if form.step is not Step.PASSWORD:
            return None
        if Step.PASSWORD in way.sent or self._is_refused:
            self._is_refused = True
            return Stuck.REFUSED
        if self._passwords >= MOST_PASSWORDS:
            return Stuck.SKIPPED
        is_here = urlsplit(form.action)[:2] == urlsplit(url)[:2]
        return None if is_here else Stuck.OTHER_SITE

    async def _submit(self, way: "_Way", form: Form, person: Person) -> Arrival:
        way.sent.add(form.step)
        self._passwords += form.step is Step.PASSWORD
        pairs = form.filled(person.username, person.password)
        if form.method != "POST":
            before, _, _ = form.action.partition("?")
            return await way.follow(f"{before}?{form.query(pairs)}")
        arrival = await way.follow(form.action, form.body(pairs))
        self._is_proved |= arrival.callback is not None
        if arrival.stuck is Stuck.ERROR_PAGE and not self._is_proved:
            self._is_refused = True
            return Arrival(stuck=Stuck.REFUSED, exchange=arrival.exchange)
        return arrival

    def _browser(self, session: str) -> LineWorks:
        if session not in self._sessions:
            self._sessions[session] = LineWorks(
                self._target.endpoints,
                self._target.credentials,
                limits=PAGE_LIMITS,
                transport=self._target.transport(),
                size_limit=PAGE_SIZE_LIMIT,
            )
        return self._sessions[session]

    async def aclose(self) -> None:
        for browser in self._sessions.values():
            await browser.aclose()


class _Way:
    """One sign-in through redirects and pages, in one browser."""

    def __init__(self, browser: LineWorks, meter: Meter, stops: Stops) -> None:
        self.browser = browser
        self._meter = meter
        self._stops = stops
        self._steps = 0
        self.sent: set[Step | None] = set()

    async def follow(self, url: str, form: tuple[bytes, str] | None = None) -> Arrival:
        """Return the page at the end of all redirects, as ``Stuck.PAGE``, or where it leads out."""
        while True:
            self._steps += 1
            page = await self._send(url, form)
            location = _location(page)
            if location is None:
                return Arrival(stuck=_kind_of(page), exchange=page)
            if self._stops(location):
                return Arrival(callback=location, exchange=page)
            if self._steps >= MOST_STEPS:
                return Arrival(stuck=Stuck.TOO_MANY_STEPS, exchange=page)
            before, url = url, joined(url, location) or url
            if page.status not in (307, 308):
                form = None
            elif form is not None and urlsplit(before)[:2] != urlsplit(url)[:2]:
                return Arrival(stuck=Stuck.OTHER_SITE, exchange=page)

    async def _send(self, url: str, form: tuple[bytes, str] | None) -> Exchange:
        """A form comes with the Origin of its page, as from every browser."""
        parts = urlsplit(url)
        body, content_type = (b"", None) if form is None else form
        origin = () if form is None else (("Origin", f"{parts.scheme}://{parts.netloc}"),)
        async with self._meter.request() as keep:
            return keep(
                await self.browser.send(
                    "GET" if form is None else "POST",
                    url,
                    body=body,
                    content_type=content_type,
                    headers=(*BROWSER_HEADERS, *origin),
                    expects_json=False,
                )
            )


def _location(page: Exchange) -> str | None:
    """Return where the page sends the browser, as the server wrote it; None if it is no URL."""
    if page.answer is None:
        return None
    header = page.answer.header
    location = sends_to(page.status, header("location"), _text(page), header("refresh"))
    if location is None or joined(page.request.url, location) is None:
        return None
    return location


def _end_at(page: Exchange, way: _Way) -> Stuck:
    """Return what a page without a form means: perhaps a script goes on from there."""
    is_over = Step.PASSWORD in way.sent and "<script" not in _text(page).lower()
    return Stuck.PAGE if is_over else Stuck.NO_FORM


def _kind_of(page: Exchange) -> Stuck:
    if page.answer is None or page.failure is not None:
        return Stuck.NO_ANSWER
    return Stuck.PAGE if page.answer.status < 400 else Stuck.ERROR_PAGE


def _text(page: Exchange) -> str:
    return "" if page.answer is None else page.answer.body.decode(_charset(page), "replace")


def _charset(page: Exchange) -> str:
    if page.answer is None:
        return "utf-8"
    return charset_of(page.answer.header("content-type") or "", page.answer.body)
