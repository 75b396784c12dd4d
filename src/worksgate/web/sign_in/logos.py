"""``GET /logo``: the logo of a client whose sign-in page shows it.

The address has a random ID that only that page tells: neither a client's name nor its picture leads
to it, and a disabled client's is gone. What is not shown at present is answered from memory.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from worksgate.clients.branding.logo import MEDIA_TYPE
from worksgate.clients.registry import ClientRegistry
from worksgate.limits.outages import Unavailable
from worksgate.web.deadline import within
from worksgate.web.view import Unchanging

MOST: Final = 64
"""Maximum number of cached logos, of at most 64 kB each; the oldest is dropped."""

ReadLogo = Callable[[str, int], Awaitable[bytes | None]]
"""Returns the logo of a client's branding by its number. May raise DatabaseUnavailable."""

_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"


class LogoHandlers:
    """Serves logos; ``read`` is asked once for each, while it is shown."""

    def __init__(self, clients: ClientRegistry, read: ReadLogo, deadline: float) -> None:
        self._clients = clients
        self._read = read
        self._deadline = deadline
        self._kept: dict[str, bytes] = {}

    async def show(self, request: Request) -> Response:
        """The picture, which browsers keep for a year, or 404."""
        logo_id = request.query_params.get("v", "")
        version = self._clients.branding_of_logo(logo_id)
        if version is None:
            return _not_found()
        logo = self._kept.get(logo_id)
        if logo is None:
            try:
                logo = await within(self._deadline, self._read(version.client_id, version.number))
            except (Unavailable, TimeoutError):
                return Response("unavailable\n", 503, {"Retry-After": "2"}, "text/plain")
            if logo is None:
                return _not_found()
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[logo_id] = logo
        return Unchanging(logo, headers={"Content-Security-Policy": _POLICY}, media_type=MEDIA_TYPE)


def _not_found() -> Response:
    return Response("not found\n", 404, media_type="text/plain")
