"""A tenant of 100,000 people starts at once, and a page of it costs what any page does.

Times are processor time of this process, so that a busy machine does not count; and what a page of
a small tenant costs says how fast the machine is.
"""

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.conformance.directory_api.worlds import World, world_of

from worksgate.conformance.directory_api import made_up_members

PEOPLE = 100_000
FEW = 200
START = 10.0
AS_MUCH = 3
"""Times what it costs for few: to look at everybody would cost more than that."""


@pytest.fixture(scope="module")
def large() -> Iterator[World]:
    began = time.process_time()
    with world_of(made_up_members(PEOPLE)) as world:
        assert time.process_time() - began < START
        yield world


@pytest.fixture(scope="module")
def small() -> Iterator[World]:
    with world_of(made_up_members(FEW)) as world:
        yield world


async def page_cost(world: World, path: str) -> float:
    """The least of some; the others may have met the collector."""
    token = await world.token()
    spent, cursor = [], ""
    for _ in range(10):
        began = time.process_time()
        page = (await world.call("GET", path + cursor, token=token)).json()
        spent.append(time.process_time() - began)
        following = page["responseMetaData"].get("nextCursor")
        cursor = "" if following is None else f"&cursor={quote(following, safe='')}"
    return min(spent)


async def cost_of_keys(world: World, people: int) -> float:
    """That of the keys of the last fifty, as well."""
    spent = []
    for turn in range(5):
        changes = [(f"s{people - row:06d}@example.com", f"L-{turn}-{row}") for row in range(50)]
        began = time.process_time()
        assert (await world.set_keys(*changes)).status_code == 204
        spent.append(time.process_time() - began)
    assert world.key_of(f"s{people:06d}@example.com") == "L-4-0"
    return min(spent)


@pytest.mark.parametrize(
    "path",
    [
        "/users?count=100",
        "/users?count=100&sortOrder=DESCENDING",
        "/users/external-keys?count=100",
        "/users/external-keys?count=100&hasExternalKey=false",
    ],
)
async def test_page_of_100_000_people_is_quick(large: World, small: World, path: str) -> None:
    assert await page_cost(large, path) < AS_MUCH * await page_cost(small, path)


async def test_keys_of_the_last_people_are_set_as_quickly(large: World, small: World) -> None:
    assert await cost_of_keys(large, PEOPLE) < AS_MUCH * await cost_of_keys(small, FEW)
