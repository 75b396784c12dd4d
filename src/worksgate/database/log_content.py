"""Whether the write-ahead log of a SQLite file is what its processes have written.

Their shared memory says which frame of the log has which page, and nobody verifies a frame that is
read. If another content is written into the log, as by ``cp``, they read pages of another time, in
which a used code is unused, and move them into the file. So the last frame that was committed is
compared with its checksum in the shared memory, which is over all frames before it too:
https://www.sqlite.org/walformat.html
"""

import ctypes
import os
import struct
import threading
from contextlib import suppress
from pathlib import Path

_VERSION = 3007000
_HEADER = struct.Struct("=I10xHI4x8s8s8x")
"""Of the shared memory, twice: version, bytes of a page, frames; checksum and salt of the last."""
_OWN_ORDER = struct.Struct("=II")
_BIG_ENDIAN = struct.Struct(">II")
"""A checksum in the shared memory, and in the header of a frame, where it follows the salt."""
_LOG_HEADER = 32
_FRAME_HEADER = 24


class LogContent:
    """Compares a log and its shared memory, which a connection of this process keeps open.

    The shared memory is read where SQLite has it: to close a file of our own would release the
    locks of all connections. Where it cannot be found, as without ``/proc``, nothing is noticed.
    """

    def __init__(self, log: str, shared_memory: str) -> None:
        self._lock = threading.Lock()
        self._address = _address_of(shared_memory)
        self._log: int | None = None
        if self._address is not None:
            with suppress(OSError):
                self._log = os.open(log, os.O_RDONLY)

    def is_overwritten(self) -> bool:
        """Whether the last frame is another one than was committed."""
        with self._lock:
            return self._log is not None and self._is_overwritten(self._log)

    def close(self) -> None:
        """To be called while the shared memory is still open."""
        with self._lock:
            log, self._log = self._log, None
            if log is not None:
                os.close(log)

    def _is_overwritten(self, log: int) -> bool:
        header = self._header()
        while header is not None:
            version, page, frames, checksum, salt = _HEADER.unpack(header)
            if version != _VERSION or not frames:
                return False
            size = (page & 0xFE00) + ((page & 1) << 16)
            at = _LOG_HEADER + (frames - 1) * (_FRAME_HEADER + size)
            frame = os.pread(log, _FRAME_HEADER, at)
            if frame[8:] == salt + _BIG_ENDIAN.pack(*_OWN_ORDER.unpack(checksum)):
                return False
            before, header = header, self._header()
            if header == before:  # nobody has committed meanwhile
                return True
        return False

    def _header(self) -> bytes | None:
        """None while somebody writes it."""
        assert self._address is not None  # noqa: S101  # there is a log to compare with it
        both = ctypes.string_at(self._address, 2 * _HEADER.size)
        header = both[: _HEADER.size]
        return header if header == both[_HEADER.size :] else None


def _address_of(shared_memory: str) -> int | None:
    """Where the beginning of a file is in the memory of this process, shared with others.

    By its name too: files of other devices may have the same inode.
    """
    try:
        inode = str(os.stat(shared_memory).st_ino)  # noqa: PTH116  # as a text
        mapped = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in mapped:
        addresses, rights, offset, _, found, *name = line.split(maxsplit=5)
        if (found, name) == (inode, [shared_memory]) and rights[3] == "s" and int(offset, 16) == 0:
            return int(addresses.partition("-")[0], 16)
    return None
