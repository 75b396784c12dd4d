"""Readings and rehearsals count whole or not at all, and are written in small transactions."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import pytest
from sqlalchemy import insert
from tests.administration.installation import PASSWORD, Office
from tests.databases import NOW, query

from worksgate.administration import Actor, NotFound, Refused
from worksgate.administration.going_live import (
    AtSources,
    BadMembersFile,
    Finding,
    GoingLive,
    MembersRead,
)
from worksgate.administration.going_live.operations import AHEAD
from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.directory.going_live import AT_ONCE, PAUSE, GoingLiveRows, Member
from worksgate.directory.people_list import Listed
from worksgate.directory.queries import AuditFilter
from worksgate.directory.wizard_answers import Answer
from worksgate.oauth.model import SecondFactor

HEADER = "Name,ID,External Key\n"
FILE = (HEADER + "Tanaka,tanaka@hikari,H-1\nKang,kang@hikari,H-2\nNew,new@hikari,\n").encode()


async def staffed(at_work: Office, **client: object) -> Office:
    """A client, and two people: one with the right key, one with another."""
    values = {"second_factor": SecondFactor.ALLOWED, **client}
    await at_work.administration.clients.add("Acme", **values)  # type: ignore[arg-type]  # named by the test
    users = at_work.administration.users
    await users.add("tanaka", password=PASSWORD, external_key="H-1", works_account="tanaka@hikari")
    await users.add("kang", password=PASSWORD, external_key="H-3", works_account="kang@hikari")
    return at_work


async def details(at_work: Office) -> list[str]:
    events = await at_work.directory.audit(AuditFilter(event=Event.SYSTEM))
    return [each.detail or "" for each in events]


async def test_r176_a_file_replaces_the_one_before_and_is_recorded(at_work: Office) -> None:
    going_live = at_work.administration.going_live
    assert await going_live.members_read() is None
    await going_live.read_members(FILE)
    again = await going_live.read_members((HEADER + "Kang,kang@hikari,H-2\n").encode())
    read = await going_live.members_read()
    assert read == again
    assert read is not None
    assert (read.number, read.at, read.actor) == (1, NOW, "tester")
    assert [row[0] for row in query(at_work.file, "SELECT account FROM line_works_members")] == [
        "kang@hikari"
    ]
    assert "going live: 3 members of LINE WORKS were read from a file" in await details(at_work)


async def test_r176_a_wrong_file_leaves_the_one_before(at_work: Office) -> None:
    going_live = at_work.administration.going_live
    before = await going_live.read_members(FILE)
    with pytest.raises(BadMembersFile):
        await going_live.read_members(FILE + b"No account,,\n")
    assert await going_live.members_read() == before
    assert len(query(at_work.file, "SELECT 1 FROM line_works_members")) == 3


async def test_r176_a_reading_that_lost_rows_to_another_does_not_count(at_work: Office) -> None:
    rows = at_work.directory.going_live
    going_live = at_work.administration.going_live
    await rows.add_members("half", [Member(account="first@x")])
    whole = await going_live.read_members(FILE)
    await rows.add_members("half", [Member(account="second@x")])
    event = AuditEvent(event=Event.SYSTEM, at=NOW)
    answer = Answer({"id": "half", "number": 2}, NOW, "tester")
    assert not await rows.make_members_current("half", 2, answer, event)
    assert await going_live.members_read() == whole
    assert len(await rows.members(whole.reading)) == 3


async def test_members_are_removed_with_the_rehearsal_that_names_them(at_work: Office) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    await going_live.read_members(FILE)
    await going_live.rehearse()
    await going_live.remove_members()
    assert await going_live.members_read() is None
    assert await going_live.last_rehearsal() is None
    for table in ("line_works_members", "rehearsal_findings"):
        assert query(at_work.file, f"SELECT * FROM {table}") == []
    with pytest.raises(NotFound):
        await going_live.remove_members()


async def test_r177_a_rehearsal_is_kept_with_all_that_it_found(at_work: Office) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    await going_live.read_members(FILE)
    done = await going_live.rehearse()
    assert await going_live.last_rehearsal() == done
    assert (done.members, done.ready, done.people, done.client) == (3, 1, 2, "Acme")
    assert {name: count for name, count in done.counts.items() if count} == {
        "ready": 1,
        "key_differs": 1,
        "nobody_here": 1,
        "never_signed_in": 2,
    }
    (differs,) = await going_live.findings(Finding.KEY_DIFFERS, 0, 10)
    assert (differs.account, differs.key_here, differs.key_there) == ("kang@hikari", "H-3", "H-2")
    assert Finding.NO_SECOND_FACTOR not in done.findings()
    assert Finding.NO_APP_PASSWORD not in done.findings()
    assert "going live: rehearsed: 1 of 3 are ready" in await details(at_work)


async def test_people_who_have_never_signed_in_are_those_that_their_sources_list(
    at_work: Office,
) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    listed = AtSources(
        [at_ldap("new", "H-7"), at_ldap("krbtgt", None, enabled=False)],
        frozenset({"ldap"}),
        ("entra",),
    )
    await going_live.read_members(FILE + b"Kept out,out@hikari,H-8\n")
    asked = []

    async def sources(names: Collection[str]) -> AtSources:
        asked.append(names)
        return listed

    assert (await going_live.rehearse()).count(Finding.NOBODY_HERE) == 2
    done = await going_live.rehearse(None, sources)
    assert asked == [()]
    assert done.unasked == ("entra",)
    assert await going_live.last_rehearsal() == done
    (missing,) = await going_live.findings(Finding.NOBODY_HERE, 0, 10)
    assert missing.account == "out@hikari"
    (new,) = await going_live.findings(Finding.NO_KEY_THERE, 0, 10)
    assert (new.account, new.subject_id, new.key_here) == ("new@hikari", "ldap:new", "H-7")
    assert not done.count(Finding.NOT_A_MEMBER)


def test_what_a_source_says_of_somebody_counts_and_whom_it_lacks_is_not_here() -> None:
    known = [at_ldap("aoi", "H-1", last_login_at=NOW), at_ldap("left", "H-2")]
    known[0] = replace(known[0], has_factor=True)
    (aoi, ben) = AtSources(
        [at_ldap("aoi", "H-9", enabled=False), at_ldap("ben", None)], frozenset({"ldap"})
    ).with_known(known)
    assert (aoi.external_key, aoi.enabled, aoi.has_factor) == ("H-9", False, True)
    assert (aoi.last_login_at, ben.subject_id) == (NOW, "ldap:ben")
    assert AtSources().with_known(known) == known


def at_ldap(name: str, key: str | None, **more: Any) -> Listed:
    values = {"name": name, "works_account": f"{name}@hikari", "email": None, "role": None, **more}
    return Listed(
        sort_key=name,
        subject_id=f"ldap:{name}",
        source="ldap",
        username=name,
        external_key=key,
        has_factor=False,
        **{"enabled": True, "last_login_at": None, **values},
    )


async def test_a_list_of_findings_goes_on_after_a_number(at_work: Office) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    many = "".join(f"N,user{each:04}@x,\n" for each in range(AT_ONCE + 20))
    await going_live.read_members((HEADER + many).encode())
    await going_live.rehearse()
    first = await going_live.findings(Finding.NOBODY_HERE, 0, 500)
    rest = await going_live.findings(Finding.NOBODY_HERE, first[-1].number, 500)
    assert [len(first), len(rest)] == [500, 20]
    assert len({each.account for each in (*first, *rest)}) == AT_ONCE + 20


async def test_without_a_file_a_rehearsal_is_about_our_people(at_work: Office) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    done = await going_live.rehearse()
    assert (done.members, done.total, done.ready) == (None, 2, 2)
    assert Finding.KEY_DIFFERS not in done.findings()


async def test_people_whose_mail_program_came_need_an_app_password(at_work: Office) -> None:
    await staffed(at_work, imap_login=True, second_factor=SecondFactor.REQUIRED)
    came = AuditEvent(event=Event.IMAP_FAILED, at=NOW - 60, username="tanaka@hikari")
    long_ago = AuditEvent(event=Event.IMAP_FAILED, at=NOW - 90 * 86_400, username="kang@hikari")
    await at_work.directory.record([came, long_ago])
    going_live = at_work.administration.going_live
    done = await going_live.rehearse()
    assert (done.count(Finding.NO_APP_PASSWORD), done.count(Finding.NO_SECOND_FACTOR)) == (1, 2)
    (row,) = await going_live.findings(Finding.NO_APP_PASSWORD, 0, 10)
    values = {"id": "1", "digest": "d", "name": "", "created_at": NOW}
    async with at_work.directory.writing() as connection:
        await connection.execute(
            insert(schema.app_passwords).values(subject_id=row.subject_id, **values)
        )
    assert (await going_live.rehearse()).count(Finding.NO_APP_PASSWORD) == 0


async def test_a_rehearsal_needs_one_client(at_work: Office) -> None:
    going_live = at_work.administration.going_live
    with pytest.raises(Refused, match="no client"):
        await going_live.rehearse()
    await at_work.administration.clients.add("Acme")
    await at_work.administration.clients.add("Beta")
    with pytest.raises(Refused, match="Acme, Beta"):
        await going_live.rehearse()
    assert (await going_live.rehearse("beta")).client == "Beta"
    with pytest.raises(NotFound):
        await going_live.rehearse("gamma")


async def test_r179_rows_are_written_some_hundred_at_a_time(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction is short, so that no sign-in on the same file waits for long."""
    rows, sizes = at_work.directory.going_live, list[int]()
    for name in ("add_members", "add_findings"):
        monkeypatch.setattr(rows, name, _noting(getattr(rows, name), sizes))
    going_live = (await staffed(at_work)).administration.going_live
    many = "".join(f"N,user{each:05}@x,\n" for each in range(3 * AT_ONCE))
    await going_live.read_members((HEADER + many).encode())
    await going_live.rehearse()
    assert len(sizes) >= 6
    assert max(sizes) == AT_ONCE


