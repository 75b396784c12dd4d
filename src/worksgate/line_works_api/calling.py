"""Calls of the API: one at a time (or a few), paced, retried where that is safe, and bounded.

A call that may be repeated is repeated after no answer, a broken one or a 5xx; any call after 429
and 503, which say that nothing was done. One redirect of a GET is followed, to the API's own host,
or that of downloads.
https://developers.worksmobile.com/en/docs/api-call
https://developers.worksmobile.com/en/docs/error-codes
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlencode

import httpx2

from worksgate.limits.outgoing import GuardedTransport, Unusable
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.errors import (
    AccessRefused,
    ApiError,
    ApiRefused,
    ApiUnavailable,
)
from worksgate.line_works_api.hosts import Hosts
from worksgate.line_works_api.pacing import Clock, Pace, Sleep, seconds_until_fresh
from worksgate.line_works_api.tokens import AccessTokens, TokenAnswer
from worksgate.settings.assumptions import DEFAULTS, Assumptions

CONNECT_TIMEOUT: Final = 5.0
TIMEOUT: Final = 30.0
"""Seconds for one attempt, with the whole answer."""
MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes: a page of 100 people with all of their fields is a tenth of that."""
MAX_DOWNLOAD: Final = 2 * 1024**3
DOWNLOAD_TIMEOUT: Final = 900.0
"""Seconds for one file."""
ATTEMPTS: Final = 5
"""Of one call; between them it waits 2, 4, 8 and 16 s."""
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_NO_FILES: Final = frozenset(("text/html", "application/json"))
_TOKEN: Final = "token"  # the name of an operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of the API, whose calls LINE WORKS counts together.

    ``does`` ends the sentence "LINE WORKS refused to". ``is_repeatable``: a second call does no
    harm if the first one has taken place after all. ``answers``: whether JSON is expected.
    ``scopes`` are those of which any one suffices, the one that allows least first.
    ``per_minute`` is the limit of one that has its own.
    """

    name: str
    method: str
    does: str
    scopes: tuple[str, ...]
    is_repeatable: bool = True
    answers: bool = False
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks; tests have others. ``now`` is in seconds since the epoch."""

    now: Clock = time.time
    clock: Clock = time.monotonic
    sleep: Sleep = asyncio.sleep
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Raises Unusable. Whole numbers are exact, however long."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise Unusable("the response is not JSON")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unusable("the response is not JSON") from None


