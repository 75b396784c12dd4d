"""The tap of recordings in the application (decision 55)."""

from pathlib import Path
from typing import Any

from starlette.types import Message
from tests.installation import installed

from worksgate.web.application import Application


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
