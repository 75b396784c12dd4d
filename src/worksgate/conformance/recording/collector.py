"""Receives what the processes of the server observe, and writes it to one file.

It runs in the command that records. Its socket is there as long as it is; the key of the recording
is in its memory and that of the connected processes, and nowhere else.
"""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from worksgate.conformance.recording.file import (
    LINE_LIMIT,
    Ended,
    Ending,
    Full,
    Limits,
    RecordingWriter,
)
from worksgate.conformance.recording.keyed_hash import KEY_BYTES
from worksgate.conformance.recording.rendezvous import Untrusted, check_peer, identity_of

PATH_LIMIT: Final = 107
"""Bytes of the path of a socket, on Linux."""
_LAST_LINES: Final = 3.0
"""Seconds that the processes have at the end for what still waits."""
_SPACE_CHECK: Final = 1.0


class CannotRecord(Exception):
    """A sentence for the administrator."""


class Collector:
    """One recording. ``clock`` returns seconds since the epoch."""

    def __init__(
        self, writer: RecordingWriter, path: Path, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._path = path
        self._until = writer.began + limits.seconds
        self._clock = clock
        self._key = secrets.token_bytes(KEY_BYTES)
        self._dropped: dict[asyncio.StreamWriter, int] = {}
        self._processes: set[object] = set()
        self._connected: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._ending: asyncio.Future[Ending] | None = None

    @property
    def processes(self) -> int:
        """How many processes of the server have connected so far, however often each has."""
        return len(self._processes)

    @property
    def dropped(self) -> int:
        """How many calls the processes say they had no room for, or could not send."""
        return sum(self._dropped.values())

    @property
    def calls(self) -> int:
        """How many have been written so far."""
        return self._writer.calls

    def stop(self) -> None:
        """End the recording."""
        self._end(Ending.STOPPED)

    async def run(self) -> Ended:
        """Record until a bound is reached, or ``stop``. Raises CannotRecord, or OSError."""
        loop = asyncio.get_running_loop()
        self._ending = loop.create_future()
        with listening(self._path) as listener:
            server = await asyncio.start_unix_server(self._greet, sock=listener, limit=LINE_LIMIT)
            watching = asyncio.create_task(self._watch())
            try:
                ending = await self._ending
            finally:
                watching.cancel()
                server.close()
                self._path.unlink(missing_ok=True)
                await self._hang_up()
        return self._writer.end(ending, self._clock(), self.dropped)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        self._connected[task] = writer
        hello = {"key": self._key.hex(), "began": self._writer.began, "until": self._until}
        try:
            writer.write(json.dumps(hello).encode() + b"\n")
            while line := await reader.readline():
                self._receive(line, writer)
        except (ConnectionError, ValueError, KeyError, TypeError):
            pass  # the process has ended, or is none of ours
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            del self._connected[task]

    def _receive(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        """Write a call, unless it is too late for it. Raises ValueError."""
        if not line.endswith(b"\n"):
            return
        document = json.loads(line)
        if "dropped" in document:
            self._dropped[writer] = int(document["dropped"])
            self._processes.add(document["process"])
        elif not self._writer.is_full:
            try:
                self._writer.add(line)
            except Full as full:
                self._end(full.ending)

    async def _watch(self) -> None:
        """End at the time, and before the disk is full."""
        while (left := self._until - self._clock()) > 0:
            await asyncio.sleep(min(left, _SPACE_CHECK))
            try:
                self._writer.check_space()
            except Full as full:
                self._end(full.ending)
        self._end(Ending.TIME)

    def _end(self, ending: Ending) -> None:
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(ending)

    async def _hang_up(self) -> None:
        """Let the processes send what they still have, for a moment."""
        for writer in self._connected.values():
            with suppress(OSError, RuntimeError):  # it has gone already
                writer.write_eof()
        tasks = tuple(self._connected)
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_LINES)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def check_free(path: Path) -> None:
    """Raise CannotRecord if nobody can listen there, or somebody does."""
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise CannotRecord(
            f"the path of the socket has more than {PATH_LIMIT} bytes: set recording_directory to "
            "a folder with a shorter one"
        )
    if identity_of(path) is not None and _is_answered(path):
        raise CannotRecord("calls are being recorded already; one recording at a time")


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket that only the owner of its folder can reach, until the end of the block.

    Raises CannotRecord if the path is too long or somebody else records, or OSError.
    """
    check_free(path)
    path.unlink(missing_ok=True)  # left behind by one that was killed
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.umask(0o177)
        try:
            with _as_owner_of(path.parent):
                listener.bind(str(fresh))
        finally:
            os.umask(before)
        try:
            listener.listen()
            fresh.rename(path)  # whoever finds it is answered
            yield listener
        finally:
            fresh.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


@contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """Act as the owner of a folder if this is root, who may record for a server of another user.

    The socket is theirs from the beginning: root gives nothing away by its name, which the owner of
    the folder could have made that of another file meanwhile.
    """
    if os.geteuid() != 0:
        yield
        return
    owner = folder.stat()
    group = os.getegid()
    os.setegid(owner.st_gid)
    try:
        os.seteuid(owner.st_uid)
        try:
            yield
        finally:
            os.seteuid(0)
    finally:
        os.setegid(group)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            check_peer(connection, path)
            return bool(connection.recv(1))
        except Untrusted:
            return True  # another user records for the same folder
        except OSError:
            return False
