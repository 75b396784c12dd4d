"""Browsers that a proxy sends to one node or another."""

import asyncio
import re
import time
from dataclasses import dataclass

import httpx2
import pyotp
from tests.faults.node import Node
from tests.installation import PUBLIC_URL, Browser, LoginPage, code_of

STEP = 30
"""Seconds for which an authenticator app shows a code; the one before is good too."""
_HURRY = 6
"""Seconds that are left of a step when it is rather waited for the next one."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the built-in directory."""

    username: str
    password: str
    user_id: str


class Proxy(httpx2.AsyncHTTPTransport):
    """Shows a node to browsers under ``PUBLIC_URL``."""

    def __init__(self, node: Node) -> None:
        super().__init__(verify=False)  # it speaks plain http, and needs no certificates
        self.node = node

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        forwarded = httpx2.Request(
            request.method,
            request.url.copy_with(scheme="http", host="127.0.0.1", port=self.node.port),
            headers=[*request.headers.raw, (b"x-forwarded-proto", b"https")],
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(forwarded)


class Visit:
    """A browser, and the node that the proxy sends it to. It is closed at the end of the block."""

    def __init__(self, node: Node, client_id: str) -> None:
        self._proxy = Proxy(node)
        self._http = httpx2.AsyncClient(transport=self._proxy, base_url=PUBLIC_URL, timeout=20)
        self.browser = Browser(self._http, client_id)

    def go_to(self, node: Node) -> None:
        """Let the proxy send it to another node from now on."""
        self._proxy.node = node

    async def __aenter__(self) -> "Visit":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def code(self, person: Person) -> str:
        """Sign in by a password alone."""
        return await self.browser.code(person.username, person.password)

    async def code_by_session(self) -> str:
        """Come again, signed in already."""
        return code_of(await self.browser.arrive())

    async def code_by_app(self, person: Person, app: pyotp.TOTP) -> str:
        """Sign in by a password and the code that an app shows now."""
        asked = await self.browser.sign_in(person.username, person.password)
        assert asked.status_code == 200, asked.text
        page = LoginPage.of(asked)
        signed_in = await self.browser.submit(page, step="prove", otp=app.at(int(time.time())))
        assert signed_in.status_code == 303, signed_in.text
        return code_of(signed_in)

    async def set_up_app(self, person: Person) -> pyotp.TOTP:
        """Set up an authenticator app by the code before the present one, which stays unused."""
        page = await self.browser.sign_in_to_account(
            person.username, person.password, page="/authenticator"
        )
        shown = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', page.text)
        assert shown is not None, page.text
        app = pyotp.TOTP(shown[1].replace(" ", ""))
        if (left := STEP - time.time() % STEP) < _HURRY:
            await asyncio.sleep(left)
        otp = app.at(int(time.time()) - STEP)
        done = await self.browser.post_to_account("/authenticator", {"otp": otp})
        assert done.status_code in (200, 303), done.text
        return app
