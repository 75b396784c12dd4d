"""Verifies an app's ``sessionKey`` with LINE WORKS.

Off by default; a client's ``session_key_check`` defines what no response means. The check is an
optional part of the protocol: skipping it changes nothing for the sign-in.
https://developers.worksmobile.com/jp/docs/sso-verify-login
"""

import asyncio
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from worksgate.credentials.secrets import digest
from worksgate.limits.egress import Egress
from worksgate.limits.networks import network_of
from worksgate.limits.rate_limit import RateLimit
from worksgate.oauth.authorization import TRANSACTION_LIFETIME, AuthorizationRequest
from worksgate.oauth.errors import AuthorizationError, Cause
from worksgate.oauth.model import Client, LoginKind, SessionKeyCheck
from worksgate.store import Store

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 1.0
"""Seconds for the whole check (R-16)."""
REQUESTS_PER_MINUTE = 600
"""Questions that a process asks for one network: as many as come from a large office when its day
begins. There is no number for all networks, which strangers could use up against everybody."""

_CODE = re.compile(rb"""["']?code["']?\s*:\s*["']?(\d+)""")


class SessionKeyAnswer(StrEnum):
    """LINE WORKS' answer about a sessionKey; UNKNOWN means no usable response in time."""

    YES = "00"
    NO = "12"
    UNKNOWN = "unknown"


class Browser(Protocol):
    """The part of a browser that this module needs."""

    @property
    def address(self) -> str: ...

    @property
    def secret(self) -> str: ...


class SessionKeyRefused(AuthorizationError):
    """LINE WORKS did not confirm a ``sessionKey``, and the client's policy requires that.

    The cause is NO_ANSWER if it did not say that the key is wrong.
    """

    usual_cause = Cause.NOT_CONFIRMED


class SessionKeys:
    """Queries a fixed URL; follows no redirect."""

    def __init__(self, url: str, store: Store, egress: Egress | None = None) -> None:
        self._egress = egress or Egress()
        self._url = url
        self._store = store
        self._http: httpx2.AsyncClient | None = None
        self._requests = RateLimit(REQUESTS_PER_MINUTE)

    async def check(
        self, request: AuthorizationRequest, client: Client, browser: Browser, now: float
    ) -> None:
        """Admit a request according to the client's ``session_key_check``.

        A network with ``REQUESTS_PER_MINUTE`` checks gets no answer until the minute is over.
        Raises SessionKeyRefused.
        """
        policy = client.session_key_check
        if policy is SessionKeyCheck.OFF or request.login_kind is not LoginKind.APP:
            return
        answer = SessionKeyAnswer.UNKNOWN
        if request.session_key is not None:
            answer = await self._answer(request.session_key, browser, now)
        if answer is SessionKeyAnswer.NO or (
            answer is SessionKeyAnswer.UNKNOWN and policy is SessionKeyCheck.FAIL_CLOSED
        ):
            cause = Cause.NOT_CONFIRMED if answer is SessionKeyAnswer.NO else Cause.NO_ANSWER
            refusal = SessionKeyRefused("LINE WORKS did not confirm the sessionKey", cause)
            refusal.client_id = client.client_id
            raise refusal

    async def ask(self, session_key: str) -> SessionKeyAnswer:
        """The answer for a key that has the form of ``AuthorizationRequest.session_key``."""
        import httpx2  # few installations use it: the others need not load it

        if self._http is None:
            self._http = httpx2.AsyncClient(
                transport=self._egress.transport(),
                timeout=TIMEOUT,
                follow_redirects=False,
                trust_env=False,
            )
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._http.post(
                    f"{self._url}{session_key}", data={"ssoType": "OAUTH"}
                )
        except (TimeoutError, httpx2.HTTPError):
            return SessionKeyAnswer.UNKNOWN
        return read_answer(answer.status_code, answer.content)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _answer(self, session_key: str, browser: Browser, now: float) -> SessionKeyAnswer:
        """LINE WORKS says yes only once; when this browser reloads the page, ours is used."""
        confirmed = f"session_key:{digest(session_key + browser.secret)}"
        if await self._store.count(confirmed, now):
            return SessionKeyAnswer.YES
        if self._requests.exceeded(network_of(browser.address), now):
            return SessionKeyAnswer.UNKNOWN
        answer = await self.ask(session_key)
        if answer is SessionKeyAnswer.YES:
            await self._store.bump(confirmed, TRANSACTION_LIFETIME, now)
        return answer


def read_answer(status: int, body: bytes) -> SessionKeyAnswer:
    """Parse a response leniently: the documented examples are not valid JSON."""
    found = _CODE.search(body[:4_096]) if status == 200 else None
    code = found[1].decode() if found else ""
    return SessionKeyAnswer(code) if code in ("00", "12") else SessionKeyAnswer.UNKNOWN
