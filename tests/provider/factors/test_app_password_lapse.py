"""Who is told that app passwords lapse soon, while a source is down."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from worksgate.provider.factors.app_password_lapse import LapseNotices
from worksgate.sources import Person, SourceUnavailable

NOW, DAY = 1_800_000_000.0, 86_400.0


class Everybody:
    """One person of each source is due."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    async def lapsing(self, sources: Collection[str], *_: object) -> list[Any]:
        people = (Person(subject_id=f"{each}:p", username="p", name="P") for each in sources)
        return [SimpleNamespace(person=each, vouched_at=NOW - 25 * DAY) for each in people]

    async def note_lapse(self, subject_id: str, *_: object) -> bool:
        self.noted.append(subject_id)
        return True


class Sources:
    passwords = ("down", "up")
    redirects = ("partner",)

    async def trusted_until(self, subject_id: str, _lapse: float) -> float:
        if subject_id.startswith("down:"):
            raise SourceUnavailable("down does not respond")
        return NOW + 5 * DAY


async def test_r144_a_source_that_is_down_delays_its_own_people_only() -> None:
    people, sources = Everybody(), Sources()
    notices = LapseNotices(people, sources, 30 * DAY, lambda: NOW)  # type: ignore[arg-type]  # what it needs of both
    with pytest.raises(SourceUnavailable):
        await notices.notify()
    assert people.noted == ["up:p", "partner:p"]
