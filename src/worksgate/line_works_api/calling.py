"""Calls of the API: one at a time, paced, retried where that is safe, and bounded.

A call that may be repeated is repeated after no answer, a broken one or a 5xx; any call after 429
and 503, which say that nothing was done. One redirect of a GET is followed, to the API's own host.
https://developers.worksmobile.com/en/docs/api-call
https://developers.worksmobile.com/en/docs/error-codes
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx2

from worksgate.limits.outgoing import GuardedTransport, Unusable
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.errors import (
    AccessRefused,
    ApiRefused,
    ApiUnavailable,
)
from worksgate.line_works_api.hosts import Hosts
from worksgate.line_works_api.pacing import Clock, Pace, Sleep, seconds_until_fresh
from worksgate.line_works_api.tokens import AccessTokens, TokenAnswer

CONNECT_TIMEOUT: Final = 5.0
TIMEOUT: Final = 30.0
"""Seconds for one attempt, with the whole answer."""
MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes: a page of 100 people with all of their fields is a tenth of that."""
ATTEMPTS: Final = 5
"""Of one call; between them it waits 2, 4, 8 and 16 s."""
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_TOKEN: Final = "token"  # the name of an operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of the API, whose calls LINE WORKS counts together.

    ``does`` ends the sentence "LINE WORKS refused to". ``is_repeatable``: a second call does no
    harm if the first one has taken place after all. ``answers``: whether JSON is expected.
    """

    name: str
    method: str
    does: str
    is_repeatable: bool = True
    answers: bool = False


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
    ) -> None:
        self._hosts = hosts
        self._timing = timing or Timing()
        self._pace = pace or Pace(self._timing.clock, self._timing.sleep)
        self.tokens = AccessTokens(app, self._post_form, self._timing.now, self._timing.clock)
        self._one_at_a_time = asyncio.Lock()
        self._http = httpx2.AsyncClient(
            transport=GuardedTransport(
                transport or httpx2.AsyncHTTPTransport(),
                lambda url: hosts.is_allowed(url.scheme, url.host, url.port),
                max_answer=MAX_ANSWER,
                returns_redirects=True,
            ),
            timeout=httpx2.Timeout(self._timing.timeout, connect=CONNECT_TIMEOUT),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def authenticate(self) -> frozenset[str]:
        """Fetch an access token if there is none; the scopes that it has.

        Raises TokenRefused or ApiUnavailable.
        """
        async with self._one_at_a_time:
            await self.tokens.get()
            return self.tokens.granted

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
        url = self._hosts.api + path
        if query:
            url += "?" + urlencode(query, quote_via=quote, safe="")
        content = None if body is None else json.dumps(body).encode()
        async with self._one_at_a_time:
            return await self._repeated(operation, url, content)

    async def _repeated(self, operation: Operation, url: str, content: bytes | None) -> Any:
        has_new_token = False
        for attempt in range(1, ATTEMPTS + 1):
            await self._pace.turn(operation.name)
            try:
                answer = await self._authorized(operation, url, content)
                self._pace.heed(operation.name, answer.headers)
                if answer.status == 401 and not has_new_token:
                    has_new_token = True
                    self.tokens.drop()
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
        headers = {"Authorization": f"Bearer {await self.tokens.get()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        answer = await self._sent(operation.method, url, headers, content)
        if answer.status not in _REDIRECTS:
            return answer
        target = self._redirected(operation, url, answer)
        answer = await self._sent("GET", target, headers, None)
        if answer.status in _REDIRECTS:
            raise Unusable("the response is a second redirect")
        return answer

    def _redirected(self, operation: Operation, url: str, answer: _Answer) -> str:
        """Where a redirect leads. Raises Unusable if it may not be followed."""
        if operation.method != "GET":
            raise Unusable("the response is a redirect")
        try:
            target = httpx2.URL(url).join(answer.headers.get("location", ""))
        except (httpx2.InvalidURL, ValueError):
            raise Unusable("the response is a redirect to nowhere") from None
        if not self._hosts.is_api(target.scheme, target.host, target.port):
            raise Unusable("the response is a redirect to another host")
        return str(target)

    async def _post_form(self, form: bytes) -> TokenAnswer:
        """One request of the token endpoint, repeated like any other."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
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
            async with asyncio.timeout(self._timing.timeout):
                response = await self._http.request(
                    method, url, headers=dict(headers), content=content
                )
        except Unusable:
            raise
        except (TimeoutError, httpx2.TimeoutException):
            raise Unusable("it took too long") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unusable(type(error).__name__) from None
        finally:
            self._http.cookies.clear()  # a call is authorized by its token alone
        return _Answer(response.status_code, response.headers, response.content)


class NotAPerson(ValueError):
    """An ID that would name something else: nobody, a folder, or the app itself."""


def person_path(id_: str) -> str:
    """The path of a person, whose ID is encoded whole. Raises NotAPerson."""
    if id_ in ("", ".", "..", "me", "external-keys"):
        raise NotAPerson("this is not the ID of a person")
    return "/users/" + quote(id_, safe="")


def _object(answer: _Answer) -> Mapping[str, Any] | None:
    try:
        document = answer.json()
    except Unusable:
        return None
    return document if isinstance(document, dict) else None


def _pause(answer: _Answer, attempt: int) -> float:
    """Seconds before the next attempt."""
    return seconds_until_fresh(answer.headers) if answer.status == 429 else 2.0**attempt
