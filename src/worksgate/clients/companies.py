"""What a person's company is called in e-mails: as on the pages of the only client they may use."""

from contextlib import suppress

from worksgate.clients.branding import Branding
from worksgate.clients.registry import ClientRegistry
from worksgate.limits.outages import Unavailable


class Companies:
    """The names of companies, by the source of their people."""

    def __init__(self, clients: ClientRegistry) -> None:
        self._clients = clients

    async def of(self, subject_id: str) -> str:
        """The name that the branding of a person's client has; empty if there is none, or several.

        Where clients cannot be read, it is empty too: the e-mail matters more.
        """
        with suppress(Unavailable, ValueError):  # ValueError: a branding of a later version
            client_id = (await self._clients.together()).only_client_of(
                subject_id.partition(":")[0]
            )
            shown = None if client_id is None else self._clients.branding(client_id)
            return "" if shown is None else Branding.of(shown.content).name
        return ""
