"""Messages by a bot, and the download of the audit log.

https://developers.worksmobile.com/jp/docs/bot-user-message-send
https://developers.worksmobile.com/en/docs/audit-log-download
"""

import csv
import io
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from worksgate.conformance.directory_api.asked import Asked
from worksgate.conformance.directory_api.refusals import BadRequest, Forbidden, NotFound
from worksgate.conformance.directory_api.rules import Rules
from worksgate.conformance.directory_api.tenant import Tenant

LONGEST_TEXT: Final = 2000
LONGEST_SPAN: Final = timedelta(days=31)
FILE_LIFE: Final = 60
"""Seconds in which a download can be fetched."""
BROKEN_OFF: Final = "downloadLogs error : the log could not be read to its end"
SERVICES: Final = ("auth", "admin", "developer", "delegated-api")

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_BODY: Final = frozenset({"content"})
_CONTENT: Final = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot. Nobody can be written to before an administrator has published it."""

    bot_id: str
    is_published: bool = True
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken. `reaches` is False for somebody who cannot read it."""

    bot_id: str
    to: str
    text: str
    reaches: bool


class BotCalls:
    """Messages to people and channels."""

    def __init__(self, bots: Sequence[Bot], tenant: Tenant, rules: Callable[[], Rules]) -> None:
        self._bots = {bot.bot_id: bot for bot in bots}
        self._tenant = tenant
        self._rules = rules
        self.messages: list[Message] = []

    async def to_person(self, asked: Asked) -> Response:
        bot, text = self._bot(asked), self._text(asked)
        member = self._tenant.person(asked.path[1])
        reaches = member.is_in_use and not member.is_suspended
        self.messages.append(Message(bot.bot_id, member.user_id, text, reaches))
        return Response(status_code=201)

    async def to_channel(self, asked: Asked) -> Response:
        bot, text = self._bot(asked), self._text(asked)
        if asked.path[1] not in bot.channels:
            raise NotFound("The channel does not exist", "CHANNEL_NOT_EXIST")
        self.messages.append(Message(bot.bot_id, asked.path[1], text, reaches=True))
        return Response(status_code=201)

    def _bot(self, asked: Asked) -> Bot:
        bot = self._bots.get(asked.path[0])
        if bot is None:
            raise NotFound("The bot does not exist", "BOT_NOT_EXIST")
        if not bot.is_published:
            raise Forbidden("The bot is not published", "ACCESS_DENIED")
        return bot

    def _text(self, asked: Asked) -> str:
        """The text of a message; no other kind is understood here. Raises BadRequest."""
        strict = self._rules().refuses_unknown_members
        content = asked.members_of_body(_BODY, strict=strict).get("content")
        if not isinstance(content, dict) or (strict and content.keys() - _CONTENT):
            raise BadRequest("content is not valid")
        text = content.get("text")
        if content.get("type") != "text" or not isinstance(text, str):
            raise BadRequest("content is not valid")
        if not 0 < len(text) <= LONGEST_TEXT:
            raise BadRequest("text must have 1 to 2000 characters", "LIMIT_EXCEEDED")
        return text


@dataclass(frozen=True, slots=True)
class SignIn:
    """A line of the log `auth`. `at` is in seconds since the epoch."""

    at: float
    user: str
    result: str
    client: str = "Web"
    address: str = "192.0.2.1"


@dataclass(frozen=True, slots=True)
class _File:
    content: str
    lapses_at: float


class AuditCalls:
    """The log as a file, behind a redirect."""

    def __init__(
        self,
        sign_ins: Sequence[SignIn],
        rules: Callable[[], Rules],
        clock: Callable[[], float],
        storage_path: str,
        storage_host: str | None,
    ) -> None:
        self._storage_host = storage_host
        self._sign_ins = sign_ins
        self._rules = rules
        self._clock = clock
        self._storage_path = storage_path
        self._files: dict[str, _File] = {}

    async def download(self, asked: Asked) -> Response:
        start, end = _span(asked.query)
        service = asked.query.get("service", "")
        if service not in SERVICES:
            raise BadRequest("service is not valid")
        name = secrets.token_urlsafe(16)
        content = self._content(service, start, end)
        self._files[name] = _File(content, self._clock() + FILE_LIFE)
        origin = asked.origin
        if self._storage_host is not None:
            origin = f"{origin.partition('://')[0]}://{self._storage_host}"
        return RedirectResponse(f"{origin}{self._storage_path}/{name}", 302)

    async def file(self, asked: Asked) -> Response:
        """The file, as long as it has not lapsed."""
        file = self._files.get(asked.path[0])
        if file is None or file.lapses_at <= self._clock():
            raise NotFound("The download has lapsed")
        return Response(
            file.content.encode(self._rules().audit_log_encoding), media_type="text/csv"
        )

    def _content(self, service: str, start: datetime, end: datetime) -> str:
        first, last = start.timestamp(), end.timestamp()
        found = [each for each in self._sign_ins if first <= each.at <= last]
        rows = [_row(each, start) for each in found] if service == "auth" else []
        breaks_off = self._rules().audit_log_breaks_off
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self._rules().audit_log_columns)
        writer.writerows(rows[: len(rows) // 2] if breaks_off else rows)
        return text.getvalue() + (f"{BROKEN_OFF}\r\n" if breaks_off else "")


def _row(sign_in: SignIn, zone: datetime) -> tuple[str, ...]:
    at = datetime.fromtimestamp(sign_in.at, zone.tzinfo).isoformat(timespec="seconds")
    return at, sign_in.user, sign_in.result, sign_in.client, sign_in.address


def _span(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    start, end = (_time(query, name) for name in ("startTime", "endTime"))
    if not timedelta() < end - start <= LONGEST_SPAN:
        raise BadRequest("The span must be at most 31 days", "OUT_OF_RANGE")
    return start, end


def _time(query: Mapping[str, Any], name: str) -> datetime:
    """A time. A `+` that was not escaped arrives as a space, and is refused."""
    sent = query.get(name)
    if sent is None:
        raise BadRequest(f"{name} is missing", "MISSING_PARAMETER")
    try:
        return datetime.fromisoformat(sent if _TIME.fullmatch(sent) else "")
    except ValueError as error:
        raise BadRequest(f"{name} is not valid") from error
