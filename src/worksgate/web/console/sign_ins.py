"""Sign-ins: when they were, how many, and why they were refused."""

import itertools
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from msgspec.structs import replace
from starlette.responses import Response

from worksgate.administration.errors import NotFound
from worksgate.administration.sign_in_trace.undated import reason_in_words
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.directory.audit.sign_in_counts import (
    LET_IN,
    OUTCOMES,
    REFUSED,
    Bucket,
    Cause,
    CountedSignIns,
    Position,
    SignInFilter,
    slowest_tenth,
)
from worksgate.directory.people_search import FoundPerson
from worksgate.web.console.addresses import address_for, detail_for, sees_addresses
from worksgate.web.console.charts import Chart, Column
from worksgate.web.console.exports import Export, layout_of_records
from worksgate.web.console.pages import Words
from worksgate.web.console.periods import Period, Span, Step
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

LONGEST: Final = 200
AT_ONCE: Final = 500
"""Records that are read at once for a file."""
MOST_CHOICES: Final = 50
"""Clients of which one is chosen from a list; among more it is named."""
CAUSES: Final = 12
"""Causes that are shown; the rest is added up."""

SPAN_NAMES: Final[Mapping[Span, str]] = {
    Span.HOUR: text("Last hour"),
    Span.TODAY: text("Today"),
    Span.WEEK: text("7 days"),
    Span.MONTH: text("31 days"),
}
EVENT_NAMES: Final[Mapping[Event, str]] = {
    Event.LOGIN_SUCCEEDED: text("Signed in"),
    Event.IMAP_SUCCEEDED: text("Mail program let in"),
    Event.LOGIN_FAILED: text("Password not accepted"),
    Event.LOGIN_THROTTLED: text("Throttled"),
    Event.LOGIN_REFUSED: text("Sign-in refused"),
    Event.LOGIN_INTERRUPTED: text("Interrupted by an outage"),
    Event.SESSION_KEY_REFUSED: text("App not confirmed"),
    Event.FACTOR_FAILED: text("Second factor failed"),
    Event.IMAP_FAILED: text("Mail program not accepted"),
    Event.IMAP_REFUSED: text("Mail program refused"),
    Event.CLIENT_REFUSED: text("Call of LINE WORKS refused"),
    Event.CODE_REFUSED: text("Code not accepted"),
    Event.CODE_REPLAYED: text("Code presented twice"),
    Event.USER_INFO_REFUSED: text("User info refused"),
}
"""What a record says where its reason is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for in the address; empty texts match all.

    ``kind`` is "in", "out" or the name of an event, ``reason`` that of a reason. ``address`` is
    empty for those who do not see addresses: they could find one by asking for it. ``client`` is
    an ID or a name. ``is_of_answers`` is whether the chart is about the answers to LINE WORKS.
    """

    period: Period
    kind: str
    reason: str
    client: str
    user: str
    source: str
    address: str
    is_of_answers: bool

    @classmethod
    def of(cls, values: Mapping[str, str], visit: Visit) -> "Wanted":
        kind, reason = values.get("kind", ""), values.get("reason", "")
        known_kinds = {"in", "out", *(event.value for event in OUTCOMES)}
        sources = {each.name for each in visit.console.settings.all_sources}
        source = values.get("source", "")
        return cls(
            period=Period.chosen(values, visit.now, visit.words.zone),
            kind=kind if kind in known_kinds else "",
            reason=reason if reason in list(Reason) else "",
            client=values.get("client", "").strip()[:LONGEST],
            user=values.get("user", "").strip()[:LONGEST],
            source=source if source in sources else "",
            address=values.get("address", "").strip()[:LONGEST]
            if sees_addresses(visit.role)
            else "",
            is_of_answers=values.get("chart") == "answers",
        )

    @property
    def events(self) -> frozenset[Event]:
        match self.kind:
            case "":
                return OUTCOMES
            case "in":
                return LET_IN
            case "out":
                return REFUSED
            case name:
                return frozenset({Event(name)})

    @property
    def parameters(self) -> dict[str, str]:
        """All of it, as in the address."""
        period = self.period
        since, until = period.typed
        times = {"range": period.span} if period.span else {"from": since, "to": until}
        return {
            **times,
            "kind": self.kind,
            "reason": self.reason,
            "client": self.client,
            "user": self.user,
            "source": self.source,
            "address": self.address,
            "chart": "answers" if self.is_of_answers else "",
        }

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the time is asked for."""
        asked = (self.kind, self.reason, self.client, self.user, self.source, self.address)
        return any(asked)

    def with_(self, **changes: str) -> dict[str, str]:
        """The parameters of a link that changes some of it, from the first page."""
        return {**self.parameters, **changes}

    async def filter(self, visit: Visit) -> SignInFilter:
        """The same as a filter of records; a person is found by whatever is known of them."""
        found: tuple[FoundPerson, ...] = ()
        if self.user:
            found = tuple(await visit.administration.sign_in_trace.find(self.user))
        person = found[0] if len(found) == 1 else None
        return SignInFilter(
            since=self.period.since,
            until=self.period.until,
            events=self.events,
            reason=Reason(self.reason) if self.reason else None,
            client_id=await self._client_id(visit),
            subject_id=None if person is None else person.subject_id,
            username=(self.user or None) if person is None else person.username,
            source=self.source or None,
            address=self.address or None,
        )

    async def _client_id(self, visit: Visit) -> str | None:
        """The ID of the client; what is none's, as it was typed."""
        with suppress(NotFound):
            return (await visit.administration.clients.get(self.client)).client_id
        return self.client or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """A record in the language of the page, with no more than the role may see."""

    record: AuditEvent
    why: str
    is_let_in: bool
    address: str
    client: str

    @property
    def about(self) -> str:
        return self.record.username or self.record.subject_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCause:
    """Why sign-ins were refused, in words; ``share`` is compared with the most frequent cause."""

    cause: Cause
    why: str
    share: float


