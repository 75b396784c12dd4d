"""Runs the command line: in this process, or as one of its own, at a terminal or not."""

import io
import json
import os
import pty
import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests import forking

from worksgate.cli import main

WORKSGATE = (sys.executable, "-m", "worksgate")


NOT_NOTIFIED = "The person has not been notified by e-mail: mail is not set up (smtp_url).\n"
"""What follows each change of a credential where the settings name no mail server."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Terminal:
    """A working folder with a database in it, and the variables of the environment."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    has_database_url: bool = True

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a command in this process; nothing is replaced but the standard streams."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
        with (
            _zone_of_the_environment(),
            mock.patch.dict(os.environ, self._environ(), clear=True),
            _zone_of_the_environment(),
            mock.patch.object(sys, "argv", ["worksgate", *arguments]),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = _exit_code()
        texts = [_text(stream) for stream in (out, err)]
        return Result(code, *texts)

    def ok(self, *arguments: str, stdin: bytes = b"") -> Result:
        """What a command prints that does what it should, and has nothing to complain of."""
        result = self.run(*arguments, stdin=stdin)
        complaints = result.err.replace(NOT_NOTIFIED, "")
        assert (result.code, complaints) == (0, ""), result.err
        return result

    def json(self, *arguments: str, stdin: bytes = b"") -> Any:
        return self.ok(*arguments, "--json", stdin=stdin).json

    def refused(self, *arguments: str, stdin: bytes = b"") -> str:
        """The one line with which a command was refused."""
        result = self.run(*arguments, stdin=stdin)
        assert (result.code, result.out) == (1, ""), result
        (line,) = result.err.splitlines()
        assert line.startswith("worksgate: ")
        return line.removeprefix("worksgate: ")

    def misused(self, *arguments: str) -> str:
        """What is said about wrong usage."""
        result = self.run(*arguments)
        assert (result.code, result.out) == (2, ""), result
        return result.err

    def process(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a command as a process of its own."""
        done = forking.run(*arguments, env=self._environ(), cwd=self.folder, stdin=stdin)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def at_a_terminal(
        self, *arguments: str, answers: Mapping[str, str], columns: int = 100
    ) -> tuple[int, str]:
        """Run a command on a pseudo-terminal and answer its questions; its code and the screen."""
        ours, theirs = pty.openpty()
        process = forking.start(
            *arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**self._environ(), "TERM": "xterm", "COLUMNS": str(columns)},
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            screen = _converse(ours, dict(answers))
            return process.wait(timeout=60), screen
        finally:
            process.kill()
            os.close(ours)

    def _environ(self) -> dict[str, str]:
        database = f"sqlite:///{self.folder}/worksgate.db"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        named = {"WORKSGATE_DATABASE_URL": database} if self.has_database_url else {}
        return {**kept, **named, "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.environ}


@contextmanager
def _zone_of_the_environment() -> Iterator[None]:
    """At both ends TZ is read again: the C library remembers what it has once seen."""
    time.tzset()
    yield
    time.tzset()


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data = stream.buffer
    assert isinstance(data, io.BytesIO)
    return data.getvalue().decode()


def _converse(terminal: int, answers: dict[str, str]) -> str:
    """Read the screen, and type each answer once its question has come."""
    screen, deadline = "", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            screen += os.read(terminal, 65_536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        for question in [each for each in answers if each in screen]:
            time.sleep(0.05)  # getpass empties what was typed before it asks
            os.write(terminal, _typed(answers.pop(question)))
    assert not answers, f"never asked: {list(answers)}; the screen: {screen}"
    return screen.replace("\r\n", "\n")


def _typed(answer: str) -> bytes:
    """What the keyboard sends: Ctrl-D stands alone."""
    return b"\x04" if answer == "\x04" else f"{answer}\n".encode()
