"""Records and changes as a file, while they are read: CSV for a spreadsheet, JSONL for a program.

Each export is recorded before its first line is handed over, and again with the number of lines
(R-159, R-171). It is never in memory as a whole.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from itertools import chain
from typing import Final, Generic, TypeVar

import msgspec
import structlog
from starlette.responses import Response, StreamingResponse

from worksgate.audit import AuditEvent
from worksgate.limits.outages import Unavailable
from worksgate.moments import machine
from worksgate.web.console.csv_files import csv_lines
from worksgate.web.console.visit import Visit

MOST: Final = 100_000
"""Records of one file."""
_COLUMNS: Final = (
    *("at", "event", "login_id", "client_id", "subject_id", "username", "address"),
    *("actor", "detail", "reason", "elapsed_ms"),
)

T = TypeVar("T")
Say = Callable[[AuditEvent], str]

_log = structlog.get_logger("worksgate.console")


class FileKind(StrEnum):
    """What a file is for."""

    CSV = auto()
    JSONL = auto()

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "FileKind":
        """The kind that a form asks for; CSV if it says nothing that is known."""
        name = form.get("as", "")
        return cls(name) if name in list(cls) else cls.CSV


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Generic[T]):
    """How one thing is written: as rows of a table, or as a document."""

    columns: Sequence[str]
    rows: Callable[[T], Iterable[Sequence[object]]]
    document: Callable[[T], Mapping[str, object]]

    def table(self, page: Sequence[T]) -> bytes:
        return csv_lines(chain.from_iterable(map(self.rows, page))).encode()

    def lines(self, page: Sequence[T]) -> bytes:
        return b"".join(msgspec.json.encode(self.document(each)) + b"\n" for each in page)


def layout_of(columns: Sequence[str], document: Callable[[T], Mapping[str, object]]) -> Layout[T]:
    """A row for each thing; lists are joined in it, and what has no value is in no document."""
    return Layout(
        columns=columns,
        rows=lambda each: [[_cell(value) for value in document(each).values()]],
        document=lambda each: {
            name: value for name, value in document(each).items() if value is not None
        },
    )


def _cell(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value


def layout_of_records(say: Say | None = None) -> Layout[AuditEvent]:
    """That of audit records; ``say`` adds a column in words."""

    def document(record: AuditEvent) -> dict[str, object]:
        values = {
            "at": machine(record.at),
            **{name: getattr(record, name) for name in _COLUMNS[1:]},
        }
        return {**values, "said": say(record)} if say else values

    return Layout(
        columns=(*_COLUMNS, "said") if say else _COLUMNS,
        rows=lambda record: [list(document(record).values())],
        document=lambda record: {
            name: value for name, value in document(record).items() if value is not None
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Export(Generic[T]):
    """A file of records. ``name`` is what they are, ``chosen`` by what they were chosen."""

    name: str
    chosen: Mapping[str, str]
    pages: AsyncIterator[Sequence[T]]
    layout: Layout[T]

    async def response(self, visit: Visit) -> Response:
        """The file, which begins once its record is durable. Raises DatabaseUnavailable."""
        kind = FileKind.of(visit.form)
        chosen = " ".join(f"{name}={value}" for name, value in self.chosen.items() if value)
        about = f"{self.name} as {kind.value.upper()}, {chosen or 'all'}"
        await visit.administration.audit_log.record_export(f"an export begins: {about}")
        media = "text/csv; charset=utf-8" if kind is FileKind.CSV else "application/x-ndjson"
        file = self.name.replace(" ", "-")
        headers = {"Content-Disposition": f'attachment; filename="{file}.{kind.value}"'}
        return StreamingResponse(self._lines(visit, kind), 200, headers, media)

    async def _lines(self, visit: Visit, kind: FileKind) -> AsyncIterator[bytes]:
        write = self.layout.table if kind is FileKind.CSV else self.layout.lines
        count = 0
        try:
            if kind is FileKind.CSV:
                yield csv_lines([self.layout.columns]).encode()
            async for page in self.pages:
                some = page[: MOST - count]
                if some:
                    yield write(some)
                count += len(some)
                if count >= MOST:
                    break
        except Unavailable as outage:  # the connection is cut: half a file must not look whole
            _log.warning("console.export_cut", count=count, reason=str(outage))
            raise
        finally:
            detail = f"{count} records were exported: {self.name}"
            await visit.administration.audit_log.record_export(detail)
