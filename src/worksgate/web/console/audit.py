"""Who did what: the audit log, as a page and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial

from starlette.responses import Response

from worksgate.administration.sign_in_trace.undated import reason_in_words
from worksgate.audit import AuditEvent, Event
from worksgate.web.console.exports import Export, layout_of_records
from worksgate.web.console.pages import Words
from worksgate.web.console.periods import TimeRange
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.visit import Visit, number_of

RECORDS = 100
LONGEST = 200


async def show(visit: Visit) -> Response:
    """The newest records that match, a page at a time; the filter is in the address."""
    wanted = _Wanted.of(visit.query, visit.words.zone)
    before = number_of(visit.query.get("before", ""))
    found = await visit.administration.audit_log.page(
        before=before if before > 0 else None,
        limit=RECORDS + 1,
        username=wanted.username,
        by=wanted.by,
        event=wanted.event,
        login_id=wanted.login_id,
        since=wanted.between.since,
        until=wanted.between.until,
    )
    records = [record for _, record in found[:RECORDS]]
    unnamed = {each.subject_id for each in records if each.subject_id and not each.username}
    return visit.page(
        "audit.html",
        records=records,
        names=await visit.administration.audit_log.last_usernames(unnamed) if unnamed else {},
        next=found[RECORDS - 1][0] if len(found) > RECORDS else None,
        is_first=before <= 0,
        events=list(Event),
        wanted=wanted,
        reasons=partial(_reason, visit.words),
        in_words=partial(in_words, words=visit.words),
    )


def _reason(words: Words, record: AuditEvent) -> str:
    """Why something was refused, in the words of the trace; nothing of other records."""
    return reason_in_words(record.event, record.reason, words.language) if record.reason else ""


async def export(visit: Visit) -> Response:
    """The same as a file, the newest first."""
    wanted = _Wanted.of(visit.form, visit.words.zone)
    pages = visit.administration.audit_log.pages(
        username=wanted.username,
        by=wanted.by,
        event=wanted.event,
        login_id=wanted.login_id,
        since=wanted.between.since,
        until=wanted.between.until,
    )
    return await Export(
        name="audit records", chosen=wanted.chosen, pages=pages, layout=layout_of_records()
    ).response(visit)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records; None matches all."""

    username: str | None
    by: str | None
    event: str | None
    login_id: str | None
    between: TimeRange

    @classmethod
    def of(cls, values: Mapping[str, str], zone: tzinfo | None) -> "_Wanted":
        event = values.get("event", "")
        return cls(
            username=values.get("user", "").strip()[:LONGEST] or None,
            by=values.get("by", "").strip()[:LONGEST] or None,
            event=event if event in list(Event) else None,
            login_id=values.get("login_id", "").strip()[:LONGEST] or None,
            between=TimeRange.chosen(values, zone),
        )

    @property
    def chosen(self) -> dict[str, str]:
        """The filter, as a form or an address has it."""
        return {
            "user": self.username or "",
            "by": self.by or "",
            "event": self.event or "",
            "login_id": self.login_id or "",
            **self.between.parameters,
        }

    @property
    def is_narrowed(self) -> bool:
        return any(self.chosen.values())
