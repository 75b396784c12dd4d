"""Who leaves is disabled here first; then LINE WORKS is told, and what it says is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from tests.administration.external_keys.line_works import LineWorks, api_app, member, served
from tests.administration.line_works_tenant import TENANT, Tenant, tenant_in
from tests.database.test_leases import ended
from tests.databases import NOW, query

from worksgate.administration import line_works_api, line_works_members
from worksgate.administration.departures.runner import carry_out_forever
from worksgate.administration.departures.steps import StepOutcome
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.conformance.directory_api import Fault, Operation, Rank, SettableClock
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.departures import Step

HANAKO = "hanako@example.com"
THERE = (Step.SUSPENDED_THERE, Step.SIGNED_OUT_THERE)


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
async def tenant(
    database: Path, hashing: PasswordHashing, line_works: LineWorks
) -> AsyncIterator[Tenant]:
    async with tenant_in(database, hashing, line_works) as tenant:
        yield tenant


def there(outcomes: Sequence[StepOutcome]) -> list[tuple[Step, bool, str]]:
    """What came of the steps at LINE WORKS: done or not, and why not."""
    return [(each.step, not each.problem, each.problem) for each in outcomes if each.step.is_there]


def orders(line_works: LineWorks) -> list[Operation]:
    """What was ordered there."""
    wanted = (Operation.SUSPEND, Operation.FORCE_LOGOUT)
    return [
        each.operation
        for each in line_works.simulator.calls
        if each.operation in wanted and each.status in (202, 204)
    ]


async def leave(tenant: Tenant, *, suspends: bool = False) -> list[StepOutcome]:
    _, outcomes = await tenant.administration.departures.leave("hanako", suspends=suspends)
    return outcomes


async def test_r212_a_sign_out_is_accepted_and_takes_effect_later(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    clock = SettableClock()
    simulator = tenant.line_works.holds({"hanako": "E-1"}, clock)
    await tenant.add("hanako", "E-1")
    outcomes = await leave(tenant)
    assert there(outcomes) == [(Step.SIGNED_OUT_THERE, True, "")]
    assert str(Step.SIGNED_OUT_THERE) == "sign-out accepted by LINE WORKS"
    assert simulator.state().is_signed_in(HANAKO)
    clock.advance(300)
    assert not simulator.state().is_signed_in(HANAKO)
    assert not simulator.state().person(HANAKO).is_suspended
    assert await tenant.administration.departures.planned() == []


async def test_who_leaves_is_suspended_before_the_sign_out_if_that_is_wanted(
    tenant: Tenant,
) -> None:
    assert tenant.line_works is not None
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    await tenant.add("hanako", None, HANAKO)
    outcomes = await leave(tenant, suspends=True)
    assert there(outcomes) == [(step, True, "") for step in THERE]
    assert simulator.state().person(HANAKO).is_suspended
    assert orders(tenant.line_works) == [Operation.SUSPEND, Operation.FORCE_LOGOUT]
    proofs = await tenant.administration.departures.proofs(
        (await tenant.administration.users.get("hanako")).person.subject_id
    )
    assert [each.step for each in proofs][-2:] == list(THERE)


async def test_r210_who_leaves_is_disabled_before_line_works_is_asked(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"hanako": "E-1"})
    await tenant.add("hanako", "E-1")
    seen = watch(tenant)
    await leave(tenant)
    assert seen
    assert set(seen) == {0}


@pytest.mark.parametrize("account", ["me", "external-keys", ".."])
async def test_r211_an_account_that_names_nobody_is_left_over_and_holds_nobody_up(
    tenant: Tenant, account: str
) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"hanako": "E-1"})
    await tenant.add("hanako", None, account)
    outcomes = await leave(tenant, suspends=True)
    assert [each.is_final for each in outcomes if each.step.is_there] == [True, True]
    assert orders(tenant.line_works) == []
    assert await tenant.administration.departures.planned() == []


@pytest.mark.parametrize("fault", [Fault.NO_ANSWER, Fault.UNAVAILABLE, Fault.WRONG_CONTENT_TYPE])
async def test_r210_an_outage_of_line_works_keeps_nobody_in(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(line_works_members, "PATIENCE", 0.3)
    assert tenant.line_works is not None
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    simulator.faults.plan(fault, Operation.GET_USER, times=1_000)
    account = await tenant.add("hanako", "E-1")
    outcomes = await leave(tenant, suspends=True)
    assert [each.problem for each in outcomes[:3]] == ["", "", ""]
    assert not await tenant.is_enabled("hanako")
    assert await tenant.holds_nothing(account)
    assert all(each.is_open for each in outcomes[3:])
    simulator.faults.clear()
    monkeypatch.undo()
    task = asyncio.create_task(leaving(tenant))
    await over(tenant)
    await ended(task)
    assert orders(tenant.line_works) == [Operation.SUSPEND, Operation.FORCE_LOGOUT]


async def test_r210_an_app_that_reads_with_one_token_and_orders_with_another(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the second of them is not given, nothing is ordered, and it is tried again."""
    assert tenant.line_works is not None
    api = tenant.administration.line_works_api
    await api.set(TENANT, api_app("directory.read", "user"))
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    await tenant.add("hanako", "E-1")
    with monkeypatch.context() as impatient:
        impatient.setattr(line_works_members, "PATIENCE", 0.5)
        for order in range(2):  # each with two tokens
            simulator.faults.plan(Fault.NO_ANSWER, Operation.TOKEN, after=1 + order)
        outcomes = await leave(tenant, suspends=True)
    assert [each.is_open for each in outcomes if each.step.is_there] == [True, True]
    assert orders(tenant.line_works) == []
    assert not await tenant.is_enabled("hanako")
    simulator.faults.clear()
    task = asyncio.create_task(leaving(tenant))
    await over(tenant)
    await ended(task)
    assert orders(tenant.line_works) == [Operation.SUSPEND, Operation.FORCE_LOGOUT]
    used = {
        each.operation: set(each.scopes)
        for each in simulator.calls
        if each.status in (200, 202, 204)
    }
    used.pop(Operation.TOKEN)
    assert used == {
        Operation.GET_USER: {"directory.read"},
        Operation.SUSPEND: {"user"},
        Operation.FORCE_LOGOUT: {"user"},
    }