async def show(visit: Visit) -> Response:
    """The sign-ins of a period; everything that chooses them is in the address."""
    wanted = Wanted.of(visit.query, visit)
    asked = await wanted.filter(visit)
    sign_ins = visit.administration.sign_ins
    clients = await _clients(visit)
    page = await sign_ins.page(asked, _position(visit.query.get("after", "")))
    counted = await sign_ins.counted(asked, wanted.period.edges)
    return visit.page(
        "sign_ins.html",
        wanted=wanted,
        records=[_shown(visit, each, clients) for each in page.records],
        next="" if page.next is None else f"{page.next[0]!r}~{page.next[1]}",
        is_cut=page.is_cut,
        is_first="after" not in visit.query,
        counted=counted,
        chart=chart_of(counted, wanted.period, visit.words, visit.now),
        answers=await _chart_of_answers(visit, wanted.period) if wanted.is_of_answers else None,
        causes=_causes(counted, visit.words),
        others=sum(each.count for each in counted.causes[CAUSES:]),
        clients=clients,
        most_choices=MOST_CHOICES,
        sources=[each.name for each in visit.console.settings.all_sources],
        spans=list(Span),
        span_names=SPAN_NAMES,
        events=[event for event in Event if event in OUTCOMES],
        event_names=EVENT_NAMES,
        reason_name=_reason_name(wanted, visit.words),
        sees_addresses=sees_addresses(visit.role),
    )


async def export(visit: Visit) -> Response:
    """The same as a file, the newest first, each record with its reason in words."""
    wanted = Wanted.of(visit.form, visit)
    asked = await wanted.filter(visit)
    words = visit.words
    return await Export(
        name="sign-ins",
        chosen=wanted.parameters,
        pages=_pages(visit, asked),
        layout=layout_of_records(lambda record: why_of(record.event, record.reason, words)),
    ).response(visit)


async def _pages(visit: Visit, asked: SignInFilter) -> AsyncIterator[Sequence[AuditEvent]]:
    """All records that match, some at a time."""
    before: Position | None = None
    while True:
        page = await visit.administration.sign_ins.page(asked, before, AT_ONCE)
        yield page.records
        before = page.next
        if before is None:
            return


def why_of(event: Event, reason: Reason | None, words: Words) -> str:
    """Why something was refused, in the words of the trace, or else what it was."""
    said = reason_in_words(event, reason, words.language)
    return said or words.said(EVENT_NAMES.get(event, event.value))


