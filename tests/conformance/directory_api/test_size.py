"""A tenant of 100,000 people starts at once, and a page of it costs what any page does.

Times are processor time of this process, so that a busy machine does not count.
"""

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.conformance.directory_api.worlds import World, world_of

from worksgate.conformance.directory_api import made_up_members

PEOPLE = 100_000
START = 2.0
PAGE = 0.005


@pytest.fixture(scope="module")
def large() -> Iterator[World]:
    began = time.process_time()
    with world_of(made_up_members(PEOPLE)) as world:
        assert time.process_time() - began < START
        yield world


@pytest.mark.parametrize(
    "path",
    [
        "/users?count=100",
        "/users?count=100&sortOrder=DESCENDING",
        "/users/external-keys?count=100",
        "/users/external-keys?count=100&hasExternalKey=false",
    ],
)
async def test_page_of_100_000_people_is_quick(large: World, path: str) -> None:
    token = await large.token()
    spent, cursor = [], ""
    for _ in range(10):
        began = time.process_time()
        page = (await large.call("GET", path + cursor, token=token)).json()
        spent.append(time.process_time() - began)
        following = page["responseMetaData"].get("nextCursor")
        cursor = "" if following is None else f"&cursor={quote(following, safe='')}"
    assert min(spent) < PAGE  # the client's share included; the others may have met the collector


async def test_keys_of_the_last_people_are_set_as_quickly(large: World) -> None:
    began = time.process_time()
    changes = [(f"s{PEOPLE - row:06d}@example.com", f"L-{row}") for row in range(50)]
    assert (await large.set_keys(*changes)).status_code == 204
    assert time.process_time() - began < 10 * PAGE
    assert large.key_of(f"s{PEOPLE:06d}@example.com") == "L-0"
