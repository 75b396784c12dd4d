"""A small SSO system that follows the contract, or breaks it on request."""

import asyncio
import base64
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.conformance.simulator.misbehaviour import MESSAGES

CLIENT = Credentials("demo-client", "demo-client-secret-that-nobody-may-see")
DISABLED = Credentials("disabled-client", "disabled-client-secret-that-nobody-may-see")
PASSWORD = "a password that only the home page shows"
MAILBOX = "hana+mail@acme.example"
MAIL_PARAMETERS = ("email", "password")


@dataclass
class FakeSso:
    """The customer's side as the contract has it, in memory, with knobs to break it."""

    login_as: str = "key-of-hana"
    expires_in: object = 86400
    token_delay: float = 0
    token_body: bytes | None = None
    user_info_delay: float = 0
    user_info_body: bytes | None = None
    mail_delay: float = 0
    mail_answer: tuple[int, bytes] | None = None
    denies: bool = False
    check_url: str | None = None
    codes: dict[str, str | None] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    session_key_answers: list[str] = field(default_factory=list)
    origin: str = ""

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/login", self.login),
                Route("/accessToken", self.access_token, methods=["POST"]),
                Route("/userInfo", self.user_info, methods=["POST"]),
                Route("/logout", self.logout),
                Route("/apiLogin/{client_id}", self.mail_login, methods=["GET"]),
            ]
        )

    def endpoints(self) -> Endpoints:
        o = self.origin
        return Endpoints(
            f"{o}/login",
            f"{o}/login",
            f"{o}/accessToken",
            f"{o}/userInfo",
            f"{o}/logout",
            f"{o}/apiLogin/{CLIENT.client_id}",
        )

    def secrets(self) -> list[str]:
        return [*self.codes, *self.tokens, CLIENT.client_secret, DISABLED.client_secret, PASSWORD]

    async def login(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.seen.append(("login", query))
        here = query.get("redirect_uri", "").startswith("http://127.0.0.1:")
        if query.get("client_id") != CLIENT.client_id or not here:
            return HTMLResponse("<p>Not from here</p>", 400)
        if "sessionKey" in query and self.check_url:
            await self.check_session_key(query["sessionKey"])
        code = secrets.token_urlsafe(32)
        self.codes[code] = None
        end = "&error=access_denied" if self.denies else f"&code={code}"
        return RedirectResponse(query["redirect_uri"] + end, 303)

    async def check_session_key(self, key: str) -> None:
        async with httpx2.AsyncClient(trust_env=False) as http:
            for _ in range(2):
                answer = await http.post(f"{self.check_url}{key}", data={"ssoType": "OAUTH"})
                self.session_key_answers.append(answer.text)

    async def access_token(self, request: Request) -> Response:
        form = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        values = dict(form)
        self.seen.append(("token", values))
        await asyncio.sleep(self.token_delay)
        if self.token_body is not None:
            return Response(self.token_body, media_type="application/json")
        is_form = request.headers["content-type"] == "application/x-www-form-urlencoded"
        if not is_form or len(values) != len(form) or not values.get("code"):
            return error("201", 400)
        if len(values["code"]) > 16_000:
            return error("201", 413)
        if values["grant_type"] != "authorization_code":
            return error("203", 400)
        if (refusal := self.client_refusal(values)) is not None:
            return refusal
        return self.redeem(values["code"])

    def redeem(self, code: str) -> Response:
        if self.codes.get(code, "") is not None:
            self.tokens.discard(self.codes.get(code) or "")
            return error("302", 400)
        token = secrets.token_urlsafe(32)
        self.codes[code] = token
        self.tokens.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return JSONResponse(answer)

    def client_refusal(self, values: dict[str, str]) -> Response | None:
        given = Credentials(values.get("client_id", ""), values.get("client_secret", ""))
        if given == DISABLED:
            return error("101", 403)
        return None if given == CLIENT else error("301", 401)

    async def user_info(self, request: Request) -> Response:
        values = dict(parse_qsl((await request.body()).decode()))
        self.seen.append(("user_info", values))
        await asyncio.sleep(self.user_info_delay)
        if self.user_info_body is not None:
            return Response(self.user_info_body, media_type="application/json")
        if not values.get("access_token"):
            return error("201", 400)
        if values["access_token"] not in self.tokens:
            return error("303", 401)
        return JSONResponse({"user_id": self.login_as})

    async def mail_login(self, request: Request) -> Response:
        """A + belongs to Base64 here, and is no blank."""
        query = dict(parse_qsl(request.url.query.replace("+", "%2B")))
        self.seen.append(("mail", query))
        await asyncio.sleep(self.mail_delay)
        if self.mail_answer is not None:
            return Response(self.mail_answer[1], self.mail_answer[0], media_type="application/json")
        try:
            given = [base64.b64decode(query[name], validate=True) for name in MAIL_PARAMETERS]
        except (KeyError, ValueError):
            return error("201", 400)
        right = [MAILBOX.encode(), PASSWORD.encode()]
        if request.path_params["client_id"] != CLIENT.client_id or given != right:
            return JSONResponse({"error": "invalid_grant", "error_description": "No"}, 401)
        code = secrets.token_urlsafe(32)
        self.codes[code] = None
        return JSONResponse({"code": code})

    async def logout(self, request: Request) -> Response:
        self.seen.append(("logout", dict(request.query_params)))
        return RedirectResponse(request.query_params["redirect_uri"], 303)


def error(code: str, status: int) -> JSONResponse:
    description = f"{MESSAGES[code]}: as the contract has it"
    return JSONResponse({"error": code, "error_description": description}, status)


@contextmanager
def served(app_for: Callable[[str], Any]) -> Iterator[str]:
    """Serve an application on a free port of 127.0.0.1, in a thread; yields its origin."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # An access log would hold the query of the callback; a deployment has it off, too.
        config = uvicorn.Config(
            app_for(origin), log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield origin
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
