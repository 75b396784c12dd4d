"""The call of LINE WORKS for a mail client, with the password in its URL.

So nothing here logs a URL, a requested path, or an exception's message (R-59). Every response is
JSON, even if the path or the method is wrong, and is sent within ``answer_deadline``.
"""

from starlette.types import Receive, Scope, Send

from worksgate.clients.registry import ClientRegistry
from worksgate.oauth.imap_login import ImapLoginResponse
from worksgate.observability.instruments import Traffic
from worksgate.provider.calls.imap_login import ImapLogin
from worksgate.settings.options import Settings
from worksgate.web.calls.endpoints import ANSWERED, NO_ANSWER, JsonCalls, UnknownPath, peer_of
from worksgate.web.deadline import within
from worksgate.web.headers import Headers


class MailClients(JsonCalls):
    """Serves the IMAP/CalDAV Login API, whose paths end with a client's ID."""

    method = "GET"

    def __init__(
        self,
        login: ImapLogin,
        settings: Settings,
        clients: ClientRegistry,
        headers: Headers,
        traffic: Traffic,
    ) -> None:
        super().__init__(settings, clients, headers, traffic)
        self._login = login
        self._path = settings.imap_login_path

    async def log_in(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET /apiLogin/{client_id}``; ``path`` is below our mount point."""
        ours = self._path
        below = path.removeprefix(ours)
        began, outcome = self._traffic.imap.begin(), NO_ANSWER
        try:
            answer = await self._decision(below, scope)
        except Exception as error:
            # What follows our path may be secret, if somebody built the URL wrongly.
            outcome = await self._fail(error, ours, send, below[1:])
        else:
            await self._answer(answer, scope, send)
            outcome = ANSWERED
        finally:
            self._traffic.imap.end(began, *outcome)

    async def _decision(self, below: str, scope: Scope) -> ImapLoginResponse:
        """HEAD and OPTIONS sign nobody in, and plain http is not redirected (R-64)."""
        if below == "/" or "/" in below[1:]:
            raise UnknownPath("there is nothing at this path")
        self._check_way(scope)
        client_id = below[1:] or None
        login = self._login.log_in(client_id, scope["query_string"], peer_of(scope))
        return await within(self._deadline, login)
