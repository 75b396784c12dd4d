"""Times of the last sign-in: written in the background, in batches."""

import asyncio
from collections.abc import Mapping

import pytest
import structlog

from worksgate.database import DatabaseUnavailable
from worksgate.directory import last_sign_ins
from worksgate.directory.last_sign_ins import LastSignIns

NOW = 1_700_000_000.0


class Book:
    """Where sign-ins are noted; it can be closed for a while."""

    def __init__(self) -> None:
        self.pages: list[Mapping[str, float]] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_away = False
        self.was_asked = asyncio.Event()

    async def note_logins(self, logins: Mapping[str, float]) -> None:
        self.was_asked.set()
        await self.is_open.wait()
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.pages.append(logins)


@pytest.fixture(name="book")
def _book() -> Book:
    return Book()


def notes_in(book: Book, moments: list[float] | None = None) -> LastSignIns:
    times = iter(moments or [])
    return LastSignIns(book.note_logins, lambda: next(times, NOW))


async def test_those_who_sign_in_together_are_noted_together(book: Book) -> None:
    notes = notes_in(book)
    for subject_id in ("directory:a", "corp:b"):
        notes.add(subject_id)
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await book.was_asked.wait()
    assert book.pages == [{"directory:a": NOW, "corp:b": NOW}]
    await notes.close()
    assert len(book.pages) == 1


async def test_of_somebody_who_signs_in_twice_the_last_time_counts(book: Book) -> None:
    notes = notes_in(book, [NOW, NOW + 1, NOW + 2])
    for _ in range(3):
        notes.add("directory:a")
    await notes.close()
    assert book.pages == [{"directory:a": NOW + 2}]


async def test_the_next_ones_gather_while_some_are_written(book: Book) -> None:
    notes = notes_in(book)
    book.is_open.clear()
    notes.add("directory:a")
    await book.was_asked.wait()
    for subject_id in ("directory:b", "directory:a", "directory:c"):
        notes.add(subject_id)
    book.is_open.set()
    await notes.close()
    second = ["directory:b", "directory:a", "directory:c"]
    assert [[*page] for page in book.pages] == [["directory:a"], second]


async def test_one_batch_is_written_at_a_time(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_sign_ins, "GATHERED_FOR", 0.0)
    notes = notes_in(book)
    book.is_open.clear()
    notes.add("directory:a")
    await book.was_asked.wait()
    book.was_asked.clear()
    notes.add("directory:b")
    await asyncio.sleep(0.01)
    assert not book.was_asked.is_set()
    book.is_open.set()
    await notes.close()
    assert len(book.pages) == 2


async def test_what_was_noted_is_written_when_it_is_closed_and_nothing_afterwards(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_sign_ins, "GATHERED_FOR", 3_600.0)
    notes = notes_in(book)
    notes.add("directory:a")
    async with asyncio.timeout(60):
        await notes.close()
    assert book.pages == [{"directory:a": NOW}]
    with structlog.testing.capture_logs() as logs:
        notes.add("directory:b")
    assert [(each["event"], each["subject_id"]) for each in logs] == [
        ("directory.login_not_noted", "directory:b")
    ]
    assert len(book.pages) == 1


async def test_an_outage_costs_the_notes_of_that_moment_and_a_line_each(book: Book) -> None:
    notes = notes_in(book)
    book.is_away = True
    with structlog.testing.capture_logs() as logs:
        notes.add("directory:a")
        notes.add("directory:b")
        await book.was_asked.wait()
        await asyncio.sleep(0)
    assert {each["event"] for each in logs} == {"directory.login_not_noted"}
    assert [each["subject_id"] for each in logs] == ["directory:a", "directory:b"]
    book.is_away = False
    notes.add("directory:c")
    await notes.close()
    assert book.pages == [{"directory:c": NOW}]


async def test_no_more_wait_than_there_is_room_for(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_sign_ins, "MOST", 2)
    notes = notes_in(book)
    with structlog.testing.capture_logs() as logs:
        for name in "abc":
            notes.add(f"directory:{name}")
    await notes.close()
    assert [*book.pages[0]] == ["directory:a", "directory:b"]
    assert [each["subject_id"] for each in logs] == ["directory:c"]
