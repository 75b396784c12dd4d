"""LINE WORKS as a load: codes are posted at a steady rate, and every response is recorded."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

LIMIT = 3.0
"""Seconds that LINE WORKS waits for an answer."""
CONNECT_LIMIT = 1.0
"""Seconds that LINE WORKS waits for a connection."""
NO_ANSWER = 0
"""Instead of a status: the connection ended, was refused, or nothing came in ``LIMIT``."""
_BY_HTTPS = "X-Forwarded-Proto: https\r\n"


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was planted, and the user key that it stands for: no other has the same."""

    secret: str = field(repr=False)
    user_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status or NO_ANSWER, the JSON, when it was asked, and after how long."""

    status: int
    body: dict[str, Any]
    at: float
    seconds: float

    @property
    def told(self) -> str:
        """The status and the error, such as 400 302."""
        return f"{self.status} {self.body.get('error', '')}".rstrip()

    @property
    def ended(self) -> float:
        return self.at + self.seconds


@dataclass(frozen=True, slots=True)
class Response:
    """What a server sent; ``head`` is the status line and the headers, as they came."""

    status: int
    head: str = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The first header of this name, or an empty text."""
        found = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return next((value.strip() for key, _, value in found if key.lower() == name), "")

    @property
    def stays_open(self) -> bool:
        return self.header("connection").lower() != "close"

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body) if self.body.startswith(b"{") else {}
        return found


@dataclass
class Caller:
    """Posts forms to one node, with connections that are kept, a few at a time."""

    port: int
    client_id: str
    client_secret: str = field(repr=False)
    connections: int = 256
    by_https: bool = False
    """Whether a proxy before the node says that the calls came by https."""
    under_way: int = 0
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.connections)

    async def exchange(self, code: Code) -> Answer:
        form = {"grant_type": "authorization_code", "code": code.secret}
        return await self._post("/accessToken", form)

    async def user_info(self, access_token: str) -> Answer:
        return await self._post("/userInfo", {"access_token": access_token})

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle.clear()

    def exchange_request(self, code: Code) -> bytes:
        """The bytes that post a code."""
        form = {"grant_type": "authorization_code", "code": code.secret}
        return self._request("/accessToken", form)

    async def _post(self, path: str, form: dict[str, str]) -> Answer:
        request = self._request(path, form)
        self.under_way += 1
        try:
            async with self._slots:
                at = time.monotonic()
                status, found = await self._ask(request)
                return Answer(status, found, at, time.monotonic() - at)
        finally:
            self.under_way -= 1

    def _request(self, path: str, form: dict[str, str]) -> bytes:
        body = urlencode(
            {"client_id": self.client_id, "client_secret": self.client_secret, **form}
        ).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"{_BY_HTTPS if self.by_https else ''}"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        return head + body

    async def _ask(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Never asks twice: what was sent may have been done."""
        writer = None
        try:
            async with asyncio.timeout(LIMIT + 0.5):
                reader, writer = await self._connection()
                writer.write(request)
                response = await read_response(reader)
        except BROKEN:
            if writer is not None:
                writer.transport.abort()
            return NO_ANSWER, {}
        if response.stays_open:
            self._idle.append((reader, writer))
        else:
            writer.transport.abort()
        return response.status, response.json()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.transport.abort()
        return await connect(self.port)


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a port of 127.0.0.1. Raises OSError, or TimeoutError after CONNECT_LIMIT."""
    opening = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            return await asyncio.shield(opening)
    except (TimeoutError, asyncio.CancelledError):
        # A connection that opens just then would be nobody's, and stay open.
        opening.add_done_callback(_abort)
        raise


def _abort(opening: "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[1].transport.abort()


BROKEN = (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError)
"""What a connection fails with that ends, or brings something else than an answer."""


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Raises one of ``BROKEN``."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    response = Response(int(head.split(" ", 2)[1]), head, b"")
    body = await reader.readexactly(int(response.header("content-length") or 0))
    return replace(response, body=body)


@dataclass
class Exchanges:
    """What each code was answered, in the order of the answers."""

    answers: dict[Code, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    late: float = 0.0
    """Seconds by which the posting itself was late at worst: the machine had no time for it."""

    @property
    def all(self) -> list[Answer]:
        return [answer for answers in self.answers.values() for answer in answers]

    def count(self, status: int) -> int:
        """How many answers had this status."""
        return sum(answer.status == status for answer in self.all)

    def was_good(self, code: Code) -> bool:
        """Whether this code was answered 200."""
        return any(answer.status == 200 for answer in self.answers.get(code, ()))

    def in_flight(self, at: float, within: float = 0.1) -> int:
        """How many were under way at a moment, give or take so many seconds."""
        return sum(each.at - within <= at <= each.ended + within for each in self.all)

    async def post_each(
        self, callers: Sequence[Caller], codes: Sequence[Code], rate: float
    ) -> None:
        """Post each code once, so many a second whatever the answers are (an open loop).

        ``callers`` take turns, and may change meanwhile.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, code in enumerate(codes):
                due = began + number / rate
                if (pause := due - time.monotonic()) > 0:
                    await asyncio.sleep(pause)
                self.late = max(self.late, time.monotonic() - due)
                group.create_task(self.post(callers[number % len(callers)], code))

    async def post(self, caller: Caller, code: Code) -> Answer:
        answer = await caller.exchange(code)
        self.answers[code].append(answer)
        return answer

    async def first_good(self, caller: Caller, codes: Sequence[Code], within: float) -> float:
        """Seconds until an exchange succeeds again; ``within`` where none did."""
        began = time.monotonic()
        for code in codes:
            if time.monotonic() - began > within:
                break
            if (await self.post(caller, code)).status == 200:
                return time.monotonic() - began
            await asyncio.sleep(0.1)
        return within


async def hang_up(caller: Caller, code: Code, after: float, exchanges: Exchanges) -> None:
    """Post a code on a connection of its own and hang up after so many seconds."""
    at = time.monotonic()
    status = NO_ANSWER
    body: dict[str, Any] = {}
    writer = None
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await connect(caller.port)
            writer.write(caller.exchange_request(code))
        async with asyncio.timeout(after):
            response = await read_response(reader)
            status, body = response.status, response.json()
    except BROKEN:
        pass
    finally:
        if writer is not None:
            writer.transport.abort()
    exchanges.answers[code].append(Answer(status, body, at, time.monotonic() - at))