async def test_r210_line_works_holds_up_nobody_elses_departure(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_works_members, "PATIENCE", 0.2)
    assert tenant.line_works is not None
    names = [f"person{number}" for number in range(6)]
    simulator = tenant.line_works.holds({name: f"E-{name}" for name in names})
    simulator.faults.plan(Fault.NO_ANSWER, Operation.TOKEN, times=1_000)
    for name in names:
        await tenant.add(name, f"E-{name}")
        await tenant.administration.departures.plan(name, NOW + 1)
    tenant.clock.now = NOW + 1
    seen = watch(tenant)
    task = asyncio.create_task(leaving(tenant))
    async with asyncio.timeout(60):
        while len(seen) < 3:  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0.02)
    assert set(seen) == {0}  # nobody was asked about before everybody was disabled
    simulator.faults.clear()
    monkeypatch.undo()
    await over(tenant)
    await ended(task)
    assert len(orders(tenant.line_works)) == len(names)


async def test_what_was_accepted_is_not_ordered_again_when_another_step_is_tried_again(
    tenant: Tenant,
) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"hanako": "E-1"})
    await tenant.add("hanako", "E-1")
    tenant.store.away = True
    outcomes = await leave(tenant)
    assert there(outcomes) == [(Step.SIGNED_OUT_THERE, True, "")]
    task = asyncio.create_task(leaving(tenant))
    await asyncio.sleep(0.2)  # some rounds fail
    tenant.store.away = False
    await over(tenant)
    await ended(task)
    assert orders(tenant.line_works) == [Operation.FORCE_LOGOUT]


async def test_r211_whoever_it_might_be_is_left_alone(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"hanako": "E-2", "jiro": "E-1"})
    await tenant.add("hanako", "E-1", HANAKO)
    outcomes = await leave(tenant, suspends=True)
    assert [each.is_final for each in outcomes[3:]] == [True, True]
    assert "it is not clear who hanako is at Acme" in outcomes[3].problem
    assert orders(tenant.line_works) == []
    assert await tenant.administration.departures.planned() == []


@pytest.mark.parametrize(
    ("there_key", "key", "account"),
    [
        pytest.param("E-9", "E-1", HANAKO, id="another key at the account"),
        pytest.param("E-1", "E-1", "other@example.com", id="another account at the key"),
    ],
)
async def test_r211_a_key_or_account_that_contradicts_is_enough(
    tenant: Tenant, there_key: str, key: str, account: str
) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"hanako": there_key})
    await tenant.add("hanako", key, account)
    outcomes = await leave(tenant)
    assert outcomes[3].is_final
    assert orders(tenant.line_works) == []


