"""People of other sources as they are remembered, also when many come at once."""

import asyncio

from tests.databases import NOW

from worksgate.directory.database import Directory
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
    assert second.refused_keys == ("the external key E-1 belongs to first of the source corp",)
