"""Takes connections from the listening socket: counts them, lets them wait, makes TLS of them.

A connection has its place from the moment it is accepted, so that one which never says a word of
TLS counts as well, and is cut after a while. Those for which there is no time are refused
(``waiting_room``): with the answer for that where there is no TLS, and else by closing them, for
to agree on TLS costs more than what is refused. At the end everything that waits at the socket is
accepted before the socket is closed: those peers have been told that they are connected.
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
"""Seconds in which TLS must have been agreed on."""
GOODBYE_TIMEOUT = 5.0
"""Seconds in which a peer must have answered the end of TLS."""
ACCEPT_BATCH = 64
"""Connections that are let in in one turn of the loop; other workers want some too."""
REFUSE_BATCH = 256
"""Connections that are refused in one turn of the loop."""
MOST_AT_THE_END = 4_096
PAUSE = 0.2
"""Seconds without accepting where the machine has no more files or memory for connections."""

PATIENCE = 0.05
"""Seconds in which a request must follow its connection for a refusal that can be read."""

_LONGEST_HEAD = 4_096

Connect = Callable[[Place], asyncio.Protocol]

_log = structlog.get_logger(__name__)


class Acceptor:
    """Accepts on one socket.

    ``connect`` makes the protocol of a connection, ``answering`` says how many requests are being
    answered.
    """

    def __init__(
        self,
        listening: socket.socket,
        admission: Admission,
        connect: Connect,
        answering: Callable[[], int],
        tls: ssl.SSLContext | None = None,
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
        """Connections that are accepted but not yet there, such as those that agree on TLS."""
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
        self._begin()  # with those that wait

    def _resume(self) -> None:
        if self._listening.fileno() != -1:
            self._accepts = True
            self._loop.add_reader(self._listening, self._begin)

    def _begin(self) -> None:
        """Somebody has come. While some wait, each turn of the loop is one of ours."""
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
        # What ``accept`` calls: a descriptor. To close it again takes no socket object.
        accept = self._listening._accept  # type: ignore[attr-defined]  # typeshed leaves it out
        let_in = refused = 0
        while let_in < most and refused < most_refused:
            try:
                file, (peer, *_) = accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no more files, or no more memory (F-29)
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
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_TIMEOUT if self._tls else None,
            )
        except OSError:  # also what TLS raises, and its timeout: the peer's affair
            place.leave()

    def _refuse(self, file: int, peer: str) -> None:
        """Close a connection, where there is no TLS with the answer to its request.

        In a flood this is what the process does most, so it makes do with the operating system's
        calls. A connection whose request is waited for holds an open file, and has a place as long
        as it does.
        """
        refusals = self._admission.refusals
        if self._tls is not None or refusals is None:
            self._admission.refused_connections += 1
            os.close(file)
            return
        connection = socket.SocketType(*self._kind, file)  # without Python's part of a socket
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
    """Answer the request that has come; False where it may still come."""
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
