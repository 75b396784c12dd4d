"""Log lines: one per event, on standard output, and never blocking.

Everything from structlog and the standard library becomes one line, JSON or text, in a bounded
queue; a thread of its own writes it. A stuck reader or a full disk therefore costs log lines, which
are counted, but never a response to LINE WORKS (F-12, F-13). Control characters are escaped, so no
external value can forge a line or control a terminal (R-105). Values with secret-sounding names are
left out, should one get here by mistake (R-106); uvicorn's access log is disabled, since query
strings contain secrets.
"""

import atexit
import json
import logging
import os
import re
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping
from enum import StrEnum, auto
from functools import lru_cache
from itertools import starmap
from typing import Any

from worksgate.settings.options import Settings

QUEUE_LINES = 10_000
MAX_VALUE = 8_192
"""Maximum length in characters of one value in a line; the rest is cut off."""

SECRET_NAMES = frozenset(
    {
        *("access_token", "authorization", "client_secret", "code", "cookie", "cookies", "csrf"),
        *("form", "headers", "password", "query", "query_string", "refresh_token", "secret"),
        *("session_id", "session_key", "txn"),
    }
)
"""Names that no event has; a value under one of them is not written."""

_UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
_PIPE_BUF = 4_096  # writes of this size are atomic among processes (POSIX)
_LARGE_WRITE = 65_536
_GATHER = 0.005
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_BARE = re.compile(r'[^\s"=\\]+')
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31"}


def configure(settings: Settings, *, to: int = 1) -> None:
    """Send all logging of this process to a file descriptor, according to the settings.

    Can be called again; every worker process calls it for itself. Other libraries are logged from
    WARNING on only: below, some print their parameters, and uvicorn repeats events of ours.
    """
    import structlog

    global _lines
    if _lines is None:
        atexit.register(close)
    close()
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and os.isatty(to))
    colours = as_text and os.isatty(to) and "NO_COLOR" not in os.environ
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    _lines = lines = _Lines(LineWriter(to), level, as_text=as_text, colours=colours)
    _take_over_standard_logging(_Handler(lines), level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Sink,
        cache_logger_on_first_use=True,
    )


def flush(timeout: float = 1.0) -> bool:
    """Wait until all lines are written, at most ``timeout`` seconds; return whether they are."""
    return _lines is None or _lines.writer.flush(timeout)


def close(timeout: float = 1.0) -> None:
    """Write pending lines, for at most ``timeout`` seconds, and stop."""
    if _lines is not None:
        _lines.writer.close(timeout)


def info_at(events: Iterable[tuple[float, bytes]]) -> None:
    """Log events with their own times (seconds since the epoch), many at once.

    Each is JSON in UTF-8 without its braces, beginning with the member ``event``; all values are
    texts. Equivalent to ``structlog``'s ``info``, at a tenth of its cost: the calls of LINE WORKS
    log two each.
    """
    if _lines is None:
        import structlog

        logger = structlog.get_logger()
        for _, members in events:
            logger.info(**_decoded(members))
    elif _lines.level <= logging.INFO:
        _lines.writer.write_encoded(starmap(_lines.event_line, events))


def _decoded(members: bytes) -> dict[str, str]:
    values: dict[str, str] = json.loads(b"{%b}" % members)
    return values


class Destination(StrEnum):
    """What the lines of a process are written to."""

    JOURNAL = auto()
    """systemd's."""
    TERMINAL = auto()
    PIPE = auto()
    """Whatever reads it: a container's runtime, a collector."""
    SOCKET = auto()
    FILE = auto()
    NOWHERE = auto()
    """``/dev/null``, or closed."""


