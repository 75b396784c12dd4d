"""Who is told that app passwords lapse soon, while a source is down."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from worksgate.audit import AuditEvent, Event
from worksgate.limits.outages import Unavailable
from worksgate.provider.factors.app_password_lapse import AT_ONCE, EVERY, LapseNotices
from worksgate.sources import Person, SourceUnavailable

NOW, DAY = 1_800_000_000.0, 86_400.0


class Everybody:
    """One person of each source is due."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.asked: list[tuple[float, float, int]] = []
        self.events: list[AuditEvent | None] = []
        self.first = True

    async def lapsing(
        self, sources: Collection[str], after: float, until: float, limit: int
    ) -> list[Any]:
        self.asked.append((after, until, limit))
        people = (Person(subject_id=f"{each}:p", username="p", name="P") for each in sources)
        return [SimpleNamespace(person=each, vouched_at=NOW - 25 * DAY) for each in people]

    async def note_lapse(
        self, subject_id: str, vouched_at: float, now: float, event: AuditEvent | None
    ) -> bool:
        assert (vouched_at, now) == (NOW - 25 * DAY, NOW)
        self.noted.append(subject_id)
        self.events.append(event)
        return self.first


class Sources:
    passwords = ("down", "up")
    redirects = ("partner",)

    async def trusted_until(self, subject_id: str, lapse: float) -> float | None:
        if subject_id.startswith("down:"):
            raise SourceUnavailable("down does not respond")
        return None if subject_id.startswith("sure:") else NOW + lapse - 25 * DAY


class Up(Sources):
    """``sure`` can look people up."""

    passwords = ("sure", "up")


def notices_of(people: Everybody, sources: Sources, lapse: float = 30 * DAY) -> LapseNotices:
    return LapseNotices(people, sources, lapse, lambda: NOW)  # type: ignore[arg-type]  # what it needs of both


async def test_r144_a_source_that_is_down_delays_its_own_people_only() -> None:
    people, sources = Everybody(), Sources()
    with pytest.raises(SourceUnavailable):
        await notices_of(people, sources).notify()
    assert people.noted == ["up:p", "partner:p"]


async def test_people_are_told_whose_source_cannot_look_them_up() -> None:
    people = Everybody()
    assert await notices_of(people, Up()).notify() == 2
    assert people.noted == ["sure:p", "up:p", "partner:p"]
    unsure, *told = people.events
    assert unsure is None
    assert told == [
        AuditEvent(
            event=Event.APP_PASSWORD_LAPSING,
            at=NOW,
            subject_id=subject_id,
            username="p",
            detail="no sign-in for 25 days",
        )
        for subject_id in ("up:p", "partner:p")
    ]


async def test_who_is_told_by_another_process_is_not_told_twice() -> None:
    people = Everybody()
    people.first = False
    assert await notices_of(people, Up()).notify() == 0


@pytest.mark.parametrize(
    ("lapse", "before"), [(30 * DAY, 7 * DAY), (14 * DAY, 7 * DAY), (DAY, DAY / 2)]
)
async def test_people_are_told_a_week_before_or_halfway(lapse: float, before: float) -> None:
    people = Everybody()
    await notices_of(people, Up(), lapse).notify()
    assert {*people.asked} == {(NOW - lapse, NOW - lapse + before, AT_ONCE)}


async def test_an_outage_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    people, waits = Everybody(), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    async def lapsing(*_: object) -> list[Any]:
        people.asked.append((NOW, NOW, 0))
        assert len(people.asked) < 20, "it waits between two checks"
        raise Unavailable("the database does not respond")

    monkeypatch.setattr(asyncio, "sleep", wait)
    monkeypatch.setattr(people, "lapsing", lapsing)
    with pytest.raises(asyncio.CancelledError):
        await notices_of(people, Up()).notify_forever()
    assert waits == [EVERY] * 3
    assert len(people.asked) == 2
