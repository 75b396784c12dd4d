"""Replaces the running application without losing a request.

A request is served to its end by the application that received it. The old one is closed when the
last of its requests has ended.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RETIRE_TIMEOUT = 10.0
"""Seconds that the requests of an old application may take before it is closed."""


class Openable(Protocol):
    """An application that is opened before it serves and closed afterwards."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Version:
    """One application: how it is called, and what is opened and closed for it."""

    application: Openable
    asgi: ASGIApp
    requests: int = 0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class SwappableApplication:
    """An ASGI application that delegates to the current version."""

    def __init__(self, first: Version) -> None:
        self._first = self._now = first
        self._retiring: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        version = self._now
        version.requests += 1
        try:
            await version.asgi(scope, receive, send)
        finally:
            version.requests -= 1
            if version is not self._now and not version.requests:
                version.is_over.set()

    async def replace(self, new: Version) -> None:
        """Open another version and switch to it. Raises what opening raises, without any change.

        Returns as soon as it serves; the old one is closed later.
        """
        try:
            await new.application.start()
        except BaseException:
            await new.application.close()
            raise
        old, self._now = self._now, new
        task = asyncio.create_task(_retire(old))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lifespan: the first version gets both events, the last one is closed with it."""

        async def closing(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                if self._retiring:
                    await asyncio.wait(self._retiring)
                await self._now.application.close()
            await send(message)

        await self._first.asgi(scope, receive, closing)


async def _retire(old: Version) -> None:
    if old.requests:
        with suppress(TimeoutError):  # the caller of a request that takes so long has given up
            await asyncio.wait_for(old.is_over.wait(), RETIRE_TIMEOUT)
    await old.application.close()
