"""Who is in since APPLY, who is not, and the alarm of silence."""

from typing import Any

import pytest
from tests.administration.installation import PASSWORD, Office
from tests.databases import NOW

from worksgate.administration.going_live import live_view
from worksgate.administration.going_live.live_view import BARS, REREAD, Count, LiveView, LiveWatch
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.directory.audit import live_records
from worksgate.directory.audit.live_records import LiveRecord

START = NOW


def record(event: Event, at: float, **values: Any) -> LiveRecord:
    known: dict[str, Any] = dict.fromkeys(LiveRecord._fields)
    return LiveRecord(**(known | {"at": START + at, "event": event} | values))


def came(at: float, who: str) -> list[LiveRecord]:
    """A whole sign-in."""
    about = {"login_id": f"login of {who} at {at}", "subject_id": who}
    return [
        record(Event.LOGIN_SUCCEEDED, at, username=who, **about),
        record(Event.CODE_ISSUED, at, username=who, **about),
        record(Event.CODE_REDEEMED, at, **about),
        record(Event.USER_INFO_RETURNED, at + 0.1, **about),
    ]


def wrong(at: float, who: str) -> LiveRecord:
    return record(Event.LOGIN_FAILED, at, username=who, reason=Reason.WRONG_PASSWORD)


def counted(*records: LiveRecord) -> Count:
    count = Count(START, START)
    count.add(records)
    return count


def outside(count: Count, at: float) -> list[str | None]:
    return [each.username for each, in_at in count.failed(START + at)[0] if in_at is None]


def test_r178_a_person_is_in_once_line_works_has_the_key() -> None:
    records = [*came(10, "hana"), *came(70, "hana"), *came(65, "ken"), *came(80, "yui")[:3]]
    count = counted(*records, *records)
    assert list(count.in_at) == ["hana", "ken"]
    minutes, bars = count.bars(START + 130)
    assert (minutes, bars) == (1, ((START + 60, 1), (START + 120, 2), (START + 130, 2)))


def test_r178_records_may_come_in_any_order() -> None:
    records = came(10, "hana")
    count = counted(*reversed(records))
    assert list(count.in_at) == ["hana"]
    assert count.failed(START + 60) == ([], 0)


@pytest.mark.parametrize(
    ("minutes", "width"), [(45, 1), (46, 2), (90, 2), (180, 4), (450, 10), (1_440, 32)]
)
def test_the_chart_has_no_more_bars_than_fit(minutes: int, width: int) -> None:
    assert counted(*came(1, "a")).bars(START + 60 * minutes - 1)[0] == width
    assert len(counted().bars(START + 60 * minutes - 1)[1]) <= BARS


def test_r178_whoever_failed_is_outside_until_they_are_in() -> None:
    count = counted(wrong(5, "Hana"), wrong(9, "ken"), wrong(12, "hana"))
    assert outside(count, 20) == ["hana", "ken"]
    count.add(came(30, "hana"))
    assert outside(count, 40) == ["ken"]
    ((failure, in_at), _), still = count.failed(START + 40)
    assert (failure.username, in_at, still) == ("hana", START + 30.1, 1)


def test_whoever_was_in_before_a_failure_is_not_outside() -> None:
    assert outside(counted(*came(5, "hana"), wrong(60, "hana")), 70) == []


@pytest.mark.parametrize("steps", [2, 3])
def test_r178_a_code_for_which_line_works_does_not_come_is_a_failure(steps: int) -> None:
    count = counted(*came(5, "hana")[:steps])
    assert outside(count, 10) == []
    assert outside(count, 16) == ["hana"]


def test_a_second_step_may_take_its_time() -> None:
    due = record(Event.LOGIN_STEP_DUE, 5, subject_id="hana", reason=Reason.ENROLMENT_DUE)
    assert counted(due).failed(START + 60)[1] == 0
    assert counted(due).failed(START + 130)[1] == 1


def test_a_mail_program_is_nobody_who_is_in() -> None:
    about = {"login_id": "1", "subject_id": "hana"}
    mail = [record(each, 1, **about) for each in (Event.IMAP_SUCCEEDED, Event.CODE_ISSUED)]
    count = counted(*mail, record(Event.USER_INFO_RETURNED, 2, **about))
    assert (count.in_at, count.failed(START + 60)) == ({}, ([], 0))


def test_refusals_of_line_works_itself_are_one_line() -> None:
    refused = [
        record(Event.CLIENT_REFUSED, at, client_id="c", reason=Reason.WRONG_SECRET)
        for at in range(9)
    ]
    ((failure, _),), number = counted(*refused).failed(START + 20)
    assert (failure.at, failure.username, number) == (START + 8, None, 1)


def test_r178_of_many_failures_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "_MOST_FAILURES", 3)
    count = counted(*(wrong(at, f"user{at}") for at in range(5)))
    assert outside(count, 10) == ["user4", "user3", "user2"]


def view(now: float, came_at: float | None, **values: Any) -> LiveView:
    known: dict[str, Any] = {
        **dict.fromkeys(("people_in", "last_minute", "outside_count", "got_in_count"), 0),
        **dict.fromkeys(("bars", "outside", "got_in", "not_seen"), ()),
        "minutes": 1,
        "expected": None,
        "is_behind": False,
    }
    last = None if came_at is None else START + came_at
    return LiveView(**(known | {"start": START, "now": START + now, "last_came_at": last} | values))


