"""The servers of a demonstration end at once."""

import asyncio
import socket

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from worksgate.cli.demo.servers import _Server


async def _silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody asks for anything."""


async def _left_at_the_end(turns: int) -> int:
    """How many connections are left where one comes so many turns of the loop before the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            _silent, lifespan="off", timeout_graceful_shutdown=2, log_config=None
        )
        server = _Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listening])
        with socket.create_connection(listening.getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.shutdown([listening])
            return len(server.server_state.connections)


def test_a_connection_that_comes_at_the_end_is_not_waited_for() -> None:
    """Chromium opens some in advance. uvicorn waits for one that is accepted in its last turn."""
    for turns in range(4):
        assert uvloop.run(_left_at_the_end(turns)) == 0, turns
