"""One connection: uvicorn's protocol, with bounds on time and memory.

Requests have exactly one framing. An ``Upgrade`` is ignored and the request served with its body
(RFC 9110, 7.8); invalid HTTP/1.1 gets a response, and nothing after it is read (R-111).

The headers of a request are bounded in time and size, and so is the rest; trailers are ignored; a
request that was answered before its end is not awaited; a response that is not read is abandoned;
and every byte sent starts a timer. A request for which the process has no room is refused before
its body is read. An application may send a complete response in one call (``single_write``).

At the end a connection is drained: received requests are answered, with ``Connection: close``, and
a connection that stays silent for a moment is closed.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.server.admission import Admission, Place
from worksgate.server.host_header import is_host, is_target_of
from worksgate.server.single_write import WHOLE_ANSWER, WRITE, on_the_wire
from worksgate.server.tls import Certificate

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.server import ServerState

HEADER_TIMEOUT = 10.0
"""Seconds within which the headers of a request must arrive."""
BODY_TIMEOUT = 12.0
"""Seconds within which the rest must arrive; applications give up after 10, with a response."""
WRITE_TIMEOUT = 10.0
"""Seconds within which a client must read what has been written to it."""
MAX_HEADERS = 64 * 1024
"""Bytes of a request line and its headers."""
MAX_BODY_ON_THE_WIRE = 256 * 1024
"""Bytes of a request after its headers, including chunk framing; applications accept far less.

The console takes files, and says how large they may be."""
UNREAD_TIMEOUT = 1.0
"""Seconds for a client to see a response that was sent before the end of its request."""
QUIET = 1.0
"""Seconds of silence after which a draining connection is closed."""

BAD_REQUEST = 400
HEADERS_TOO_LARGE = 431

_MALFORMED = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"content-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
)
_LOGGED_PATH = 200
"""Bytes."""

_refused = RateLimitedWarning("request.refused")
_malformed = RateLimitedWarning("request.malformed")


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration plus the admission: a protocol receives nothing else.

    ``max_body`` is how many bytes a request may have after its headers. ``certificate`` is that of
    a server with TLS.
    """

    def __init__(
        self,
        app: Any,
        admission: Admission,
        *,
        max_body: int = MAX_BODY_ON_THE_WIRE,
        certificate: Certificate | None = None,
        **options: Any,
    ) -> None:
        if certificate is not None:
            options["ssl_context_factory"] = lambda *_: certificate.context
        super().__init__(app, **options)
        self.certificate = certificate
        self.admission = admission
        self.max_body = max_body


