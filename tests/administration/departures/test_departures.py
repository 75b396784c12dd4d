"""People who leave: every step is done and proved, and none is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import insert
from tests.administration.installation import PASSWORD, Office
from tests.database.test_leases import ended, until
from tests.databases import NOW, query, url_of

from worksgate.administration import Actor, Forbidden, NotFound, Refused
from worksgate.administration.departures.operations import DepartureAdministration
from worksgate.administration.departures.runner import carry_out_forever
from worksgate.administration.departures.steps import StepOutcome
from worksgate.administration.roles import Role
from worksgate.audit import Event
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.leases import LEAVING
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.departures import Departure, Step
from worksgate.directory.queries import AuditFilter
from worksgate.sources import Person

HANA = Person(subject_id="ldap:1", username="hana", name="Hana")
HOUR = 3_600.0


async def _hanako(at_work: Office) -> Account:
    """Somebody with a session, a token and an app password."""
    added = await at_work.administration.users.add("Hanako", password=PASSWORD)
    await at_work.sign_in(added.account)
    await _add_app_password(at_work.directory, added.account.person.subject_id)
    return added.account


async def _add_app_password(directory: Directory, subject_id: str) -> None:
    values = {
        "id": "a1",
        "digest": "d1",
        "subject_id": subject_id,
        "name": "Mail",
        "created_at": NOW,
    }
    async with directory.writing() as connection:
        await connection.execute(insert(schema.app_passwords).values(values))


def _told(outcomes: Sequence[StepOutcome]) -> list[tuple[Step, int, str]]:
    return [(each.step, each.count, each.problem) for each in outcomes]


async def _proofs(directory: Directory) -> list[str | None]:
    events = await directory.audit(AuditFilter(event=Event.USER_CHANGED))
    return [each.detail for each in events if (each.detail or "").startswith("leaves: ")]


async def test_whoever_leaves_holds_nothing_and_each_step_has_its_record(at_work: Office) -> None:
    account = await _hanako(at_work)
    departure, outcomes = await at_work.administration.departures.leave("hanako")
    assert _told(outcomes) == [
        (Step.DISABLED, 1, ""),
        (Step.SIGNED_OUT, 2, ""),
        (Step.APP_PASSWORDS, 1, ""),
    ]
    assert not (await at_work.administration.users.get("hanako")).enabled
    assert await at_work.holds_nothing(account)
    assert await at_work.directory.app_passwords.of(account.person.subject_id) == ()
    for outcome, proof in zip(
        outcomes,
        ("disabled", "sessions, codes and tokens ended: 2", "app passwords removed: 1"),
        strict=True,
    ):
        rows = query(at_work.file, f"SELECT detail, actor FROM audit WHERE id = {outcome.record}")
        assert rows == [(f"leaves: {proof}", "tester")]
    assert await at_work.administration.departures.planned() == []
    assert departure.subject_id == account.person.subject_id


async def test_people_of_other_sources_leave_as_well(at_work: Office) -> None:
    await at_work.directory.people.remember("company", HANA, NOW)
    account = Account(id="x", username="hana")
    await at_work.sign_in(account, HANA)
    _, outcomes = await at_work.administration.departures.leave("hana", "company")
    assert _told(outcomes) == [
        (Step.DISABLED, 1, ""),
        (Step.SIGNED_OUT, 2, ""),
        (Step.APP_PASSWORDS, 0, ""),
    ]
    found = await at_work.directory.people.find("ldap:1")
    assert found is not None
    assert not found.enabled
    assert await at_work.holds_nothing(account)


async def test_who_is_not_known_cannot_leave(at_work: Office) -> None:
    with pytest.raises(NotFound):
        await at_work.administration.departures.leave("nobody")
    with pytest.raises(NotFound, match="has signed in with company"):
        await at_work.administration.departures.plan("nobody", NOW + 1, "company")
    assert await at_work.administration.departures.planned() == []


async def test_a_step_that_fails_holds_up_no_other_and_is_tried_again(at_work: Office) -> None:
    account = await _hanako(at_work)
    at_work.store.away = True
    _, outcomes = await at_work.administration.departures.leave("hanako")
    assert _told(outcomes) == [
        (Step.DISABLED, 1, ""),
        (Step.SIGNED_OUT, 0, "away"),
        (Step.APP_PASSWORDS, 1, ""),
    ]
    assert not await at_work.holds_nothing(account)
    (left,) = await at_work.administration.departures.planned()
    task = _leaving(at_work)
    await asyncio.sleep(0.2)  # some rounds fail
    assert await at_work.administration.departures.planned() == [left]
    at_work.store.away = False
    await _over(at_work.directory)
    await ended(task)
    assert await at_work.holds_nothing(account)
    assert await _proofs(at_work.directory) == [
        "leaves: disabled",
        "leaves: app passwords removed: 1",
        "leaves: sessions, codes and tokens ended: 2",
    ]


async def _failures(directory: Directory) -> list[tuple[str | None, str | None]]:
    events = await directory.audit(AuditFilter(event=Event.USER_CHANGED))
    failed = [each for each in events if (each.detail or "").startswith("leaving, failed to ")]
    return [(each.actor, each.detail) for each in failed]


async def test_a_step_is_tried_again_alone_and_each_try_is_recorded(at_work: Office) -> None:
    account = await _hanako(at_work)
    departures = at_work.administration.departures
    at_work.store.away = True
    _, (_, failed, _) = await departures.leave("hanako")
    _, again = await departures.try_step("hanako", Step.SIGNED_OUT)
    assert (again.problem, again.is_open) == ("away", True)
    assert (
        await _failures(at_work.directory)
        == [("tester", "leaving, failed to end sessions, codes and tokens: away")] * 2
    )
    told = await departures.failures(account.person.subject_id, NOW)
    assert [(step, each.why, each.record) for step, each in told.items()] == [
        (Step.SIGNED_OUT, "away", again.record)
    ]
    assert failed.record != again.record
    at_work.store.away = False
    _, done = await departures.try_step("hanako", Step.SIGNED_OUT)
    assert (done.count, done.problem) == (2, "")
    assert await at_work.holds_nothing(account)
    assert await departures.planned() == []


async def test_a_server_records_what_fails_once_an_hour(at_work: Office) -> None:
    await _hanako(at_work)
    at_work.store.away = True
    departure, _ = await at_work.administration.departures.leave("hanako")
    steps = at_work.administration.departures._steps
    for hours, records in ((0.5, 1), (1.1, 2), (1.2, 2)):
        at_work.clock.now = NOW + hours * HOUR
        await steps.carry_out(departure)
        assert len(await _failures(at_work.directory)) == records


async def test_what_ended_before_somebody_was_disabled_is_not_enough(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever could still sign in has begun anew: a server tries the other steps again."""
    account = await _hanako(at_work)
    departures = at_work.administration.departures

    async def fail(*_: object) -> int:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("worksgate.administration.departures.steps.DepartureSteps._disable", fail)
    departure, _ = await departures.leave("hanako")
    monkeypatch.undo()
    await at_work.sign_in(account)
    _, done = await departures.try_step("hanako", Step.DISABLED)
    assert not done.problem
    assert await departures.planned() == [departure]


