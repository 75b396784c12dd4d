"""Which external keys are written at LINE WORKS: plain tables, and any company at all."""

import tracemalloc
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worksgate.administration.external_keys.findings import SyncFinding, SyncFound
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.plan import (
    KeyChange,
    KeyPlan,
    Planner,
    Policy,
    anothers_here,
    not_held,
    reversed_changes,
    rounds,
    still_due,
)
from worksgate.credentials.usernames import username_key


def person(name: str, key: str | None, **more: Any) -> KeyHolder:
    account = more.pop("works_account", f"{name}@example.com")
    return KeyHolder(username=name, external_key=key, works_account=account, **more)


def planned(
    members: Mapping[str, str | None], people: Iterable[KeyHolder], **policy: Any
) -> KeyPlan:
    """Members are ``name: key``; the ID of ``a`` is ``id-a``."""
    planner = Planner(Policy(**policy))
    for name, key in members.items():
        planner.add_member(f"id-{name}", f"{name}@example.com", key)
    for each in people:
        planner.add_person(each)
    return planner.plan()


def keys(plan: KeyPlan) -> dict[str, str | None]:
    return {each.id.removeprefix("id-"): each.after for each in plan.changes}


def findings(plan: KeyPlan) -> list[tuple[SyncFinding, str | None]]:
    return [(each.finding, (each.account or "").partition("@")[0] or None) for each in plan.found]


def test_members_without_a_key_get_ours_and_others_keep_theirs() -> None:
    members = {"a": None, "b": "B", "c": "other", "d": None}
    people = [person("a", "A"), person("b", "B"), person("c", "C"), person("d", None)]
    plan = planned(members, people)
    assert keys(plan) == {"a": "A"}
    assert (plan.added, plan.replaced, plan.deleted, plan.right) == (1, 0, 0, 1)
    assert findings(plan) == [(SyncFinding.KEY_KEPT, "c"), (SyncFinding.NO_KEY_HERE, "d")]


def test_r217_other_keys_are_replaced_only_if_that_was_asked() -> None:
    members, people = {"c": "other"}, [person("c", "C")]
    assert keys(planned(members, people)) == {}
    plan = planned(members, people, replaces=True)
    assert plan.changes == [KeyChange("id-c", "c@example.com", "other", "C")]


def test_r217_keys_are_deleted_only_if_that_was_asked_and_nobody_here_is_the_member() -> None:
    members = {"left": "L", "off": "O", "none": "N", "never": None}
    people = [person("off", "O2", enabled=False), person("none", None)]
    plan = planned(members, people, replaces=True)
    assert keys(plan) == {}
    assert findings(plan) == [
        (SyncFinding.NOBODY_HERE, "left"),
        (SyncFinding.DISABLED_HERE, "off"),
        (SyncFinding.NO_KEY_HERE, "none"),
        (SyncFinding.NOBODY_HERE, "never"),
    ]
    assert keys(planned(members, people, deletes_unknown=True)) == {"left": None}


@pytest.mark.parametrize(
    ("here", "found"),
    [
        ({"works_account": "A@Example.com"}, True),
        ({"works_account": "a"}, True),
        ({"works_account": None, "email": "A@example.com"}, True),
        ({"works_account": "x@example.com", "email": "a@example.com"}, True),
        ({"works_account": None}, False),
        ({"works_account": "a@elsewhere.example"}, False),
        ({"works_account": None, "email": "a@elsewhere.example"}, False),
    ],
)
def test_r217_a_member_is_found_by_account_or_address_never_by_name_or_key(
    here: dict[str, Any],
    found: bool,  # noqa: FBT001  # of the table
) -> None:
    """The username is the member's account, and the key is the member's own."""
    plan = planned({"a": "K"}, [KeyHolder(username="a@example.com", external_key="K", **here)])
    assert plan.right == found
    if not found:
        assert findings(plan) == [
            (SyncFinding.NOBODY_THERE, None),
            (SyncFinding.NOBODY_HERE, "a"),
        ]


