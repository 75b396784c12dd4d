"""What LINE WORKS sends, byte for byte, and how long it waits.

Every call returns an `Exchange`, even without a response: a conformance check and a person at the
simulator both need to see what was tried. `Exchange.masked()` is the form to show; `repr` shows
nothing else.

https://developers.worksmobile.com/jp/docs/sso-sp-oauth
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, urlencode

import httpx2

from worksgate.conformance.exchange import (
    FORM,
    Answer,
    Exchange,
    Failure,
    Headers,
    Request,
    TimeLimits,
    Timings,
    decode_parameters,
    in_base64,
    json_object,
    mask_url,
    query_of,
)

LOGIN_LIFETIME: Final = 30 * 60
"""Seconds from the authorization request to the redirect; LINE WORKS rejects later ones."""

ANSWER_SIZE_LIMIT: Final = 64 * 1024
"""Bytes of a response that are read. The largest valid response has a few hundred."""

SESSION_KEY_VALID: Final = b'{code: "00", message: "success"}'
SESSION_KEY_INVALID: Final = b'{code: "12", message: "invalid session key"}'
"""The response of LINE WORKS about a session key. The keys are documented without quotes, so this
is not JSON, and has to be parsed leniently."""

Parameters = Sequence[tuple[str, str]]


# Agreed by both sides


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs that an administrator enters in the LINE WORKS Developer Console."""

    web_login: str
    app_login: str
    access_token: str
    user_info: str
    logout: str
    imap_login: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Developer Console's Client ID and Client Secret."""

    client_id: str
    client_secret: str = field(repr=False)


# The login, which passes through the browser


class CallbackError(ValueError):
    """The browser came back without a usable code. `error` is its parameter, if any."""

    def __init__(self, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.error = error


def with_parameters(url: str, parameters: Parameters) -> str:
    """Return the URL with parameters added, each percent-encoded exactly once.

    The URL itself keeps its bytes, and a fragment stays at the end.
    """
    before, hash_sign, fragment = url.partition("#")
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters
    )
    separator = "" if not query else "&" if "?" in before else "?"
    return f"{before}{separator}{query}{hash_sign}{fragment}"


def redirect_uri_with_state(redirect_uri: str, state: str) -> str:
    """Return the redirect_uri as LINE WORKS sends it, with its own state inside."""
    return with_parameters(redirect_uri, [("state", state)])


def authorization_url(
    login_page: str,
    *,
    client_id: str,
    redirect_uri: str,
    works_id: str | None = None,
    app: bool = False,
    session_key: str | None = None,
) -> str:
    """Return the URL of the sign-in page, as a browser or an app of LINE WORKS opens it.

    `redirect_uri` comes with its state inside (`redirect_uri_with_state`) and is percent-encoded
    once more here, as one value. `app` and `session_key` are added by the mobile and PC apps.
    """
    parameters = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
    ]
    if works_id:
        parameters.append(("worksId", works_id))
    if app:
        parameters.append(("userAgent", "LineWorks"))
    if session_key is not None:
        parameters.append(("sessionKey", session_key))
    return with_parameters(login_page, parameters)


def parse_callback(url: str, *, redirect_uri: str | None = None) -> str:
    """Return the authorization code from the URL that the browser was redirected to.

    With `redirect_uri`, the URL must be exactly that one with one code added, every other byte
    unchanged. Raises CallbackError otherwise, and also if the code is missing, empty or repeated.
    """
    parameters = decode_parameters(query_of(url))
    codes = [value for name, value in parameters if name == "code"]
    if len(codes) > 1:
        raise CallbackError("the code was given more than once")
    if not codes or not codes[0]:
        error = dict(parameters).get("error")
        raise CallbackError("there is no code in the URL", error)
    if redirect_uri is not None and url != _with_code(redirect_uri, written_in=url):
        raise CallbackError("the URL is not the redirect_uri plus one code")
    return codes[0]


