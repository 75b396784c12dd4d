"""``keys sync`` and ``keys undo`` against LINE WORKS's API on a real socket.

Each test asserts what LINE WORKS holds in the end, whatever the run believes.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.administration.external_keys.line_works import (
    MANY,
    Company,
    LineWorks,
    member,
    plain_http,
    registered,
)
from tests.databases import query

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.findings import SyncFinding
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.sync import Outcome
from worksgate.administration.external_keys.undo import read_undo
from worksgate.conformance.directory_api import (
    Batches,
    DirectoryApiSimulator,
    Fault,
    Operation,
    Rules,
)
from worksgate.line_works_api.errors import ApiUnavailable, TokenRefused
from worksgate.oauth.model import Client, UserKey

HERE = {f"p{number:03}": f"S-{number:03}" for number in range(120)}
"""People here, three batches of them."""


def there() -> dict[str, str | None]:
    """What LINE WORKS holds: nothing, the right key, another one, exchanged ones, a chain."""
    keys: dict[str, str | None] = dict.fromkeys(HERE)
    keys |= {name: HERE[name] for name in ("p001", "p002")}
    keys |= {"p003": "old-3", "p004": "old-4"}
    keys |= {"p005": "S-006", "p006": "S-005"}
    keys |= {f"p{number:03}": f"S-{number + 1:03}" for number in range(10, 30)}
    return keys


async def begun(company: Company, line_works: LineWorks, **rules: Any) -> dict[str, str | None]:
    """A company whose keys are not all at LINE WORKS; what LINE WORKS holds."""
    company.employ(HERE)
    line_works.holds(there(), company.watch.now, **rules)
    return there()


def is_told(outcome: Outcome, line_works: LineWorks) -> bool:
    """Whether what LINE WORKS does not hold is told, and nothing else."""
    held = line_works.keys()
    told = {(each.account or "").partition("@")[0] for each in outcome.missing}
    changes = read_undo(outcome.undo_file).changes
    wanted = {each.account.partition("@")[0]: each.after for each in changes}
    return told == {name for name, key in wanted.items() if held.get(name) != key}


async def test_r217_members_without_a_key_get_theirs_and_no_other_is_touched(
    company: Company, line_works: LineWorks
) -> None:
    before = await begun(company, line_works)
    outcome = await company.sync()
    assert not outcome.missing
    expected = {name: key if before[name] is None else before[name] for name, key in HERE.items()}
    # What a member keeps is given to nobody else.
    taken = {before[f"p{number:03}"]: f"p{number + 1:03}" for number in range(10, 30)}
    expected |= {name: before[name] for name in taken.values() if name in before}
    assert line_works.keys() == expected
    assert max(call.people or 0 for call in line_works.simulator.calls) <= 50
    assert {call.in_flight for call in line_works.simulator.calls} == {1}


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"batches": Batches.UP_TO_FIRST_BAD},
        {"keys_ignore_case": True},
        {"takes_swaps": True},
        {"key_rests": 20.0},
        {"omits_empty_keys": True},
    ],
)
async def test_r218_whatever_line_works_leaves_open_it_holds_what_was_planned_and_undo_restores(
    company: Company, line_works: LineWorks, rules: dict[str, Any]
) -> None:
    before = await begun(company, line_works, **rules)
    outcome = await company.sync(replaces=True)
    assert (outcome.missing, line_works.keys()) == ([], HERE)
    assert outcome.held == outcome.planned == sum(before[name] != key for name, key in HERE.items())
    undone = await company.undo(outcome.undo_file)
    assert (undone.missing, line_works.keys()) == ([], before)
    redone = await company.undo(undone.undo_file)
    assert (redone.missing, line_works.keys()) == ([], HERE)
    details = query(company.folder.parent / "worksgate.db", "SELECT detail FROM audit")
    assert len(details) == 6


@pytest.mark.parametrize("fault", Fault)
async def test_r218_with_every_fault_line_works_holds_what_was_planned(
    company: Company, line_works: LineWorks, fault: Fault
) -> None:
    """In a list, in the second batch of keys, and for some in the answer with the token."""
    await begun(company, line_works)
    company.timeout = 0.6
    seconds = 0.1 if fault is Fault.SLOW_BODY else 30.0
    faults = line_works.simulator.faults
    if fault in (Fault.EXPIRES_IN_AS_TEXT, Fault.UNAVAILABLE, Fault.WRONG_CONTENT_TYPE):
        faults.plan(fault, Operation.TOKEN, times=2)
    if fault is not Fault.EXPIRES_IN_AS_TEXT:
        faults.plan(fault, Operation.LIST_KEYS, after=1, seconds=seconds)
        faults.plan(fault, Operation.SET_KEYS, after=1, seconds=seconds)
    outcome = await company.sync(replaces=True)
    assert (outcome.missing, line_works.keys()) == ([], HERE)
    assert is_told(outcome, line_works)


async def test_r218_a_run_that_meets_an_outage_goes_on_later(
    company: Company, line_works: LineWorks
) -> None:
    before = await begun(company, line_works)
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.SET_KEYS, after=1, times=5)
    with pytest.raises(ApiUnavailable, match="503"):
        await company.sync(replaces=True)
    assert line_works.keys() not in (before, HERE)
    async with company.run() as run:
        assert run.unfinished is not None
        undo_file = run.unfinished
        assert (await run.plan_rest(company.people)).changes
        with pytest.raises(Refused, match="interrupted"):
            await run.write(await run.plan(company.here))
    outcome = await company.sync()
    assert (outcome.missing, line_works.keys()) == ([], HERE)
    assert outcome.undo_file == undo_file
    await company.undo(undo_file)
    assert line_works.keys() == before


@pytest.mark.slow
async def test_r217_keys_that_line_works_does_not_take_are_told_and_all_others_are_written(
    company: Company, line_works: LineWorks
) -> None:
    """A deleted member holds a key that no list shows; two change or vanish after the plan."""
    company.employ(HERE)
    members = [member(name, None) for name in HERE]
    gone = member("gone", HERE["p077"], deleted_at=company.watch.now())
    line_works.holds([*members, gone], company.watch.now, lists_deleted_with_keys=False)
    async with company.run() as run:
        plan = await run.plan(company.here)
        line_works.simulator.remove("id-p033")
        line_works.simulator.change(member("p078", "by-hand"))
        outcome = await run.write(plan)
    assert {each.account: each.detail for each in outcome.missing} == {
        "p033@example.com": "they are no member any more",
        "p078@example.com": "somebody else changed the key meanwhile",
        "p077@example.com": "status 409, EXTERNAL_KEY_ALREADY_EXIST: The externalKey is taken",
    }
    assert all(each.finding is SyncFinding.NOT_HELD for each in outcome.missing)
    expected: dict[str, str | None] = {
        **HERE,
        "p077": None,
        "p078": "by-hand",
        "gone": HERE["p077"],
    }
    del expected["p033"]
    assert line_works.keys() == expected
    assert outcome.held == 117
    assert len(line_works.simulator.calls_of(Operation.GET_USER)) == 101, "two batches, and p033"


@pytest.mark.slow
async def test_r218_people_who_come_and_go_meanwhile_do_no_harm(
    company: Company, line_works: LineWorks
) -> None:
    company.employ({f"m{number:03}": f"M-{number:03}" for number in range(250)})
    keys: dict[str, str | None] = dict.fromkeys(f"m{number:03}" for number in range(250))
    line_works.holds(
        keys, company.watch.now, people_change_between_pages=True, cursor_counts_rows=True
    )
    outcome = await company.sync()
    told = {each.account for each in outcome.missing}
    held = line_works.keys()
    for each in read_undo(outcome.undo_file).changes:
        name = each.account.partition("@")[0]
        assert each.account in told or name not in held or held[name] == each.after
    line_works.simulator.rules = Rules(calls_a_minute=MANY)
    again = await company.sync()
    assert not again.missing
    held = line_works.keys()
    assert all(key == f"M-{name[1:]}" for name, key in held.items() if name in keys)


async def test_r217_no_run_takes_the_keys_of_a_whole_company(
    company: Company, line_works: LineWorks
) -> None:
    """Their source may have forgotten them; ten of a hundred and twenty may have left."""
    company.employ({name: key for name, key in HERE.items() if name > "p020"})
    line_works.holds(HERE, company.watch.now)
    async with company.run() as run:
        with pytest.raises(Refused, match="21 of 120 members"):
            await run.plan(company.here, deletes_unknown=True)
    company.employ({name: key for name, key in HERE.items() if "p010" <= name <= "p020"})
    outcome = await company.sync(deletes_unknown=True)
    assert not outcome.missing
    assert line_works.keys() == {
        name: key if name >= "p010" else None for name, key in HERE.items()
    }


async def test_r217_undo_leaves_what_somebody_else_has_changed_since(
    company: Company, line_works: LineWorks
) -> None:
    before = await begun(company, line_works)
    outcome = await company.sync(replaces=True)
    state = line_works.simulator.state()
    theirs = state.person("p003@example.com")
    line_works.simulator.change(member("p003", "theirs"))
    assert theirs.external_key == "S-003"
    async with company.run() as run:
        plan = await run.plan_undo(outcome.undo_file, company.people)
        await run.write(plan, kind="undo")
    (found,) = plan.found
    assert (found.finding, found.account, found.key_there) == (
        SyncFinding.CHANGED_SINCE,
        "p003@example.com",
        "theirs",
    )
    assert line_works.keys() == before | {"p003": "theirs"}


async def test_r217_undo_gives_no_key_that_somebody_else_has_by_now(
    company: Company, line_works: LineWorks
) -> None:
    """At LINE WORKS or here, also in another spelling; their own they get back."""
    company.employ(HERE)
    line_works.holds(there() | {"guest": None}, company.watch.now)
    outcome = await company.sync(replaces=True)
    line_works.simulator.change(member("guest", "OLD-3"))
    company.employ({"new": "Old-4"})
    company.here[5] = replace(company.here[5], external_key="S-006")  # as before the run
    async with company.run() as run:
        plan = await run.plan_undo(outcome.undo_file, company.people)
        assert {
            (each.finding, each.account, each.username, each.detail) for each in plan.found
        } == {
            (SyncFinding.TAKEN_THERE, "p003@example.com", None, "guest@example.com has OLD-3"),
            (SyncFinding.TAKEN_HERE, "p004@example.com", "new", ""),
        }
        undone = await run.write(plan, kind="undo")
    assert not undone.missing
    assert line_works.keys() == there() | {"p003": "S-003", "p004": "S-004", "guest": "OLD-3"}


async def test_r218_a_run_that_goes_on_gives_no_key_that_another_member_has_by_now(
    company: Company, line_works: LineWorks
) -> None:
    company.employ(HERE)
    line_works.holds(there() | {"guest": None}, company.watch.now)
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.SET_KEYS, times=10)
    with pytest.raises(ApiUnavailable):
        await company.sync()
    line_works.simulator.faults.clear()
    line_works.simulator.change(member("guest", "s-100"))
    outcome = await company.sync()
    assert [(each.finding, each.account) for each in outcome.missing] == [
        (SyncFinding.TAKEN_THERE, "p100@example.com")
    ]
    assert line_works.keys()["p100"] is None


async def test_r218_a_run_that_goes_on_gives_no_key_that_somebody_else_here_has_by_now(
    company: Company, line_works: LineWorks
) -> None:
    """Not even one that a member gives up in this run; an undo that goes on gives those back."""
    before = await begun(company, line_works)
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.SET_KEYS, times=5)
    with pytest.raises(ApiUnavailable):
        await company.sync(replaces=True)
    company.here[5] = replace(company.here[5], works_account="p005")  # by another column now
    theirs = company.here[30]
    company.here[30] = replace(theirs, external_key="T")
    company.employ({"new": "s-030"})
    outcome = await company.sync()
    assert [(each.finding, each.account, each.username) for each in outcome.missing] == [
        (SyncFinding.TAKEN_HERE, "p030@example.com", "new")
    ]
    assert line_works.keys() == HERE | {"p030": None}
    company.here[30:] = [theirs, *company.here[31:-1]]
    await company.sync(replaces=True)
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.SET_KEYS, times=5)
    with pytest.raises(ApiUnavailable):
        await company.undo(outcome.undo_file)
    undone = await company.sync()
    assert (undone.missing, line_works.keys()) == ([], before)


async def test_undo_asks_no_source_where_it_only_takes_keys_away(
    company: Company, line_works: LineWorks
) -> None:
    line_works.holds(dict.fromkeys(HERE), company.watch.now)
    company.employ(HERE)
    outcome = await company.sync()

    async def not_asked() -> list[KeyHolder]:
        raise AssertionError("a source that is down must not be in the way")

    async with company.run() as run:
        await run.write(await run.plan_undo(outcome.undo_file, not_asked), kind="undo")
    assert line_works.keys() == dict.fromkeys(HERE)
    # Nor where people bring no keys any more.
    line_works.holds(there(), company.watch.now)
    outcome = await company.sync(replaces=True)
    company.client = Client(client_id="tenant", name="Tenant", user_key=UserKey.WORKS_ACCOUNT)
    async with company.run() as run:
        await run.write(await run.plan_undo(outcome.undo_file, not_asked), kind="undo")
    assert line_works.keys() == there()


async def test_r219_a_run_stays_below_a_limit_that_line_works_announces(
    company: Company, line_works: LineWorks
) -> None:
    """Twelve calls a minute, to be quick; a 429 would be in the record."""
    people = {f"q{number:05}": f"Q-{number:05}" for number in range(700)}
    company.employ(people)
    line_works.holds(dict.fromkeys(people), company.watch.now, calls_a_minute=12)
    outcome = await company.sync()
    assert (outcome.missing, line_works.keys()) == ([], people)
    assert {call.status for call in line_works.simulator.calls} == {200, 204}
    assert 60 <= company.watch.passed < 600


@pytest.mark.slow
async def test_what_line_works_refuses_altogether_is_not_tried_for_everybody(
    company: Company, line_works: LineWorks
) -> None:
    people = {f"r{number:03}": f"R-{number:03}" for number in range(120)}
    company.employ(people)
    line_works.holds(dict.fromkeys(people), company.watch.now)
    async with company.run() as run:
        plan = await run.plan(company.here)
        for name in people:
            line_works.simulator.remove(f"id-{name}")
        with pytest.raises(Refused, match=r"first 50 keys.*no member"):
            await run.write(plan)
    assert len(line_works.simulator.calls_of(Operation.SET_KEYS)) < 110


async def test_r216_an_app_that_may_only_read_plans_and_writes_nothing(
    company: Company, line_works: LineWorks
) -> None:
    before = await begun(company, line_works)
    company.scopes = ("directory.read",)
    async with company.run() as run:
        plan = await run.plan(company.here, replaces=True)
        assert plan.changes
        with pytest.raises(Refused, match="lacks the scope directory"):
            await run.write(plan)
    assert (line_works.keys(), list(company.folder.iterdir())) == (before, [])
    company.scopes = ("user.read",)
    async with company.run() as run:
        with pytest.raises(Refused, match=r"directory\.read"):
            await run.plan(company.here)


async def test_r217_the_undo_file_is_there_before_the_first_key_is_written(
    company: Company, line_works: LineWorks
) -> None:
    await begun(company, line_works)
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.SET_KEYS, times=10)
    with pytest.raises(ApiUnavailable):
        await company.sync(replaces=True)
    (undo_file,) = company.folder.glob("*.undo.jsonl")
    assert len(read_undo(undo_file).changes) == 120 - 2
    secret = line_works.simulator.registered.app.client_secret
    assert secret not in undo_file.read_text("utf-8")
    # Without a place for it, nothing is written at all.
    async with company.run() as run:
        run.abandon()
    company.folder = Path("/nowhere/at/all")
    calls = len(line_works.simulator.calls_of(Operation.SET_KEYS))
    with pytest.raises(OSError, match="nowhere"):
        await company.sync(replaces=True)
    assert len(line_works.simulator.calls_of(Operation.SET_KEYS)) == calls


async def test_a_token_is_renewed_in_the_middle_of_a_run(
    company: Company, line_works: LineWorks
) -> None:
    await begun(company, line_works)
    async with company.run() as run:
        plan = await run.plan(company.here, replaces=True)
        company.watch.passed += 100_000  # longer than a token lives, by their clock and ours
        outcome = await run.write(plan)
    assert (outcome.missing, line_works.keys()) == ([], HERE)


async def test_a_refused_app_is_told(company: Company, line_works: LineWorks) -> None:
    await begun(company, line_works)
    ticked = replace(registered().app, scopes=frozenset({"directory.read"}))
    line_works.simulator = DirectoryApiSimulator(
        clock=company.watch.now, registered=replace(registered(), app=ticked)
    )
    with pytest.raises(TokenRefused, match="invalid_scope"):
        await company.sync()


class Interrupting(httpx2.AsyncBaseTransport):
    """Cancels the task that makes the n-th request: before it is sent, or once it is answered."""

    def __init__(self, number: int, *, is_answered: bool) -> None:
        self._inner = plain_http()
        self._left = number
        self._is_answered = is_answered

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._left -= 1
        task = asyncio.current_task()
        if self._left == 0 and not self._is_answered and task is not None:
            task.cancel()
        response = await self._inner.handle_async_request(request)
        if self._left == 0 and self._is_answered and task is not None:
            await response.aread()
            task.cancel()
            await asyncio.sleep(0)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


MOMENTS = [(number, is_answered) for number in range(1, 10) for is_answered in (False, True)]
"""Before and after each of the requests of a run: a token, lists, two rounds, lists."""


@pytest.mark.parametrize(("number", "is_answered"), MOMENTS)
async def test_r218_a_run_that_was_cancelled_at_any_moment_goes_on(
    company: Company,
    line_works: LineWorks,
    number: int,
    is_answered: bool,  # noqa: FBT001  # of the table
) -> None:
    before = await begun(company, line_works)
    company.transport = Interrupting(number, is_answered=is_answered)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(company.sync(replaces=True))
    company.transport = None
    outcome = await company.sync(replaces=True)
    assert (outcome.missing, line_works.keys()) == ([], HERE)
    undo_files = sorted(company.folder.glob("*.undo.jsonl"))
    first = read_undo(undo_files[0]).changes
    assert {each.account.partition("@")[0]: each.before for each in first} == {
        name: key for name, key in before.items() if key != HERE[name]
    }