def test_an_account_without_a_domain_that_fits_two_members_is_nobody() -> None:
    planner = Planner(Policy())
    planner.add_member("1", "a@example.com", None)
    planner.add_member("2", "a@example.jp", None)
    planner.add_person(person("a", "A", works_account="a"))
    assert not planner.plan().changes


def test_what_is_not_clear_is_a_finding() -> None:
    members = dict.fromkeys(("twice", "a", "b", "bad", "space"))
    people = [
        person("twice", "T1"),
        KeyHolder(username="too", external_key="T2", email="twice@example.com"),
        person("a", "same"),
        person("b", "SAME"),
        person("bad", "a/b"),
        person("space", " x"),
    ]
    plan = planned(members, people)
    assert keys(plan) == {}
    assert findings(plan) == [
        (SyncFinding.SEVERAL_HERE, "twice"),
        (SyncFinding.SEVERAL_HERE, "twice"),
        (SyncFinding.SAME_KEY_HERE, "a"),
        (SyncFinding.SAME_KEY_HERE, "b"),
        (SyncFinding.KEY_UNUSABLE, "bad"),
        (SyncFinding.KEY_UNUSABLE, "space"),
    ]
    assert keys(planned({"a": None, "b": None}, people[2:4], identity=str)) == {
        "a": "same",
        "b": "SAME",
    }


def test_of_two_people_the_one_who_is_enabled_counts() -> None:
    before = KeyHolder(
        username="before",
        external_key="B",
        works_account="a@example.com",
        enabled=False,
    )
    assert keys(planned({"a": None}, [before, person("a", "A")])) == {"a": "A"}


@pytest.mark.parametrize("held", ["A", "a"])
def test_r217_a_key_that_another_member_keeps_is_given_to_nobody(held: str) -> None:
    members = {"a": None, "x": held, "b": "other"}
    people = [person("a", "A"), person("b", "B")]
    plan = planned(members, people, replaces=True)
    assert keys(plan) == {"b": "B"}
    taken = [each for each in plan.found if each.finding is SyncFinding.TAKEN_THERE]
    assert [(each.account, each.username, each.detail) for each in taken] == [
        ("a@example.com", "a", f"x@example.com has {held}")
    ]


def test_r217_who_keeps_theirs_because_the_new_one_is_taken_keeps_others_from_it() -> None:
    members = {"a": "B", "b": "C", "c": "X", "stranger": "D"}
    people = [person("a", "A"), person("b", "B"), person("c", "C"), person("d", "D")]
    blocked = {"b": "D", "c": "B", "stranger": "D"}
    plan = planned(members, people, replaces=True)
    assert keys(plan) == {"a": "A", "b": "B", "c": "C"}
    people = [person("b", "D"), person("a", "C"), person("c", "B")]
    plan = planned(members, people, replaces=True)
    assert keys(plan) == {}, blocked
    assert [f for f, _ in findings(plan)].count(SyncFinding.TAKEN_THERE) == 3


def test_a_swap_is_planned_and_written_in_two_rounds() -> None:
    members = {"a": "B", "b": "A", "c": "old", "d": None}
    people = [person("a", "A"), person("b", "B"), person("c", "C"), person("d", "old")]
    plan = planned(members, people, replaces=True)
    first, second = rounds(plan.changes)
    assert {each.id: each.after for each in first} == dict.fromkeys(("id-a", "id-b", "id-c"))
    assert {each.id: each.after for each in second} == {
        "id-a": "A",
        "id-b": "B",
        "id-c": "C",
        "id-d": "old",
    }


def test_a_key_in_another_spelling_is_replaced_at_once() -> None:
    plan = planned({"a": "e1"}, [person("a", "E1")], replaces=True)
    first, second = rounds(plan.changes)
    assert not first
    assert [each.after for each in second] == ["E1"]


_KEYS = st.sampled_from(["A", "B", "C", "D", "E", "a", None])