@pytest.mark.parametrize(
    ("now", "came_at", "values", "is_silent"),
    [
        (299, None, {}, False),
        (300, None, {}, True),
        (36_000, None, {}, True),
        (400, 100, {}, True),
        (400, 101, {}, False),
        (3_700, 100, {}, False),
        (600, 100, {"people_in": 5, "expected": 5}, False),
        (600, None, {"is_behind": True}, False),
    ],
)
def test_r178_silence_of_five_minutes_is_an_alarm(
    now: float, came_at: float | None, values: dict[str, Any], *, is_silent: bool
) -> None:
    assert view(now, came_at, **values).is_silent is is_silent


# With a database


class CountingWatch(LiveWatch):
    """Counts how often records are read."""

    reads = 0

    async def _read(self, count: Count, now: float) -> None:
        self.reads += 1
        await super()._read(count, now)


def stored(records: list[LiveRecord]) -> list[AuditEvent]:
    return [AuditEvent(**each._asdict()) for each in records]


async def test_r178_one_count_serves_all_who_look(at_work: Office) -> None:
    watch = CountingWatch(at_work.directory, at_work.clock)
    at_work.clock.now = NOW + 30
    await at_work.directory.record(stored(came(10, "ldap:hana")))
    views = [await watch.look(START, None) for _ in range(20)]
    assert ({each.people_in for each in views}, watch.reads) == ({1}, 1)
    at_work.clock.now += 5
    await at_work.directory.record(stored(came(20, "ldap:ken")))
    assert (await watch.look(START, None)).people_in == 2


async def test_r178_a_look_reads_a_bounded_number_of_records(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (live_view, live_records):
        monkeypatch.setattr(module, "MOST", 8)
    await at_work.directory.record(
        stored([each for at in range(5) for each in came(at, f"ldap:{at}")])
    )
    watch, seen = LiveWatch(at_work.directory, at_work.clock), []
    for second in range(30, 60, 5):
        at_work.clock.now = NOW + second
        each = await watch.look(START, None)
        seen.append((each.people_in, each.is_behind))
    assert seen[0] == (2, True)
    assert seen[-1] == (5, False)


async def test_r178_sign_ins_of_mail_programs_are_forgotten_after_some_minutes(
    at_work: Office,
) -> None:
    watch = LiveWatch(at_work.directory, at_work.clock)
    at_work.clock.now = NOW + 30
    mail = record(Event.IMAP_SUCCEEDED, 20, login_id="1", subject_id="ldap:hana")
    await at_work.directory.record(stored([mail]))
    known = []
    for seconds in (0, 9 * REREAD, 2 * REREAD):
        at_work.clock.now += seconds
        await watch.look(START, None)
        assert watch._count is not None
        known.append(list(watch._count.mail))
    assert known == [["1"], ["1"], []]


async def test_those_who_were_ready_and_have_not_come_are_named(at_work: Office) -> None:
    administration = at_work.administration
    await administration.clients.add("Acme")
    subjects = [
        (await administration.users.add(name, password=PASSWORD, external_key=name))
        for name in ("hana", "ken", "yui")
    ]
    hana, ken, yui = (each.account.person.subject_id for each in subjects)
    rehearsal = await administration.going_live.rehearse()
    watch = LiveWatch(at_work.directory, at_work.clock)
    names = {hana: "hana", ken: "ken", yui: "yui"}

    async def not_seen(*records: LiveRecord) -> list[str]:
        at_work.clock.now += 20
        await at_work.directory.record(stored(list(records)))
        look = await watch.look(START, rehearsal)
        assert look.expected == 3
        return [names[each.subject_id or ""] for each in look.not_seen]

    assert await not_seen() == ["hana", "ken", "yui"]
    assert await not_seen(*came(15, hana)) == ["ken", "yui"]
    refused = record(Event.LOGIN_REFUSED, 30, subject_id=ken, reason=Reason.NO_USER_KEY)
    assert await not_seen(refused) == ["yui"]
    look = await watch.look(START, rehearsal)
    assert [each.name for each in look.outside] == ["ken"]
    assert look.not_seen_count == 1
    assert await not_seen(*came(60, yui), *came(61, ken)) == []


async def test_a_sign_in_that_the_wizard_tries_is_nobodys(at_work: Office) -> None:
    """Issue: what the player does after APPLY counted as its person, and as LINE WORKS."""
    administration = at_work.administration
    await administration.clients.add("Acme")
    client_id = (await administration.clients.all())[0].client_id
    hana = await administration.users.add("hana", password=PASSWORD, external_key="E-1")
    trial = await administration.set_up.trial("secret", "HANA", PASSWORD)
    subject = hana.account.person.subject_id
    tried = [each._replace(client_id=client_id) for each in came(1, subject)]
    refused = record(Event.CLIENT_REFUSED, 2, client_id=client_id, reason=Reason.WRONG_SECRET)
    late = tried[-1]._replace(at=START + 50)
    await at_work.directory.record(stored([*tried, refused, late]))
    at_work.clock.now = NOW + 30
    await administration.set_up.end_trial(trial, 5)
    watch = LiveWatch(at_work.directory, at_work.clock)
    view = await watch.look(START, None)
    assert (view.people_in, view.outside_count, view.last_came_at) == (0, 0, None)
    later = [each._replace(client_id=client_id) for each in came(50, subject)]
    meanwhile = [each._replace(client_id=client_id) for each in came(3, "ldap:ken")]
    await at_work.directory.record(stored([*later, *meanwhile]))
    at_work.clock.now = NOW + 60
    view = await watch.look(START, None)
    assert view.people_in == 2, "those who really came, also while the player was there"