def _noting(
    add: Callable[[str, Sequence[Any]], Awaitable[None]], sizes: list[int]
) -> Callable[[str, Sequence[Any]], Awaitable[None]]:
    async def noting(set_id: str, some: Sequence[Any]) -> None:
        sizes.append(len(some))
        await add(set_id, some)

    return noting


async def test_r179_requests_get_their_turn_between_the_portions(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, steps, sleep = at_work.directory.going_live, list[str](), asyncio.sleep
    for name in ("add_members", "add_findings", "_sweep_some"):
        monkeypatch.setattr(rows, name, _telling(getattr(rows, name), name, steps))

    async def pause(seconds: float) -> None:
        if seconds == PAUSE:
            steps.append("pause")
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pause)
    going_live = (await staffed(at_work)).administration.going_live
    many = "".join(f"N,user{each:05}@x,\n" for each in range(2 * AT_ONCE))
    await going_live.read_members((HEADER + many).encode())
    await going_live.rehearse()
    await going_live.remove_members()
    written = ("add_members", "add_findings", "_sweep_some")
    assert all(steps.count(each) >= 2 for each in written)
    assert {after for step, after in pairwise(steps) if step in written} == {"pause"}


def _telling(
    verb: Callable[..., Awaitable[Any]], name: str, steps: list[str]
) -> Callable[..., Awaitable[Any]]:
    """The verb, noted unless it found nothing to do."""

    async def telling(*args: Any) -> Any:
        done = await verb(*args)
        if done is not False:
            steps.append(name)
        return done

    return telling


