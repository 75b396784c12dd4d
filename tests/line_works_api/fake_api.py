"""LINE WORKS' API as a list of answers to come, and a clock on which nobody waits."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.hosts import Hosts

HOSTS = Hosts(api="https://www.worksapis.com/v1.0", auth="https://auth.worksmobile.com/oauth2/v2.0")
TOKEN_URL = "https://auth.worksmobile.com/oauth2/v2.0/token"
SECRET = "app+secret/="
NOW = 1_800_000_000.25
JSON = {"Content-Type": "application/json; charset=UTF-8"}


@cache
def private_key(form: PrivateFormat = PrivateFormat.PKCS8, bits: int = 2_048) -> str:
    key = generate_private_key(public_exponent=65_537, key_size=bits)
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def app(**changes: Any) -> ApiApp:
    values: dict[str, Any] = {
        "client_id": "app-1",
        "client_secret": SECRET,
        "service_account": "abcde.serviceaccount@example.com",
        "private_key": private_key(),
        "scopes": ("directory", "bot.message"),
    }
    return ApiApp.checked(**(values | changes))


@dataclass(frozen=True)
class Asked:
    """A request, as it came."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Watch:
    """Seconds since the epoch, and a monotonic clock; sleeping moves both."""

    passed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + self.passed

    def clock(self) -> float:
        return 1_000.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        return Timing(now=self.now, clock=self.clock, sleep=self.sleep, timeout=5.0)


Reply = httpx2.Response | Exception


def token(**changes: Any) -> httpx2.Response:
    document = {
        "access_token": "token-1",
        "refresh_token": "refresh-1",
        "token_type": "Bearer",
        "expires_in": "86400",
        "scope": "directory bot.message",
    }
    return httpx2.Response(200, json=document | changes)


def page(*users: Mapping[str, Any], cursor: object = None) -> httpx2.Response:
    meta = {} if cursor is None else {"responseMetaData": {"nextCursor": cursor}}
    return httpx2.Response(200, json={"users": list(users), **meta})


def done() -> httpx2.Response:
    return httpx2.Response(204)


class FakeApi(httpx2.AsyncBaseTransport):
    """Gives the answers to come, in order; tokens have a list of their own, and one by default."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.tokens: deque[Reply] = deque()
        self.asked: list[Asked] = []
        self.at_once = 0
        self.most_at_once = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        self.asked.append(Asked(request.method, str(request.url), request.headers, body))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if str(request.url) == TOKEN_URL:
            reply = self.tokens.popleft() if self.tokens else token()
        else:
            reply = self.replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def calls(self) -> list[Asked]:
        """Without those for tokens."""
        return [each for each in self.asked if each.url != TOKEN_URL]

    @property
    def token_calls(self) -> list[Asked]:
        return [each for each in self.asked if each.url == TOKEN_URL]


@asynccontextmanager
async def opened(
    api: FakeApi, watch: Watch | None = None, used: ApiApp | None = None
) -> AsyncIterator[DirectoryApi]:
    timing = (watch or Watch()).timing
    async with DirectoryApi.opened(used or app(), HOSTS, timing=timing, transport=api) as opened:
        yield opened
