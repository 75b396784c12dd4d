"""Both systems on real sockets, once for each module; every knob is back for each test."""

import ssl
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from tests.conformance.simulator.fake_sso import FakeSso, served
from tests.conformance.simulator.worlds import PATIENT, Clock, Limits, World, settings_for

from worksgate.conformance.simulator import SimulatorSettings, create_simulator

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client that needs none: to read all authorities of the machine takes 10 ms."""


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    sso, clock, limits = FakeSso(), Clock(), Limits()
    made: list[SimulatorSettings] = []

    def fake(origin: str) -> Starlette:
        sso.origin = origin
        return sso.application()

    def simulator(origin: str) -> Starlette:
        made.append(settings_for(origin, sso, limits))
        return create_simulator(made[0], clock=clock)

    with served(fake), served(simulator) as origin:
        yield World(sso, clock, origin, made[0], limits)


@pytest.fixture
def world(running: World) -> World:
    """The same two servers with every knob back where it was."""
    fresh = FakeSso(origin=running.sso.origin, check_url=f"{running.origin}/login/check/")
    for name in FakeSso.__dataclass_fields__:
        setattr(running.sso, name, getattr(fresh, name))
    running.clock.ahead = 0
    running.limits.set_to(PATIENT)
    return running


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=world.origin, follow_redirects=True, trust_env=False, verify=_NO_TLS
    ) as http:
        yield http
