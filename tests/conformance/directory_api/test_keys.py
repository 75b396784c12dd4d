"""`/users/external-keys`: what a batch may hold, and what the tenant holds afterwards."""

from typing import Any

import pytest
from tests.conformance.directory_api.worlds import world_of

from worksgate.conformance.directory_api import Batches, Rules, made_up_members

ONE, TWO, THREE = (f"s00000{number}@example.com" for number in (1, 2, 3))


async def test_keys_are_added_replaced_and_deleted() -> None:
    with world_of(made_up_members(2)) as world:
        answer = await world.set_keys((ONE, "new"), (TWO, None))
        assert (answer.status_code, answer.content) == (204, b"")
        assert world.simulator.state().keys() == {ONE: "new", TWO: None}


async def test_person_may_be_named_by_each_of_three_ids() -> None:
    with world_of(made_up_members(3)) as world:
        batch = [(world.id_of(ONE), "a"), (TWO, "b"), ("externalKey:S-000003", "c")]
        assert (await world.set_keys(*batch)).status_code == 204
        assert list(world.simulator.state().keys().values()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param([], 400, id="nobody"),
        pytest.param([(f"u{n}", f"k{n}") for n in range(51)], 400, id="51 people"),
        pytest.param([(ONE, "k" * 101)], 400, id="101 characters"),
        pytest.param([(ONE, "")], 400, id="empty"),
        *(pytest.param([(ONE, f"a{sign}b")], 400, id=f"with {sign}") for sign in "%\\#/?"),
        pytest.param([(ONE, "a"), (ONE, "b")], 400, id="the same person"),
        pytest.param([(ONE, "a"), ("S000001@EXAMPLE.COM", "b")], 400, id="the same person again"),
        pytest.param([(ONE, "a"), (TWO, "a")], 400, id="the same key"),
        pytest.param([(ONE, "S-000002")], 409, id="the key of another"),
        pytest.param([(ONE, "S-000002"), (TWO, "S-000001")], 409, id="a swap"),
        pytest.param([("nobody@example.com", "a")], 404, id="nobody of that name"),
        pytest.param([("me", "a")], 403, id="me"),
    ],
)
async def test_bad_batch_changes_nothing(changes: list[tuple[str, str]], status: int) -> None:
    with world_of() as world:
        before = world.simulator.state().keys()
        good = [] if not changes or len(changes) > 49 else [(THREE, "good")]
        assert (await world.set_keys(*good, *changes)).status_code == (status if changes else 400)
        assert world.simulator.state().keys() == before


async def test_batch_may_be_applied_up_to_its_first_bad_one() -> None:
    with world_of(rules=Rules(batches=Batches.UP_TO_FIRST_BAD)) as world:
        answer = await world.set_keys((ONE, "a"), ("nobody@example.com", "b"), (THREE, "c"))
        assert answer.status_code == 404
        assert [world.key_of(each) for each in (ONE, THREE)] == ["a", "S-000003"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"users": {}},
        {"users": [{"id": ONE}]},
        {"users": [{"externalKey": "a"}]},
        {"users": [{"id": ONE, "externalKey": 5}]},
        {"users": [{"id": ONE, "externalKey": "a", "name": "x"}]},
        {"users": [{"id": ONE, "externalKey": "a"}], "domainId": 1},
    ],
)
async def test_body_of_another_form_is_refused(body: Any) -> None:
    with world_of() as world:
        answer = await world.call("POST", "/users/external-keys", body=body)
        assert answer.status_code == 400


async def test_keys_are_case_sensitive_unless_the_rules_say_otherwise() -> None:
    with world_of() as world:
        assert (await world.set_keys((ONE, "s-000002"))).status_code == 204
    with world_of(rules=Rules(keys_ignore_case=True)) as world:
        assert (await world.set_keys((ONE, "s-000002"))).status_code == 409
        assert (await world.set_keys((ONE, "s-000001"))).status_code == 204


async def test_swap_in_one_batch_is_allowed_by_a_switch() -> None:
    with world_of(rules=Rules(takes_swaps=True)) as world:
        assert (await world.set_keys((ONE, "S-000002"), (TWO, "S-000001"))).status_code == 204
        assert [world.key_of(each) for each in (ONE, TWO)] == ["S-000002", "S-000001"]


async def test_swap_in_two_rounds_works_under_strict_rules() -> None:
    with world_of() as world:
        await world.set_keys((ONE, None), (TWO, None))
        assert (await world.set_keys((ONE, "S-000002"), (TWO, "S-000001"))).status_code == 204


async def test_key_may_rest_after_it_was_given_up() -> None:
    with world_of(rules=Rules(key_rests=60)) as world:
        await world.set_keys((ONE, None))
        assert (await world.set_keys((TWO, "S-000001"))).status_code == 409
        assert (await world.set_keys((ONE, "S-000001"))).status_code == 204
        await world.set_keys((ONE, None))
        world.clock.advance(60)
        assert (await world.set_keys((TWO, "S-000001"))).status_code == 204


@pytest.mark.parametrize("holds", [True, False])
async def test_key_of_a_deleted_person_is_taken_or_free(*, holds: bool) -> None:
    with world_of(rules=Rules(deleted_hold_keys=holds)) as world:
        await world.call("DELETE", f"/users/{world.id_of(ONE)}")
        answer = await world.set_keys((TWO, "S-000001"))
        assert answer.status_code == (409 if holds else 204)


async def test_list_tells_who_has_a_key_and_who_has_none() -> None:
    with world_of(made_up_members(3)) as world:
        await world.set_keys((TWO, None))
        path = "/users/external-keys?count=1&hasExternalKey="
        found = {
            has: [row async for page in world.pages(path + has) for row in page["users"]]
            for has in ("true", "false")
        }
        assert [row["email"] for row in found["true"]] == [ONE, THREE]
        (without,) = found["false"]
        assert set(without) == {"domainId", "name", "email", "id", "externalKey"}
        assert (without["email"], without["externalKey"]) == (TWO, None)


async def test_empty_key_may_be_left_out_of_the_list() -> None:
    with world_of(made_up_members(1, with_keys=False), Rules(omits_empty_keys=True)) as world:
        (row,) = (await world.call("GET", "/users/external-keys")).json()["users"]
        assert "externalKey" not in row


async def test_reading_keys_needs_less_than_writing_them() -> None:
    with world_of() as world:
        read = await world.call("GET", "/users/external-keys", scope="directory.read")
        users = {"users": [{"id": ONE, "externalKey": "a"}]}
        written = await world.call(
            "POST", "/users/external-keys", body=users, scope="directory.read"
        )
        assert (read.status_code, written.status_code) == (200, 403)
        assert (await world.call("GET", "/users/external-keys", scope="user")).status_code == 403
