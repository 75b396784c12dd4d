"""How the pages look that belong to no sign-in: as the client that they are about, if it is known.

Brandings are in memory, with the clients; where these cannot be read, a page looks as usual.
"""

from contextlib import suppress

from worksgate.clients.registry import ClientRegistry
from worksgate.limits.outages import Unavailable
from worksgate.settings.sources.common import BUILT_IN
from worksgate.web.pages.looks import Look, Looks


class ClientLooks:
    """The looks of the clients of one installation."""

    def __init__(self, clients: ClientRegistry, looks: Looks) -> None:
        self._clients = clients
        self._looks = looks

    async def named(self, client_id: str) -> Look | None:
        """The look of a client of which an address says that it led there; anybody may say so.

        It must be enabled, and be for people of the built-in directory: only they have passwords
        here.
        """
        if not client_id:
            return None
        with suppress(Unavailable):
            client = (await self._clients.snapshot()).get(client_id)
            if client is not None and (not client.sources or BUILT_IN in client.sources):
                return self._looks.of(self._clients.branding(client_id))
        return None

    async def of_person(self, source: str) -> Look | None:
        """The look of the only client that people of a source may use."""
        with suppress(Unavailable):
            client_id = (await self._clients.together()).only_client_of(source)
            if client_id is not None:
                return self._looks.of(self._clients.branding(client_id))
        return None
