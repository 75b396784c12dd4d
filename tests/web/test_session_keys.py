"""The ``sessionKey`` of the apps, checked at a small server that plays LINE WORKS."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from tests.installation import Installation, assert_page, installed

from worksgate.audit import Event
from worksgate.credentials.references import reference_of
from worksgate.limits.egress import Egress
from worksgate.limits.rate_limit import RateLimit
from worksgate.provider.sign_in.session_key import SessionKeyAnswer, SessionKeys
from worksgate.store.memory import MemoryStore

APP = {"userAgent": "LineWorks", "sessionKey": "key-1"}

# As documented: not valid JSON.
YES = '{ code : "00", message : "success" }'
NO = '{ code : "12", message : "fail" }'


@dataclass
class LineWorks:
    """Answers every question alike, once it has been read; ``None`` is silence."""

    body: str | None = YES
    status: str = "200 OK"
    headers: str = ""
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.splitlines()[0])
        lengths = [line for line in head.splitlines() if line.lower().startswith("content-length")]
        length = int(lengths[0].partition(":")[2]) if lengths else 0
        self.bodies.append(await reader.readexactly(length))
        if self.body is None:
            await reader.read()  # until the caller hangs up
        else:
            answer = f"HTTP/1.1 {self.status}\r\n{self.headers}Content-Length: {len(self.body)}"
            writer.write(f"{answer}\r\nConnection: close\r\n\r\n{self.body}".encode())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def line_works() -> AsyncIterator[LineWorks]:
    played = LineWorks()
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    played.url = f"http://{host}:{port}/login/check/"
    async with server:
        yield played


class Confirming(Egress):
    """A way out on which every key is confirmed."""

    def transport(self) -> httpx2.AsyncBaseTransport:
        return httpx2.MockTransport(lambda _: httpx2.Response(200, text=YES))


async def test_a_question_goes_the_way_that_the_settings_say() -> None:
    keys = SessionKeys("http://127.0.0.1:9/", MemoryStore(), Confirming())
    assert await keys.ask("key-1") is SessionKeyAnswer.YES
    await keys.close()


@dataclass
class Scene:
    line_works: LineWorks
    installation: Installation


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        line_works() as played,
        installed(tmp_path, session_key_check_url=played.url) as installation,
    ):
        yield Scene(played, installation)


async def test_r16_by_default_nobody_is_asked(scene: Scene) -> None:
    page = await scene.installation.browser().arrive(None, **APP)
    assert page.status_code == 200
    assert scene.line_works.asked == []


@pytest.mark.parametrize("policy", ["fail_open", "fail_closed"])
async def test_r16_a_real_key_is_asked_about_once_per_browser(scene: Scene, policy: str) -> None:
    await scene.installation.change_client(session_key_check=policy)
    browser = scene.installation.browser()
    for _ in range(3):
        assert (await browser.arrive(None, **APP)).status_code == 200
    assert scene.line_works.asked == ["POST /login/check/key-1 HTTP/1.1"]
    assert scene.line_works.bodies == [b"ssoType=OAUTH"]


@pytest.mark.parametrize("policy", ["fail_open", "fail_closed"])
async def test_r16_a_key_that_line_works_denies_is_refused(scene: Scene, policy: str) -> None:
    await scene.installation.change_client(session_key_check=policy)
    scene.line_works.body = NO
    browser = scene.installation.browser()
    assert_page(await browser.arrive(None, **APP), 403)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(SessionKeyAnswer.NO, "not_confirmed"), (SessionKeyAnswer.UNKNOWN, "no_answer")],
)
async def test_the_record_says_whether_line_works_denied_the_key_or_did_not_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: SessionKeyAnswer, reason: str
) -> None:
    async def ask(*_: object) -> SessionKeyAnswer:
        return answer

    monkeypatch.setattr(SessionKeys, "ask", ask)
    await scene.installation.change_client(session_key_check="fail_closed")
    response = await scene.installation.browser().arrive(None, **APP)
    (refused,) = await scene.installation.audit(event=Event.SESSION_KEY_REFUSED)
    assert refused.reason == reason
    assert (reference_of(refused.login_id or "") or "none") in response.text


@pytest.mark.parametrize(("policy", "status"), [("fail_open", 200), ("fail_closed", 403)])
async def test_r16_no_usable_answer_is_what_the_policy_says(
    scene: Scene, policy: str, status: int
) -> None:
    await scene.installation.change_client(session_key_check=policy)
    for body, line, headers in (
        ("oops", "200 OK", ""),
        (YES, "500 Internal Server Error", ""),
        ("", "302 Found", f"Location: {scene.line_works.url}other\r\n"),
        ('{"code":"99"}', "200 OK", ""),
    ):
        scene.line_works.body, scene.line_works.status = body, line
        scene.line_works.headers = headers
        response = await scene.installation.browser().arrive(None, **APP)
        assert response.status_code == status
    assert len(scene.line_works.asked) == 4  # the redirect was not followed


@pytest.mark.parametrize(("policy", "status"), [("fail_open", 200), ("fail_closed", 403)])
async def test_r16_silence_costs_one_second(scene: Scene, policy: str, status: int) -> None:
    await scene.installation.change_client(session_key_check=policy)
    scene.line_works.body = None
    began = time.monotonic()
    response = await scene.installation.browser().arrive(None, **APP)
    assert response.status_code == status
    assert 0.9 < time.monotonic() - began < 2.4


async def test_r16_one_network_has_so_many_keys_asked_about_a_minute(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it uses up is missed by no other network, also where the policy is to refuse."""
    keys = scene.installation.provider._session_keys
    monkeypatch.setattr(keys, "_requests", RateLimit(3))
    await scene.installation.change_client(session_key_check="fail_closed")
    scene.installation.clock.stop()

    async def arrive(number: int, address: str) -> int:
        browser = scene.installation.browser(address=address)
        parameters = {**APP, "sessionKey": f"key-{number}"}
        return (await browser.arrive(None, **parameters)).status_code

    one = [await arrive(number, f"2001:db8::{number}") for number in range(1, 6)]
    assert one == [200, 200, 200, 403, 403]
    assert len(scene.line_works.asked) == 3
    assert await arrive(6, "2001:db8:0:1::1") == 200
    scene.installation.clock.advance(60)
    assert await arrive(7, "2001:db8::7") == 200


async def test_r16_a_host_that_refuses_to_talk_is_no_answer(tmp_path: Path) -> None:
    async with installed(tmp_path, session_key_check_url="http://127.0.0.1:9/check/") as dark:
        await dark.change_client(session_key_check="fail_closed")
        assert_page(await dark.browser().arrive(None, **APP), 403)
        await dark.change_client(session_key_check="fail_open")
        assert (await dark.browser().arrive(None, **APP)).status_code == 200


async def test_r16_only_a_key_of_the_one_form_is_put_into_an_address(scene: Scene) -> None:
    await scene.installation.change_client(session_key_check="fail_closed")
    for key in ("../admin", "a/b", "a?b", "a%2Fb", "", "a" * 129, "a b", "é", "@evil.example"):
        response = await scene.installation.browser().arrive(
            None, userAgent="LineWorks", sessionKey=key
        )
        assert_page(response, 403)
    assert scene.line_works.asked == []


async def test_r16_a_web_login_is_not_asked_about(scene: Scene) -> None:
    await scene.installation.change_client(session_key_check="fail_closed")
    assert (await scene.installation.browser().arrive()).status_code == 200
    assert scene.line_works.asked == []
