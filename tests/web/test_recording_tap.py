"""The tap of recordings in the application, and the look for somebody who records (decision 55)."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message
from tests.installation import installed
from tests.served import wait_until

from worksgate.conformance.recording import worker_link
from worksgate.conformance.recording.collector import listening
from worksgate.conformance.recording.keyed_hash import KEY_BYTES
from worksgate.conformance.recording.worker_link import WorkerLink
from worksgate.web.application import Application
from worksgate.web.calls import recording_watch
from worksgate.web.calls.recording_watch import RecordingWatch


class _LastMoment(dict[str, Any]):
    """A request during which the recording ends, between the look for the tap and its use."""

    def __init__(self, scope: dict[str, Any], application: Application) -> None:
        super().__init__(scope)
        self._application = application

    def __contains__(self, key: object) -> bool:
        self._application._turn_tap_off()
        return super().__contains__(key)


class _Link:
    def put(self, seen: object) -> None:
        """Take a call."""


async def test_a_request_is_answered_although_the_recording_ends_meanwhile(tmp_path: Path) -> None:
    answered: list[int] = []

    async def send(message: Message) -> None:
        if "status" in message:
            answered.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "http_version": "1.1",
        "path": "/accessToken",
        "query_string": b"",
        "headers": [],
        "client": ("203.0.113.7", 1),
    }
    async with installed(tmp_path) as installation:
        application = installation.application
        application._turn_tap_on(_Link())  # type: ignore[arg-type]  # has what is used
        await application(_LastMoment(scope, application), receive, send)
        assert application._tap is None
    assert answered == [400]


@asynccontextmanager
async def watching(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[WorkerLink]]:
    """The links of a process that looks for recordings at this path."""
    monkeypatch.setattr(recording_watch, "POLL_INTERVAL", 0.01)
    links: list[WorkerLink] = []

    class Noted(WorkerLink):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            links.append(self)

    monkeypatch.setattr(worker_link, "WorkerLink", Noted)
    watch = RecordingWatch(path, lambda _: None, lambda: None)
    task = asyncio.create_task(watch.run())
    try:
        yield links
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_process_that_was_hung_up_on_connects_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, again = time.time(), asyncio.Event()
    hello = {"key": bytes(KEY_BYTES).hex(), "began": now, "until": now + 60}
    greetings: list[asyncio.Task[None] | None] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(asyncio.current_task())
        writer.write(json.dumps(hello).encode() + b"\n")
        if len(greetings) == 2:
            again.set()
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    path = tmp_path / "s.sock"
    with listening(path) as listener:
        async with await asyncio.start_unix_server(greet, sock=listener):
            async with watching(path, monkeypatch) as links:
                await asyncio.wait_for(again.wait(), 60)
            await asyncio.wait_for(asyncio.gather(*filter(None, greetings)), 60)
        assert len(links) == 2


async def test_a_socket_that_was_left_behind_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with watching(path, monkeypatch) as links:
        await asyncio.to_thread(wait_until, lambda: links and links[0].has_ended)
        await asyncio.sleep(0.3)
        assert [link.is_refused for link in links] == [True]
