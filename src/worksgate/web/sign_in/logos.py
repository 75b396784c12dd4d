"""``GET /logo``: the logo of a client whose sign-in page shows it.

The address has a random ID that only that page tells: neither a client's name nor its picture leads
to it, and a disabled client's is gone. What is not shown at present is answered from memory.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from worksgate.clients.branding.logo import MEDIA_TYPE
from worksgate.clients.registry import ClientRegistry
from worksgate.directory.branding_versions import BrandingVersion
from worksgate.limits.outages import Unavailable
from worksgate.web.deadline import within
from worksgate.web.view import ImmutableResponse

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of cached logos: 256 of the largest, thousands of usual ones; the oldest are dropped."""
MOST_READS: Final = 2
"""Logos that are read at once: those who know many IDs leave the database to sign-ins."""

ReadLogo = Callable[[str, int], Awaitable[bytes | None]]
"""Returns the logo of a client's branding by its number. May raise DatabaseUnavailable."""

_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"


class LogoHandlers:
    """Serves logos; ``read`` is asked once for each that is shown, for all who wait for it."""

    def __init__(self, clients: ClientRegistry, read: ReadLogo, deadline: float) -> None:
        self._clients = clients
        self._read = read
        self._deadline = deadline
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        self._reading: dict[str, asyncio.Task[bytes | None]] = {}
        self._turns = asyncio.Semaphore(MOST_READS)

    async def show(self, request: Request) -> Response:
        """The picture, which browsers keep for a year, or 404."""
        logo_id = request.query_params.get("v", "")
        version = self._clients.branding_of_logo(logo_id)
        if version is None:
            return _not_found()
        logo = self._kept.get(logo_id)
        if logo is None:
            # A caller that is cancelled must not take the result from the others.
            reading = asyncio.shield(self._begun(logo_id, version))
            try:
                logo = await within(self._deadline, reading)
            except (Unavailable, TimeoutError):
                return Response("unavailable\n", 503, {"Retry-After": "2"}, "text/plain")
            if logo is None:
                return _not_found()
        return ImmutableResponse(
            logo, headers={"Content-Security-Policy": _POLICY}, media_type=MEDIA_TYPE
        )

    def _begun(self, logo_id: str, version: BrandingVersion) -> asyncio.Task[bytes | None]:
        """The read of a logo that is in progress."""
        reading = self._reading.get(logo_id)
        if reading is None:
            reading = asyncio.create_task(self._read_in_turn(logo_id, version))
            self._reading[logo_id] = reading
            # All callers may have been cancelled: then nobody else would retrieve the exception.
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return reading

    async def _read_in_turn(self, logo_id: str, version: BrandingVersion) -> bytes | None:
        try:
            async with self._turns:
                logo = await self._read(version.client_id, version.number)
        finally:
            del self._reading[logo_id]
        if logo is not None:
            self._keep(logo_id, logo)
        return logo

    def _keep(self, logo_id: str, logo: bytes) -> None:
        self._kept[logo_id] = logo
        self._kept_bytes += len(logo)
        while self._kept_bytes > MOST_BYTES:
            self._kept_bytes -= len(self._kept.pop(next(iter(self._kept))))


def _not_found() -> Response:
    return Response("not found\n", 404, media_type="text/plain")
