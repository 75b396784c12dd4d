"""Signs a person in through the sign-in page of the target, as a browser without scripts does.

It fills the forms that the check of an implementation fills (``checks.forms``), and follows
redirects of the target until one leads to the redirect_uri with a code. Its cookies are those of
one browser: people who are signed in get the next code without the form. Unlike the check it uses
the connections of the replay, which needs thousands of codes.
"""

import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from worksgate.conformance.checks.forms import Form, Step, joined, sends_to, sign_in_form
from worksgate.conformance.exchange import FORM
from worksgate.conformance.recording.stand_ins import StandInPerson
from worksgate.conformance.recording.wire import Reply, Request, Wire

_MOST_STEPS: Final = 12


class SignInFailed(Exception):
    """There is no code; the text says why, without a value."""


class Browser:
    """One person's browser at the target."""

    def __init__(self, wire: Wire, person: StandInPerson) -> None:
        self._wire = wire
        self._person = person
        self._cookies: dict[str, str] = {}

    async def open(self, path: str) -> Reply:
        """What the target answers at this path. Raises NoAnswer."""
        return await self._send(Request("GET", path, self._headers()))

    async def code(self, path: str, redirect_uri: str) -> str:
        """Sign in at this path, an authorization request, unless that has happened; the code.

        Raises SignInFailed, or NoAnswer.
        """
        reply, sent = await self.open(path), set[Step]()
        for _ in range(_MOST_STEPS):
            if (location := location_of(reply)) is not None:
                if (code := code_in(location, redirect_uri)) is not None:
                    return code
                path = self._ours(joined(self._wire.origin + path, location))
                reply = await self.open(path)
                continue
            form = _next_form(reply, self._wire.origin + path, sent)
            path = self._ours(form.action)
            reply = await self._submit(path, form)
        raise SignInFailed("the target has too many pages and redirects")

    async def _submit(self, path: str, form: Form) -> Reply:
        text = urlencode(form.filled(self._person.username, self._person.password))
        if form.method != "POST":
            return await self.open(f"{path.partition('?')[0]}?{text}")
        headers = (
            *self._headers(),
            ("Content-Type", FORM),
            ("Origin", self._wire.origin),
            ("Referer", f"{self._wire.origin}{path.partition('?')[0]}"),
        )
        return await self._send(Request("POST", path, headers, text.encode(), "length"))

    async def _send(self, request: Request) -> Reply:
        reply = await self._wire.send(request)
        for name, value in reply.headers:
            if name == b"set-cookie":
                self._keep(value.decode("latin-1"))
        return reply

    def _headers(self) -> tuple[tuple[str, str], ...]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        accept = ("Accept", "text/html,application/xhtml+xml")
        return (accept, ("Cookie", cookies)) if cookies else (accept,)

    def _keep(self, text: str) -> None:
        try:
            cookies = SimpleCookie(text)
        except CookieError:
            return
        for name, cookie in cookies.items():
            if cookie["max-age"] == "0" or not cookie.value:
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = cookie.coded_value

    def _ours(self, url: str | None) -> str:
        """The path and query of a URL of the target. Raises SignInFailed for any other."""
        if url is None:
            raise SignInFailed("the target redirected to what is no URL")
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self._wire.origin:
            raise SignInFailed("the target redirected to another server")
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def code_in(location: str, redirect_uri: str) -> str | None:
    """The code that a redirect brings to this redirect_uri, if it does."""
    if not re.match(re.escape(redirect_uri.partition("?")[0]) + r"[?&]", location):
        return None
    codes: Mapping[str, list[str]] = parse_qs(location.partition("?")[2].partition("#")[0])
    return next(iter(codes.get("code", ())), None)


def location_of(reply: Reply) -> str | None:
    """Where an answer sends the browser: by a redirect, or by the page itself."""
    return sends_to(reply.status, reply.header(b"location"), _text(reply))


def _next_form(reply: Reply, url: str, sent: set[Step]) -> Form:
    """The form that leads on; each step is taken once. Raises SignInFailed."""
    form = sign_in_form(_text(reply), url) if reply.status == 200 else None
    if form is None or form.step is None:
        where = "after the password" if Step.PASSWORD in sent else "in place of the sign-in page"
        raise SignInFailed(f"the target answered {reply.status} {where}")
    if form.step is Step.CODE:
        raise SignInFailed("the target asks for a second factor")
    if form.step in sent:
        raise SignInFailed(f"the target asks for the {form.step} again")
    sent.add(form.step)
    return form


def _text(reply: Reply) -> str:
    return reply.body.decode("utf-8", "replace")
