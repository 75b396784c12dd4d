"""The client against the simulator, in one process and without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
from tests.administration.external_keys.line_works import api_app, registered
from tests.line_works_api.fake_api import Watch

from worksgate.conformance.directory_api import DirectoryApiSimulator, Member, Rules
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.hosts import Hosts

ORIGIN = "http://127.0.0.1:8095"
HOSTS = Hosts(api=f"{ORIGIN}/v1.0", auth=f"{ORIGIN}/oauth2/v2.0")
AOI = Member(user_id="u-aoi", email="aoi@example.com", last_name="Aoi")


def simulator(watch: Watch, *, rules: dict[str, Any] | None = None, **parts: Any) -> Any:
    """LINE WORKS with one member."""
    return DirectoryApiSimulator(
        [AOI], registered=registered(), clock=watch.now, rules=Rules(**(rules or {})), **parts
    )


class InProcess(httpx2.AsyncBaseTransport):
    """Without a socket; an answer that never ends is a connection that breaks off."""

    def __init__(self, line_works: DirectoryApiSimulator) -> None:
        self._inner = httpx2.ASGITransport(line_works.app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except AssertionError:  # the transport's own, about what the application owes it
            raise httpx2.ReadError("the connection breaks off") from None


@asynccontextmanager
async def opened(
    line_works: DirectoryApiSimulator,
    watch: Watch,
    *scopes: str,
    hosts: Hosts = HOSTS,
    domains: tuple[int, ...] = (),
) -> AsyncIterator[DirectoryApi]:
    """As an app with these scopes; nobody waits."""
    timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep, timeout=5.0)
    app = replace(api_app(*scopes), domains=domains)
    transport = InProcess(line_works)
    api = DirectoryApi.opened(app, hosts, timing=timing, transport=transport)
    async with api:
        yield api
