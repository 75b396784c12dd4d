"""What a server does with its SQLite file before anything opens it."""

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.databases import NOW, query, url_of

from worksgate.audit import Event
from worksgate.database import DatabaseUnavailable, first_start
from worksgate.database.first_start import prepare_file
from worksgate.database.identity import OVERWRITTEN, is_marked_overwritten
from worksgate.database.installation_id import identify
from worksgate.database.newest_record import NewestRecord, note_newest


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return tmp_path / "worksgate.db"


def start_on(database: Path) -> None:
    asyncio.run(prepare_file(url_of(database), NOW))


def identified(database: Path) -> str:
    return asyncio.run(identify(url_of(database))).installation


def test_a_file_is_created_only_where_there_was_none(prepared: Path) -> None:
    start_on(prepared)
    assert identified(prepared)
    note_newest(prepared, "a" * 32, NewestRecord(7))
    prepared.unlink()
    with pytest.raises(DatabaseUnavailable, match="missing or empty"):
        start_on(prepared)
    assert not prepared.exists()


def test_r275_a_start_on_an_older_copy_is_recorded_and_renews_the_installation(
    prepared: Path,
) -> None:
    start_on(prepared)
    before = identified(prepared)
    start_on(prepared)
    assert identified(prepared) == before, "it is the file itself"
    note_newest(prepared, before, NewestRecord(7))
    start_on(prepared)
    assert identified(prepared) != before
    ((event, detail),) = query(prepared, "SELECT event, detail FROM audit")
    assert event == Event.SYSTEM
    assert "it lacks its 7 newest audit records" in detail


def test_a_start_accepts_a_file_that_was_overwritten(prepared: Path) -> None:
    Path(f"{prepared}{OVERWRITTEN}").touch()
    start_on(prepared)
    assert not is_marked_overwritten(prepared)


def test_a_start_on_a_copy_that_ends_early_is_continued_by_the_next(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells a copy may be gone by then: the log is moved into the file as it is closed."""
    start_on(prepared)
    note_newest(prepared, identified(prepared), NewestRecord(7))
    monkeypatch.setattr(first_start, "migrate", _ended)
    with pytest.raises(InterruptedError):
        start_on(prepared)
    assert is_marked_overwritten(prepared)


async def _ended(_: str) -> None:
    raise InterruptedError


def test_f11_a_start_on_a_full_disk_gives_the_spare_file_up(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = Path(f"{prepared}.spare")
    spare.touch()
    start_on(prepared)
    assert spare.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    start_on(prepared)
    assert not spare.exists()
