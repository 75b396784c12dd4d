"""Sends the calls of a recording to a target, in their order and at their pace.

A call is sent once every call that had been answered before it began is answered again: so what
depended on what still does, and what ran side by side still may.
"""

import asyncio
import secrets
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from worksgate.conformance.exchange import in_base64
from worksgate.conformance.recording.abstraction import answer_of, json_object
from worksgate.conformance.recording.calls import APP, MEDIA_TYPES, Call, Parameter
from worksgate.conformance.recording.comparison import Report
from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.keyed_hash import KeyedHash
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.plans import (
    NotReplayed,
    Plan,
    Planner,
    Reason,
    Source,
    Value,
)
from worksgate.conformance.recording.relations import (
    BACK_CHANNEL,
    PASSED_ON,
    Relations,
    winners_first,
)
from worksgate.conformance.recording.sign_in import Browser, SignInFailed, code_in, location_of
from worksgate.conformance.recording.stand_ins import StandInClient, StandIns
from worksgate.conformance.recording.wire import NoAnswer, Reply, Request, Wire

AT_ONCE: Final = 50
"""Calls in flight."""
PATIENCE: Final = 120.0
"""Seconds that a call may wait for something to expire."""
_NOBODYS_URI: Final = "https://unlisted.invalid/callback"
_LENGTHS: Final = {
    "": 5000,
    "1-8": 6,
    "9-16": 12,
    "17-32": 24,
    "33-64": 43,
    "65-128": 96,
    "129-512": 200,
    "513-4096": 1000,
}


@dataclass(slots=True)
class _Live:
    """What the target has given out, by the hash of what it stands for."""

    values: dict[str, str] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)


