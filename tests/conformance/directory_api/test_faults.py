"""Failures on demand, on real sockets: a caller sees what the network would show."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import uvicorn
from tests.conformance.directory_api.worlds import NOON, World, simulator_of
from tests.unhurried import PATIENT

from worksgate.conformance.directory_api import (
    Fault,
    Operation,
    SettableClock,
    unconnectable,
)

ONE = "s000001@example.com"
IMPATIENT = 0.5
"""Seconds after which a caller gives up who gets no answer."""


@asynccontextmanager
async def served_world() -> AsyncIterator[World]:
    clock = SettableClock(NOON)
    simulator = simulator_of(clock=clock)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(simulator.app, log_level="critical", lifespan="on")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENT, trust_env=False) as http:
            world = World(simulator, clock, http)
            assert (await world.call("GET", "/users")).status_code == 200  # and it has a token
            yield world
        server.should_exit = server.force_exit = True
        await serving


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.INTERNAL_ERROR, 500), (Fault.UNAVAILABLE, 503)]
)
async def test_error_comes_as_often_as_planned_and_changes_nothing(
    fault: Fault, status: int
) -> None:
    async with served_world() as world:
        world.simulator.faults.plan(fault, Operation.SET_KEYS, times=2, after=1)
        statuses = [(await world.set_keys((ONE, key))).status_code for key in "abcd"]
        assert statuses == [204, status, status, 204]
        assert (await world.call("GET", "/users")).status_code == 200
        assert [call.fault for call in world.simulator.calls_of(Operation.SET_KEYS)] == [
            *(None, fault, fault, None)
        ]


async def test_withheld_answer_means_that_nothing_was_done() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.NO_ANSWER, Operation.SET_KEYS)
        world.http.timeout = httpx2.Timeout(IMPATIENT)
        with pytest.raises(httpx2.ReadTimeout):
            await world.set_keys((ONE, "a"))
        assert world.key_of(ONE) == "S-000001"
        assert world.simulator.calls[-1].status is None


async def test_lost_answer_means_that_it_was_done() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.LOST_ANSWER, Operation.SET_KEYS)
        world.http.timeout = httpx2.Timeout(IMPATIENT)
        with pytest.raises(httpx2.ReadTimeout):
            await world.set_keys((ONE, "a"))
        assert world.key_of(ONE) == "a"


async def test_body_is_cut() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.CUT_BODY, Operation.LIST_USERS)
        with pytest.raises(httpx2.RemoteProtocolError):
            await world.call("GET", "/users")
        assert (await world.call("GET", "/users")).status_code == 200


async def test_body_is_slow() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.SLOW_BODY, Operation.LIST_USERS, seconds=0.2)
        assert len((await world.call("GET", "/users")).json()["users"]) == 5
        world.simulator.faults.plan(Fault.SLOW_BODY, Operation.LIST_USERS, seconds=30)
        world.http.timeout = httpx2.Timeout(IMPATIENT)
        with pytest.raises(httpx2.ReadTimeout):
            await world.call("GET", "/users")


async def test_body_says_that_it_is_something_else() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.WRONG_CONTENT_TYPE)
        answer = await world.http.post("/oauth2/v2.0/token", data=world.form())
        assert answer.headers["content-type"].startswith("text/html")
        assert "access_token" in answer.json()


async def test_forgotten_faults_do_not_happen() -> None:
    async with served_world() as world:
        world.simulator.faults.plan(Fault.INTERNAL_ERROR, times=100)
        world.simulator.faults.clear()
        assert (await world.call("GET", "/users")).status_code == 200


async def test_connecting_times_out() -> None:
    with unconnectable() as url:
        async with httpx2.AsyncClient(timeout=0.3, trust_env=False) as http:
            with pytest.raises(httpx2.ConnectTimeout):
                await http.get(url)
