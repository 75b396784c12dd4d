"""The audit log of LINE WORKS: downloaded whole or not at all, and read by its columns.

Which columns a log has is not documented, so that none is left out, and none is relied on.
https://developers.worksmobile.com/en/docs/audit-log-download
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO, Final

from worksgate.line_works_api.app import AUDIT
from worksgate.line_works_api.calling import Caller, Operation
from worksgate.line_works_api.errors import ApiUnavailable, shown
from worksgate.settings.assumptions import DEFAULTS

LONGEST_SPAN: Final = timedelta(days=31)
BROKEN_OFF: Final = "downloadLogs error"
"""The beginning of the last line of a log that LINE WORKS could not write to its end."""
_LONGEST_LAST_LINE: Final = 4_096
_LARGEST_FIELD: Final = 1_048_576

_DOWNLOAD = Operation(
    name="audits.logs.download",
    method="GET",
    does="give its audit log",
    scopes=(AUDIT,),
)


@dataclass(frozen=True, slots=True)
class Span:
    """A time span of a log; both ends have a time zone. Raises ValueError."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("the times of a span need a time zone")
        if not timedelta() < self.end - self.start <= LONGEST_SPAN:
            raise ValueError(f"a log covers {LONGEST_SPAN.days} days at most, and begins first")

    def check_kept(self, now: datetime, days: int) -> None:
        """Raise ValueError if LINE WORKS, which keeps it for so long, has no more the beginning."""
        oldest = now - timedelta(days=days)
        if self.start < oldest:
            raise ValueError(
                f"LINE WORKS keeps its logs for {_months(days)}: there is nothing from before "
                f"{oldest.date().isoformat()}"
            )


def _months(days: int) -> str:
    return "about six months" if days == DEFAULTS.audit_log_days else f"{days} days"


class AuditLogs:
    """The logs of one tenant."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def download(
        self,
        file: BinaryIO,
        service: str,
        span: Span,
        *,
        language: str = "en_US",
        domain: int | None = None,
    ) -> None:
        """Write a log into an empty file, as LINE WORKS has it.

        Raises ApiError, also if LINE WORKS broke it off: the file is of no use then.
        """
        query = {
            "service": service,
            "startTime": span.start.isoformat(timespec="seconds"),
            "endTime": span.end.isoformat(timespec="seconds"),
            "language": language,
            **({} if domain is None else {"domainId": str(domain)}),
        }
        operation = replace(_DOWNLOAD, per_minute=self._caller.assumed.audit_logs_a_minute)
        await self._caller.download(operation, "/audits/logs/download", file, query=query)
        check_whole(file)


def check_whole(file: BinaryIO) -> None:
    """Raise ApiUnavailable for a log that LINE WORKS broke off: its last line says so."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_LAST_LINE))
    # Without the zeros of UTF-16 it is found in every encoding.
    lines = file.read().replace(b"\0", b"").decode("utf-8", "replace").splitlines()
    last = next((each for each in reversed(lines) if each.strip()), "").strip().strip('"')
    if last.startswith(BROKEN_OFF):
        raise ApiUnavailable(
            f"LINE WORKS broke off its audit log ({shown(last)}): ask for a shorter time, or later"
        )


@dataclass(frozen=True, slots=True)
class LogRows:
    """A log: the names of its columns, and its rows, which are read once."""

    header: Sequence[str]
    rows: Iterator[Sequence[str]]


@contextmanager
def read_log(file: BinaryIO, encoding: str | None = None) -> Iterator[LogRows]:
    """Read a log from its beginning. Raises ValueError, also while its rows are read.

    Without an ``encoding`` a byte order mark says it, or it is UTF-8.
    """
    check_whole(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding or _encoding_of(file), newline="")
    try:
        csv.field_size_limit(_LARGEST_FIELD)
        rows = csv.reader(text, strict=True)
        first = _next(rows)
        if first is None or not any(each.strip() for each in first):
            raise ValueError("the log has no header")
        yield LogRows([each.strip() for each in first], _rest(rows))
    finally:
        text.detach()


def _rest(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    while (row := _next(rows)) is not None:
        if row:
            yield row


def _next(rows: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(rows, None)
    except UnicodeDecodeError:
        raise ValueError("the log has another encoding: name it") from None
    except csv.Error:
        raise ValueError("the log is not CSV") from None


def _encoding_of(file: BinaryIO) -> str:
    mark = file.read(2)
    file.seek(0)
    return "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
