"""The server seals the audit log, one process for all."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.database.test_leases import ended, until
from tests.databases import NOW, directory_in, query
from tests.directory.test_seals import problems, record, seal_three
from tests.log_file import log_file

from worksgate.administration import sealing
from worksgate.administration.sealing import seal_forever
from worksgate.audit import Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.leases import SEALING
from worksgate.directory.audit import seals
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.observability.instruments import SealFigures


@contextmanager
def logged(folder: Path) -> Iterator[list[dict[str, object]]]:
    """The lines about seals, once the block has ended."""
    lines: list[dict[str, object]] = []
    with log_file(folder) as configure:
        read = configure()
        yield lines
        told = map(json.loads, read().splitlines())
        lines += [line for line in told if line["event"].startswith("audit.seal")]


def running(directory: Directory, figures: SealFigures) -> asyncio.Task[None]:
    work = seal_forever(directory, lambda: NOW + 60, interval=0.05, figures=figures)
    return asyncio.create_task(work)


async def test_r149_each_seal_is_a_line_of_the_log(directory: Directory, tmp_path: Path) -> None:
    figures = SealFigures()
    with logged(tmp_path) as lines:
        task = running(directory, figures)
        await record(directory, 2)
        await until(lambda: figures.sealed == 1)
        await record(directory, 2)
        await until(lambda: figures.sealed == 2)
        await ended(task)
    last = await directory.seals.last()
    assert last is not None
    newest = int(str(lines[0]["last_id"]))
    assert [(line["number"], line["last_id"]) for line in lines] == [(1, newest), (2, newest + 2)]
    assert await problems(directory, {2: str(lines[1]["digest"])}) == []
    assert figures.last_finished == NOW + 60


async def test_whoever_takes_over_logs_the_seal_that_may_have_no_line(
    directory: Directory, tmp_path: Path
) -> None:
    *_, last = await seal_three(directory)
    figures = SealFigures()
    with logged(tmp_path) as lines:
        task = running(directory, figures)
        await record(directory, 1)
        await until(lambda: figures.sealed == 1)
        await ended(task)
    assert [line["number"] for line in lines] == [3, 4]
    assert lines[0]["digest"] == last.digest


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_seals WHERE number = 2",
        "DELETE FROM audit_seals",
        f"UPDATE audit_seals SET digest = '{'f' * 64}' WHERE number = 2",
    ],
)
async def test_r149_a_running_server_finds_that_the_newest_seal_is_gone(
    directory: Directory, database: Path, tmp_path: Path, statement: str
) -> None:
    """Somebody could remove it, change its records, and let the server seal them again."""
    figures = SealFigures()
    with logged(tmp_path) as lines:
        task = running(directory, figures)
        for count in (1, 2):
            await record(directory, 2)
            await until(lambda: figures.sealed == count)  # noqa: B023  # it is awaited in the loop
        query(database, statement)
        await until(lambda: figures.sealed > 2)
        await ended(task)
    (missing,) = [line for line in lines if line["event"] == "audit.seal_missing"]
    digest = next(line["digest"] for line in lines if line["number"] == 2)
    assert (missing["number"], missing["digest"]) == (2, digest)
    (told,) = await directory.audit(AuditFilter(event=Event.SYSTEM))
    assert told.detail == f"seal 2 of the audit log was removed or changed: {digest}"


async def test_a_seal_that_retention_gave_up_is_not_missed(directory: Directory) -> None:
    *_, before, last = await seal_three(directory)
    assert await directory.seals.keeps(last)
    await directory.seals.expire(NOW + 3_600, NOW + 3_600)
    assert await directory.seals.keeps(before)
    assert await directory.seals.keeps(last)


async def test_one_process_seals_and_another_goes_on_when_it_ends(database: Path) -> None:
    async with directory_in(database) as one, directory_in(database) as other:
        figures = [SealFigures(), SealFigures()]
        first = running(one, figures[0])
        await until(lambda: query(database, "SELECT holder FROM leases"))
        second = running(other, figures[1])
        await record(one, 3)
        await until(lambda: figures[0].sealed == 1)
        await ended(first)
        await record(one, 3)
        await until(lambda: figures[1].sealed == 1)
        await ended(second)
        assert (figures[0].sealed, await one.leases.holder(SEALING)) == (1, None)
        assert await problems(one) == []


async def test_whoever_holds_the_lease_seals_all_that_waits(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, sealed_before = SealFigures(), list[int]()
    settled = directory.seals.settled

    async def noted() -> int:
        sealed_before.append(figures.sealed)
        return await settled()

    monkeypatch.setattr(directory.seals, "settled", noted)
    monkeypatch.setattr(seals, "MOST_RECORDS", 2)
    await record(directory, 5)
    task = running(directory, figures)
    await until(lambda: len(sealed_before) > 1)
    await ended(task)
    assert sealed_before[:2] == [0, 3]


async def test_an_outage_is_waited_out(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, postponed_before = SealFigures(), list[int]()

    async def out_of_order(_within: float = 1.0) -> int:
        postponed_before.append(figures.postponed)
        raise DatabaseUnavailable("the database does not respond")

    monkeypatch.setattr(directory.seals, "settled", out_of_order)
    with logged(tmp_path) as lines:
        task = running(directory, figures)
        await until(lambda: figures.postponed > 1)
        monkeypatch.undo()
        await record(directory, 1)
        await until(lambda: figures.sealed == 1)
        await ended(task)
    assert postponed_before[:2] == [0, 1]
    assert lines[0]["event"] == "audit.sealing_postponed"


def test_a_lease_outlasts_the_time_between_two_rounds() -> None:
    assert sealing._LEASE > 2 * sealing.INTERVAL