@pytest.mark.parametrize(
    ("seconds", "is_taken"),
    [(-86_401, False), (-86_400, True), (0, True), (AHEAD, True), (AHEAD + 1, False)],
)
async def test_a_start_is_of_the_last_day(
    at_work: Office, seconds: float, *, is_taken: bool
) -> None:
    going_live = at_work.administration.going_live
    with nullcontext() if is_taken else pytest.raises(Refused, match="24 hours"):
        await going_live.start(NOW + seconds)
    assert await going_live.started_at() == (NOW + seconds if is_taken else None)


@pytest.mark.parametrize("written", ["add_members", "add_findings"])
async def test_of_two_sets_in_one_process_the_second_waits(
    at_work: Office, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    going_live = (await staffed(at_work)).administration.going_live
    file = (HEADER + "".join(f"N,user{each:05}@x,\n" for each in range(3 * AT_ONCE))).encode()
    await going_live.read_members(file)
    rows, sets = at_work.directory.going_live, list[str]()
    add = getattr(rows, written)

    async def noting(set_id: str, some: Sequence[Any]) -> None:
        sets.append(set_id)
        await add(set_id, some)

    monkeypatch.setattr(rows, written, noting)
    if written == "add_members":
        await asyncio.gather(going_live.read_members(file), going_live.read_members(file))
    else:
        await asyncio.gather(going_live.rehearse(), going_live.rehearse())
    assert len(sets) >= 6
    assert len(list(groupby(sets))) == 2


async def test_a_removal_waits_for_a_reading(at_work: Office) -> None:
    going_live = at_work.administration.going_live
    await asyncio.gather(going_live.read_members(FILE), going_live.remove_members())
    assert await going_live.members_read() is None


async def test_r176_of_two_readings_at_once_a_whole_one_counts(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_live = at_work.administration.going_live
    on_another_node = GoingLive(at_work.directory, Actor("tester", at_work.clock))
    monkeypatch.setattr(on_another_node, "_rows", GoingLiveRows(at_work.directory))
    many = "".join(f"N,user{each:05}@x,\n" for each in range(2 * AT_ONCE))
    done = await asyncio.gather(
        going_live.read_members(FILE),
        on_another_node.read_members((HEADER + many).encode()),
        return_exceptions=True,
    )
    assert all(isinstance(each, MembersRead | Refused) for each in done)
    read = await going_live.members_read()
    assert read is not None
    assert read.number == len(await at_work.directory.going_live.members(read.reading))
