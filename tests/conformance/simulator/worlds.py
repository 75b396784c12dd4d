"""The simulator beside a small SSO system of the tests' own, and how a page of it is read."""

import html
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx2
from tests.conformance.simulator.fake_sso import CLIENT, DISABLED, PASSWORD, FakeSso

from worksgate.conformance.exchange import TimeLimits
from worksgate.conformance.simulator import DemoPerson, PresentCode, SimulatorSettings


class Clock:
    """Real time, plus whatever a test adds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class World:
    sso: FakeSso
    clock: Clock
    origin: str
    settings: SimulatorSettings
    limits: "Limits"


PATIENT = TimeLimits(connect=20.0, answer=30.0)
"""On a busy machine nothing is wrong with an answer that comes late."""
HASTY = TimeLimits(connect=20.0, answer=0.9)
"""For a test of an answer that takes twice as long."""


class Limits:
    """The limits of a simulator, which a test changes while it runs."""

    def __init__(self) -> None:
        self.set_to(PATIENT)

    def set_to(self, limits: TimeLimits) -> None:
        self.connect, self.answer = limits.connect, limits.answer


def settings_for(origin: str, sso: FakeSso, limits: Any) -> SimulatorSettings:
    hana = DemoPerson("hana", PASSWORD, name="Hana", works_account="hana@acme", note="A note")
    yuna = DemoPerson("yuna", PASSWORD, code=lambda: PresentCode("123456", 30))
    sora = DemoPerson("sora@partner", note={"en": "Comes from elsewhere"})
    return SimulatorSettings(
        public_url=origin,
        endpoints=sso.endpoints(),
        credentials=CLIENT,
        people=(hana, yuna, sora),
        disabled_client=DISABLED,
        account_url=f"{sso.origin}/account",
        limits=limits,
    )


async def sign_in(browser: httpx2.AsyncClient, **form: str) -> httpx2.Response:
    return await browser.post("/sign-in", data={"kind": "browser"} | form)


def text_of(page: httpx2.Response) -> str:
    """The words of a page, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def states_in(page: httpx2.Response) -> list[str]:
    """How far each of the eleven steps has come."""
    return re.findall(r'class="step is-(\S+)', page.text)
