"""Which run of a client is unfinished, so that it can go on after its process was killed.

Only the undo file is named: how far the run has come is what LINE WORKS holds, which is read again.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.undo import open_own, write_whole

_LONGEST = 16_384
"""Characters of a state file; it has one path."""


class RunState:
    """The state file of a client in a folder."""

    def __init__(self, folder: Path, client_id: str) -> None:
        self._file = folder / f"worksgate-keys-{client_id}.state.json"
        self._lock = folder / f".worksgate-keys-{client_id}.lock"

    @property
    def unfinished(self) -> Path | None:
        """The undo file of a run that has begun and not ended. Raises Refused, or OSError."""
        try:
            with open_own(self._file) as stream:
                return Path(json.loads(stream.read(_LONGEST))["undo"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if isinstance(error, Refused):
                raise
            raise Refused(
                f"{self._file} is damaged: look for the last undo file beside it, then delete it"
            ) from None

    def begin(self, undo: Path) -> None:
        """Note that a run with this undo file has begun."""
        write_whole(self._file, [json.dumps({"undo": str(undo.absolute())}), "\n"])

    def end(self) -> None:
        """Note that it has ended, or is given up."""
        self._file.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only run of this client in this folder; a killed one holds nothing.

        Raises Refused.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._lock, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("another run for this client is at work; wait for its end") from None
            yield
        finally:
            os.close(descriptor)
