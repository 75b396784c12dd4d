"""Asking LINE WORKS whether an app's ``sessionKey`` is real.

Off by default; a client's ``session_key_check`` says what silence means. The answer to the
question is a side remark of the protocol: skipping it changes nothing for the login.
https://developers.worksmobile.com/jp/docs/sso-verify-login
"""

import asyncio
import re
from enum import StrEnum

import httpx2

TIMEOUT = 1.0
"""Seconds for the whole question (R-16)."""

_CODE = re.compile(rb"""["']?code["']?\s*:\s*["']?(\d+)""")


class SessionKeyAnswer(StrEnum):
    """What LINE WORKS says of a sessionKey; UNKNOWN is no usable answer in time."""

    YES = "00"
    NO = "12"
    UNKNOWN = "unknown"


class SessionKeys:
    """Asks under a fixed address; follows no redirect."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, session_key: str) -> SessionKeyAnswer:
        """The answer for a key that has the form of ``AuthorizationRequest.session_key``."""
        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._client.post(
                    f"{self._url}{session_key}", data={"ssoType": "OAUTH"}
                )
        except (TimeoutError, httpx2.HTTPError):
            return SessionKeyAnswer.UNKNOWN
        return read_answer(answer.status_code, answer.content)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def read_answer(status: int, body: bytes) -> SessionKeyAnswer:
    """Read an answer leniently: the documented examples are not valid JSON."""
    found = _CODE.search(body[:4_096]) if status == 200 else None
    code = found[1].decode() if found else ""
    return SessionKeyAnswer(code) if code in ("00", "12") else SessionKeyAnswer.UNKNOWN