async def test_whom_line_works_does_not_have_is_left_to_the_administrator(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    tenant.line_works.holds({"jiro": "E-2"})
    await tenant.add("hanako", "E-1", HANAKO)
    outcomes = await leave(tenant)
    assert there(outcomes) == [
        (Step.SIGNED_OUT_THERE, False, "nobody there has this user key or account")
    ]
    assert not await tenant.is_enabled("hanako")
    assert await tenant.administration.departures.planned() == []


async def test_what_line_works_refuses_is_recorded_and_not_tried_again(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    boss = member("hanako", "E-1", rank=Rank.SUPER_ADMIN)
    tenant.line_works.holds([boss])
    account = await tenant.add("hanako", "E-1")
    outcomes = await leave(tenant, suspends=True)
    assert [each.is_final for each in outcomes[3:]] == [True, False]
    assert orders(tenant.line_works) == [Operation.FORCE_LOGOUT]
    assert await tenant.administration.departures.planned() == []
    proofs = await tenant.administration.departures.proofs(account.person.subject_id)
    (refused,) = [each for each in proofs if each.step is Step.REFUSED_THERE]
    assert refused.detail.startswith("suspend: LINE WORKS refused to suspend somebody: status 400")


async def test_what_was_refused_or_not_answered_is_tried_again_alone(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tenant.line_works is not None
    departures = tenant.administration.departures
    tenant.line_works.holds({"jiro": "E-2"})
    account = await tenant.add("hanako", "E-1")
    assert [each.is_final for each in await leave(tenant)][3:] == [True]
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    simulator.faults.plan(Fault.NO_ANSWER, Operation.GET_USER, times=1_000)
    with monkeypatch.context() as impatient:
        impatient.setattr(line_works_members, "PATIENCE", 0.3)
        _, failed = await departures.try_step("hanako", Step.SIGNED_OUT_THERE)
    assert failed.is_open
    told = await departures.failures(account.person.subject_id, NOW)
    assert told[Step.SIGNED_OUT_THERE].record == failed.record
    simulator.faults.clear()
    _, done = await departures.try_step("hanako", Step.SIGNED_OUT_THERE)
    assert not done.problem
    assert orders(tenant.line_works) == [Operation.FORCE_LOGOUT]
    last = (await departures.proofs(account.person.subject_id))[-1]
    assert (last.step, last.record) == (Step.SIGNED_OUT_THERE, done.record)


async def test_a_departure_is_over_with_the_last_step_that_was_left(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tenant.line_works is not None
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    simulator.faults.plan(Fault.UNAVAILABLE, Operation.SUSPEND, times=1_000)
    await tenant.add("hanako", "E-1")
    departures = tenant.administration.departures
    with monkeypatch.context() as impatient:
        impatient.setattr(line_works_members, "PATIENCE", 0.3)
        outcomes = await leave(tenant, suspends=True)
    assert [each.is_open for each in outcomes[3:]] == [True, False]
    await departures.try_step("hanako", Step.SIGNED_OUT_THERE)
    assert len(await departures.planned()) == 1
    simulator.faults.clear()
    _, done = await departures.try_step("hanako", Step.SUSPENDED_THERE)
    assert not done.problem
    assert await departures.planned() == []


async def test_client_without_an_app_is_not_asked(tenant: Tenant) -> None:
    assert tenant.line_works is not None
    simulator = tenant.line_works.holds({"hanako": "E-1"})
    await tenant.administration.line_works_api.remove(TENANT)
    await tenant.add("hanako", "E-1")
    assert there(await leave(tenant, suspends=True)) == []
    assert simulator.calls == ()


def watch(tenant: Tenant) -> list[int]:
    """How many are enabled here whenever LINE WORKS is called."""
    assert tenant.line_works is not None
    simulator, seen = tenant.line_works.simulator, []
    app = simulator.app

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        [(enabled,)] = query(tenant.file, "SELECT count(*) FROM accounts WHERE enabled")
        seen.append(int(enabled))
        await app(scope, receive, send)

    simulator.app = watching
    return seen


async def leaving(tenant: Tenant) -> None:
    """A server that carries out what is due."""
    await carry_out_forever(
        tenant.directory,
        tenant.store,
        tenant.clock,
        tenant.administration.line_works_members,
        interval=0.03,
        grace=0.0,
    )


async def over(tenant: Tenant) -> None:
    async with asyncio.timeout(60):
        while await tenant.directory.departures.all():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0.02)


async def test_of_many_clients_only_those_with_an_app_are_looked_up(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    administration = tenant.administration
    for number in range(3):
        await administration.clients.add(f"no app {number}")
    looked_up = []
    access = LineWorksApiAdministration.access

    async def noted(
        api: LineWorksApiAdministration, client_name: str | None = None
    ) -> "line_works_api.Access":
        looked_up.append(client_name)
        return await access(api, client_name)

    monkeypatch.setattr(LineWorksApiAdministration, "access", noted)
    accesses = await administration.line_works_members.accesses()
    assert [each.client.client_id for each in accesses] == looked_up
