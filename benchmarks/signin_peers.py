"""node-oidc-provider as people meet it: its sign-in page, and a code by a live session.

Sessions are earned once at the pages of its ``devInteractions``, which are its own: a name, any
password, a consent. From then on its authorization endpoint answers with a code, as ours does.
"""

import http.client
import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from contestants import CALLBACK, NodeOpenId
from load import Failed, Template
from measures import SPARE, Plan
from metered import Facts, Metered
from sessions import BROWSERS, code_in, cookie_header, cookies_of

REQUEST = {
    "response_type": "code",
    "client_id": "benchmark",
    "redirect_uri": CALLBACK,
    "scope": "openid",
}
MOST_STEPS = 12
"""Answers until a sign-in must have led to a code."""
_FORM = re.compile(r'<form[^>]* action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="(\w+)"')


class NodeWithPages(NodeOpenId):
    """The OpenID provider with the pages that come with it."""

    name = "node_pages"
    options = ("pages",)


class NodeRequests:
    """Its requests of a sign-in, as ``signin.Requests`` has ours."""

    def __init__(self, plan: Plan, node: NodeWithPages) -> None:
        self._node = node
        self._metered = Metered(plan, node.server)
        self._locations: Path = plan.folder / "locations"
        self._rates = {"token": 2_000.0, "code": 1_000.0, "page": 1_000.0}
        people = [_sign_in(node.server.port, f"user{number:03}") for number in range(BROWSERS)]
        longest = max(map(len, people))
        self._cookies = cycle(header.ljust(longest, ";") for header in people)
        self._next = 0

    def token(self, seconds: float) -> Facts:
        codes = self._node.codes(self._count("token", seconds))
        return self._send("token", self._node.token_call(codes), codes, seconds)

    def code(self, seconds: float) -> Facts:
        """Codes by live sessions; that each is one is seen in the answers."""
        template = Template.page(f"/auth?{urlencode(REQUEST)}&state=", {"Cookie": "{cookie}"})
        both = zip(self._states(self._count("code", seconds)), self._cookies, strict=False)
        values = [f"{state}\t{header}" for state, header in both]
        facts = self._send("code", template, values, seconds, locations=self._locations)
        codes = {code_in(line) for line in self._locations.read_text("utf-8").splitlines()}
        if len(codes) != facts["answers"]:
            raise Failed(f"{facts['answers']} answers, but {len(codes)} codes of the peer")
        return facts

    def page(self, seconds: float) -> Facts:
        """A page takes two requests, half of the time each: what leads to it, and the page."""
        first = Template.page(f"/auth?{urlencode(REQUEST)}&state=")
        states = self._states(self._count("page", seconds / 2))
        leading = self._send("page", first, states, seconds / 2)
        pages = [_page(self._node.server.port) for _ in range(BROWSERS)]
        values = [f"{address.rpartition('/')[2]}\t{header}" for address, header in pages]
        second = Template.page("/interaction/", {"Cookie": "{cookie}"})
        _, shown = self._metered.send(second, values, seconds / 2, once=False)
        return _one_after_the_other(leading, shown)

    def _states(self, count: int) -> list[str]:
        self._next += count
        return [f"{number:08}" for number in range(self._next - count, self._next)]

    def _count(self, kind: str, seconds: float) -> int:
        return int(self._rates[kind] * seconds * SPARE) + 200

    def _send(
        self, kind: str, template: Template, values: Sequence[str], seconds: float, **how: Any
    ) -> Facts:
        result, facts = self._metered.send(template, values, seconds, **how)
        self._rates[kind] = result.rate * (2 if result.ran_out else 1)
        return facts


def _one_after_the_other(first: Facts, second: Facts) -> Facts:
    """What two requests cost of which each needs the one before."""
    both = {
        name: round(first[name] + second[name], 3)
        for name in first
        if name.endswith(("_ms", "_us")) or name == "seconds"
    }
    rate = 1 / (1 / first["rate"] + 1 / second["rate"])
    answers = first["answers"] + second["answers"]
    return both | {"rate": round(rate, 1), "answers": answers}


def _sign_in(port: int, name: str) -> str:
    """The cookies of a browser in which somebody has signed in and consented. Raises Failed."""
    browser = _Browser(port)
    address, form = f"/auth?{urlencode(REQUEST)}&state=signing-in", None
    for _ in range(MOST_STEPS):
        location, page = browser.ask(address, form)
        if location.startswith(CALLBACK):
            code_in(location)
            return browser.cookies("_session")
        if location:
            address, form = location, None
        else:
            address = _FORM.findall(page)[0]
            form = {"prompt": _PROMPT.findall(page)[0], "login": name, "password": "any"}
    raise Failed("the peer's sign-in did not lead to a code")


def _page(port: int) -> tuple[str, str]:
    """The address of a sign-in page, and the cookies that its browser sends there."""
    browser = _Browser(port)
    location, _ = browser.ask(f"/auth?{urlencode(REQUEST)}&state=for-a-page")
    return location, browser.cookies("_session", "_interaction")


class _Browser:
    """A browser that signs in at the peer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: dict[str, str] = {}

    def ask(self, address: str, form: Mapping[str, str] | None = None) -> tuple[str, str]:
        """Where the answer redirects to, or nothing, and its page. Raises Failed."""
        parts = urlsplit(address)
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.request(
                "GET" if form is None else "POST",
                f"{parts.path}?{parts.query}",
                body=None if form is None else urlencode(form),
                headers={
                    "Cookie": cookie_header(self._kept),
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
            answer = connection.getresponse()
            page = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Failed(f"the peer answered {answer.status} at its sign-in")
        self._kept |= cookies_of(answer)
        return answer.headers.get("Location", ""), page

    def cookies(self, *names: str) -> str:
        """The header with the cookies of these names, and with their signatures."""
        wanted = {name for each in names for name in (each, f"{each}.sig")}
        return cookie_header({name: self._kept[name] for name in self._kept if name in wanted})
