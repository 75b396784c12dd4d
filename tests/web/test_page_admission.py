"""Pages start a few at a time; calls of LINE WORKS do not wait for them."""

import asyncio
from asyncio import Task
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import Response
from starlette.types import Scope
from tests.installation import Installation

from worksgate.oauth.model import Client
from worksgate.oauth.token import TokenResponse
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.server.single_write import WHOLE_ANSWER, WRITE
from worksgate.web import application
from worksgate.web.page_admission import PageAdmission, TooManyPages
from worksgate.web.sign_in.responses import SignInPages


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _crowd(admission: PageAdmission, passed: list[int], number: int) -> list[Task[None]]:
    async def come(name: int) -> None:
        await admission.admit()
        passed.append(name)

    return [asyncio.create_task(come(name)) for name in range(number)]


async def test_whoever_comes_alone_passes_at_once() -> None:
    admission = PageAdmission(per_turn=1, waiting=0)
    for _ in range(3):
        await admission.admit()
        await _turns(2)


async def test_a_crowd_passes_a_few_in_a_turn_and_in_its_order() -> None:
    admission, passed = PageAdmission(per_turn=3), list[int]()
    crowd = _crowd(admission, passed, 20)
    seen = []
    while len(passed) < 20:
        await asyncio.sleep(0)
        seen.append(len(passed))
    assert passed == list(range(20))
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) == 3
    await asyncio.gather(*crowd)


async def test_who_has_gone_takes_no_place() -> None:
    admission, passed = PageAdmission(per_turn=1), list[int]()
    crowd = _crowd(admission, passed, 6)
    await _turns(1)
    for task in crowd[1:5]:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert passed == [0, 5]


async def test_only_so_many_wait_and_the_next_is_reported_at_once() -> None:
    admission, passed = PageAdmission(per_turn=2, waiting=3), list[int]()
    crowd = _crowd(admission, passed, 5)
    await _turns(1)
    with pytest.raises(TooManyPages):
        await admission.admit()
    await asyncio.gather(*crowd)
    assert passed == list(range(5))
    await admission.admit()  # there is room again


@pytest.mark.parametrize(
    ("patience", "order"), [(60.0, ["clients", "page"]), (0.01, ["page", "clients"])]
)
async def test_a_page_begins_when_the_clients_are_known_or_late(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, patience: float, order: list[str]
) -> None:
    monkeypatch.setattr(application, "CLIENTS_TIMEOUT", patience)
    registry, seen = installation.provider.clients, list[str]()
    load, admit = registry._load, PageAdmission.admit

    async def slowly() -> Mapping[str, Client]:
        await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            while order[0] == "page" and not seen:  # noqa: ASYNC110  # it tells of no event
                await asyncio.sleep(0.01)
        seen.append("clients")
        return await load()

    async def noted(self: PageAdmission) -> None:
        seen.append("page")
        await admit(self)

    monkeypatch.setattr(registry, "_load", slowly)
    monkeypatch.setattr(PageAdmission, "admit", noted)
    registry.expire()
    await installation.browser().login_page()
    assert seen[:2] == order


async def test_f24_a_call_overtakes_the_pages_that_came_before_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await installation.browser().code()
    order: list[str] = []
    show, begin = SignInPages.login_form, LineWorksCalls.exchange_code

    async def shown(*args: Any, **kwargs: Any) -> Response:
        order.append("page")
        return await show(*args, **kwargs)

    async def begun(*args: Any) -> TokenResponse:
        order.append("call")
        return await begin(*args)

    monkeypatch.setattr(SignInPages, "login_form", shown)
    monkeypatch.setattr(LineWorksCalls, "exchange_code", begun)
    crowd = [asyncio.create_task(installation.browser().login_page()) for _ in range(200)]
    answer = await installation.exchange(code)
    await asyncio.gather(*crowd)
    assert answer.status_code == 200
    assert len(order) == 201
    assert order.index("call") < 100


async def test_a_sign_in_page_is_made_without_waiting_for_anything(
    installation: Installation,
) -> None:
    """Neither a thread nor a task: to wait for one costs more than the page."""
    await installation.browser().login_page()  # it is rendered once
    url = urlsplit(installation.browser().login_url())
    written: list[int] = []

    def write(status: int, headers: bytes, body: bytes) -> bool:
        written.append(status)
        return True

    async def nothing(*_: object) -> Any:
        raise AssertionError("neither is the body read nor a message sent")

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": url.path,
        "query_string": url.query.encode(),
        "headers": [(b"host", b"sso.example.com")],
        "client": ("203.0.113.9", 50_000),
        "extensions": {WHOLE_ANSWER: {WRITE: write}},
    }
    assert installation.application.provider is not None
    await installation.application.provider.clients.snapshot()
    page = installation.application(scope, nothing, nothing)
    with pytest.raises(StopIteration):  # it has ended with its first step
        page.send(None)
    assert written == [200]
