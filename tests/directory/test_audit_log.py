"""The audit log: it delays nobody, every loss is reported, and no line can be forged."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import insert
from structlog.testing import capture_logs
from tests.databases import NOW, query, url_of

import worksgate
from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.audit_rows import encoded, event_values
from worksgate.database.engines import open_engines
from worksgate.database.recording import insert_of_events
from worksgate.directory.audit.writer import AT_ONCE, AuditWriter, _members
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.store import StoreUnavailable

ONLY_SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)

FAILED = AuditEvent(
    event=Event.LOGIN_FAILED,
    at=NOW,
    login_id="l1",
    client_id="c1",
    subject_id="directory:a1",
    username="hanako",
    address="203.0.113.7",
    actor="nobody",
    detail="wrong name or password",
)
FORGERIES = [
    "hanako\n2027-01-15T08:00:00Z info login.succeeded username=admin",
    "hanako\r\nx",
    "hanako\x1b[2Jgone",
    "hanako\0",
    "hanako\u2028next",
    "hanako\u202egnirts",
    "hanako\x85next",
    "hanako\udcff",
]


class Flaky:
    """A directory that can be away."""

    def __init__(self) -> None:
        self.away = False
        self.batches: list[list[AuditEvent]] = []
        self.poison: AuditEvent | None = None
        self._written = asyncio.Condition()

    @property
    def events(self) -> list[AuditEvent]:
        return [event for batch in self.batches for event in batch]

    async def record(self, events: Sequence[AuditEvent]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise DatabaseUnavailable("away")
        if self.poison in events:
            raise ValueError("this event cannot be written")
        self.batches.append(list(events))
        async with self._written:
            self._written.notify_all()

    async def has_written(self, count: int) -> None:
        """Return when so many events have come."""
        async with asyncio.timeout(60), self._written:
            await self._written.wait_for(lambda: len(self.events) >= count)


def _numbered(count: int) -> list[AuditEvent]:
    return [replace(FAILED, detail=str(number)) for number in range(count)]


async def test_an_event_is_kept_with_all_that_it_says(directory: Directory) -> None:
    writer = AuditWriter(directory)
    writer.record(FAILED)
    await writer.flush()
    assert await directory.audit(AuditFilter()) == [FAILED]
    await writer.close()


async def test_records_are_shown_in_the_order_of_their_times(directory: Directory) -> None:
    """A batch may hold what happened later before what happened earlier."""
    later, earlier, another = (
        replace(FAILED, detail=detail, at=FAILED.at + at)
        for detail, at in (("later", 2.0), ("earlier", 1.0), ("another", 2.0))
    )
    await directory.record([later, earlier, another])
    assert await directory.audit(AuditFilter()) == [earlier, later, another]
    assert await directory.audit(AuditFilter(limit=2)) == [earlier, another]


async def test_events_are_durable_soon_after_without_being_asked_for(
    directory: Directory, file: Path
) -> None:
    writer = AuditWriter(directory, interval=0.01)
    writer.record(FAILED)
    async with asyncio.timeout(60):
        while query(file, "SELECT count(*) FROM audit") != [(1,)]:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
    await writer.close()


@ONLY_SQLITE
async def test_recording_does_not_wait_for_a_locked_database(file: Path, database: Path) -> None:
    directory = Directory(open_engines(url_of(database), busy_timeout=0.05))
    writer = AuditWriter(directory, interval=0.01)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for event in _numbered(50):
            writer.record(event)
        assert time.monotonic() - began < 2.0, "each would have waited for 0.05 s"
        await asyncio.sleep(0.2)
        other.execute("ROLLBACK")
    await writer.flush()
    assert await directory.audit(AuditFilter()) == _numbered(50)
    await writer.close()
    await directory.close()


async def test_many_events_are_written_together_and_in_order() -> None:
    flaky = Flaky()
    writer = AuditWriter(flaky, interval=0.02)
    for event in _numbered(1_200):
        writer.record(event)
    await flaky.has_written(1_200)
    assert flaky.events == _numbered(1_200)
    assert len(flaky.batches) <= 4
    await writer.close()


async def test_i5_events_outlive_an_outage_of_the_database() -> None:
    flaky = Flaky()
    flaky.away = True
    writer = AuditWriter(flaky, interval=0.01)
    for event in _numbered(20):
        writer.record(event)
    with pytest.raises(DatabaseUnavailable):
        await writer.flush()
    await asyncio.sleep(0.05)
    flaky.away = False
    await flaky.has_written(20)
    assert flaky.events == _numbered(20)
    assert writer.dropped == 0
    await writer.close()


async def test_what_is_too_much_is_dropped_counted_and_told() -> None:
    flaky = Flaky()
    flaky.away = True
    writer = AuditWriter(flaky, lambda: NOW, interval=0.01, capacity=3, in_flight=2)
    with capture_logs() as lines:
        for event in _numbered(8):
            writer.record(event)
        assert writer.dropped == 3
        flaky.away = False
        await flaky.has_written(6)
        await writer.close()
    assert flaky.events[:5] == _numbered(5)
    (told,) = flaky.events[5:]
    assert told.event is Event.SYSTEM
    assert told.detail == "3 audit records were lost while the database did not respond"
    lost = [line for line in lines if line["event"] == "audit.lost"]
    assert [(line["count"], line["total"]) for line in lost] == [(3, 3)]
    assert len([line for line in lines if line["event"] == "login.failed"]) == 8


class SlowDisk(Flaky):
    """Takes its time for each write, and notes the largest."""

    async def record(self, events: Sequence[AuditEvent]) -> None:
        await asyncio.sleep(0.01)
        await super().record(events)


async def test_r135_a_slow_disk_slows_callers_and_loses_no_record() -> None:
    slow = SlowDisk()
    writer = AuditWriter(slow, interval=0.2, capacity=1_000, in_flight=50, patience=60)
    most = 0

    async def caller() -> None:
        nonlocal most
        for event in _numbered(200):
            await writer.room()
            writer.record(event)
            most = max(most, writer.waiting)
            await asyncio.sleep(0)

    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(50)))
    assert time.monotonic() - began > 0.1, "ten thousand records are twenty writes"
    await writer.flush()
    assert len(slow.events) == 10_000
    assert most <= 1_050
    assert max(map(len, slow.batches)) <= AT_ONCE
    assert writer.dropped == 0
    await writer.close()


async def test_r135_without_room_in_time_callers_are_refused_and_nothing_is_lost() -> None:
    flaky = Flaky()
    flaky.away = True
    writer = AuditWriter(flaky, interval=0.01, capacity=3, patience=0.05)
    for event in _numbered(3):
        await writer.room()
        writer.record(event)
    with pytest.raises(StoreUnavailable):
        await writer.room()
    flaky.away = False
    await flaky.has_written(3)
    await writer.room()
    assert writer.dropped == 0
    await writer.close()


async def test_r135_room_is_told_to_those_who_wait() -> None:
    flaky = Flaky()
    flaky.away = True
    writer = AuditWriter(flaky, interval=0.01, capacity=1, patience=30)
    writer.record(FAILED)
    waiting = [asyncio.create_task(writer.room()) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    flaky.away = False
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    await writer.close()


async def test_r134_what_is_kept_for_a_store_elsewhere_is_durable_before_the_answer() -> None:
    slow = SlowDisk()
    writer = AuditWriter(slow, interval=60)
    await asyncio.gather(*(writer.keep([event]) for event in _numbered(100)))
    assert len(slow.events) == 100
    assert len(slow.batches) < 5, "those who wait share the next write"
    slow.away = True
    with pytest.raises(StoreUnavailable) as refusal:
        await writer.keep([FAILED])
    assert refusal.value.outcome_unknown
    assert writer.is_away
    slow.away = False
    await writer.flush()
    assert not writer.is_away
    assert slow.events[100:] == [FAILED], "once, and not lost"
    await writer.close()


async def test_a_caller_that_gives_up_does_not_have_its_records_written_again() -> None:
    slow = SlowDisk()
    writer = AuditWriter(slow, interval=60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await writer.keep([FAILED])
    await writer.flush()
    assert slow.events == [FAILED]
    await writer.close()


async def test_closing_writes_what_waits() -> None:
    flaky = Flaky()
    writer = AuditWriter(flaky, interval=60)
    writer.record(FAILED)
    await asyncio.sleep(0)
    await writer.close()
    assert flaky.events == [FAILED]


async def test_closing_during_an_outage_ends_and_tells_what_is_lost() -> None:
    flaky = Flaky()
    flaky.away = True
    writer = AuditWriter(flaky, interval=0.01)
    with capture_logs() as lines:
        for event in _numbered(4):
            writer.record(event)
        async with asyncio.timeout(60):
            await writer.close()
    assert writer.dropped == 4
    assert [line["count"] for line in lines if line["event"] == "audit.lost"] == [4]


async def test_an_event_that_cannot_be_written_holds_up_no_other() -> None:
    flaky = Flaky()
    flaky.poison = _numbered(10)[6]
    writer = AuditWriter(flaky)
    for event in _numbered(10):
        writer.record(event)
    await writer.flush()
    assert [event.detail for event in flaky.events] == ["0", "1", "2", "3", "4", "5", "7", "8", "9"]
    assert writer.dropped == 1
    await writer.close()


async def test_two_flushes_at_once_write_each_event_once() -> None:
    flaky = Flaky()
    writer = AuditWriter(flaky)
    for event in _numbered(700):
        writer.record(event)
    await asyncio.gather(writer.flush(), writer.flush())
    assert flaky.events == _numbered(700)
    await writer.close()


def test_recording_outside_of_an_event_loop_raises_nothing() -> None:
    AuditWriter(Flaky()).record(FAILED)


async def test_r105_an_event_is_a_log_line() -> None:
    writer = AuditWriter(Flaky())
    with capture_logs() as lines:
        writer.record(replace(FAILED, detail=None))
        await writer.flush()
    assert lines == [
        {
            "event": "login.failed",
            "log_level": "info",
            "login_id": "l1",
            "client_id": "c1",
            "subject_id": "directory:a1",
            "username": "hanako",
            "address": "203.0.113.7",
            "actor": "nobody",
        }
    ]
    await writer.close()


@pytest.mark.parametrize("text", FORGERIES)
async def test_r105_no_text_from_outside_can_forge_a_line(directory: Directory, text: str) -> None:
    writer = AuditWriter(directory)
    with capture_logs() as lines:
        writer.record(replace(FAILED, username=text, detail=text, client_id=text))
        await writer.flush()
    (kept,) = await directory.audit(AuditFilter())
    for shown in (kept.username, kept.detail, kept.client_id, lines[0]["username"]):
        assert shown is not None
        assert shown.isprintable()
        assert shown.startswith("hanako\\")
    await writer.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("山田 花子", "山田 花子"),
        ("a\\nb", "a\\\\nb"),
        ("a\nb", "a\\x0ab"),
        ("a\u2028b", "a\\u2028b"),
        ("a\U000e0001b", "a\\U000e0001b"),
        ("", ""),
        (None, None),
    ],
)
def test_r105_what_does_not_print_is_escaped_and_nothing_else(
    text: str | None, shown: str | None
) -> None:
    assert encoded(text) == shown


async def test_r105_a_long_text_is_cut(directory: Directory) -> None:
    await directory.record([replace(FAILED, username="x" * 100_000, detail="\n" * 100_000)])
    (kept,) = await directory.audit(AuditFilter())
    assert kept.username == "x" * 254 + "…"
    assert kept.detail is not None
    assert len(kept.detail) == 1_000


TEXTS = st.none() | st.text(max_size=300) | st.text(st.characters(), max_size=20)


@given(TEXTS, TEXTS, TEXTS)
def test_r105_a_log_line_says_what_the_database_keeps(
    username: str | None, address: str | None, detail: str | None
) -> None:
    event = replace(FAILED, username=username, address=address, detail=detail)
    kept = {name: value for name, value in event_values(event).items() if value is not None}
    assert {"at": NOW, **json.loads(b"{%b}" % _members(event))} == kept


@pytest.mark.parametrize("count", [0, 1, 64, 65, 127, 128, 1_024, 2_049])
async def test_many_events_are_kept_in_order_whatever_their_number(
    directory: Directory, count: int
) -> None:
    writer = AuditWriter(directory, interval=60)
    for event in _numbered(count):
        writer.record(event)
    await writer.close()
    kept = await directory.audit(AuditFilter(limit=3_000))
    assert [event.detail for event in kept] == [str(number) for number in range(count)]


@pytest.mark.parametrize("url", ["sqlite:////nowhere/wg.db", "postgresql://nobody@127.0.0.1/wg"])
async def test_the_text_that_inserts_many_events_is_as_sqlalchemy_writes_it(url: str) -> None:
    engines = open_engines(url, reply_timeout=1.0)
    columns = [column.name for column in schema.audit.c if column.name != "id"]
    several = insert(schema.audit).values([dict.fromkeys(columns, "x")] * 3)
    assert insert_of_events(engines.write, 3) == str(several.compile(dialect=engines.write.dialect))
    await engines.close()


def test_one_function_writes_the_records_of_the_directory() -> None:
    sources = Path(worksgate.__file__).parent.rglob("*.py")
    writing = [file.name for file in sources if "insert(schema.audit)" in file.read_text()]
    assert writing == ["recording.py"]
