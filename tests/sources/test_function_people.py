"""A company's own ``people`` function: accepted forms, and the effect of mistakes."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from worksgate.sources import ListedPerson, ListsPeople, Person, SourceUnavailable
from worksgate.sources.function.source import FunctionSource, ListedFunctionSource

AOI = {"id": "1", "username": "aoi", "external_key": "E1"}
BEN = Person(subject_id="2", username="ben", name="Ben")


def nobody(_username: str, _password: str) -> None:
    return None


def as_list() -> list[Any]:
    return [AOI, BEN]


def one_by_one() -> Iterator[Any]:
    yield from as_list()


async def as_list_later() -> list[Any]:
    return as_list()


async def one_by_one_later() -> AsyncIterator[Any]:
    for each in as_list():
        yield each


async def listed(people: Callable[[], Any]) -> list[ListedPerson]:
    source = ListedFunctionSource("own", nobody, people)
    try:
        return [each async for page in source.people() for each in page]
    finally:
        source.close()


@pytest.mark.parametrize("people", [as_list, one_by_one, as_list_later, one_by_one_later])
async def test_people_are_listed_in_any_form(people: Callable[[], Any]) -> None:
    found = await listed(people)
    assert [each.person.subject_id for each in found] == ["own:1", "own:2"]
    assert found[0].person.external_key == "E1"


async def test_many_people_come_in_pages() -> None:
    source = ListedFunctionSource(
        "own", nobody, lambda: ({"username": f"p{number}"} for number in range(450))
    )
    assert [len(page) async for page in source.people()] == [200, 200, 50]
    source.close()


async def test_a_key_that_breaks_the_rules_is_a_problem_of_that_person() -> None:
    (found,) = await listed(lambda: [{"username": "eri", "external_key": "E/3"}])
    assert found.person.external_key is None
    assert found.key_problems[0].text.startswith("the external key E/3 cannot be used: ")


@pytest.mark.parametrize("wrong", [["aoi"], [{}], [{"username": "a", "age": 3}], 7])
async def test_anything_else_is_an_outage_that_quotes_nothing(wrong: object) -> None:
    with pytest.raises(SourceUnavailable, match="own "):
        await listed(lambda: wrong)


async def test_an_exception_is_reported_by_its_place_alone() -> None:
    def fails() -> list[Any]:
        raise RuntimeError("the password of the database is hunter2")

    with pytest.raises(SourceUnavailable) as raised:
        await listed(fails)
    assert "hunter2" not in str(raised.value)
    assert "RuntimeError at test_function_people.py" in str(raised.value)


async def test_people_are_looked_up_in_any_spelling() -> None:
    source = ListedFunctionSource("own", nobody, as_list)
    found = await source.look_up(" AOI ")
    assert found is not None
    assert found.person.username == "aoi"
    assert await source.look_up("zoe") is None
    source.close()


def test_a_source_without_people_does_not_claim_to_list_them() -> None:
    source = FunctionSource("own", nobody)
    assert not isinstance(source, ListsPeople)
    source.close()