async def test_a_step_is_tried_again_only_where_it_is_left(at_work: Office) -> None:
    await _hanako(at_work)
    departures = at_work.administration.departures
    with pytest.raises(NotFound, match="nothing like that is left"):
        await departures.try_step("hanako", Step.APP_PASSWORDS)
    await departures.plan("hanako", NOW + 1)
    with pytest.raises(Refused, match="not due yet"):
        await departures.try_step("hanako", Step.DISABLED)
    at_work.clock.now = NOW + 1
    with pytest.raises(Refused, match="Hanako is enabled here: disable them first"):
        await departures.try_step("hanako", Step.SIGNED_OUT_THERE)
    await departures.try_step("hanako", Step.DISABLED)
    with pytest.raises(Refused, match="the Directory API is not set up"):
        await departures.try_step("hanako", Step.SIGNED_OUT_THERE)
    await departures.leave("hanako")
    with pytest.raises(NotFound, match="nothing like that is left"):
        await departures.try_step("hanako", Step.DISABLED)


@pytest.mark.parametrize("step", ["_disable", "_remove_app_passwords"])
async def test_an_error_of_one_step_holds_up_no_other(
    at_work: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    account = await _hanako(at_work)
    steps = at_work.administration.departures._steps

    async def broken(_departure: Departure) -> int:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(steps, step, broken)
    _, outcomes = await at_work.administration.departures.leave("hanako")
    problems = [each.problem for each in outcomes if each.problem]
    assert problems == ["an error of Worksgate: ZeroDivisionError"]
    assert await at_work.holds_nothing(account)
    monkeypatch.undo()
    await at_work.administration.departures.leave("hanako")
    assert not (await at_work.administration.users.get("hanako")).enabled
    assert await at_work.administration.departures.planned() == []


async def test_leaving_twice_is_as_leaving_once(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.departures.leave("hanako")
    at_work.clock.now += 1
    _, again = await at_work.administration.departures.leave("hanako")
    assert [each.count for each in again] == [0, 0, 0]
    assert all(each.record for each in again)


# By date


def _leaving(at_work: Office, clock: Callable[[], float] | None = None) -> asyncio.Task[None]:
    work = carry_out_forever(
        at_work.directory, at_work.store, clock or at_work.clock, interval=0.03, grace=0.0
    )
    return asyncio.create_task(work)


async def _over(directory: Directory) -> None:
    async with asyncio.timeout(60):
        while await directory.departures.all():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0.02)


async def test_who_leaves_on_a_date_stays_until_then(at_work: Office) -> None:
    account = await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    task = _leaving(at_work)
    at_work.clock.now = NOW + HOUR - 1
    await asyncio.sleep(0.2)
    assert (await at_work.administration.users.get("hanako")).enabled
    assert not await at_work.holds_nothing(account)
    at_work.clock.now = NOW + HOUR
    await _over(at_work.directory)
    async with asyncio.timeout(60):
        while await at_work.directory.leases.holder(LEAVING):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.02)
    await ended(task)
    assert not (await at_work.administration.users.get("hanako")).enabled
    assert await at_work.holds_nothing(account)
    assert await _proofs(at_work.directory) == [
        "leaves: on 2027-01-15T09:00:00Z",
        "leaves: disabled",
        "leaves: sessions, codes and tokens ended: 2",
        "leaves: app passwords removed: 1",
    ]