class BoundedHttpProtocol(HttpToolsProtocol):
    """Serves one connection."""

    place: Place | None = None
    """The place of the connection, if it was given one."""

    _timer: asyncio.TimerHandle | None = None
    _leaving: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _quiet: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _body_bytes = 0
    _in_headers = True
    _in_message = False
    _is_refused = False
    _is_upgrading = False
    _is_deaf = False
    _host: bytes | None = None
    _coding: bytes | None = None
    _rejection = BAD_REQUEST
    _serving: RequestResponseCycle | None = None

    def __init__(
        self,
        config: ServerConfig,
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._admission = config.admission
        self._max_body = config.max_body

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._start_timer(HEADER_TIMEOUT)
        if self._admission.is_draining:
            self.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        for timer in (self._leaving, self._unread, self._quiet):
            if timer is not None:
                timer.cancel()
        self._admission.reading.discard(self)
        if self.place is not None:
            self.place.leave()
        if self._serving is not None and not self._serving.response_complete:
            self._serving.disconnected = True  # uvicorn refers to the most recent request
            self._serving.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # after a reset uvicorn does not clear it
        # uvicorn's cycle and transport refer back here: a reference cycle would wait for the
        # collector.
        self.transport = self.flow = self.scope = None  # type: ignore[assignment]  # as before it
        self.cycle = self._serving = None  # type: ignore[assignment]  # uvicorn begins with these

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        if self._in_headers:
            self._header_bytes += len(data)
        else:
            self._body_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._is_deaf:
            return
        if self.transport.is_closing():
            self._wait_for_reader()
            return
        if self._in_headers and self._header_bytes > MAX_HEADERS:
            self._rejection = HEADERS_TOO_LARGE
            self._reject()
        elif self._body_bytes > self._max_body:
            self.transport.abort()
        elif self._is_idle:
            self._start_timer(HEADER_TIMEOUT)  # any byte resets uvicorn's own
        elif self._is_in_body:
            self._start_timer(BODY_TIMEOUT)
        if self._admission.is_draining:
            self._close_when_quiet()

    # The parser

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview | None = data
        try:
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError:
            self._reject()

    def _feed(self, data: bytes | memoryview) -> memoryview | None:
        """Parse, and return the rest for another parser. Raises HttpParserError."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade()
            return memoryview(data)[upgrade.args[0] :]
        return None

    def _ignore_upgrade(self) -> None:
        """Start the request again as one without an upgrade.

        The parser stops after the headers of an upgrade request, and would take its body for the
        next request. A new parser reads the same headers without the ``Upgrade``, and then the
        body. Raises HttpParserError.
        """
        if not self._is_upgrading:  # CONNECT, or bytes after a refused request
            raise httptools.HttpParserError("there is nothing to switch to")
        self._is_upgrading = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        first = b"%b %b HTTP/%b" % (method, self.url, version)
        self.parser.feed_data(b"\r\n".join([first, *lines, b"\r\n"]))

    # The request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._in_message = True
        self._body_bytes = 0
        self._host = self._coding = None
        self._start_timer(HEADER_TIMEOUT)

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.rstrip(b" \t")  # as the parser does before a value
        if name == b"host":
            self._host = value if self._host is None else b""  # two are invalid
        elif name == b"transfer-encoding":
            self._coding = value.lower() if self._coding is None else b""
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._header_bytes > MAX_HEADERS and self._size_of_headers() > MAX_HEADERS:
            self._rejection = HEADERS_TOO_LARGE
            raise ValueError("the headers are too large")  # the parser stops
        if not self._is_refused:
            if self.parser.should_upgrade():
                self._is_upgrading = self.parser.get_method() != b"CONNECT"
                return
            if not self._is_plain_http():
                raise ValueError("the version, the target, Host or Transfer-Encoding is not valid")
        self._in_headers = False
        self._header_bytes = 0
        self._stop_timer()
        if self._is_refused:  # bytes after a refused request are ignored
            return
        if self._is_idle and (refusal := self._refusal(self.url, len(self.tasks))):
            self._refuse(self.url, refusal)
            return
        super().on_headers_complete()
        self.headers = []  # trailers arrive there: in the scope they would look like headers

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_headers:  # the parser has stopped at an upgrade
            return
        self._in_message = False
        self._stop_timer()
        if self._leaving is not None:  # the rest has arrived after all
            self._leaving.cancel()
            self._leaving = None
        self._admission.reading.discard(self)
        if self._is_refused:
            self._close()
            return
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        if self._admission.is_draining and not self.pipeline:
            cycle.keep_alive = False
        if cycle.more_body:  # and not before its turn: the previous one has arrived completely
            self._admission.reading.add(self)
        self._serving = cycle
        # A weak reference, since the cycle holds its scope: otherwise each request would wait for
        # the collector.
        cycle.scope["extensions"] = {WHOLE_ANSWER: {WRITE: partial(self._write_answer, ref(cycle))}}
        super()._start_asgi_task(cycle, app)

    def _write_answer(
        self,
        cycle_ref: "ref[RequestResponseCycle]",
        status: int,
        headers: bytes,
        body: bytes,
    ) -> bool:
        """A ``single_write.WriteAnswer``; an unusual response is not sent."""
        cycle = cycle_ref()
        if cycle is None or cycle.response_started or cycle.disconnected or not cycle.keep_alive:
            return False
        if self.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        default = on_the_wire(self.server_state.default_headers)
        head = (STATUS_LINE[status], default, headers, b"content-length: %d\r\n\r\n" % len(body))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join((*head, body)))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        if self.pipeline and not self.transport.is_closing():
            self._refuse_pipelined()
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_reader()
            return
        if self._is_in_body and self.cycle.response_complete:
            self._admission.reading.discard(self)
            self._leaving = self.loop.call_later(UNREAD_TIMEOUT, self._close)
        if self._admission.is_draining:
            self._close_when_quiet()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being served."""
        return self.cycle is None or self.cycle.response_complete

    def _size_of_headers(self) -> int:
        """What arrived with them in one read may be a body."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _is_plain_http(self) -> bool:
        """Whether it is HTTP/1.0 or 1.1, for one host, and with no coding but chunked.

        The parser accepts what other parsers interpret differently: a coding that nobody removes,
        chunks in HTTP/1.0 (RFC 9112, 6.1), and versions that do not exist.
        """
        version = self.parser.get_http_version()
        if version != "1.1" and version != "1.0":
            return False
        if self._coding is not None and (self._coding != b"chunked" or version == "1.0"):
            return False
        if self._host is None:
            return version == "1.0" and self.url.startswith(b"/")
        method = self.parser.get_method()
        return is_host(self._host) and is_target_of(self.url, self._host, method)

    # Invalid HTTP

    def _reject(self) -> None:
        """Answer a malformed request in its turn, and read no more.

        What follows the error cannot be told from a request.
        """
        self._is_deaf = True
        self._stop_timer()
        _malformed.log(_path_of(self.url), "the data received is not a valid HTTP/1.1 request")
        if self._is_refused:  # it has its response, and the connection will be closed soon
            return
        last = self._last_whole()
        if last is not None:  # the connection is closed after its answer
            last.keep_alive = False
            return
        is_answered = False
        if self._is_in_body:
            is_answered = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._admission.reading.discard(self)
        if not is_answered:
            refusals = self._admission.refusals
            answer = refusals.malformed(self.url, self._rejection) if refusals else _MALFORMED
            self.transport.write(answer)
        self._leave_when_seen()

    def _last_whole(self) -> RequestResponseCycle | None:
        """The last complete request without a response; a broken one is dropped."""
        if not self._is_in_body:
            return None if self._is_idle else self.cycle
        if not self.pipeline:  # the broken one is being served
            return None
        self.pipeline.popleft()
        served = self._serving
        assert served is not None  # noqa: S101  # else nothing would wait behind it
        self.cycle = self.pipeline[0][0] if self.pipeline else served
        return self.cycle

    @property
    def _is_in_body(self) -> bool:
        """Whether the request of ``cycle`` has not arrived completely."""
        return self._in_message and not self._in_headers

    def _leave_when_seen(self) -> None:
        """Send no more; close when the peer has, or soon: a reset would destroy the response."""
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self._leaving is None:
            self._leaving = self.loop.call_later(UNREAD_TIMEOUT, self._close)

    # Refusing

    def _refusal(self, url: bytes, tasks: int) -> bytes | None:
        """The response to a request for which there is no room beside so many tasks, or None."""
        refusals = self._admission.refusals
        if refusals is None:
            return None
        if self._admission.has_room(tasks, is_call=False):  # and there would be room for a call
            return None
        is_call = refusals.is_call(url)
        if is_call and self._admission.has_room(tasks, is_call=True):
            return None
        return refusals.call if is_call else refusals.page

    def _refuse_pipelined(self) -> None:
        """Refuse the request whose turn it is, and all after it, if there is no room for it.

        Otherwise pages queued after a call would take the room that is reserved for calls.
        """
        url: bytes = self.pipeline[-1][0].scope["raw_path"]
        # The task of the completed response still counts among them.
        if refusal := self._refusal(url, len(self.tasks) - 1):
            self.pipeline.clear()
            self._refuse(url, refusal)

    def _refuse(self, url: bytes, answer: bytes) -> None:
        """Write the response; the connection is closed when the request has arrived, or soon."""
        self._is_refused = True
        self._admission.refused_requests += 1
        _refused.log(_path_of(url), "more requests are in flight than can be answered in time")
        self.transport.write(answer)
        self._leaving = self.loop.call_later(UNREAD_TIMEOUT, self._close)

    # Draining

    def drain(self) -> None:
        """Serve what has arrived and what arrives in the next moment, then close."""
        if not self._is_idle and not self.pipeline and not self.cycle.response_started:
            self.cycle.keep_alive = False
        self._close_when_quiet()

    def _close_when_quiet(self) -> None:
        if self._is_idle and not self._in_message and self._quiet is None:
            self._quiet = self.loop.call_later(QUIET, self._close)

    # Clients that do not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None

    def _wait_for_reader(self) -> None:
        """Abort a connection whose peer does not read."""
        if self._unread is None:
            self._unread = self.loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    # Timers

    def _start_timer(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self._close()

    def _close(self) -> None:
        self.transport.close()
        self._wait_for_reader()


def _path_of(url: bytes) -> str:
    """The part of an address that may be logged."""
    return url.partition(b"?")[0][:_LOGGED_PATH].decode("ascii", "replace")