def destination(descriptor: int = 1, environ: Mapping[str, str] = os.environ) -> Destination:
    """What a descriptor leads to, by default standard output."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return Destination.NOWHERE
    if environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}":
        return Destination.JOURNAL
    if os.isatty(descriptor):
        return Destination.TERMINAL
    for is_so, kind in (
        (stat.S_ISFIFO, Destination.PIPE),
        (stat.S_ISSOCK, Destination.SOCKET),
        (stat.S_ISREG, Destination.FILE),
    ):
        if is_so(found.st_mode):
            return kind
    return Destination.NOWHERE


def lost_lines() -> int:
    """How many lines this process could not write since ``configure``."""
    return 0 if _lines is None else _lines.writer.lost


def escape(text: str) -> str:
    """A text without control characters: each becomes its ``\\uXXXX``.

    Including those that are invisible or change the direction of writing. JSON stays equivalent.
    """
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class LineWriter:
    """Writes lines to a file descriptor from a thread of its own.

    ``write`` never waits and never raises: when more than ``capacity`` lines wait, a line is
    dropped. A failure is reported on standard error, once until it works again, and then in the log
    itself. The caller owns the descriptor.
    """

    def __init__(self, descriptor: int, capacity: int = QUEUE_LINES) -> None:
        self.lost = 0
        self._descriptor = descriptor
        # Anything but a file must be written in chunks that other processes cannot interleave.
        self._most = _LARGE_WRITE if stat.S_ISREG(os.fstat(descriptor).st_mode) else _PIPE_BUF
        self._capacity = capacity
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._idle = True
        self._torn = False
        self._failing = False
        self._reported = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, *lines: str) -> None:
        self.write_encoded([line.encode("utf-8", "backslashreplace") for line in lines])

    def write_encoded(self, lines: Iterable[bytes]) -> None:
        data = [line + b"\n" for line in lines]
        with self._changed:
            room = 0 if self._closed else self._capacity - len(self._waiting)
            self._waiting.extend(data[:room])
            self.lost += len(data[room:])
            if self._idle and self._waiting:
                self._idle = False
                self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing is pending, at most ``timeout`` seconds; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle, timeout)

    def close(self, timeout: float) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._idle = True
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
            if not self._closed:
                time.sleep(_GATHER)  # one write, and one switch of threads, for many lines
            self._write_lines(self._next_lines())
            if self.lost > self._reported and not self._failing:
                self._log_losses()

    def _next_lines(self) -> list[bytes]:
        """Whole lines that fit into one write, or a single long one."""
        with self._changed:
            lines = [self._waiting.popleft()]
            size = len(lines[0])
            while self._waiting and size + len(self._waiting[0]) <= self._most:
                size += len(self._waiting[0])
                lines.append(self._waiting.popleft())
            return lines

    def _write_lines(self, lines: list[bytes]) -> None:
        try:
            if self._torn:
                self._write_all(b"\n")
            self._write_all(b"".join(lines))
        except OSError as error:
            self._count(len(lines))
            self._complain(error)
            return
        self._failing = False

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                written = os.write(self._descriptor, data)
            except BlockingIOError:  # somebody made the descriptor non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll(1_000)
                continue
            self._torn = written < len(data)
            data = data[written:]

    def _log_losses(self) -> None:
        lost = self.lost
        line = {"event": "log.lines_lost", "level": "warning", "lost": lost - self._reported}
        self._reported = lost
        self._write_lines([_as_json(_stamped(line)).encode() + b"\n"])

    def _count(self, lines: int) -> None:
        with self._changed:
            self.lost += lines

    def _complain(self, error: OSError) -> None:
        if self._failing:
            return
        self._failing = True
        note = f"worksgate: log lines are being lost: {error.strerror}\n"
        try:
            os.write(2, note.encode())
        except OSError:
            return  # nowhere left to report; the count remains


class _Lines:
    """Turns an event into a line in the configured format."""

    def __init__(self, writer: LineWriter, level: int, *, as_text: bool, colours: bool) -> None:
        self.writer = writer
        self.level = level
        self._as_text = as_text
        self._colours = colours

    def line(self, event: Mapping[str, Any]) -> str:
        try:
            clean = _stamped({name: _clean(name, value) for name, value in event.items()})
            return _as_text(clean, colours=self._colours) if self._as_text else _as_json(clean)
        except Exception as problem:  # a log line is never worth a failed request
            failed = {"event": "log.failed", "level": "error", "problem": type(problem).__name__}
            return _as_json(_stamped(failed))

    def event_line(self, at: float, members: bytes) -> bytes:
        """The line of an INFO event, from ``info_at``'s input."""
        if self._as_text:
            values = {"time": _stamp(at), "level": "info", **_decoded(members)}
            return _as_text(values, colours=self._colours).encode()
        line = b'{"time":"%b","level":"info",%b}' % (_stamp(at).encode(), members)
        if line.isascii() and b"\x7f" not in line:  # JSON has escaped everything else that must be
            return line
        return escape(line.decode()).encode()


class _Handler(logging.Handler):
    """Takes the records of the standard library's loggers."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = _event_of(record)
        except Exception:  # the arguments do not fit the message
            event = {"event": record.msg, "level": "error", "logger": record.name}
        self._lines.writer.write(self._lines.line(event))


class _Sink:
    """The final logger of structlog; it outlives a second ``configure``."""

    def __init__(self, *_: object) -> None:
        pass

    def write(self, line: str) -> None:
        if _lines is not None:
            _lines.writer.write(line)

    msg = log = debug = info = warning = error = critical = write


_lines: _Lines | None = None


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """The last processor of structlog."""
    return "" if _lines is None else _lines.line(event)


def _take_over_standard_logging(handler: _Handler, level: int) -> None:
    root = logging.getLogger()
    for other in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(other)
    root.addHandler(handler)
    of_others = max(level, logging.WARNING)
    root.setLevel(of_others)
    # uvicorn's loggers need a level of their own: without one its protocol builds trace lines.
    for name, own in {"worksgate": level, **dict.fromkeys(_UVICORN_LOGGERS, of_others)}.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(own)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False  # then uvicorn does not even build the lines
    access.disabled = True


def _event_of(record: logging.LogRecord) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event": record.getMessage(),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    if record.exc_info and record.exc_info[0] is not None:
        event["exception"] = logging.Formatter().formatException(record.exc_info)
    return event


def _stamped(event: Mapping[str, Any]) -> dict[str, Any]:
    first = {
        "time": _stamp(time.time()),
        "level": event.get("level", "info"),
        "event": event.get("event", ""),
    }
    return {**first, **{name: event[name] for name in event if name not in first}}


def _stamp(at: float) -> str:
    return _millisecond(int(at * 1_000))


# Many lines are of the same millisecond: formatting costs more than a lookup.
@lru_cache(maxsize=16)
def _millisecond(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1_000)}.{milliseconds % 1_000:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _clean(name: str, value: Any) -> Any:
    if name in SECRET_NAMES:
        return "(secret)"
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def _as_json(event: Mapping[str, Any]) -> str:
    return escape(_JSON.encode(event))


def _as_text(event: Mapping[str, Any], *, colours: bool) -> str:
    level = f"{event['level']:<8}"
    if colours:
        level = f"\x1b[{_COLOURS.get(event['level'], '0')}m{level}\x1b[0m"
    pairs = [
        f"{escape(name)}={_value(value)}"
        for name, value in event.items()
        if name not in ("time", "level", "event") and value is not None
    ]
    return " ".join([event["time"], level, escape(str(event["event"])), *pairs])


def _value(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return escape(value)
    return escape(_JSON.encode(value))
