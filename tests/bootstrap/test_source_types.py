"""A type of identity source is one entry of a table that defines what it supports."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from worksgate.bootstrap.identity_sources import is_built_in, open_sources
from worksgate.bootstrap.source_types import SOURCE_TYPES, ByPassword, type_of
from worksgate.bootstrap.stores import Clock
from worksgate.directory.database import Directory
from worksgate.doctor import Severity
from worksgate.doctor.queried_source import CannotBeQueried, Question, queried
from worksgate.doctor.source_check import examine_source
from worksgate.doctor.source_people import people_of_source
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings
from worksgate.settings.sources import SOURCE_TYPES as OF_SETTINGS
from worksgate.settings.sources import DirectorySettings, OidcSettings, SourceSettings
from worksgate.sources import ListedPerson, Person, SourceFinding
from worksgate.sources.metrics import SourceMetrics

HANA = Person(subject_id="club:1", username="hana", name="Hana", external_key="E-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClubSettings(SourceSettings):
    type: ClassVar[str] = "club"
    about: ClassVar[str] = "The members of a club."
    example: ClassVar[Mapping[str, object]] = {}


class Club:
    """A club of one."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def authenticate(self, username: str, password: str) -> Person | None:
        return HANA if (username, password) == ("hana", "open sesame") else None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen

    async def people(self) -> AsyncIterator[Sequence[ListedPerson]]:
        yield [ListedPerson(HANA)]

    async def look_up(self, username: str) -> ListedPerson | None:
        return ListedPerson(HANA) if username == "hana" else None

    async def test(self, username: str | None = None) -> list[SourceFinding]:
        return [SourceFinding(works=True, text="the club is open")]


def open_club(settings: ClubSettings, stack: AsyncExitStack, _clock: Clock) -> Club:
    club = Club(settings.name)
    stack.callback(setattr, club, "name", "closed")
    return club


@pytest.fixture
def club() -> Iterator[ClubSettings]:
    """The settings of a source whose type is one more entry of the table, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCE_TYPES, ClubSettings, ByPassword(open_club))
        yield ClubSettings(name="club", domains=("club.example",))


def settings_with(source: SourceSettings, file: Path) -> Settings:
    return Settings(
        public_url="https://sso.example.com",
        database_url=f"sqlite:///{file}",
        built_in_directory=False,
        sources=(source,),
    )


def test_every_type_that_settings_can_name_is_in_the_table() -> None:
    assert set(SOURCE_TYPES) == set(OF_SETTINGS.values())


async def test_people_sign_in_by_a_type_that_was_added_to_the_table(
    club: ClubSettings, directory: Directory, file: Path
) -> None:
    settings, metrics = settings_with(club, file), SourceMetrics()
    assert not is_built_in(settings, None)
    async with AsyncExitStack() as stack:
        in_use = open_sources(settings, directory, None, stack, lambda: 1.0, metrics)
        (source,) = in_use.for_password(Client(client_id="acme", name="Acme"), "hana@club.example")
        assert await source.authenticate("hana", "open sesame") == HANA
        assert [each.name for each in metrics.figures] == ["club"]


async def test_a_type_that_was_added_to_the_table_is_examined(
    club: ClubSettings, file: Path
) -> None:
    assert type_of(club).takes_password
    question = Question("hana", "open sesame")
    examination = examine_source(settings_with(club, file), club, question)
    findings = [each async for each in examination]
    assert [each.severity for each in findings] == [Severity.OK] * 2
    assert findings[0].text == "the club is open"
    assert findings[1].text.startswith("hana: id club:1;")


async def test_the_people_of_a_type_that_was_added_to_the_table_are_listed(
    club: ClubSettings, file: Path
) -> None:
    (hana,) = await people_of_source(settings_with(club, file), club)
    assert (hana.person, hana.problems) == (HANA, ())


@pytest.mark.parametrize("source", [DirectorySettings(), OidcSettings(name="corp")])
async def test_a_source_that_is_asked_about_nobody_opens_nothing_to_say_so(
    source: SourceSettings, file: Path
) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(CannotBeQueried):
            await queried(settings_with(source, file), source, stack).look_up("hana")
    assert not type_of(source).takes_password
