"""Sends what a process of the server observes to the command that records, from a thread.

The command listens at a socket in a folder that both know, and is connected to while it does: there
is nothing else to switch on, and nothing to switch off when it ends, however it ends. Observed
calls wait in a bounded queue; what does not fit is dropped and counted. A call of LINE WORKS never
waits.

The key comes over the connection and leaves with it. What is sent is abstract: no secret leaves the
process.
"""

import json
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from worksgate.conformance.recording.abstraction import abstracted
from worksgate.conformance.recording.calls import Call
from worksgate.conformance.recording.keyed_hash import KeyedHash
from worksgate.conformance.recording.observed import Observed
from worksgate.conformance.recording.rendezvous import check_peer, identity_of

QUEUE_LIMIT: Final = 1_000
"""Observed calls that wait; each is at most 64 KiB."""
_AT_ONCE: Final = 100
_HELLO_LIMIT: Final = 4096
_TIMEOUT: Final = 2.0
_PAUSE: Final = 0.1
_COUNT: Final = "dropped"
"""The member of the lines that are no calls."""


class WorkerLink:
    """The connection of this process to the command that records. Starts its thread at once.

    In the thread, ``turn_on`` is called when calls are wanted, ``turn_off`` when no longer, and
    ``report`` with an error that is not simply that nobody listens. A link that breaks while the
    command goes on is not turned off: until another one follows it, it counts the calls.
    ``before`` is the link that this one follows.
    """

    def __init__(
        self,
        path: Path,
        turn_on: Callable[["WorkerLink"], None],
        turn_off: Callable[[], None],
        report: Callable[[Exception], None],
        before: "WorkerLink | None" = None,
    ) -> None:
        self._path = path
        self._turn_on = turn_on
        self._turn_off = turn_off
        self._report = report
        self._queue: SimpleQueue[Observed] = SimpleQueue()
        self._dropped = 0
        self._told = -1  # the first count tells the command that this is a process of the server
        self._has_reported = False
        self._is_closing = False
        self._before = before
        self._next: WorkerLink | None = None
        self._is_broken = False
        self.is_open = False
        self.is_refused = False
        self.has_ended = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def put(self, seen: Observed) -> None:
        """Hand over a call; returns at once."""
        if not self.is_open:
            self._put_elsewhere(seen)
        elif self._queue.qsize() >= QUEUE_LIMIT:
            self._dropped += 1
        else:
            self._queue.put(seen)

    @property
    def is_counting(self) -> bool:
        """Whether calls are lost now, and counted."""
        return self._is_broken or (self._before is not None and self._before.is_counting)

    @property
    def lost(self) -> int:
        """How many calls were dropped and not reported, or not sent; also by those before it."""
        before = 0 if self._before is None else self._before.lost
        return before + self._dropped - max(0, self._told) + self._queue.qsize()

    def close(self) -> None:
        """Send what waits, and end; waits for it a moment."""
        self._is_closing = True
        self._thread.join(_TIMEOUT)

    def _put_elsewhere(self, seen: Observed) -> None:
        """A call that was under way when the link broke, or came before another one followed."""
        if self._next is not None:
            self._next.put(seen)
        elif self._is_broken:
            self._dropped += 1

    def _follow(self) -> None:
        """Take over from the links before this one; they get no more calls."""
        before, self._before = self._before, None
        if before is not None:
            self._dropped += before.lost
            while before is not None:
                before._next = self
                before = before._before

    def _run(self) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_TIMEOUT)
                connection.connect(str(self._path))
                check_peer(connection, self._path)
                self._send_all(connection)
        except ConnectionRefusedError:
            self.is_refused = True  # left behind by a command that was killed
        except (ConnectionError, FileNotFoundError, TimeoutError):
            pass  # the command has ended
        except Exception as error:
            self.is_refused = True
            self._report(error)
        finally:
            self.has_ended = True

    def _send_all(self, connection: socket.socket) -> None:
        began, until, hashed = _hello(connection)
        self.is_open = True
        self._turn_on(self)
        self._follow()
        try:
            self._pass_on(connection, until, lambda seen: abstracted(seen, began, hashed))
            is_over = self._is_closing or time.time() >= until
            # The command takes its socket away before it ends; one that was killed does not.
            self._is_broken = not is_over and identity_of(self._path) is not None
        except OSError:
            self._is_broken = True
            raise
        finally:
            self.is_open = False
            if not self._is_broken:
                self._turn_off()

    def _pass_on(
        self, connection: socket.socket, until: float, abstract: Callable[[Observed], Call]
    ) -> None:
        while True:
            is_over = self._is_closing or time.time() >= until or _is_ended(connection)
            if is_over:
                self.is_open = False
            lines = [self._line(seen, abstract) for seen in self._waiting()]
            if (dropped := self._dropped) != self._told:
                count = {_COUNT: dropped, "process": _identity(os.getpid())}
                lines.append(json.dumps(count).encode() + b"\n")
            if lines:
                self._send(connection, lines)
                self._told = dropped
            elif is_over:
                return

    def _send(self, connection: socket.socket, lines: list[bytes]) -> None:
        """Send all lines. Raises OSError; the calls that are not sent by then are dropped."""
        rest = memoryview(b"".join(lines))
        try:
            while rest:
                rest = rest[connection.send(rest) :]
        except OSError:
            self._dropped += sum(_is_call(line) for line in _unsent(lines, len(rest)))
            raise

    def _line(self, seen: Observed, abstract: Callable[[Observed], Call]) -> bytes:
        """The line of a call; none of one that cannot be abstracted, which is a bug."""
        try:
            return abstract(seen).as_line()
        except Exception as error:
            self._dropped += 1
            if not self._has_reported:
                self._has_reported = True
                self._report(error)
            return b""

    def _waiting(self) -> list[Observed]:
        """Up to so many calls; waits a moment for the first while the link is open."""
        found: list[Observed] = []
        try:
            found.append(self._queue.get(timeout=_PAUSE if self.is_open else 0.001))
            while len(found) < _AT_ONCE:
                found.append(self._queue.get_nowait())
        except Empty:
            pass
        return found


@cache
def _identity(_pid: int) -> str:
    """What this process is called whenever it connects; another one after a fork."""
    return secrets.token_hex(8)


def _unsent(lines: list[bytes], left: int) -> Iterator[bytes]:
    """The lines of which something is among the last bytes, from the end."""
    for line in reversed(lines):
        if left <= 0:
            return
        left -= len(line)
        yield line


def _is_call(line: bytes) -> bool:
    return bool(line) and _COUNT not in json.loads(line)


def _hello(connection: socket.socket) -> tuple[float, float, KeyedHash]:
    """When the recording began and ends, and its key. Raises ValueError, or OSError."""
    received = b""
    while not received.endswith(b"\n"):
        part = connection.recv(_HELLO_LIMIT)
        if not part or len(received) > _HELLO_LIMIT:
            raise ConnectionError("the greeting is cut off")
        received += part
    document = json.loads(received)
    key = bytes.fromhex(document["key"])
    return float(document["began"]), float(document["until"]), KeyedHash(key)


def _is_ended(connection: socket.socket) -> bool:
    """Whether the command has hung up: it never sends anything after its greeting."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)
