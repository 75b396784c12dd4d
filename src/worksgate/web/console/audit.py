"""Who changed what: the audit log, as a page and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from worksgate.audit import AuditEvent, Event
from worksgate.web.console.csv_files import csv_file
from worksgate.web.console.pages import iso
from worksgate.web.console.visit import Visit

RECORDS = 100
EXPORTED = 10_000
LONGEST = 200
_COLUMNS = ("at", "event", "login_id", "client_id", "subject_id", "username", "address")
_MORE = ("actor", "detail", "reason")


async def show(visit: Visit) -> Response:
    """The newest records that match, the newest first; the filter is in the address."""
    wanted = _Wanted.of(visit.query)
    records = await wanted.records(visit, RECORDS)
    return visit.page(
        "audit.html",
        records=list(reversed(records)),
        events=list(Event),
        wanted=wanted,
        most=RECORDS,
    )


async def export(visit: Visit) -> Response:
    """The same as CSV, with a record of that; a cell that a spreadsheet would run gets a quote."""
    records = await _Wanted.of(visit.form).records(visit, EXPORTED)
    await visit.administration.audit_log.record_export(len(records))
    return csv_file("audit.csv", (*_COLUMNS, *_MORE), map(_row, records))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records; None matches all."""

    username: str | None
    event: str | None
    login_id: str | None

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "_Wanted":
        event = values.get("event", "")
        return cls(
            username=values.get("user", "").strip()[:LONGEST] or None,
            event=event if event in list(Event) else None,
            login_id=values.get("login_id", "").strip()[:LONGEST] or None,
        )

    async def records(self, visit: Visit, limit: int) -> list[AuditEvent]:
        return await visit.administration.audit_log.search(
            username=self.username, event=self.event, login_id=self.login_id, limit=limit
        )


def _row(record: AuditEvent) -> list[object]:
    return [iso(record.at), *(getattr(record, name) for name in (*_COLUMNS[1:], *_MORE))]
