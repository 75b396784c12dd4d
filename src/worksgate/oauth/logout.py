"""The logout request: where a person may be sent after we ended their session.

No client is named in it, so all clients' addresses count together (R-66). A full entry must be
the whole address, byte for byte: its query too. Under the host of an entry any plain path will
do, without a query unless a client's ``logout_queries`` allows it.
https://developers.worksmobile.com/jp/docs/sso-sp-logout
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from worksgate.oauth.errors import BadRedirectUri
from worksgate.oauth.model import Client
from worksgate.oauth.redirect_uri import check_redirect_uri, origin_of

MAX_QUERY = 8 * 1024


def parse_logout(query: str, clients: Iterable[Client], *, loopback: bool = False) -> str | None:
    """Return the checked address to go to, or None to show our signed-out page.

    An address that is not accepted is no error: the session ends all the same, here.
    """
    if len(query) > MAX_QUERY:
        return None
    found = [
        value
        for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        if name == "redirect_uri"
    ]
    if len(found) != 1:
        return None
    (redirect_uri,) = found
    accepted = any(_accepts(client, redirect_uri, loopback=loopback) for client in clients)
    return redirect_uri if accepted else None


def _accepts(client: Client, redirect_uri: str, *, loopback: bool) -> bool:
    entries = (*client.redirect_uris, *client.logout_redirect_uris)
    origins = tuple(origin_of(entry) for entry in entries)
    try:
        check_redirect_uri(
            redirect_uri, (*entries, *origins), require_state=False, loopback=loopback
        )
    except BadRedirectUri:
        return False
    return client.logout_queries or "?" not in redirect_uri
