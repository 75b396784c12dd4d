"""The last two gates of a trace: what LINE WORKS has for the person, if it says so."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.administration.external_keys.line_works import (
    LineWorks,
    api_app,
    member,
    served,
)
from tests.administration.line_works_tenant import TENANT, Tenant, tenant_in
from tests.administration.sign_in_trace.known import IN_ORDER, speaker

from worksgate.administration import line_works_members
from worksgate.administration.line_works_members import Matched
from worksgate.administration.sign_in_trace.facts import Facts, LineWorksAnswer, PersonAtLineWorks
from worksgate.administration.sign_in_trace.gates import GateName, GateState, gates_of
from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.verdict import verdict_of
from worksgate.conformance.directory_api import Fault, Operation
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.line_works_api.people import ApiPerson

OPEN, SHUT, UNKNOWN = GateState.OPEN, GateState.SHUT, GateState.UNKNOWN


def person(id_: str = "u1", key: str | None = "H-0231", **more: Any) -> ApiPerson:
    return ApiPerson(id=id_, account=f"{id_}@hikari", name="", external_key=key, **more)


def said_of(facts: Facts) -> list[tuple[GateState, str]]:
    """State and note of both gates."""
    gates = {each.name: each for each in gates_of(facts)}
    wanted = [gates[name] for name in (GateName.SAME_KEY, GateName.WORKS_ACCOUNT)]
    return [(each.state, speaker().say(each.note)) for each in wanted]


def answering(by_key: ApiPerson | None, by_account: ApiPerson | None) -> Facts:
    matched = Matched(by_key=by_key, by_account=by_account)
    return replace(IN_ORDER, there=PersonAtLineWorks(LineWorksAnswer.ANSWERS, matched))


@pytest.mark.parametrize(
    ("by_key", "by_account", "state", "note"),
    [
        (person(), person(), OPEN, "u1@hikari"),
        (person(), None, OPEN, "u1@hikari"),
        (None, None, SHUT, "LINE WORKS has nobody with this key or account"),
        (None, person(key=None), SHUT, "there is none at LINE WORKS"),
        (None, person(key="H-9"), SHUT, "at LINE WORKS it is H-9"),
        (person("u2"), person(key=None), SHUT, "at LINE WORKS it belongs to u2@hikari"),
    ],
)
def test_key_is_compared(
    by_key: ApiPerson | None, by_account: ApiPerson | None, state: GateState, note: str
) -> None:
    assert said_of(answering(by_key, by_account))[0] == (state, note)


@pytest.mark.parametrize(
    ("values", "state", "note"),
    [
        ({}, OPEN, "in use"),
        ({"is_on_leave": True}, OPEN, "in use; on leave of absence"),
        ({"is_pending": True}, OPEN, "not registered yet; becomes active when SSO is applied"),
        (
            {"is_awaiting": True},
            SHUT,
            "waits for approval at LINE WORKS; deleted when SSO is applied",
        ),
        ({"is_suspended": True}, SHUT, "suspended by an administrator of LINE WORKS"),
        (
            {"is_suspended": True, "suspended_reason": "LOGIN_FAIL"},
            SHUT,
            "suspended by LINE WORKS after wrong passwords",
        ),
    ],
)
def test_suspension_is_seen(values: dict[str, Any], state: GateState, note: str) -> None:
    found = person(**values)
    assert said_of(answering(found, found))[1] == (state, note)


def test_who_is_suspended_there_is_told_to_look_there() -> None:
    found = person(is_suspended=True)
    verdict = verdict_of(answering(found, found))
    assert "suspended by an administrator of LINE WORKS" in speaker().say(verdict.sentence)
    assert verdict.next.action is Action.COMPARE_AT_LINE_WORKS


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (LineWorksAnswer.NOT_ASKED, "not known: look in the LINE WORKS console"),
        (
            LineWorksAnswer.NOT_SET_UP,
            "not known: the Directory API is not set up; look in the LINE WORKS console",
        ),
        (LineWorksAnswer.NO_ANSWER, "not known: LINE WORKS did not answer"),
        (LineWorksAnswer.REFUSED, "not known: LINE WORKS refused to say"),
    ],
)
def test_what_is_not_known_is_said_to_be_unknown(state: LineWorksAnswer, note: str) -> None:
    facts = replace(IN_ORDER, there=PersonAtLineWorks(state))
    assert said_of(facts) == [(UNKNOWN, note)] * 2
    states: set[GateState] = {gate.state for gate in gates_of(facts)}
    assert SHUT not in states


# With LINE WORKS


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
async def tenant(
    database: Path, hashing: PasswordHashing, line_works: LineWorks
) -> AsyncIterator[Tenant]:
    line_works.holds([member("aoi", "E-1", is_suspended=True, suspended_reason="MASTER")])
    async with tenant_in(database, hashing, line_works) as tenant:
        await tenant.add("aoi", "E-1", "aoi@example.com")
        yield tenant


async def traced(tenant: Tenant, *, asks: bool = True) -> Facts:
    trace = await tenant.administration.sign_in_trace.of("aoi", asks_line_works=asks)
    return trace.facts


def asked(line_works: LineWorks) -> list[Operation | None]:
    return [each.operation for each in line_works.simulator.calls]


async def test_r213_line_works_is_asked_about_one_person_when_that_is_wanted(
    tenant: Tenant, line_works: LineWorks
) -> None:
    facts = await traced(tenant, asks=False)
    assert facts.there.state is LineWorksAnswer.NOT_ASKED
    assert asked(line_works) == []
    facts = await traced(tenant)
    assert said_of(facts) == [
        (OPEN, "aoi@example.com"),
        (SHUT, "suspended by an administrator of LINE WORKS"),
    ]
    assert asked(line_works) == [Operation.TOKEN, Operation.GET_USER]


async def test_r213_a_trace_does_not_wait_for_a_line_works_that_is_down(
    tenant: Tenant, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_works_members, "PATIENCE", 0.3)
    line_works.simulator.faults.plan(Fault.NO_ANSWER, Operation.GET_USER, times=9)
    assert (await traced(tenant)).there.state is LineWorksAnswer.NO_ANSWER


async def test_refusal_of_line_works_is_no_outage(tenant: Tenant) -> None:
    old = replace(api_app(), client_secret="renewed since")
    await tenant.administration.line_works_api.set(TENANT, old)
    assert (await traced(tenant)).there.state is LineWorksAnswer.REFUSED


async def test_without_the_api_it_is_as_before(tenant: Tenant, line_works: LineWorks) -> None:
    await tenant.administration.line_works_api.remove(TENANT)
    assert (await traced(tenant)).there.state is LineWorksAnswer.NOT_SET_UP
    assert line_works.simulator.calls == ()