class Replay:
    """One replay. ``speed`` is a factor of the recorded pace; None is as fast as possible."""

    def __init__(
        self,
        recording: Recording,
        url: str,
        stand_ins: StandIns,
        *,
        speed: float | None = 1.0,
        patience: float = PATIENCE,
        context: ssl.SSLContext | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._calls = winners_first(recording.calls)
        self._stand_ins = stand_ins
        self._wire = Wire(url, context)
        self._prefix = url.partition("://")[2].partition("/")[2].strip("/")
        self._speed = speed
        self._patience = patience
        self._progress = progress
        self._relations = Relations.of(self._calls)
        self._planner = Planner(self._relations, stand_ins)
        self._browsers = [Browser(self._wire, person) for person in stand_ins.people]
        self._signing_in = [asyncio.Lock() for _ in stand_ins.people]
        self._live = _Live()
        self._late: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        self._hashed = KeyedHash.of_new_key()
        ended = recording.ended
        self._report = Report(is_whole=ended is not None, dropped=ended.dropped if ended else 0)

    async def run(self) -> Report:
        """Send everything, and compare. Raises NoAnswer if the target cannot be reached at all."""
        calls, report, loop = self._calls, self._report, asyncio.get_running_loop()
        await self._wire.send(Request("GET", f"/{self._prefix}"))
        began = loop.time()
        first = calls[0].at if calls else 0.0
        in_flight: dict[asyncio.Task[None], float] = {}
        try:
            for number, call in enumerate(calls, 1):
                await _settled(in_flight, call.at)
                if self._speed is not None:
                    await asyncio.sleep(began + (call.at - first) / self._speed - loop.time())
                in_flight[self._begun(call)] = call.ended_at
                self._progress(number)
            await _all(in_flight)
            await _all(self._late.values())
        finally:
            for task in (*in_flight, *self._late.values()):
                task.cancel()
            self._wire.close()
        report.seconds = loop.time() - began
        report.recorded_seconds = calls[-1].ended_at - first if calls else 0.0
        report.people = self._planner.people
        return report

    def _begun(self, call: Call) -> asyncio.Task[None]:
        """The task of one call. It waits for those before it about the same code or token.

        By their times they may overlap a little: two processes noted them.
        """
        ids, grants = self._ids(call)
        before = {task for id_ in (*ids, *grants) if (task := self._last.get(id_))}
        task = asyncio.create_task(self._one(call, before))
        self._last |= dict.fromkeys(ids, task)
        return task

    def _ids(self, call: Call) -> tuple[set[str], set[str]]:
        """What a call presents or was given, and what could have ended it."""
        given = {id_ for name, id_ in call.answer.ids.items() if name in PASSED_ON}
        presented = {id_ for name in PASSED_ON if (id_ := call.id_of(name))}
        grants = {each for id_ in presented for each in self._relations.grant_of(id_)}
        return given | presented, grants

    async def _one(self, call: Call, before: set[asyncio.Task[None]]) -> None:
        """Re-enact one event of the recording."""
        if before:
            await asyncio.wait(before)
        if call.kind is Kind.SIGN_IN:
            self._report.sign_ins += 1
            await self._sign_in(call)
            return
        self._report.calls += 1
        try:
            plan = self._planner.plan(call)
            if plan.waits is None or not self._has_to_wait(plan.waits):
                await self._carry_out(plan)
            else:
                self._postpone(plan, plan.waits)
        except NotReplayed as reason:
            self._report.not_replayed[reason.reason] += 1

    # Codes

    async def _sign_in(self, call: Call) -> None:
        """Earn the code of a sign-in."""
        code = call.answer.ids.get("code", "")
        try:
            client, person = self._planner.sign_in(code)
            await self._earn_code(code, client, person)
        except (NotReplayed, SignInFailed, NoAnswer) as failed:
            self._report.failed_sign_ins[str(failed)] += 1

    async def _earn_code(self, id_: str | None, client: int, person: int) -> str:
        stand_in = self._stand_ins.clients[client]
        redirect_uri = _with_state(stand_in.redirect_uri)
        is_app = id_ is not None and self._relations.is_of_app(id_)
        path = self._login_path(stand_in, redirect_uri, is_app=is_app)
        async with self._signing_in[person]:  # one form at a time; the next has the session
            code = await self._browsers[person].code(path, redirect_uri)
        if id_ is not None:
            self._keep(id_, code)
        return code

    def _login_path(self, client: StandInClient, redirect_uri: str, *, is_app: bool) -> str:
        pairs = [
            ("response_type", "code"),
            ("client_id", client.client_id),
            ("redirect_uri", redirect_uri),
            *([("userAgent", APP)] if is_app else []),
        ]
        return f"{self._path(Kind.LOGIN)}?{_encoded(pairs)}"

    def _keep(self, id_: str, value: str) -> None:
        self._live.values[id_] = value
        self._live.at[id_] = asyncio.get_running_loop().time()

    # Expiries

    def _has_to_wait(self, waits: tuple[str, float]) -> bool:
        """Whether what a call presents is younger than it was. Raises NotReplayed."""
        given = self._live.at.get(waits[0])
        if given is None:
            raise NotReplayed(Reason.NO_SIGN_IN)
        left = given + waits[1] - asyncio.get_running_loop().time()
        if left > self._patience:
            raise NotReplayed(Reason.TOO_LATE)
        return left > 0

    def _postpone(self, plan: Plan, waits: tuple[str, float]) -> None:
        """Send a call when what it presents is as old as it was; the others do not wait for it."""

        async def later() -> None:
            left = self._live.at[waits[0]] + waits[1] - asyncio.get_running_loop().time()
            await asyncio.sleep(left)
            try:
                await self._carry_out(plan, is_late=True)
            except NotReplayed as reason:
                self._report.not_replayed[reason.reason] += 1

        self._late[waits[0]] = asyncio.create_task(later())

    # One call

    async def _carry_out(self, plan: Plan, *, is_late: bool = False) -> None:
        """Send a call and compare its answer. Raises NotReplayed."""
        values = []
        for value in plan.values:
            if not is_late and (task := self._late.get(value.what)):
                await task
            values.append((value, await self._resolved(value)))
        try:
            reply = await self._sent(plan, values)
        except NoAnswer as silence:
            self._report.note_silence(plan.call, str(silence))
            return
        redirect_uri = next((text for v, text in values if v.name == "redirect_uri"), None)
        is_page = plan.call.kind in (Kind.LOGIN, Kind.LOGOUT)
        answer = answer_of(
            reply.status,
            reply.headers,
            reply.body,
            self._hashed,
            redirect_uri=redirect_uri if is_page else None,
        )
        self._take(plan.call, reply, redirect_uri)
        self._report.note(plan.call, answer, reply.seconds)

    def _take(self, call: Call, reply: Reply, redirect_uri: str | None) -> None:
        """Keep what the target gave out, for the calls that present it."""
        given = call.answer.ids
        if call.kind is Kind.LOGIN and "code" in given and redirect_uri is not None:
            code = code_in(location_of(reply) or "", redirect_uri)
            if code is not None:
                self._keep(given["code"], code)
        document = json_object(reply.body)
        for name in PASSED_ON:
            value = document.get(name)
            if name in given and isinstance(value, str):
                self._keep(given[name], value)

    async def _sent(self, plan: Plan, values: list[tuple[Value, str]]) -> Reply:
        if plan.session is not None:
            return await self._by_session(plan, plan.session, values)
        return await self._wire.send(self._request(plan.call, values))

    async def _by_session(self, plan: Plan, person: int, values: list[tuple[Value, str]]) -> Reply:
        """Let the browser of a person make the call, who signs in before if need be."""
        pairs = [(_name(value), text) for value, text in values]
        path = f"{self._path(Kind.LOGIN)}?{_encoded(pairs)}"
        browser = self._browsers[person]
        reply = await browser.open(path)
        if location_of(reply) is None:
            try:
                await self._earn_code(None, plan.client, person)
            except SignInFailed as failed:
                self._report.failed_sign_ins[str(failed)] += 1
                raise NotReplayed(Reason.NO_SIGN_IN) from None
            reply = await browser.open(path)
        return reply

    async def _resolved(self, value: Value) -> str:
        """What is sent as the value. Raises NotReplayed."""
        clients, people = self._stand_ins.clients, self._stand_ins.people
        simple: Mapping[Source, Callable[[], str]] = {
            Source.LITERAL: lambda: value.what,
            Source.EMPTY: str,
            Source.CLIENT_ID: lambda: clients[value.client].client_id,
            Source.CLIENT_SECRET: lambda: clients[value.client].client_secret,
            Source.REDIRECT: lambda: _with_state(clients[value.client].redirect_uri, value.shape),
            Source.LOGOUT_REDIRECT: lambda: clients[0].after_logout,
            Source.FOREIGN_URI: lambda: _with_state(_NOBODYS_URI, value.shape),
            Source.MADE_UP: lambda: made_up(value.shape),
            Source.MAIL_NAME: lambda: in_base64(people[value.person].mail_login[0]),
            Source.MAIL_PASSWORD: lambda: in_base64(people[value.person].mail_login[1]),
            Source.WORKS_ID: lambda: people[value.person].works_id,
        }
        if value.source in simple:
            return simple[value.source]()
        if value.what in self._live.values:
            return self._live.values[value.what]
        return await self._earned(value)

    async def _earned(self, value: Value) -> str:
        """A code or a token of a sign-in before the recording: from one made now."""
        if value.what in self._relations.givers:  # it should have been given out by now
            raise NotReplayed(Reason.NO_SIGN_IN)
        try:
            code = await self._earn_code(value.what, value.client, value.person)
        except (SignInFailed, NoAnswer) as failed:
            self._report.failed_sign_ins[str(failed)] += 1
            raise NotReplayed(Reason.NO_SIGN_IN) from None
        return await self._bought(value, code) if value.source is Source.TOKEN else code

    async def _bought(self, value: Value, code: str) -> str:
        """The access token for a code."""
        client = self._stand_ins.clients[value.client]
        form = [
            ("grant_type", "authorization_code"),
            ("client_id", client.client_id),
            ("client_secret", client.client_secret),
            ("code", code),
        ]
        headers = (("Content-Type", MEDIA_TYPES["form"]),)
        body = _encoded(form).encode()
        path = self._path(Kind.TOKEN)
        try:
            reply = await self._wire.send(Request("POST", path, headers, body, "length"))
        except NoAnswer:
            raise NotReplayed(Reason.NO_SIGN_IN) from None
        token = json_object(reply.body).get("access_token")
        if not isinstance(token, str):
            raise NotReplayed(Reason.NO_SIGN_IN)
        self._keep(value.what, token)
        return token

    # The request

    def _request(self, call: Call, values: list[tuple[Value, str]]) -> Request:
        path, pairs = self._path(call.kind), [(_name(value), text) for value, text in values]
        if call.is_below:
            path += "/below"
        if call.kind is Kind.IMAP and values and values[0][0].name == "client_id":
            path += f"/{_escaped(values[0][1])}"
            pairs = pairs[1:]
        separator = "&&" if call.has_empty_parts else "&"
        text = _encoded(pairs, separator)
        if call.kind not in BACK_CHANNEL:
            return Request(
                call.method,
                f"{path}?{text}" if text else path,
                _headers(call),
                framing=call.framing,
                http=call.http,
            )
        return Request(call.method, path, _headers(call), text.encode(), call.framing, call.http)

    def _path(self, kind: Kind) -> str:
        path = self._stand_ins.paths[str(kind)]
        return f"/{self._prefix}{path}" if self._prefix else path


_BEGINNINGS: Final = {
    "token": "x",  # else it could be of digits alone
    "base64": "+/",
    "printable": "!",
    "text": "社員",
    "bytes": "\udcff",
}
"""What makes a value one of its class of characters; a half surrogate pair is no UTF-8."""


def made_up(shape: Parameter | None) -> str:
    """A value that nobody has, of the same class of length and characters."""
    if shape is None:
        return secrets.token_urlsafe(32)
    if shape.name in ("email", "password"):
        return in_base64(f"nobody-{secrets.token_hex(8)}@unlisted.invalid") + (
            "" if shape.is_base64 else "%"
        )
    length = _LENGTHS.get(shape.length, 43)
    if shape.characters == "digits":
        return str(secrets.randbelow(10**length)).zfill(length)
    beginning = _BEGINNINGS.get(shape.characters, "") if shape.length else ""
    return (beginning + secrets.token_hex(length))[:length]


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    headers = [("Accept", "application/json" if call.kind in BACK_CHANNEL else "*/*")]
    media_type = MEDIA_TYPES.get(call.content, "application/octet-stream")
    if call.content != "none":
        charset = f"; charset={call.charset}" if call.charset else ""
        headers += [("Content-Type", media_type + charset)] * (1 + (call.content == "twice"))
    for name, value in (
        ("Content-Encoding", call.encoding),
        ("Expect", call.expect),
        ("Connection", call.connection),
    ):
        if value is not None:
            headers.append((name, value))
    return tuple(headers)


def _name(value: Value) -> str:
    return "x-other" if value.name == "other" else value.name


def _encoded(pairs: list[tuple[str, str]], separator: str = "&") -> str:
    return separator.join(f"{_escaped(name)}={_escaped(text)}" for name, text in pairs)


def _escaped(text: str) -> str:
    """Percent-encoded; half a surrogate pair as bytes that are no UTF-8."""
    return quote(text, safe="", errors="surrogatepass")


def _with_state(uri: str, shape: Parameter | None = None) -> str:
    """A redirect_uri with a fresh state in it, as LINE WORKS sends it."""
    if shape is not None and not shape.has_query:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}state={secrets.token_urlsafe(16)}"


async def _settled(in_flight: dict[asyncio.Task[None], float], at: float) -> None:
    """Wait for all that had been answered by then, and until there is room for one more."""
    while True:
        for task in [each for each in in_flight if each.done()]:
            del in_flight[task]
            task.result()
        before = [task for task, ended in in_flight.items() if ended <= at]
        if before:
            await asyncio.wait(before)
        elif len(in_flight) >= AT_ONCE:
            await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
        else:
            return


async def _all(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)