def _with_code(redirect_uri: str, *, written_in: str) -> str:
    """Return the redirect_uri with the code added, in the bytes of the callback."""
    code = re.search(r"[?&]code=([^&#]*)", written_in)
    before, hash_sign, fragment = redirect_uri.partition("#")
    separator = "&" if "?" in before else "?"
    return f"{before}{separator}code={code[1] if code else ''}{hash_sign}{fragment}"


# Server-to-server calls


def _mask_logged_address(record: logging.LogRecord) -> bool:
    """Mask the secrets in URLs that httpx2 logs; keep the record."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            mask_url(str(value)) if isinstance(value, httpx2.URL) else value
            for value in record.args
        )
    return True


# httpx2 logs the URL of every request, and that of an IMAP login contains a password.
logging.getLogger("httpx2").addFilter(_mask_logged_address)


class LineWorks:
    """LINE WORKS, as one client sees it: the calls from its own servers.

    Each call opens a new connection, so that the time to connect is always measured, follows no
    redirect and never raises because of the other side. Close it with `aclose`, or use it in `async
    with`. `transport` is another way to the server than the URL's; it brings its own `verify`.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials,
        *,
        limits: TimeLimits | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
        size_limit: int = ANSWER_SIZE_LIMIT,
    ) -> None:
        self.endpoints = endpoints
        self.credentials = credentials
        self.limits = limits or TimeLimits()
        self._size_limit = size_limit
        self._http = httpx2.AsyncClient(
            verify=verify,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
            timeout=httpx2.Timeout(self.limits.answer, connect=self.limits.connect, pool=None),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def exchange_code(
        self, code: str, *, credentials: Credentials | None = None, grant_type: str | None = None
    ) -> Exchange:
        """Post the code to the Access Token Return API (steps 7 and 8 of the flow).

        `credentials` and `grant_type` can be changed to provoke a refusal.
        """
        grant = ("grant_type", grant_type or "authorization_code")
        form = [grant, *self._client(credentials), ("code", code)]
        return await self.post(self.endpoints.access_token, form)

    async def refresh(
        self, refresh_token: str, *, credentials: Credentials | None = None
    ) -> Exchange:
        """Request a new token from the Access Token Return API."""
        grant = ("grant_type", "refresh_token")
        form = [grant, *self._client(credentials), ("refresh_token", refresh_token)]
        return await self.post(self.endpoints.access_token, form)

    async def user_info(
        self, access_token: str, *, credentials: Credentials | None = None
    ) -> Exchange:
        """Post the access token to the User info return API (steps 9 and 10)."""
        form = [*self._client(credentials), ("access_token", access_token)]
        return await self.post(self.endpoints.user_info, form)

    async def imap_login(self, email: str, password: str) -> Exchange:
        """Send a username and a password to the IMAP/CalDAV Login API, each in Base64.

        Raises ValueError if the endpoints have no such API.
        """
        if self.endpoints.imap_login is None:
            raise ValueError("there is no IMAP/CalDAV Login API among the endpoints")
        encoded = [("email", in_base64(email)), ("password", in_base64(password))]
        url = with_parameters(self.endpoints.imap_login, encoded)
        return await self.send("GET", url, secrets=(password, encoded[1][1]))

    def logout_url(self, redirect_uri: str | None = None) -> str:
        """Return the URL that the browser is sent to when a person signs out."""
        parameters = [] if redirect_uri is None else [("redirect_uri", redirect_uri)]
        return with_parameters(self.endpoints.logout, parameters)

    async def post(self, url: str, form: Parameters) -> Exchange:
        """Post a form; the parameters are sent in the given order, including repetitions."""
        return await self.send(
            "POST", url, body=urlencode(form, errors="replace").encode(), content_type=FORM
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Headers = (),
        expects_json: bool = True,
        secrets: tuple[str, ...] = (),
    ) -> Exchange:
        """Send any request and record what happened. Raises only for programming errors."""
        typed = () if content_type is None else (("Content-Type", content_type),)
        request = Request(method, url, (*typed, *headers), body)
        call = _Call(self._http, self.limits, self._size_limit)
        answer, failure = await call.run(request)
        if failure is None and expects_json and answer and json_object(answer.body) is None:
            failure = Failure.NOT_JSON
        kept = (self.credentials.client_secret, *secrets)
        return Exchange(request, answer, call.timings, self.limits, failure, kept)

    def _client(self, credentials: Credentials | None = None) -> list[tuple[str, str]]:
        client = credentials or self.credentials
        return [("client_id", client.client_id), ("client_secret", client.client_secret)]


class _AnswerTooLargeError(Exception):
    """The response is larger than the limit."""


class _Call:
    """A request in progress, with a stopwatch driven by httpcore's trace events.

    httpx2 limits each read separately, so a server that sends one byte a second would never time
    out; the deadline here limits the response as a whole.
    """

    def __init__(self, http: httpx2.AsyncClient, limits: TimeLimits, size_limit: int) -> None:
        self._http = http
        self._limits = limits
        self._size_limit = size_limit
        self._at: dict[str, float] = {}
        self._deadline: asyncio.Timeout | None = None
        self._head: tuple[int, Headers] | None = None
        self._body = bytearray()

    @property
    def answer(self) -> Answer | None:
        """The part of the response that was received, truncated to the limit."""
        if self._head is None:
            return None
        return Answer(*self._head, bytes(self._body[: self._size_limit]))

    @property
    def timings(self) -> Timings:
        return Timings(
            connect=self._duration("connection.connect_tcp"),
            tls=self._duration("connection.start_tls"),
            answer=self._between("http11.send_request_headers.started", "answer.complete"),
        )

    async def run(self, request: Request) -> tuple[Answer | None, Failure | None]:
        """Send and return the response, or the received part of it, and the failure if any."""
        try:
            # Until the request is sent, httpx2's limits for TCP and TLS apply; this is the outer
            # bound, which `_trace` moves.
            async with asyncio.timeout(2 * self._limits.connect + self._limits.answer) as deadline:
                self._deadline = deadline
                await self._exchange(request)
        except (
            httpx2.TransportError,
            httpx2.InvalidURL,
            _AnswerTooLargeError,
            TimeoutError,
        ) as error:
            self._at.setdefault("answer.complete", time.perf_counter())
            return self.answer, self._failure(error)
        return self.answer, None

    async def _exchange(self, request: Request) -> None:
        async with self._http.stream(
            request.method,
            request.url,
            content=request.body or None,
            headers=list(request.headers),
            extensions={"trace": self._trace},
        ) as response:
            self._head = response.status_code, tuple(response.headers.multi_items())
            async for chunk in response.aiter_raw():
                self._body += chunk
                if len(self._body) > self._size_limit:
                    raise _AnswerTooLargeError
            self._at["answer.complete"] = time.perf_counter()

    async def _trace(self, event: str, _: Mapping[str, object]) -> None:
        self._at[event] = time.perf_counter()
        if event == "http11.send_request_headers.started" and self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._limits.answer)

    def _duration(self, phase: str) -> float | None:
        ended = "failed" if f"{phase}.failed" in self._at else "complete"
        return self._between(f"{phase}.started", f"{phase}.{ended}")

    def _between(self, start: str, end: str) -> float | None:
        if start not in self._at or end not in self._at:
            return None
        return self._at[end] - self._at[start]

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, _AnswerTooLargeError):
            return Failure.ANSWER_TOO_LARGE
        sent = "http11.send_request_headers.started" in self._at
        if isinstance(error, httpx2.TimeoutException | TimeoutError):
            return Failure.ANSWER_TIMEOUT if sent else Failure.CONNECT_TIMEOUT
        if sent:
            return Failure.BROKEN_ANSWER
        tls = "connection.start_tls.failed" in self._at
        return Failure.TLS_FAILED if tls else Failure.CONNECT_FAILED
