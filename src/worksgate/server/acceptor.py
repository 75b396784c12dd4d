"""Accepts connections from the listening socket: counts them, queues them, starts TLS.

A connection is counted from the moment it is accepted, so one that never starts TLS counts too, and
is closed after a while. Connections for which there is no time are refused (``accept_queue``): with
a response on plain HTTP, by closing them on TLS, since a handshake costs more than what is refused.
At the end, everything that waits at the socket is accepted before the socket is closed: those
clients have already been told that they are connected.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable

import structlog

from worksgate.server.accept_queue import AcceptQueue, Guest
from worksgate.server.admission import Admission, Place, Refusals

HANDSHAKE_TIMEOUT = 10.0
"""Seconds within which the TLS handshake must be complete."""
GOODBYE_TIMEOUT = 5.0
"""Seconds within which a peer must answer the TLS closure."""
ACCEPT_BATCH = 64
"""Connections that are admitted per turn of the loop; other workers want some too."""
REFUSE_BATCH = 256
"""Connections that are refused per turn of the loop."""
MOST_AT_THE_END = 4_096
PAUSE = 0.2
"""Seconds without accepting when the machine is out of file descriptors or memory."""

PATIENCE = 0.05
"""Seconds within which a request must arrive for a readable refusal."""

_LONGEST_HEAD = 4_096

Connect = Callable[[Place], asyncio.Protocol]

_log = structlog.get_logger(__name__)


class Acceptor:
    """Accepts on one socket.

    ``connect`` creates the protocol of a connection, ``answering`` returns the number of requests
    in flight, and ``tls`` the context of a new connection.
    """

    def __init__(
        self,
        listening: socket.socket,
        admission: Admission,
        connect: Connect,
        answering: Callable[[], int],
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._listening = listening
        self._admission = admission
        self._connect = connect
        self._tls = tls
        self._kind = (listening.family, listening.type, listening.proto)
        self._room = AcceptQueue(lambda: len(self._connecting) + answering())
        self._accepts = False
        self._is_serving = False
        self._mute = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def connecting(self) -> int:
        """Accepted connections that are not set up yet, such as those in a TLS handshake."""
        return len(self._connecting) + len(self._room) + self._mute

    def start(self, backlog: int) -> None:
        self._listening.listen(backlog)
        self._listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accept what waits, and then no more."""
        self._loop.remove_reader(self._listening)
        self._accept(MOST_AT_THE_END, MOST_AT_THE_END)
        self._loop.remove_reader(self._listening)
        self._accepts = False
        self._listening.close()
        self._begin()  # including those that wait

    def _resume(self) -> None:
        if self._listening.fileno() != -1:
            self._accepts = True
            self._loop.add_reader(self._listening, self._begin)

    def _begin(self) -> None:
        """A connection has arrived. While some wait, each turn of the loop calls this."""
        if not self._is_serving:
            self._turn()

    def _turn(self) -> None:
        if self._accepts:
            self._accept(ACCEPT_BATCH, REFUSE_BATCH)
        for guest in self._room.next():
            self._take(guest)
        self._is_serving = len(self._room) > 0
        if self._is_serving:
            self._loop.call_soon(self._turn)

    def _accept(self, most: int, most_refused: int) -> None:
        # What ``accept`` uses: a descriptor. Closing it again takes no socket object.
        accept = self._listening._accept  # type: ignore[attr-defined]  # typeshed leaves it out
        let_in = refused = 0
        while let_in < most and refused < most_refused:
            try:
                file, (peer, *_) = accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # out of file descriptors or memory (F-29)
                _log.warning("server.cannot_accept", detail=error.strerror)
                self._accepts = False
                self._loop.remove_reader(self._listening)
                self._loop.call_later(PAUSE, self._resume)
                return
            if self._room.is_full:
                self._refuse(file, peer)
                refused += 1
            elif (place := self._admission.place_for(peer)) is None:
                os.close(file)
                refused += 1
            else:
                self._room.enter((socket.socket(*self._kind, fileno=file), place))
                let_in += 1

    def _take(self, guest: Guest) -> None:
        task = self._loop.create_task(self._open(*guest))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, connection: socket.socket, place: Place) -> None:
        try:
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(
                lambda: self._connect(place),
                connection,
                ssl=self._tls() if self._tls else None,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_TIMEOUT if self._tls else None,
            )
        except OSError:  # also TLS errors and timeouts: the peer's problem
            place.leave()

    def _refuse(self, file: int, peer: str) -> None:
        """Close a connection; without TLS, with a response to its request.

        In a flood the process does this most, so it uses plain system calls. A connection whose
        request is awaited holds an open file, and a place, meanwhile.
        """
        refusals = self._admission.refusals
        if self._tls is not None or refusals is None:
            self._admission.refused_connections += 1
            os.close(file)
            return
        connection = socket.SocketType(*self._kind, file)  # cheaper than a socket object
        if _answer(connection, refusals):
            self._admission.refused_connections += 1
            connection.close()
        elif (place := self._admission.place_for(peer)) is None:  # and it has been counted
            connection.close()
        else:
            self._mute += 1
            self._loop.call_later(PATIENCE, self._refuse_mute, connection, place, refusals)

    def _refuse_mute(self, connection: socket.SocketType, place: Place, refusals: Refusals) -> None:
        self._mute -= 1
        self._admission.refused_connections += 1
        _answer(connection, refusals)
        connection.close()
        place.leave()


def _answer(connection: socket.SocketType, refusals: Refusals) -> bool:
    """Answer the request that has arrived; False if it may still arrive."""
    try:
        head = connection.recv(_LONGEST_HEAD, socket.MSG_DONTWAIT)
        url = head.partition(b" ")[2].partition(b" ")[0]
        answer = refusals.call if refusals.is_call(url) else refusals.page
        connection.send(answer, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:  # the peer has gone
        return True
    return True
