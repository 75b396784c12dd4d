"""The sign-ins of a replay, at a target that means no good."""

from typing import cast

import pytest

from worksgate.conformance.recording.sign_in import Browser, SignInFailed
from worksgate.conformance.recording.stand_ins import StandInPerson
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
