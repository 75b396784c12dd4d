"""The client's address behind trusted proxies: X-Forwarded-For and X-Forwarded-Proto (R-96).

Each proxy appends the address that it was called from, so the list is read from its end: the first
address that is not a trusted proxy's is the client's. If an entry is invalid, the client is
unknown, and everything that depends on an address is closed to it (R-113). The same if a proxy
names the scheme and no address: ``Connection: X-Forwarded-For`` makes some of them drop it.
"""

import re
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from worksgate.limits.networks import address_in, is_within
from worksgate.observability.rate_limited_warning import RateLimitedWarning

_SCHEMES = {b"http": "http", b"https": "https"}
_ENTRY = re.compile(
    r"\[(?P<bracketed>[^\[\]]+)\](?::[0-9]+)?|(?P<with_port>[0-9.]+):[0-9]+|(?P<bare>.+)"
)
"""An address, with or without a port: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``."""

_unreadable = RateLimitedWarning("proxy.unreadable_address")


class BehindProxies:
    """An application that trusts X-Forwarded-* from the proxies of these networks only."""

    def __init__(self, application: ASGIApp, networks: tuple[str, ...]) -> None:
        self._application = application
        self._is_proxy = lru_cache(maxsize=4_096)(lambda address: is_within(address, networks))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its scope is changed in place.

        A coroutine function, since servers use that to tell ASGI 3 applications from older ones.
        """
        client = scope.get("client")
        if client is not None and self._is_proxy(client[0]):
            self._believe(scope)
        await self._application(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        forwarded: list[bytes] = []
        names_scheme = False
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded.append(value)
            elif name == b"x-forwarded-proto" and (scheme := _SCHEMES.get(value.strip())):
                scope["scheme"] = scheme
                names_scheme = True
        if forwarded or names_scheme:
            caller = self._caller(b",".join(forwarded))
            scope["client"] = None if caller is None else (caller, 0)

    def _caller(self, forwarded: bytes) -> str | None:
        """The client's address, or None if it cannot be determined."""
        caller = None
        for entry in reversed(forwarded.split(b",")):
            caller = _address_of(entry)
            if caller is None:
                _unreadable.log(
                    "", "a trusted proxy sent no X-Forwarded-For, or an invalid address in it"
                )
                return None
            if not self._is_proxy(caller):
                break
        return caller


def _address_of(entry: bytes) -> str | None:
    """The address of an entry, which may have a port."""
    found = _ENTRY.fullmatch(entry.strip().decode("latin-1"))
    return address_in(found[found.lastgroup or 0]) if found else None
