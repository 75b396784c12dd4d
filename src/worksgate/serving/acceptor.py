"""Takes connections from the listening socket: counts them, and makes TLS of them.

A connection has its place from the moment it is accepted, so that one which never says a word of
TLS counts as well, and is cut after a while. Where there is no TLS the event loop accepts by
itself, which is faster, and the protocol asks for its place as the first thing it does. At the end
everything that waits at the socket is accepted before the socket is closed: those peers have been
told that they are connected.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

import structlog

from worksgate.serving.admission import Admission, Place

HANDSHAKE_TIMEOUT = 10.0
"""Seconds in which TLS must have been agreed on."""
GOODBYE_TIMEOUT = 5.0
"""Seconds in which a peer must have answered the end of TLS."""
ACCEPT_BATCH = 32
"""Connections that are accepted in one turn of the loop; other workers want some too."""
MOST_AT_THE_END = 4_096
PAUSE = 0.2
"""Seconds without accepting where the machine has no more files or memory for connections."""

Connect = Callable[[Place | None], asyncio.Protocol]

_log = structlog.get_logger(__name__)


class Acceptor:
    """Accepts on one socket.

    ``connect`` makes the protocol of a connection, which may have a place already.
    """

    def __init__(
        self,
        listening: socket.socket,
        admission: Admission,
        connect: Connect,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listening = listening
        self._admission = admission
        self._connect = connect
        self._tls = tls
        self._connecting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def connecting(self) -> int:
        """Connections that are accepted but not yet there, such as those that agree on TLS."""
        return len(self._connecting)

    async def start(self, backlog: int) -> None:
        self._listening.listen(backlog)
        self._listening.setblocking(False)
        if self._tls is None:
            self._server = await self._loop.create_server(
                lambda: self._connect(None), sock=self._listening.dup(), backlog=backlog
            )
        else:
            self._resume()

    def close(self) -> None:
        """Accept what waits, and then no more."""
        if self._server is not None:
            self._server.close()
        self._loop.remove_reader(self._listening)
        self._accept(MOST_AT_THE_END)
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _resume(self) -> None:
        if self._listening.fileno() != -1:
            self._loop.add_reader(self._listening, self._accept, ACCEPT_BATCH)

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                connection, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no more files, or no more memory (F-29)
                _log.warning("server.cannot_accept", detail=error.strerror)
                self._loop.remove_reader(self._listening)
                self._loop.call_later(PAUSE, self._resume)
                return
            place = self._admission.place_for(address[0])
            if place is None:
                connection.close()
            else:
                self._take(connection, place)

    def _take(self, connection: socket.socket, place: Place) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._open(connection, place))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, connection: socket.socket, place: Place) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._connect(place),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_TIMEOUT if self._tls else None,
            )
        except OSError:  # also what TLS raises, and its timeout: the peer's affair
            place.leave()
