"""What log lines are written to, as far as a process can know."""

import os
import socket
from pathlib import Path

from worksgate.observability.log import Destination, destination


def test_r248_what_lines_are_written_to_is_known(tmp_path: Path) -> None:
    reads, pipe = os.pipe()
    ours, theirs = socket.socketpair()
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    nowhere = os.open("/dev/null", os.O_WRONLY)
    controller, terminal = os.openpty()
    try:
        assert destination(pipe, {}) is Destination.PIPE
        assert destination(ours.fileno(), {}) is Destination.SOCKET
        assert destination(file, {}) is Destination.FILE
        assert destination(nowhere, {}) is Destination.NOWHERE
        assert destination(terminal, {}) is Destination.TERMINAL
        found = os.fstat(ours.fileno())
        journal = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert destination(ours.fileno(), journal) is Destination.JOURNAL
        assert destination(pipe, journal) is Destination.PIPE
    finally:
        for each in (reads, pipe, file, nowhere, controller, terminal):
            os.close(each)
        ours.close()
        theirs.close()
