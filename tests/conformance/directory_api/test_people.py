"""`/users`: who is found under which name, lists page by page, and what may be done to whom."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from tests.conformance.directory_api.worlds import World, world_of

from worksgate.conformance.directory_api import (
    LargeCount,
    LastCursor,
    Member,
    Rank,
    Rules,
    made_up_members,
)

DAY = 86_400
FIRST = "s000001@example.com"


def member(**values: Any) -> Member:
    usual = {"user_id": "u-1", "email": "ichiro@example.com", "last_name": "Ichiro"}
    return Member(**(usual | values))


async def emails(world: World, path: str) -> list[str]:
    return [row["email"] async for page in world.pages(path) for row in page["users"]]


async def test_person_is_found_by_each_of_three_ids() -> None:
    people = [member(external_key="a+b c=é")]
    with world_of(people) as world:
        for name in ("u-1", "ichiro@example.com", "ICHIRO@example.com", "externalKey:a+b c=é"):
            answer = await world.call("GET", f"/users/{quote(name, safe='')}")
            assert answer.json()["userId"] == "u-1", name


async def test_id_is_decoded_once() -> None:
    with world_of([member()]) as world:
        once = quote("ichiro@example.com", safe="")
        assert (await world.call("GET", f"/users/{once}")).status_code == 200
        twice = await world.call("GET", f"/users/{quote(once, safe='')}")
        assert (twice.status_code, twice.json()["code"]) == (404, "USER_NOT_EXIST")


async def test_service_account_is_nobody() -> None:
    with world_of() as world:
        assert (await world.call("GET", "/users/me")).status_code == 403


async def test_deleted_person_is_gone_and_then_unknown() -> None:
    with world_of() as world:
        user = world.id_of(FIRST)
        assert (await world.call("DELETE", f"/users/{user}")).status_code == 204
        gone = await world.call("GET", f"/users/{user}")
        assert (gone.status_code, gone.json()["code"]) == (410, "DELETED")
        world.clock.advance(7 * DAY)
        assert (await world.call("GET", f"/users/{user}")).status_code == 404


async def test_deleted_person_may_be_unknown_at_once() -> None:
    with world_of(rules=Rules(deleted_is_gone=False)) as world:
        user = world.id_of(FIRST)
        await world.call("DELETE", f"/users/{user}")
        assert (await world.call("GET", f"/users/{user}")).status_code == 404


# Lists


async def test_list_goes_on_to_its_end() -> None:
    with world_of(made_up_members(25)) as world:
        found = await emails(world, "/users?count=10")
        assert found == [each.email for each in made_up_members(25)]


@pytest.mark.parametrize("count", [10, 25])
async def test_last_page_has_no_cursor(count: int) -> None:
    with world_of(made_up_members(count)) as world:
        page = (await world.call("GET", f"/users?count={count}")).json()
        assert page["responseMetaData"] == {}


@pytest.mark.parametrize(("last", "cursor"), [(LastCursor.NULL, None), (LastCursor.EMPTY, "")])
async def test_last_page_may_say_so_otherwise(last: LastCursor, cursor: str | None) -> None:
    with world_of(rules=Rules(last_cursor=last)) as world:
        page = (await world.call("GET", "/users")).json()
        assert page["responseMetaData"] == {"nextCursor": cursor}


async def test_too_large_a_count_is_an_empty_page() -> None:
    with world_of() as world:
        answer = await world.call("GET", "/users?count=101")
        assert (answer.status_code, answer.json()["users"]) == (200, [])
        world.simulator.rules = Rules(large_count=LargeCount.REFUSED)
        assert (await world.call("GET", "/users?count=101")).status_code == 400


@pytest.mark.parametrize("query", ["count=0", "count=-1", "count=ten", "count=1&count=2"])
async def test_wrong_count_is_refused(query: str) -> None:
    with world_of() as world:
        assert (await world.call("GET", f"/users?{query}")).status_code == 400


async def test_cursor_that_is_not_escaped_is_refused() -> None:
    with world_of() as world:
        page = (await world.call("GET", "/users?count=2")).json()
        cursor = page["responseMetaData"]["nextCursor"]
        assert {"+", "/", "="} <= set(cursor)
        raw = await world.call("GET", f"/users?count=2&cursor={cursor}")
        escaped = await world.call("GET", f"/users?count=2&cursor={quote(cursor, safe='')}")
        assert (raw.status_code, escaped.status_code) == (400, 200)


async def test_cursor_is_for_the_list_that_it_came_with() -> None:
    with world_of() as world:
        page = (await world.call("GET", "/users?count=2")).json()
        cursor = quote(page["responseMetaData"]["nextCursor"], safe="")
        other = await world.call("GET", f"/users?count=2&sortOrder=DESCENDING&cursor={cursor}")
        assert other.status_code == 400


async def test_list_is_sorted_as_wanted() -> None:
    people = [
        member(user_id=f"u{row}", email=f"{name}@example.com", last_name=name)
        for row, name in enumerate(("carol", "alice", "bob"))
    ]
    with world_of(people) as world:
        downwards = "count=1&sortOrder=DESCENDING"
        assert await emails(world, f"/users?{downwards}") == [
            *("bob@example.com", "alice@example.com", "carol@example.com")
        ]
        assert await emails(world, "/users?count=1&orderBy=NAME") == [
            *("alice@example.com", "bob@example.com", "carol@example.com")
        ]
        assert await emails(world, f"/users?orderBy=NAME&{downwards}") == [
            *("carol@example.com", "bob@example.com", "alice@example.com")
        ]


async def test_list_is_of_one_domain() -> None:
    people = [member(), member(user_id="u-2", email="niko@other.example", domain_id=2)]
    with world_of(people) as world:
        assert await emails(world, "/users?count=1") == ["ichiro@example.com"]
        assert await emails(world, "/users?domainId=2") == ["niko@other.example"]
        assert (await world.call("GET", "/users?domainId=3")).status_code == 400


async def test_nobody_is_skipped_or_met_twice_while_people_come_and_go() -> None:
    rules = Rules(people_change_between_pages=True)
    with world_of(made_up_members(30), rules) as world:
        found = await emails(world, "/users?count=10")
        assert len(set(found)) == len(found)
        assert {each.email for each in made_up_members(30)} <= set(found)
        assert sum(email.startswith("newcomer") for email in found) >= 2


async def test_cursor_that_counts_rows_skips_somebody() -> None:
    rules = Rules(people_change_between_pages=True, cursor_counts_rows=True)
    with world_of(made_up_members(30), rules) as world:
        found = await emails(world, "/users?count=10")
        assert {each.email for each in made_up_members(30)} - set(found)


async def test_deleted_people_are_listed_unless_the_rules_say_otherwise() -> None:
    with world_of([member(), member(user_id="u-2", email="b@example.com")]) as world:
        await world.call("DELETE", "/users/u-2")
        listed = (await world.call("GET", "/users")).json()["users"]
        assert [row["isDeleted"] for row in listed] == [False, True]
        world.simulator.rules = Rules(lists_deleted=False)
        assert len((await world.call("GET", "/users")).json()["users"]) == 1


# What is done to one of them


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, 204),
        ({"is_suspended": True}, 400),
        ({"is_pending": True}, 400),
        ({"is_awaiting": True}, 400),
        ({"rank": Rank.ADMINISTRATOR}, 204),
        ({"rank": Rank.SUPER_ADMIN}, 400),
        ({"deleted_at": 1_796_000_000.0}, 410),
    ],
)
async def test_only_people_in_use_are_suspended(values: dict[str, Any], status: int) -> None:
    with world_of([member(**values)]) as world:
        answer = await world.call("POST", "/users/u-1/suspend")
        assert answer.status_code == status
        after = world.simulator.state().people["u-1"]
        assert after.is_suspended is (status == 204 or "is_suspended" in values)


async def test_suspended_person_is_back_after_unsuspend_and_not_twice() -> None:
    with world_of([member(is_suspended=True)]) as world:
        assert (await world.call("POST", "/users/u-1/unsuspend")).status_code == 204
        assert not world.simulator.state().people["u-1"].is_suspended
        assert (await world.call("POST", "/users/u-1/unsuspend")).status_code == 400


async def test_deleted_person_comes_back_for_seven_days() -> None:
    with world_of([member(external_key="K")]) as world:
        await world.call("DELETE", "/users/u-1")
        world.clock.advance(7 * DAY - 1)
        back = await world.call("POST", "/users/u-1/undelete")
        assert (back.status_code, back.json()["userExternalKey"]) == (200, "K")
        await world.call("DELETE", "/users/u-1")
        world.clock.advance(7 * DAY)
        assert (await world.call("POST", "/users/u-1/undelete")).status_code == 404


@pytest.mark.parametrize("rank", [Rank.ADMINISTRATOR, Rank.SUPER_ADMIN])
@pytest.mark.parametrize("path", ["/users/u-1", "/users/u-1/forcedelete"])
async def test_administrators_are_not_deleted(rank: Rank, path: str) -> None:
    with world_of([member(rank=rank)]) as world:
        assert (await world.call("DELETE", path)).status_code == 403
        assert "u-1" in world.simulator.state().people


async def test_person_who_is_being_changed_is_not_changed_again() -> None:
    with world_of([member()], Rules(write_takes=0.05)) as world:
        token = await world.token()
        first, second = await asyncio.gather(
            world.call("POST", "/users/u-1/suspend", token=token),
            world.call("POST", "/users/u-1/force-logout", token=token),
        )
        assert {first.status_code, second.status_code} == {204, 409}


async def test_devices_are_out_five_minutes_after_the_order() -> None:
    with world_of([member(devices=3)]) as world:
        own = world.simulator.sign_in("u-1", ["user.read"])
        assert (await world.call("GET", "/users/me", token=own)).status_code == 200
        answer = await world.call("POST", "/users/u-1/force-logout")
        assert answer.status_code == 202
        assert world.simulator.state().devices == {"u-1": 3}
        assert (await world.call("GET", "/users/me", token=own)).status_code == 401
        world.clock.advance(300)
        assert not world.simulator.state().is_signed_in("ichiro@example.com")


async def test_service_account_stays_signed_in_when_people_are_not() -> None:
    with world_of([member()]) as world:
        token = await world.token()
        await world.call("POST", "/users/u-1/force-logout", token=token)
        assert (await world.call("GET", "/users", token=token)).status_code == 200


async def test_ordinary_person_reaches_themselves_only() -> None:
    with world_of() as world:
        own = world.simulator.sign_in(world.id_of(FIRST), ["user", "directory"])
        other = await world.call("GET", "/users/s000002@example.com", token=own)
        listed = await world.call("GET", "/users", token=own)
        assert (other.status_code, listed.status_code) == (403, 403)


# Written whole or in part


async def test_person_is_created_with_a_key() -> None:
    with world_of() as world:
        new = {
            "domainId": 1,
            "email": "new@example.com",
            "userName": {"lastName": "New"},
        }
        refused = await world.call("POST", "/users", body=new)
        assert (refused.status_code, refused.json()["code"]) == (400, "MISSING_PARAMETER")
        added = await world.call("POST", "/users", body={**new, "userExternalKey": "N-1"})
        assert added.status_code == 201
        assert world.key_of("new@example.com") == "N-1"
        again = await world.call("POST", "/users", body={**new, "userExternalKey": "N-2"})
        assert again.status_code == 409


async def test_put_empties_what_is_left_out_and_patch_does_not() -> None:
    with world_of([member(external_key="K", first_name="X")]) as world:
        await world.call("PATCH", "/users/u-1", body={"nickName": "Ichi"})
        kept = world.simulator.state().people["u-1"]
        assert (kept.external_key, kept.first_name, kept.other["nickName"]) == ("K", "X", "Ichi")
        whole = {
            "domainId": 1,
            "email": "ichiro@example.com",
            "userName": {"lastName": "Ichiro"},
        }
        assert (await world.call("PUT", "/users/u-1", body=whole)).status_code == 200
        emptied = world.simulator.state().people["u-1"]
        assert emptied == replace(kept, external_key=None, first_name="", other={})