@given(
    st.lists(_KEYS, min_size=1, max_size=6),
    st.lists(st.tuples(_KEYS, st.booleans()), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_r217_whatever_the_company_no_plan_gives_one_key_to_two(
    held: list[str | None],
    here: list[tuple[str | None, bool]],
    replaces: bool,  # noqa: FBT001  # hypothesis gives it
    deletes: bool,  # noqa: FBT001  # hypothesis gives it
) -> None:
    """Played through as LINE WORKS at its strictest: no key is given that somebody has."""
    now: dict[str, str | None] = {}
    for number, key in enumerate(held):
        now[str(number)] = key if key not in now.values() else None
    people = [
        person(str(number), key, enabled=enabled) for number, (key, enabled) in enumerate(here)
    ]
    before = dict(now)
    plan = planned(now, people, replaces=replaces, deletes_unknown=deletes)
    for some in rounds(plan.changes):
        for each in some:
            name = each.id.removeprefix("id-")
            others = {key.lower() for other, key in now.items() if key and other != name}
            assert each.after is None or each.after.lower() not in others
            now[name] = each.after
    for each in plan.changes:
        name = each.id.removeprefix("id-")
        assert now[name] == each.after
        assert replaces or before[name] is None or (deletes and each.after is None)


def change(before: str | None, after: str | None) -> KeyChange:
    return KeyChange("1", "a@example.com", before, after)


@pytest.mark.parametrize(
    ("of", "now", "due"),
    [
        (change(None, "A"), None, change(None, "A")),
        (change(None, "A"), "A", None),
        (change("B", "A"), "B", change("B", "A")),
        (change("B", "A"), None, change(None, "A")),
        (change("B", None), "B", change("B", None)),
        (change("B", None), None, None),
        (change("B", "A"), "X", SyncFinding.CHANGED_SINCE),
        (change("B", None), "X", SyncFinding.CHANGED_SINCE),
    ],
)
def test_r218_what_is_left_of_a_run_is_what_line_works_does_not_hold_yet(
    of: KeyChange, now: str | None, due: KeyChange | SyncFinding | None
) -> None:
    left = list(still_due([of], {"1": now}))
    assert [each.finding if isinstance(each, SyncFound) else each for each in left] == (
        [] if due is None else [due]
    )


def test_r218_who_is_gone_is_told() -> None:
    (gone,) = still_due([change(None, "A")], {})
    assert isinstance(gone, SyncFound)
    assert gone.detail == "they are no member any more"
    assert not_held(change("B", None), {}, "") is None


def test_r217_a_key_that_an_undo_gives_back_is_nobody_elses_here() -> None:
    back = change("S", "Old")
    for people, username in [
        ([person("x", "old")], "x"),
        ([person("a", "Old")], None),
        ([person("a", "Old"), person("x", "old")], "x"),
        ([KeyHolder(username="a", external_key="Old", works_account="a")], "a"),
        ([KeyHolder(username="a", external_key="Old", email="A@example.com")], None),
        ([person("x", None)], None),
    ]:
        found = anothers_here([back], [back], people, username_key)
        assert [each.username for each in found.values()] == ([username] if username else [])
    # What the run had given to another member, whose it is here, is given back.
    exchanged = [back, KeyChange("2", "b@example.com", "Old", "S")]
    assert not anothers_here(exchanged, exchanged, [person("b", "Old")], username_key)
    assert anothers_here(exchanged, exchanged, [person("x", "Old")], username_key)


def test_reversed_changes_lead_back() -> None:
    assert reversed_changes([change("B", "A"), change(None, "A")]) == [
        change("A", "B"),
        change("A", None),
    ]


def test_a_plan_for_many_takes_little_memory() -> None:
    """10,000 members and people; ``benchmarks/keys_sync.py`` measures 100,000."""
    number = 10_000
    tracemalloc.start()
    try:
        planner = Planner(Policy(replaces=True))
        for each in range(number):
            planner.add_member(f"{each:032}", f"s{each:06}@example.com", f"old-{each:06}")
        for each in range(number):
            planner.add_person(person(f"s{each:06}", f"S-{each:06}"))
        assert len(planner.plan().changes) == number
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
