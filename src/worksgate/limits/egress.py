"""How other servers are reached over https: by a proxy, and whose certificates are accepted."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx2

_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Egress:
    """``proxy`` is a URL, which may have a password; ``ca_file`` has the accepted authorities.

    Empty: no proxy, and the authorities of this machine. Variables such as ``HTTPS_PROXY`` are
    ignored; this machine itself is reached directly.
    """

    proxy: str = field(default="", repr=False)
    ca_file: str = ""

    def transport(self) -> "httpx2.AsyncBaseTransport":
        """A way for a client of httpx2, closed with it."""
        import ssl

        import httpx2

        trust = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        direct = httpx2.AsyncHTTPTransport(verify=trust)
        if not self.proxy:
            return direct
        by_proxy = httpx2.AsyncHTTPTransport(verify=trust, proxy=self.proxy)

        class ByProxy(httpx2.AsyncBaseTransport):
            """By the proxy, except to this machine."""

            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                way = direct if request.url.host in _THIS_MACHINE else by_proxy
                return await way.handle_async_request(request)

            async def aclose(self) -> None:
                await direct.aclose()
                await by_proxy.aclose()

        return ByProxy()