def chart_of(counted: CountedSignIns, period: Period, words: Words, now: float) -> Chart:
    """Sign-ins and refusals, column by column."""
    names = (words.said(text("signed in")), words.said(text("refused")))
    described = words.said(
        text("%(let_in)s sign-ins and %(refused)s refusals."),
        let_in=counted.let_in,
        refused=counted.refused,
    )
    return Chart(
        id="n",
        title=words.said(text("Sign-ins and refusals")),
        description=described,
        head=words.said(text("Time")),
        series=names,
        columns=tuple(
            _column(bucket, (bucket.let_in, bucket.refused), names, period, words, now)
            for bucket in counted.buckets
        ),
    )


async def _chart_of_answers(visit: Visit, period: Period) -> Chart | None:
    """How long the slowest tenth of LINE WORKS' calls took; None if none is known."""
    known = await visit.administration.sign_ins.answers(period.since, period.until)
    if not known:
        return None
    words, now = visit.words, visit.now
    names = (words.said(text("slowest tenth")),)
    columns = []
    edges = period.edges
    for since, until in itertools.pairwise(edges):
        tenth = slowest_tenth([took for at, took in known if since <= at < until])
        values = (None if tenth is None else round(tenth, 1),)
        bucket = Bucket(since=since, until=until)
        columns.append(_column(bucket, values, names, period, words, now, unit="ms"))
    return Chart(
        id="a",
        title=words.said(text("How long LINE WORKS waited for an answer")),
        description=words.said(text("LINE WORKS gives up after 3 seconds.")),
        head=words.said(text("Time")),
        series=names,
        columns=tuple(columns),
        unit="ms",
    )


def _column(
    bucket: Bucket,
    values: tuple[float | None, ...],
    names: tuple[str, ...],
    period: Period,
    words: Words,
    now: float,
    *,
    unit: str = "",
) -> Column:
    is_day = period.step is Step.DAY
    label = words.date(bucket.since) if is_day else words.minute(bucket.since)
    shown = [
        f"{'–' if value is None else f'{value:g} {unit}'.strip()} {name}"
        for name, value in zip(names, values, strict=True)
    ]
    return Column(
        label=_short(bucket, period, words),
        below=words.weekday(bucket.since) if is_day else "",
        values=values,
        title=f"{label}: {', '.join(shown)}",
        is_now=bucket.since <= now < bucket.until,
    )


def _short(bucket: Bucket, period: Period, words: Words) -> str:
    local = words.local(bucket.since)
    match period.step:
        case Step.DAY:
            return str(local.day)
        case Step.HOUR:
            return f"{local:%H}"
        case Step.MINUTES:
            return f"{local:%H:%M}"


def _causes(counted: CountedSignIns, words: Words) -> list[ShownCause]:
    """The most frequent causes first."""
    most = max((each.count for each in counted.causes), default=1)
    return [
        ShownCause(cause=each, why=why_of(each.event, each.reason, words), share=each.count / most)
        for each in counted.causes[:CAUSES]
    ]


def _shown(visit: Visit, record: AuditEvent, clients: Mapping[str, str]) -> ShownRecord:
    is_known = bool(reason_in_words(record.event, record.reason, "en"))
    why = why_of(record.event, record.reason, visit.words)
    detail = "" if is_known else detail_for(visit.role, record.detail)
    said = in_words(replace(record, detail=detail), visit.words)
    client = record.client_id or ""
    return ShownRecord(
        record=record,
        why=Markup("{}: {}").format(why, said) if said and record.event not in LET_IN else why,
        is_let_in=record.event in LET_IN,
        address=address_for(visit.role, record.address),
        client=clients.get(client, client),
    )


def _reason_name(wanted: Wanted, words: Words) -> str:
    """The reason of the filter in words, for the event of the filter or any other."""
    if not wanted.reason:
        return ""
    reason = Reason(wanted.reason)
    for event in sorted(wanted.events):
        if said := reason_in_words(event, reason, words.language):
            return said
    return reason.value


async def _clients(visit: Visit) -> dict[str, str]:
    """The names of the clients by their IDs."""
    return {each.client_id: each.name for each in await visit.administration.clients.all()}


def _position(typed: str) -> Position | None:
    """Where a page begins; None for the first one, and for what no link of ours says."""
    at, _, number = typed.partition("~")
    try:
        position = float(at), number_of(number)
    except ValueError:
        return None
    return position if math.isfinite(position[0]) and position[1] >= 0 else None
