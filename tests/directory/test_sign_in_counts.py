"""Sign-ins, counted and listed: on both databases, and bounded."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.databases import NOW, POSTGRES, directory_in, url_of

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.database.migrations import migrate
from worksgate.directory.audit.sign_in_counts import (
    LET_IN,
    OUTCOMES,
    REFUSED,
    Position,
    SignInCounts,
    SignInFilter,
)
from worksgate.directory.database import Directory

HOUR = 3_600.0
EDGES = (NOW - 2 * HOUR, NOW - HOUR, NOW)


def tried(at: float, event: Event, username: str, **values: object) -> AuditEvent:
    return AuditEvent(at=NOW + at, event=event, username=username, **values)  # type: ignore[arg-type]  # named by the caller


RECORDS = (
    tried(-7_000, Event.LOGIN_FAILED, "tanaka", reason=Reason.WRONG_PASSWORD, address="192.0.2.1"),
    tried(-6_990, Event.LOGIN_SUCCEEDED, "tanaka", subject_id="directory:1", client_id="one"),
    AuditEvent(at=NOW - 6_980, event=Event.USER_INFO_RETURNED, elapsed_ms=40.0),
    tried(-3_000, Event.LOGIN_FAILED, "emma", reason=Reason.WRONG_PASSWORD, client_id="two"),
    tried(-2_990, Event.LOGIN_FAILED, "emma", reason=Reason.WRONG_PASSWORD, client_id="two"),
    tried(-2_000, Event.LOGIN_SUCCEEDED, "sato", subject_id="ad:7", client_id="one"),
    tried(-1_990, Event.LOGIN_REFUSED, "sato", subject_id="ad:7", reason=Reason.RULE),
    AuditEvent(at=NOW - 1_500, event=Event.LOGIN_REQUESTED),
    AuditEvent(at=NOW - 1_400, event=Event.USER_INFO_RETURNED, elapsed_ms=900.0),
    tried(100, Event.LOGIN_SUCCEEDED, "later"),
)


def wanted(**changes: object) -> SignInFilter:
    return SignInFilter(**{"since": EDGES[0], "until": NOW, **changes})  # type: ignore[arg-type]  # named by the caller


@pytest.fixture(params=["worksgate.db", f"worksgate{POSTGRES}"])
async def directory(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Directory]:
    file = tmp_path / request.param
    await migrate(url_of(file))
    async with directory_in(file) as directory:
        await directory.record(RECORDS)
        yield directory


async def test_every_question_about_a_period(directory: Directory) -> None:
    """One test, since each database takes longer to make than all of this to ask."""
    counts = directory.sign_ins
    found = await counts.counted(wanted(), EDGES)
    assert [(each.let_in, each.refused) for each in found.buckets] == [(1, 1), (1, 3)]
    assert (found.let_in, found.refused, found.counted_since) == (2, 4, None)
    first, second = found.causes
    assert (first.event, first.reason, first.count) == (
        Event.LOGIN_FAILED,
        Reason.WRONG_PASSWORD,
        3,
    )
    assert first.last_at == NOW - 2_990
    assert (second.event, second.count) == (Event.LOGIN_REFUSED, 1)

    for changes, count in (
        ({"events": LET_IN}, 2),
        ({"events": REFUSED}, 4),
        ({"reason": Reason.WRONG_PASSWORD}, 3),
        ({"client_id": "two"}, 2),
        ({"source": "ad"}, 2),
        ({"source": "a_"}, 0),
        ({"address": "192.0.2.1"}, 1),
        ({"username": "emma"}, 2),
        ({"username": "sato", "subject_id": "ad:7"}, 2),
        ({"subject_id": "directory:1", "events": REFUSED}, 0),
    ):
        of_filter = wanted(**changes)
        counted = await counts.counted(of_filter, EDGES)
        page = await counts.page(of_filter)
        assert counted.let_in + counted.refused == len(page.records) == count, changes

    people = await counts.people(EDGES[0], NOW)
    assert (people.let_in, people.refused, people.refused_first) == (2, 3, 1)
    assert (people.kept_out, people.is_complete) == (2, True)
    assert await counts.answers(EDGES[0], NOW) == [(NOW - 1_400, 900.0), (NOW - 6_980, 40.0)]
    in_the_console = tried(-900, Event.FACTOR_FAILED, "mori", reason=Reason.WRONG_CODE)
    in_a_sign_in = tried(-800, Event.FACTOR_FAILED, "abe", login_id="1")
    await directory.record([in_the_console, in_a_sign_in])
    assert (await counts.people(EDGES[0], NOW)).refused == people.refused + 1


async def test_pages_follow_each_other_without_gap_or_repetition(directory: Directory) -> None:
    twins = [tried(-500, Event.LOGIN_FAILED, f"twin{index}") for index in range(5)]
    await directory.record(twins)
    for changes in ({}, {"username": "twin3"}):
        seen: list[AuditEvent] = []
        before: Position | None = None
        while True:
            page = await directory.sign_ins.page(wanted(**changes), before, 2)
            seen += page.records
            if page.next is None:
                break
            before = page.next
        assert len(seen) == (1 if changes else 11)
        assert [each.at for each in seen] == sorted((each.at for each in seen), reverse=True)
        assert len({(each.at, each.username) for each in seen}) == len(seen)


async def test_r170_a_question_looks_through_so_many_records_and_says_so(
    directory: Directory,
) -> None:
    counts = SignInCounts(directory, max_counted=4)
    found = await counts.counted(wanted(), EDGES)
    assert [(each.let_in, each.refused) for each in found.buckets] == [(0, 0), (1, 1)]
    assert found.counted_since == NOW - 2_000
    assert not (await counts.people(EDGES[0], NOW)).is_complete
    page = await counts.page(wanted(username=None, reason=Reason.WRONG_PASSWORD))
    assert (page.records, page.is_cut) == ((), True)
    assert page.next is not None
    after = await counts.page(wanted(reason=Reason.WRONG_PASSWORD), page.next)
    assert [each.username for each in after.records] == ["emma", "emma"]


def test_nothing_is_let_in_and_refused_at_once() -> None:
    assert not LET_IN & REFUSED
    assert OUTCOMES == LET_IN | REFUSED
    assert Event.LOGIN_REQUESTED not in OUTCOMES
