"""A replay at a target that means no good."""

import asyncio
import re
import secrets
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import pytest

from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.replaying import Replay
from worksgate.conformance.recording.sign_in import Browser, SignInFailed
from worksgate.conformance.recording.stand_ins import StandInClient, StandInPerson, StandIns
from worksgate.conformance.recording.wire import Reply, Request, Wire

REDIRECT_URI = "https://auth.worksmobile.com/sso"


class _Target:
    """Redirects everything to one place."""

    origin = "https://sso.example.com"

    def __init__(self, location: bytes) -> None:
        self._location = location
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(302, [(b"location", self._location)], b"", 0.0)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (b"https://[", "no URL"),
        (b"https://sso.example.com:99999/", "no URL"),
        (b"https://elsewhere.example/?code=a", "another server"),
        (b"/again", "too many"),
    ],
)
async def test_a_sign_in_that_leads_nowhere_fails_alone(location: bytes, why: str) -> None:
    target = _Target(location)
    browser = Browser(cast(Wire, target), StandInPerson("hana", "secret"))
    with pytest.raises(SignInFailed, match=why):
        await browser.code("/login", REDIRECT_URI)
    assert len(target.asked) <= 13


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Signs everybody in at once, and gives out tokens that have no bytes in UTF-8."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    found = re.search(r"redirect_uri=([^& ]+)", head)
    answer = '{"access_token": "\\ud800", "refresh_token": "\\udfff", "code": "\\ud800"}'
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(answer)}"]
    if found is not None:
        lines[0] = "HTTP/1.1 302 Found"
        lines.append(f"Location: {unquote(found[1])}&code={secrets.token_hex(8)}")
    writer.write("\r\n".join([*lines, "Connection: close", "", answer]).encode())
    writer.close()


async def test_a_token_without_bytes_is_no_end_of_a_replay() -> None:
    recording = Recording.read(Path(__file__).with_name("monday.recording"))
    actors = StandIns(
        [StandInClient("acme", "secret", f"{REDIRECT_URI}/callback")],
        [StandInPerson("hana", "secret")],
    )
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        report = await Replay(recording, url, actors, speed=None, patience=0.1).run()
    assert report.calls > 0
    assert report.different > 0