async def test_what_came_due_while_no_server_ran_is_done_at_once(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    at_work.clock.now = NOW + 1_000 * HOUR
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert not (await at_work.administration.users.get("hanako")).enabled


async def test_a_plan_can_be_replaced_and_dropped(at_work: Office) -> None:
    departures = at_work.administration.departures
    account = await _hanako(at_work)
    await departures.plan("hanako", NOW + HOUR)
    later = await departures.plan("hanako", NOW + 2 * HOUR)
    assert await departures.planned() == [later]
    assert (await departures.cancel("hanako")).subject_id == account.person.subject_id
    assert await departures.planned() == []
    with pytest.raises(NotFound, match="no departure of hanako is planned"):
        await departures.cancel("hanako")
    with pytest.raises(Refused, match="in the past"):
        await departures.plan("hanako", NOW)


async def test_r188_nobody_drops_their_own_departure(at_work: Office) -> None:
    account = await _hanako(at_work)
    everything = at_work.administration.departures
    await everything.plan("hanako", NOW + HOUR)
    actor = Actor(
        "console:hanako", at_work.clock, subject_id=account.person.subject_id, role=Role.ADMIN
    )
    own = DepartureAdministration(at_work.directory, everything._people, everything._steps, actor)
    with pytest.raises(Forbidden, match="own departure"):
        await own.cancel("hanako")
    assert len(await own.planned()) == 1


async def test_a_plan_follows_the_person_and_not_the_name(at_work: Office) -> None:
    """The name may be somebody else's by then."""
    await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    await at_work.administration.users.change("hanako", username="hanako.y")
    await at_work.administration.users.add("hanako", password=PASSWORD)
    with pytest.raises(NotFound):
        await at_work.administration.departures.cancel("hanako")
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert not (await at_work.administration.users.get("hanako.y")).enabled
    assert (await at_work.administration.users.get("hanako")).enabled


async def test_r245_a_departure_names_the_request_in_which_it_was_planned(
    at_work: Office,
) -> None:
    account = await _hanako(at_work)
    everything = at_work.administration.departures
    actor = Actor(
        "console:naoko",
        at_work.clock,
        subject_id="directory:naoko",
        role=Role.ADMIN,
        session="her session",
        request_id="her request",
    )
    theirs = DepartureAdministration(
        at_work.directory, everything._people, everything._steps, actor
    )
    await theirs.leave("hanako")
    subject = account.person.subject_id
    (change,) = await at_work.administration.changes.page(subject=subject, limit=9)
    assert (change.change.session, change.change.request_id) == ("her session", "her request")


async def test_the_plan_of_who_was_removed_can_be_dropped_and_harms_nobody(
    at_work: Office,
) -> None:
    await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    await at_work.administration.users.remove("hanako")
    assert (await at_work.administration.departures.cancel("HANAKO")).username == "Hanako"
    jiro = (await at_work.administration.users.add("jiro")).account
    await at_work.administration.departures.plan("jiro", NOW + HOUR)
    await at_work.administration.users.remove("jiro")
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert await at_work.directory.account_by_id(jiro.id) is None
    assert not (await at_work.administration.removals.restore("jiro")).enabled


async def test_one_of_two_servers_carries_a_departure_out(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    at_work.clock.now = NOW + HOUR
    tasks = [_leaving(at_work), _leaving(at_work)]
    await _over(at_work.directory)
    await ended(*tasks)
    assert len(await _proofs(at_work.directory)) == 4


async def test_an_outage_of_the_database_is_waited_out(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    async def away(until: float, _limit: int) -> list[Departure]:
        tries.append(until)
        raise DatabaseUnavailable("the database does not respond")

    monkeypatch.setattr(at_work.directory.departures, "due", away)
    await _hanako(at_work)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await until(lambda: len(tries) > 2)
    monkeypatch.undo()
    await _over(at_work.directory)
    await ended(task)


KILLED = """
import asyncio, sys
from worksgate.administration.departures.steps import DepartureSteps
from worksgate.directory.database import Directory
from worksgate.directory.departures import Departure
from worksgate.store.memory import MemoryStore

class Hanging(MemoryStore):
    async def forget(self, subject_id, *, records=()):
        print("between two steps", flush=True)
        await asyncio.sleep(3600)

async def main():
    async def store():
        return Hanging()
    directory = Directory.open(sys.argv[1])
    departure = Departure(subject_id=sys.argv[2], source="directory", username="Hanako",
                          due_at=float(sys.argv[3]), planned_at=float(sys.argv[3]), actor="tester")
    await directory.departures.plan(departure)
    await DepartureSteps(directory, store, lambda: float(sys.argv[3])).carry_out(departure)

asyncio.run(main())
"""


@pytest.mark.programs
async def test_a_departure_that_was_killed_between_two_steps_goes_on(at_work: Office) -> None:
    account = await _hanako(at_work)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, url_of(at_work.file), account.person.subject_id, str(NOW)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"between two steps\n"
        process.send_signal(signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert not (await at_work.administration.users.get("hanako")).enabled
    assert not await at_work.holds_nothing(account)
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert await at_work.holds_nothing(account)
    assert await at_work.directory.app_passwords.of(account.person.subject_id) == ()
    assert sorted(map(str, await _proofs(at_work.directory))) == [
        "leaves: app passwords removed: 1",
        "leaves: disabled",
        "leaves: sessions, codes and tokens ended: 2",
    ]


@pytest.mark.parametrize("had", [None, Role.HELP_DESK])
async def test_r188_who_has_become_an_administrator_since_does_not_leave_by_a_plan(
    at_work: Office, had: Role | None
) -> None:
    """Whoever planned it might have no right to disable an administrator."""
    account = await _hanako(at_work)
    administration = at_work.administration
    await administration.administrators.set_role("hanako", had)
    await administration.departures.plan("hanako", NOW + HOUR)
    await administration.administrators.set_role("hanako", Role.ADMIN)
    await at_work.sign_in(account)  # the role has ended what they had
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert (await administration.users.get("hanako")).enabled
    assert not await at_work.holds_nothing(account)
    refusal = "leaves: refused: Hanako has become an administrator"
    assert (await _proofs(at_work.directory))[-1] == refusal


async def test_an_administrator_leaves_by_a_plan_that_knew_of_it(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.administrators.set_role("hanako", Role.ADMIN)
    await at_work.administration.departures.plan("hanako", NOW + HOUR)
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await _over(at_work.directory)
    await ended(task)
    assert not (await at_work.administration.users.get("hanako")).enabled


async def test_the_proofs_are_those_of_the_last_departure(at_work: Office) -> None:
    account = await _hanako(at_work)
    departures, subject_id = at_work.administration.departures, account.person.subject_id
    assert await departures.proofs(subject_id) == []
    await departures.leave("hanako")
    await at_work.administration.users.enable("hanako")
    at_work.clock.now += 1
    await departures.plan("hanako", NOW + HOUR)
    await departures.cancel("hanako")
    assert await departures.proofs(subject_id) == []
    await departures.leave("hanako")
    proofs = await departures.proofs(subject_id)
    assert [(each.step, each.count, each.at) for each in proofs] == [
        (Step.DISABLED, 0, NOW + 1),
        (Step.SIGNED_OUT, 0, NOW + 1),
        (Step.APP_PASSWORDS, 0, NOW + 1),
    ]
    assert await departures.of(subject_id) is None
    assert await departures.next(5) == []


async def test_r151_the_last_owner_of_the_console_does_not_leave(at_work: Office) -> None:
    account = await _hanako(at_work)
    await at_work.administration.administrators.set_role("hanako", Role.OWNER)
    await at_work.sign_in(account)  # the role has ended what they had
    departures = at_work.administration.departures
    with pytest.raises(Refused, match="is the last owner"):
        await departures.leave("hanako")
    assert await departures.planned() == []
    planned = await departures.plan("hanako", NOW + HOUR)
    at_work.clock.now = NOW + HOUR
    task = _leaving(at_work)
    await asyncio.sleep(0.2)
    assert (await at_work.administration.users.get("hanako")).enabled
    assert not await at_work.holds_nothing(account)
    assert await departures.planned() == [planned]
    await at_work.administration.users.add("jiro", password=PASSWORD)
    await at_work.administration.administrators.set_role("jiro", Role.OWNER)
    await _over(at_work.directory)
    await ended(task)
    assert not (await at_work.administration.users.get("hanako")).enabled
