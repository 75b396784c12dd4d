"""Remembered people of other sources, also when many sign in at once."""

import asyncio
from dataclasses import dataclass, replace

from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.directory.app_passwords import AppPassword
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.directory.remembered import RememberedSource
from worksgate.oauth.model import UserKey
from worksgate.oauth.user_key import KeyProblem
from worksgate.sources import Person


def _person(name: str, external_key: str | None = None) -> Person:
    return Person(subject_id=f"corp:{name}", username=name, name=name, external_key=external_key)


async def test_first_sign_ins_of_one_person_at_once_are_all_let_in(directory: Directory) -> None:
    hanako = _person("hanako", "E-1")
    sign_ins = (directory.people.remember("corp", hanako, NOW) for _ in range(8))
    assert await asyncio.gather(*sign_ins) == [hanako] * 8
    (kept,) = await directory.people.listed()
    assert kept.person == hanako


async def test_r56_of_several_who_come_at_once_with_one_key_one_has_it(
    directory: Directory,
) -> None:
    people = [_person(f"p{number}", "E-1") for number in range(8)]
    let_in = await asyncio.gather(
        *(directory.people.remember("corp", each, NOW) for each in people)
    )
    assert [each.external_key for each in let_in if each].count("E-1") == 1
    assert len([each for each in let_in if each]) == 8


async def test_whoever_is_refused_a_key_is_let_in_with_the_reason(directory: Directory) -> None:
    await directory.people.remember("corp", _person("first", "E-1"), NOW)
    second = await directory.people.remember("corp", _person("second", "E-1"), NOW)
    assert second is not None
    assert second.external_key is None
    text = "the external key E-1 belongs to first of the source corp"
    assert second.refused_keys == (KeyProblem(UserKey.EXTERNAL_KEY, text),)


@dataclass
class Corp:
    """A source with one person, who wrote their own name."""

    person: Person
    name: str = "corp"

    async def authenticate(self, username: str, password: str) -> Person | None:
        return self.person

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return self.person


async def test_r271_a_name_that_reorders_a_page_is_neither_kept_nor_found(
    directory: Directory,
) -> None:
    corp = RememberedSource(
        Corp(replace(_person("hanako"), name="\u202e花子\x1b")), directory.people
    )
    person = await corp.authenticate("hanako", "password")
    assert person == replace(_person("hanako"), name="花子")
    assert await corp.find(person.subject_id, person) == person
    (kept,) = await directory.people.listed()
    assert kept.person == person


DAY = 86_400.0
LAPSING = AuditEvent(event=Event.APP_PASSWORD_LAPSING, at=NOW, subject_id="corp:hanako")


async def _with_app_password(directory: Directory, name: str, at: float) -> None:
    """Somebody for whom their source vouched then, and who has an app password."""
    await directory.people.remember("corp", _person(name), at)
    made = AppPassword(id=name, subject_id=f"corp:{name}", name="", created_at=at, digest=name)
    event = AuditEvent(event=Event.APP_PASSWORD_ADDED, at=at)
    assert await directory.app_passwords.add(made, 5, event)


async def _lapsing(directory: Directory, *sources: str) -> list[str]:
    found = await directory.people.lapsing(sources or ("corp",), NOW - 30 * DAY, NOW - 23 * DAY, 10)
    return [each.person.username for each in found]


async def test_r144_those_are_told_whose_sign_in_was_long_ago_and_who_can_come_in(
    directory: Directory,
) -> None:
    for name, days in (("over", 30), ("hanako", 29), ("taro", 23), ("early", 22.9)):
        await _with_app_password(directory, name, NOW - days * DAY)
    await directory.people.remember("corp", _person("without"), NOW - 25 * DAY)
    assert await _lapsing(directory) == ["hanako", "taro"]
    assert await _lapsing(directory, "other") == []
    disabled = AuditEvent(event=Event.USER_CHANGED, at=NOW)
    await directory.people.set_enabled("corp:taro", False, disabled)
    assert await _lapsing(directory) == ["hanako"]


async def test_r144_of_several_processes_one_tells_once_until_the_next_sign_in(
    directory: Directory,
) -> None:
    announced: list[Change] = []
    directory.announce = lambda change: announced.append(change.change)
    at = NOW - 25 * DAY
    await _with_app_password(directory, "hanako", at)
    announced.clear()
    noted = await asyncio.gather(
        *(directory.people.note_lapse("corp:hanako", at, NOW, LAPSING) for _ in range(5))
    )
    assert sorted(noted) == [False] * 4 + [True]
    assert announced == [Change.APP_PASSWORDS_LAPSE]
    assert await _lapsing(directory) == []
    await directory.people.remember("corp", _person("hanako"), NOW + 1)
    assert not await directory.people.note_lapse("corp:hanako", at, NOW + 2, LAPSING), "signed in"
    assert await directory.people.note_lapse("corp:hanako", NOW + 1, NOW + 2, LAPSING)


async def test_r144_nobody_is_told_whose_source_can_be_asked(directory: Directory) -> None:
    announced: list[Change] = []
    at = NOW - 25 * DAY
    await _with_app_password(directory, "hanako", at)
    directory.announce = lambda change: announced.append(change.change)
    assert await directory.people.note_lapse("corp:hanako", at, NOW, None)
    assert announced == []
    assert await _lapsing(directory) == [], "and nobody asks again"
