"""Everything outside of Worksgate: it plays LINE WORKS and records each call.

It is also the proxy that the servers are told to use, so a call to any other host comes here too,
and is seen.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

YES = b"{code: '00', message: 'success'}"


@dataclass
class Outside:
    """``calls`` are the full addresses that were asked for, oldest first."""

    port: int
    calls: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def session_key_check_url(self) -> str:
        return f"http://{self.host}/login/check/"

    @property
    def environment(self) -> dict[str, str]:
        """Sends whatever goes out through here."""
        proxy = f"http://{self.host}"
        return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": ""}

    def paths(self) -> list[str]:
        """What stands after the host in each call."""
        return [call.split(self.host, 1)[1] for call in self.calls]

    def foreign(self) -> list[str]:
        """Calls that went anywhere but to LINE WORKS."""
        return [call for call in self.calls if urlsplit(call).netloc != self.host]


@contextmanager
def outside() -> Iterator[Outside]:
    """Listens until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    world = _Handler.world = Outside(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: Outside

    def do_POST(self) -> None:
        self._note()
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(YES)))
        self.end_headers()
        self.wfile.write(YES)

    def do_CONNECT(self) -> None:
        self._note("https://")
        self.send_error(403)

    def do_GET(self) -> None:
        self._note()
        self.send_error(403)

    def _note(self, scheme: str = "") -> None:
        direct = self.path.startswith("/")
        self.world.calls.append(
            f"http://{self.world.host}{self.path}" if direct else scheme + self.path
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as it is called
        """Say nothing."""
