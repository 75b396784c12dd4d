"""Taps the calls of LINE WORKS while ``worksgate record`` runs.

A request of LINE WORKS, or for the sign-in page, is passed through here then: what goes by is noted
and handed to a thread (``conformance.recording.worker_link``). Pages of the account and the console
are never looked at, nor is what people type into the sign-in page.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worksgate.conformance.recording.observed import BODY_LIMIT, Headers, Kind, Observed
from worksgate.conformance.recording.worker_link import WorkerLink
from worksgate.server.single_write import WHOLE_ANSWER, WRITE, WriteAnswer
from worksgate.settings.options import Settings
from worksgate.web.calls.recording_watch import TAPPED

Place = tuple[Kind, str]
"""What is called, and what follows its path."""


class Tap:
    """Notes what LINE WORKS calls; ``link`` takes it from there."""

    def __init__(self, settings: Settings, link: WorkerLink) -> None:
        self._link = link
        self._login_path = settings.web_login_path
        self._paths: Mapping[str, Kind] = {
            settings.access_token_path: Kind.TOKEN,
            settings.user_info_path: Kind.USER_INFO,
            settings.imap_login_path: Kind.IMAP,
            settings.web_login_path: Kind.LOGIN,
            settings.logout_path: Kind.LOGOUT,
        }

    async def serve(
        self, application: ASGIApp, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application serve a request, and hand over what was a call of LINE WORKS."""
        place = self.place_of(path, scope["method"])
        if place is None:
            await application({**scope, TAPPED: True}, receive, send)
            return
        passing = _Passing(place, scope, receive, send)
        try:
            await application(passing.scope, passing.receive, passing.send)
        finally:
            if (seen := passing.observed()) is not None:
                self._link.put(seen)

    def place_of(self, path: str, method: str) -> Place | None:
        """What is called, or None for everything that is not recorded."""
        if (exact := self._paths.get(path)) is not None:
            return self._place(exact, "", method)
        for known, kind in self._paths.items():
            if path.startswith(f"{known}/"):
                return self._place(kind, path[len(known) :], method)
        return None

    def _place(self, kind: Kind, below: str, method: str) -> Place | None:
        if kind is Kind.LOGIN:
            is_request = below in ("", "/") and method in ("GET", "HEAD")
            return (Kind.LOGIN, "") if is_request else (Kind.SIGN_IN, "")
        return None if kind is Kind.LOGOUT and below else (kind, below)


class _Passing:
    """One request and its answer, as they go by."""

    def __init__(self, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = {**scope, TAPPED: True}
        extensions: Mapping[str, Any] = scope.get("extensions") or {}
        if WHOLE_ANSWER in extensions:
            write = partial(self._write, extensions[WHOLE_ANSWER][WRITE])
            self.scope["extensions"] = {**extensions, WHOLE_ANSWER: {WRITE: write}}
        self._kind, self._below = place
        # Nothing of a form with a password is ever kept, not even for a moment.
        self.receive = receive if self._kind is Kind.SIGN_IN else self._noting_receive
        self._receive = receive
        self._send = send
        self._at, self._began = time.time(), time.perf_counter()
        self._took = 0.0
        self._body = bytearray()
        self._is_cut = False
        self._status: int | None = None
        self._headers: Headers = []
        self._answer = b""

    def observed(self) -> Observed | None:
        """The call; None for a step of a sign-in that ended without a code."""
        if self._kind is Kind.SIGN_IN and not _has_code(self._headers):
            return None
        scope = self.scope
        return Observed(
            kind=self._kind,
            at=self._at,
            seconds=self._took or time.perf_counter() - self._began,
            method=scope["method"],
            http=scope["http_version"],
            below=self._below,
            query=b"" if self._kind is Kind.SIGN_IN else scope["query_string"],
            headers=[] if self._kind is Kind.SIGN_IN else scope["headers"],
            peer=(scope.get("client") or ("",))[0],
            body=bytes(self._body),
            is_cut=self._is_cut,
            status=self._status,
            answer_headers=self._headers,
            answer_body=self._answer,
        )

    async def _noting_receive(self) -> Message:
        message = await self._receive()
        if part := message.get("body"):
            self._body += part[: BODY_LIMIT - len(self._body)]
            self._is_cut = self._is_cut or len(self._body) >= BODY_LIMIT
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer, noted once it is sent."""
        # What the caller does next is later than this.
        self._took = time.perf_counter() - self._began
        await self._send(message)
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.lower(), value) for name, value in message["headers"]]
        else:
            self._note_body(message.get("body", b""))

    def _write(self, write: WriteAnswer, status: int, head: bytes, content: bytes) -> bool:
        self._took = time.perf_counter() - self._began
        is_sent = write(status, head, content)
        if is_sent:
            self._status = status
            self._headers = _headers_of(head)
            self._note_body(content)
        return is_sent

    def _note_body(self, content: bytes) -> None:
        if not self._answer and content[:1] == b"{":
            self._answer = content[:BODY_LIMIT]


def _headers_of(head: bytes) -> Headers:
    """The headers of ``single_write``, which are in wire format."""
    lines = (line.partition(b":") for line in head.split(b"\r\n") if line)
    return [(name.lower(), value.strip()) for name, _, value in lines]


def _has_code(headers: Headers) -> bool:
    location = dict(headers).get(b"location", b"")
    return b"?code=" in location or b"&code=" in location
