"""Who changed what: the audit log, as a page and as a file."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from worksgate.audit import AuditEvent, Event
from worksgate.web.console.pages import iso
from worksgate.web.console.visit import Visit

RECORDS = 100
EXPORTED = 10_000
LONGEST = 200
_COLUMNS = ("at", "event", "login_id", "client_id", "subject_id", "username", "address")
_MORE = ("actor", "detail", "reason")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters of cells that a spreadsheet could execute; the last four are full width."""


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
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow((*_COLUMNS, *_MORE))
    writer.writerows(map(_row, records))
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(out.getvalue().encode(), 200, headers, "text/csv; charset=utf-8")


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


def _row(record: AuditEvent) -> list[str]:
    values = [iso(record.at), *(getattr(record, name) for name in (*_COLUMNS[1:], *_MORE))]
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
