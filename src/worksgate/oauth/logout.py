"""The logout request: where a person may be redirected after we ended their session.

It names no client, so the addresses of all clients count (R-66). A full entry must be the whole
address, byte for byte, including its query. Under the host of an entry any plain path is allowed,
without a query unless a client's ``logout_queries`` allows it.
https://developers.worksmobile.com/jp/docs/sso-sp-logout
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl

from worksgate.oauth.errors import BadRedirectUri
from worksgate.oauth.model import Client
from worksgate.oauth.redirect_uri import check_redirect_uri, origin_of

MAX_QUERY = 8 * 1024


@dataclass(frozen=True, slots=True)
class LogoutAddresses:
    """The allowlists of all clients, indexed so that one address can be looked up quickly.

    ``entries`` are full addresses and the origins of all of them; ``with_query`` those of clients
    whose ``logout_queries`` allows a query.
    """

    entries: frozenset[str] = frozenset()
    with_query: frozenset[str] = frozenset()

    @classmethod
    def of(cls, clients: Iterable[Client]) -> Self:
        entries, with_query = set[str](), set[str]()
        for client in clients:
            theirs = {*client.redirect_uris, *client.logout_redirect_uris}
            theirs |= {origin_of(entry) for entry in theirs}
            entries |= theirs
            if client.logout_queries:
                with_query |= theirs
        return cls(frozenset(entries), frozenset(with_query))

    def accepts(self, redirect_uri: str, *, loopback: bool = False) -> bool:
        """Whether a person may be redirected there."""
        address, question_mark, _ = redirect_uri.partition("?")
        entries = self.with_query if question_mark else self.entries
        # No other entry can match it: an entry is the whole address, or its origin.
        possible = entries & {address, origin_of(address)}
        try:
            check_redirect_uri(redirect_uri, possible, require_state=False, loopback=loopback)
        except BadRedirectUri:
            return False
        return True


def parse_logout(query: str, addresses: LogoutAddresses, *, loopback: bool = False) -> str | None:
    """Return the checked address to redirect to, or None to show our signed-out page.

    An address that is not allowed is not an error: the session ends anyway.
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
    return redirect_uri if addresses.accepts(redirect_uri, loopback=loopback) else None