class Caller:
    """Calls operations as one app; it is closed by whoever made it."""

    def __init__(
        self,
        app: ApiApp,
        hosts: Hosts,
        *,
        timing: Timing | None = None,
        pace: Pace | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        assumed: Assumptions = DEFAULTS,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._timing = timing or Timing()
        self._pace = pace or Pace(self._timing.clock, self._timing.sleep)
        self.tokens = AccessTokens(
            app, self._post_form, self._timing.now, self._timing.clock, assumed
        )
        self._turns = asyncio.Semaphore(assumed.calls_at_once)
        self.assumed = assumed
        outside = transport or httpx2.AsyncHTTPTransport()
        self._http = self._client(outside, hosts.is_allowed, MAX_ANSWER)
        self._downloads = self._client(outside, hosts.may_download, MAX_DOWNLOAD)

    def _client(
        self,
        outside: httpx2.AsyncBaseTransport,
        is_allowed: Callable[[str, str, int | None], bool],
        max_answer: int,
    ) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=GuardedTransport(
                outside,
                lambda url: is_allowed(url.scheme, url.host, url.port),
                max_answer=max_answer,
                returns_redirects=True,
            ),
            timeout=httpx2.Timeout(self._timing.timeout, connect=CONNECT_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()
        await self._downloads.aclose()

    async def authenticate(self) -> frozenset[str]:
        """Fetch an access token with all scopes of the app; those that it has.

        Raises TokenRefused or ApiUnavailable.
        """
        async with self._turns:
            await self.tokens.get(self._app.scopes)
            return self.tokens.granted(self._app.scopes)

    def granted(self, operation: Operation) -> frozenset[str]:
        """The scopes of the token with which an operation was called."""
        return self.tokens.granted(self._app.least(operation.scopes))

    async def call(
        self,
        operation: Operation,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON of the answer, or None for an operation that has none.

        ``path`` is below the base URL, and encoded. Raises ApiError.
        """
        url = self._url(path, query)
        content = None if body is None else json.dumps(body).encode()
        async with self._turns:
            return await self._repeated(
                operation, lambda: self._authorized(operation, url, content)
            )

    async def download(
        self, operation: Operation, path: str, file: BinaryIO, *, query: Mapping[str, str]
    ) -> None:
        """Write what an operation redirects to into an empty file, whole.

        The address lapses, so after any problem all is asked again. Raises ApiError; there may be
        a part of it in the file then.
        """
        url = self._url(path, query)
        async with self._turns:
            await self._repeated(operation, lambda: self._downloaded(operation, url, file))

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        url = self._hosts.api + path
        return f"{url}?{urlencode(query, quote_via=quote, safe='')}" if query else url

    async def _repeated(self, operation: Operation, send: Callable[[], Awaitable[_Answer]]) -> Any:
        has_new_token = False
        for attempt in range(1, ATTEMPTS + 1):
            await self._pace.turn(operation.name, operation.per_minute)
            try:
                answer = await send()
                self._pace.heed(operation.name, answer.headers)
                if answer.status == 401 and not has_new_token:
                    has_new_token = True
                    self.tokens.drop(self._app.least(operation.scopes))
                    continue
                if answer.status not in (429, 503) and answer.status < 500:
                    return self._result(operation, answer)
                problem = f"it answers with status {answer.status}"
                may_repeat = operation.is_repeatable or answer.status in (429, 503)
                seconds = _pause(answer, attempt)
            except Unusable as error:
                problem, may_repeat = str(error), operation.is_repeatable
                seconds = 2.0**attempt
            if not may_repeat or attempt == ATTEMPTS:
                break
            await self._timing.sleep(seconds)
        raise ApiUnavailable(f"LINE WORKS gives no answer to {operation.does}: {problem}")

    def _result(self, operation: Operation, answer: _Answer) -> Any:
        """The JSON of a good answer, or None. Raises ApiRefused, or Unusable for a strange one."""
        if 200 <= answer.status < 300:
            if operation.answers:
                return answer.json()
            if answer.status == 200 and answer.body:
                answer.json()  # the page of a proxy is no proof that anything was done
            return None
        kind = AccessRefused if answer.status in (401, 403) else ApiRefused
        document = _object(answer) or {}
        said = (document.get(name) or "" for name in ("code", "description"))
        # An answer may quote the token that it refuses.
        code, description = (self.tokens.hide(str(each)) for each in said)
        raise kind(operation.does, answer.status, code, description)

    async def _authorized(self, operation: Operation, url: str, content: bytes | None) -> _Answer:
        headers = {"Accept": "application/json"} | await self._authorization(operation)
        if content is not None:
            headers["Content-Type"] = "application/json"
        answer = await self._sent(operation.method, url, headers, content)
        if answer.status not in _REDIRECTS:
            return answer
        if operation.method != "GET":
            raise Unusable("the response is a redirect")
        target = _redirected(url, answer)
        if not self._hosts.is_api(target.scheme, target.host, target.port):
            raise Unusable("the response is a redirect to another host")
        answer = await self._sent("GET", str(target), headers, None)
        if answer.status in _REDIRECTS:
            raise Unusable("the response is a second redirect")
        return answer

    async def _authorization(self, operation: Operation) -> dict[str, str]:
        token = await self.tokens.get(self._app.least(operation.scopes))
        return {"Authorization": f"Bearer {token}"}

    async def _downloaded(self, operation: Operation, url: str, file: BinaryIO) -> _Answer:
        """The answer to a download; 204 if the file has all of it."""
        headers = await self._authorization(operation)
        answer = await self._sent(operation.method, url, headers, None)
        if 200 <= answer.status < 300:
            raise Unusable("the response is no redirect to a file")
        if answer.status not in _REDIRECTS:
            return answer
        target = _redirected(url, answer)
        if not self._hosts.may_download(target.scheme, target.host, target.port):
            raise NotAllowedThere(
                f"LINE WORKS has the file at {target.scheme}://{target.netloc.decode('ascii')}, "
                "which is no allowed host: if it is one of LINE WORKS, add it to "
                "line_works_download_urls"
            )
        file.seek(0)
        file.truncate()
        with _as_unusable():
            async with (
                asyncio.timeout(DOWNLOAD_TIMEOUT),
                self._downloads.stream("GET", str(target), headers=headers) as response,
            ):
                if response.status_code != 200:
                    return _of_no_file(response)
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if kind in _NO_FILES:
                    raise Unusable(f"the response is no file, but {kind}")
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
        return _Answer(204, response.headers, b"")

    async def _post_form(self, form: bytes) -> TokenAnswer:
        """One request of the token endpoint, repeated like any other."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        problem = ""
        for attempt in range(1, ATTEMPTS + 1):
            await self._pace.turn(_TOKEN)
            try:
                answer = await self._sent("POST", self._hosts.token_url, headers, form)
                if answer.status < 500 and answer.status != 429:
                    if answer.status == 200:
                        answer.json()
                    return TokenAnswer(answer.status, _object(answer))
                problem, seconds = f"status {answer.status}", _pause(answer, attempt)
            except Unusable as error:
                problem, seconds = str(error), 2.0**attempt
            if attempt < ATTEMPTS:
                await self._timing.sleep(seconds)
        raise ApiUnavailable(f"the authorization server of LINE WORKS gives no answer: {problem}")

    async def _sent(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> _Answer:
        """One request. Raises Unusable for whatever is no whole answer."""
        try:
            with _as_unusable():
                async with asyncio.timeout(self._timing.timeout):
                    response = await self._http.request(
                        method, url, headers=dict(headers), content=content
                    )
        except OSError as error:
            raise Unusable(type(error).__name__) from None
        finally:
            self._http.cookies.clear()  # a call is authorized by its token alone
        return _Answer(response.status_code, response.headers, response.content)


class NotAllowedThere(ApiError):
    """LINE WORKS redirects to a host that is not in the settings."""


class NotAPerson(ValueError):
    """An ID that would name something else: nobody, a folder, or the app itself."""


def person_path(id_: str) -> str:
    """The path of a person, whose ID is encoded whole. Raises NotAPerson."""
    if id_ in ("", ".", "..", "me", "external-keys"):
        raise NotAPerson("this is not the ID of a person")
    return "/users/" + quote(id_, safe="")


@contextmanager
def _as_unusable() -> Iterator[None]:
    """Whatever is no whole answer is Unusable."""
    try:
        yield
    except Unusable:
        raise
    except (TimeoutError, httpx2.TimeoutException):
        raise Unusable("it took too long") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise Unusable(type(error).__name__) from None


def _redirected(url: str, answer: _Answer) -> httpx2.URL:
    """Where a redirect leads. Raises Unusable."""
    try:
        return httpx2.URL(url).join(answer.headers.get("location", ""))
    except (httpx2.InvalidURL, ValueError):
        raise Unusable("the response is a redirect to nowhere") from None


def _of_no_file(response: httpx2.Response) -> _Answer:
    """The answer of a host without the file. Raises Unusable if all is to be asked again."""
    if response.status_code in _REDIRECTS:
        raise Unusable("the response is a second redirect")
    if response.status_code in (404, 410):
        raise Unusable("the address of the file has lapsed")
    return _Answer(response.status_code, response.headers, b"")


def _object(answer: _Answer) -> Mapping[str, Any] | None:
    try:
        document = answer.json()
    except Unusable:
        return None
    return document if isinstance(document, dict) else None


def _pause(answer: _Answer, attempt: int) -> float:
    """Seconds before the next attempt."""
    return seconds_until_fresh(answer.headers) if answer.status == 429 else 2.0**attempt
