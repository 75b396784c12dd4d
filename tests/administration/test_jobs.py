"""Bulk changes: who is changed, by whose right, and what is left of a job that was killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tests.administration.installation import PASSWORD, Office, opened
from tests.database.test_leases import ended
from tests.databases import NOW, query, url_of

from worksgate.administration import Actor, Administration, NotFound, Outdated, Refused
from worksgate.administration.errors import Forbidden
from worksgate.administration.jobs import operations as job_verbs
from worksgate.administration.jobs import runner as runners
from worksgate.administration.jobs.kinds import Operations
from worksgate.administration.jobs.operations import Selection
from worksgate.administration.jobs.reset_mails import ResetMails
from worksgate.administration.jobs.runner import JobRunner
from worksgate.administration.roles import Role
from worksgate.administration.users import UserAdministration
from worksgate.credentials.secrets import new_id
from worksgate.database.leases import JOBS
from worksgate.directory import Account, people_list
from worksgate.directory.jobs import KEPT, Job, JobKind, JobRow, JobRows, JobState, RowOutcome
from worksgate.directory.people_list import Matching, PeopleFilter
from worksgate.mail import MailMessage, MailUnavailable
from worksgate.sources import Person

EVERYBODY = Selection(wanted=PeopleFilter())


async def _add(at_work: Office, *names: str, **values: object) -> list[str]:
    """People without passwords; their subjects."""
    accounts = [
        Account(id=new_id(), username=name, created_at=NOW, **values)  # type: ignore[arg-type]  # fields
        for name in names
    ]
    async with at_work.directory.changing() as transaction:
        await transaction.add_accounts(accounts)
    return [each.person.subject_id for each in accounts]


def _as(at_work: Office, actor: Actor) -> Administration:
    users = at_work.administration.users
    return Administration(
        users._settings,
        at_work.directory,
        opened(at_work.store),
        users._hashing,
        actor=actor,
        clock=at_work.clock,
    )


async def _admin(at_work: Office, role: Role = Role.ADMIN) -> Administration:
    """The operations of an administrator called naoko."""
    await at_work.administration.users.add("naoko", password=PASSWORD)
    account = await at_work.administration.administrators.set_role("naoko", role)
    actor = Actor(
        "console:naoko",
        at_work.clock,
        subject_id=account.person.subject_id,
        role=role,
        session="her session",
        request_id="her request",
    )
    return _as(at_work, actor)


async def _start(administration: Administration, kind: JobKind, chosen: Selection) -> Job:
    preview = await administration.jobs.preview(chosen)
    return await administration.jobs.start(kind, chosen, preview.matching, group="営業部")


SendLink = Callable[[UserAdministration, str], Awaitable[None]]


def _runner(at_work: Office, *, pause: float = 0.0, send_link: SendLink | None = None) -> JobRunner:
    def operations(actor: Actor) -> Operations:
        made = _as(at_work, actor)
        return Operations(
            users=made.users,
            people=made.people,
            people_import=made.people_import,
            send_link=send_link,
        )

    return JobRunner(at_work.directory, operations, at_work.clock, pause=pause)


async def _run(at_work: Office, runner: JobRunner | None = None, *, lease: float = 30.0) -> None:
    """Carry out jobs until none is left."""
    running = (runner or _runner(at_work)).run_forever(interval=0.02, lease=lease, retry=0.02)
    task = asyncio.create_task(running)
    async with asyncio.timeout(60):
        while await at_work.directory.jobs.count_running():  # noqa: ASYNC110  # as below
            await asyncio.sleep(0.01)
        while await at_work.directory.leases.holder(JOBS):  # noqa: ASYNC110  # the task changes it
            await asyncio.sleep(0.01)
    await ended(task)


async def _outcomes(at_work: Office, job: Job) -> list[str]:
    rows = await at_work.directory.jobs.rows(job.id, list(RowOutcome), 1_000)
    return sorted(each.outcome.value for each in rows)


async def _enabled(at_work: Office) -> list[str]:
    return sorted(
        [each.username async for each in at_work.administration.users.all() if each.enabled]
    )


async def test_everybody_who_matches_is_changed_in_every_source(at_work: Office) -> None:
    await _add(at_work, "a", "b", groups=("Sales",))
    await _add(at_work, "c")
    hana = Person(subject_id="ldap:1", username="hana", name="", groups=("Sales",))
    await at_work.directory.people.remember("company", hana, NOW)
    await at_work.sign_in(Account(id="x", username="hana"), hana)
    administration = await _admin(at_work)
    job = await _start(
        administration, JobKind.DISABLE, Selection(wanted=PeopleFilter(group="Sales"))
    )
    await _run(at_work)
    job = await administration.jobs.find(job.id)
    assert (job.state, job.total, job.done, job.failed) == (JobState.DONE, 3, 3, 0)
    assert await _enabled(at_work) == ["c", "naoko"]
    assert not (await administration.people.by_subject("ldap:1")).enabled
    assert await at_work.holds_nothing(Account(id="x", username="hana"))
    actors = query(at_work.file, "SELECT actor FROM audit WHERE detail = 'disabled'")
    assert actors == [("console:naoko",)] * 3
    # The job outlives the request that began it, and still says which that was.
    changes = query(at_work.file, "SELECT session, request_id FROM changes WHERE kind = 'person'")
    assert changes == [("her session", "her request")] * 3


async def test_a_change_of_too_many_is_refused(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (job_verbs, people_list):
        monkeypatch.setattr(module, "MOST_MATCHING", 2)
    await _add(at_work, "a", "b")
    assert (await at_work.administration.jobs.preview(EVERYBODY)).matching.count == 2
    await _add(at_work, "c")
    with pytest.raises(Refused, match="more than 2 people match"):
        await at_work.administration.jobs.preview(EVERYBODY)


async def test_r185_others_than_were_shown_are_not_changed(at_work: Office) -> None:
    await _add(at_work, "a", "b")
    shown = await at_work.administration.jobs.preview(EVERYBODY)
    await at_work.administration.users.remove("b")
    await _add(at_work, "other")
    with pytest.raises(Outdated):
        await at_work.administration.jobs.start(JobKind.DISABLE, EVERYBODY, shown.matching)
    assert await at_work.administration.jobs.newest(10) == []


@pytest.mark.parametrize("how", ["another one", "one more", "one less"])
async def test_r185_a_job_that_begins_with_others_than_were_shown_changes_nobody(
    at_work: Office, how: str
) -> None:
    await _add(at_work, "a", "b", groups=("Sales",))
    chosen = Selection(wanted=PeopleFilter(group="Sales"))
    job = await _start(at_work.administration, JobKind.DISABLE, chosen)
    if how != "one more":
        await at_work.administration.users.change("b", groups=())
    if how != "one less":
        await _add(at_work, "other", groups=("Sales",))
    await _run(at_work)
    ended_job = await at_work.administration.jobs.find(job.id)
    assert (ended_job.state, ended_job.done) == (JobState.STOPPED, 0)
    assert {"a", "b"} <= set(await _enabled(at_work))
    records = query(at_work.file, "SELECT detail FROM audit WHERE detail LIKE '%others match%'")
    assert records == [(f"job {job.id} stopped, others match by now: 0 people, 0 not",)]


async def test_r185_a_job_changes_no_more_people_than_were_shown(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others come to match while it runs."""
    monkeypatch.setattr(runners, "STEP", 2)
    await _add(at_work, "a", "b", "c")
    begin, begun = JobRows.begin, list[str]()

    async def joined_by_others(
        self: JobRows, job_id: str, rows: Sequence[JobRow], position: str
    ) -> None:
        await begin(self, job_id, rows, position)
        if not begun:
            added = [
                Account(id=f"~{number}", username=f"other-{number}", created_at=NOW)
                for number in range(4)
            ]
            async with at_work.directory.changing() as transaction:
                await transaction.add_accounts(added)
        begun.append(job_id)

    monkeypatch.setattr(JobRows, "begin", joined_by_others)
    job = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    after = await at_work.administration.jobs.find(job.id)
    assert (after.state, after.done, len(begun)) == (JobState.DONE, 3, 2)
    assert len(await _enabled(at_work)) == 4


async def test_r185_nobody_and_too_many_are_refused(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = at_work.administration.jobs
    with pytest.raises(Refused, match="nobody"):
        await jobs.start(JobKind.DISABLE, Selection(), Matching(0, ""))
    ticked = Selection(subjects=tuple(map(str, range(101))))
    with pytest.raises(Refused, match="more than 100"):
        await jobs.preview(ticked)
    await _add(at_work, "a")
    monkeypatch.setattr("worksgate.administration.jobs.operations.AT_ONCE", 1)
    await _start(at_work.administration, JobKind.ENABLE, EVERYBODY)
    with pytest.raises(Refused, match="try again later"):
        await _start(at_work.administration, JobKind.ENABLE, EVERYBODY)


async def test_r186_a_job_does_what_its_administrator_may(at_work: Office) -> None:
    """Each person by the operation for one: with its rights, and with the last owner."""
    administration = await _admin(at_work, Role.HELP_DESK)
    await _add(at_work, "a")
    await at_work.administration.users.add("owner", password=PASSWORD)
    await at_work.administration.administrators.set_role("owner", Role.OWNER)
    with pytest.raises(Forbidden):
        await _start(administration, JobKind.ENABLE, EVERYBODY)
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    assert await _enabled(at_work) == ["naoko", "owner"]
    assert await _outcomes(at_work, job) == ["done", "refused", "refused"]
    details = [each.detail or "" for each in await administration.jobs.wrong(job, 10)]
    assert any("is an administrator" in each for each in details)
    whole = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    assert await _enabled(at_work) == ["owner"]
    assert await _outcomes(at_work, whole) == ["done", "refused", "unchanged"]


async def test_r186_whoever_starts_a_job_is_left_out(at_work: Office) -> None:
    """Disabled by their own job, they would end it, and the rest would stay."""
    administration = await _admin(at_work)
    await _add(at_work, "a", "z")
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    assert await _enabled(at_work) == ["naoko"]
    assert await _outcomes(at_work, job) == ["done", "done", "refused"]


@pytest.mark.parametrize("how", ["another role", "no role", "disabled", "another password"])
async def test_r186_r197_a_job_ends_with_the_role_of_its_administrator(
    at_work: Office, how: str
) -> None:
    administration = await _admin(at_work)
    await _add(at_work, "a", "b")
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    if how == "disabled":
        await at_work.administration.users.disable("naoko")
    elif how == "another password":
        at_work.clock.now += 1
        await at_work.administration.users.set_password("naoko", "quiet lantern by the river")
    else:
        role = Role.AUDITOR if how == "another role" else None
        await at_work.administration.administrators.set_role("naoko", role)
    await _run(at_work)
    found = await at_work.directory.jobs.find(job.id)
    assert found is not None
    assert (found.state, found.done) == (JobState.REVOKED, 0)
    assert {"a", "b"} <= set(await _enabled(at_work))


async def test_r186_a_help_desk_sees_its_own_jobs_only(at_work: Office) -> None:
    await _add(at_work, "a")
    theirs = await _start(at_work.administration, JobKind.ENABLE, EVERYBODY)
    administration = await _admin(at_work, Role.HELP_DESK)
    with pytest.raises(NotFound):
        await administration.jobs.find(theirs.id)
    assert await administration.jobs.newest(10) == []
    assert len(await at_work.administration.jobs.newest(10)) == 1


async def test_a_job_that_is_stopped_changes_nobody_more(at_work: Office) -> None:
    await _add(at_work, *(f"p{number:02}" for number in range(30)))
    job = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    task = asyncio.create_task(_runner(at_work, pause=0.02).run_forever(interval=0.02))
    async with asyncio.timeout(60):
        while (await at_work.administration.jobs.find(job.id)).done < 3:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    stopped = await at_work.administration.jobs.stop(job.id)
    assert stopped.state is JobState.STOPPED
    await asyncio.sleep(0.2)
    await ended(task)
    after = await at_work.administration.jobs.find(job.id)
    assert after.done <= stopped.done + 1
    assert len(await _enabled(at_work)) == 30 - after.done


async def test_groups_are_added_and_taken_and_that_is_undone(at_work: Office) -> None:
    await _add(at_work, "a", groups=("営業部", "x"))
    (subject,) = await _add(at_work, "b", groups=("x",))
    await at_work.directory.people.remember(
        "company", Person(subject_id="ldap:1", username="hana", name=""), NOW
    )

    async def groups() -> dict[str, tuple[str, ...]]:
        return {each.username: each.groups async for each in at_work.administration.users.all()}

    job = await _start(at_work.administration, JobKind.ADD_GROUP, EVERYBODY)
    await _run(at_work)
    assert await groups() == {"a": ("営業部", "x"), "b": ("x", "営業部")}
    assert await _outcomes(at_work, job) == ["done", "refused", "unchanged"]
    undone = await at_work.administration.jobs.undo(job.id)
    await _run(at_work)
    assert await groups() == {"a": ("営業部", "x"), "b": ("x",)}
    rows = await at_work.directory.jobs.rows(undone.id, list(RowOutcome), 10)
    assert [(each.subject_id, each.outcome) for each in rows] == [(subject, RowOutcome.DONE)]
    with pytest.raises(Refused, match="has been undone"):
        await at_work.administration.jobs.undo(job.id)


async def test_r187_only_what_is_as_the_job_left_it_is_undone(at_work: Office) -> None:
    administration = at_work.administration
    await _add(at_work, "a", "b", "c")
    await administration.users.disable("c")
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    with pytest.raises(Refused, match="still running"):
        await administration.jobs.undo(job.id)
    await _run(at_work)
    await administration.users.enable("b")
    await administration.users.disable("b")  # by somebody else, for a reason of their own
    undone = await administration.jobs.undo(job.id)
    await _run(at_work)
    assert await _enabled(at_work) == ["a"]
    assert await _outcomes(at_work, undone) == ["done", "refused"]


async def test_r187_people_of_other_sources_are_undone_as_the_job_left_them(
    at_work: Office,
) -> None:
    administration, known = at_work.administration, at_work.directory.people
    for name in ("as left", "changed", "left"):
        person = Person(subject_id=f"ldap:{name}", username=name, name="")
        await known.remember("company", person, NOW)
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    await administration.people.set_enabled("ldap:changed", "company", enabled=True)
    await administration.people.set_enabled("ldap:changed", "company", enabled=False)
    at_work.clock.now += 60
    await administration.departures.leave("ldap:left", "company")
    undone = await administration.jobs.undo(job.id)
    await _run(at_work)
    details = {each.subject_id: each.detail for each in await administration.jobs.wrong(undone, 10)}
    assert details == {
        "ldap:changed": "somebody has changed this person since",
        "ldap:left": "this person has left since",
    }
    assert (await administration.people.by_subject("ldap:as left")).enabled
    assert not (await administration.people.by_subject("ldap:changed")).enabled
    assert not (await administration.people.by_subject("ldap:left")).enabled


async def test_r187_whoever_has_left_since_is_not_enabled_by_an_undo(at_work: Office) -> None:
    """Disabled already when they left, so that nothing of the account has changed."""
    administration = at_work.administration
    await _add(at_work, "a", "b")
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    at_work.clock.now += 60
    await administration.departures.leave("b")
    undone = await administration.jobs.undo(job.id)
    await _run(at_work)
    assert await _enabled(at_work) == ["a"]
    assert await _outcomes(at_work, undone) == ["done", "refused"]


@pytest.mark.parametrize("subject", ["account", "person"])
async def test_r187_whoever_is_changed_while_it_is_undone_stays_as_they_are(
    at_work: Office, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    """After who comes next was written down, and before they are changed."""
    administration = at_work.administration
    if subject == "account":
        await _add(at_work, "hana")
    else:
        hana = Person(subject_id="ldap:1", username="hana", name="")
        await at_work.directory.people.remember("company", hana, NOW)
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    begin = JobRows.begin

    async def changed_then(
        self: JobRows, job_id: str, rows: Sequence[JobRow], position: str
    ) -> None:
        await begin(self, job_id, rows, position)
        for enabled in (True, False):
            if subject == "person":
                await administration.people.set_enabled("ldap:1", "company", enabled=enabled)
            elif enabled:
                await administration.users.enable("hana")
            else:
                await administration.users.disable("hana")

    monkeypatch.setattr(JobRows, "begin", changed_then)
    undone = await administration.jobs.undo(job.id)
    await _run(at_work)
    assert await _outcomes(at_work, undone) == ["refused"]
    people = await at_work.directory.people_list.page(PeopleFilter())
    assert [each.enabled for each in people] == [False]


async def test_what_has_ended_and_what_is_too_old_is_not_undone(at_work: Office) -> None:
    jobs = at_work.administration.jobs
    await _add(at_work, "a")
    ended_job = await _start(at_work.administration, JobKind.SIGN_OUT, EVERYBODY)
    old = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    await _run(at_work)
    with pytest.raises(Refused, match="cannot be undone"):
        await jobs.undo(ended_job.id)
    at_work.clock.now += KEPT + 1
    with pytest.raises(Refused, match="30 days"):
        await jobs.undo(old.id)
    assert await at_work.directory.jobs.purge(at_work.clock.now, 1) == 1
    assert await at_work.directory.jobs.purge(at_work.clock.now, 10) == 1
    assert await at_work.directory.jobs.purge(at_work.clock.now, 10) == 0
    assert await jobs.newest(10) == []


async def test_an_outage_is_waited_out(at_work: Office) -> None:
    (subject,) = await _add(at_work, "a")
    account = await at_work.administration.users.get("a")
    await at_work.sign_in(account)
    job = await _start(at_work.administration, JobKind.SIGN_OUT, Selection(subjects=(subject,)))
    at_work.store.away = True
    task = asyncio.create_task(_runner(at_work).run_forever(interval=0.02, retry=0.02))
    await asyncio.sleep(0.2)
    assert (await at_work.administration.jobs.find(job.id)).done == 0
    at_work.store.away = False
    async with asyncio.timeout(60):
        while await at_work.directory.jobs.count_running():  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    await ended(task)
    assert await at_work.holds_nothing(account)
    assert await _outcomes(at_work, job) == ["done"]


async def test_an_error_holds_up_nobody_else_and_its_text_is_not_kept(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(at_work, "a", "b")
    sent: list[str] = []

    async def send(_users: UserAdministration, username: str) -> None:
        if username == "a":
            raise ZeroDivisionError("a secret")
        sent.append(username)

    monkeypatch.setattr(runners, "CHECKED", 1)
    job = await _start(at_work.administration, JobKind.RESET_LINK, EVERYBODY)
    await _run(at_work, _runner(at_work, send_link=send))
    assert sent == ["b"]
    (row,) = await at_work.administration.jobs.wrong(job, 10)
    assert row.detail == "an error of Worksgate: ZeroDivisionError"


class Post:
    """A mail server, and what it was given."""

    def __init__(self) -> None:
        self.sent: list[MailMessage] = []
        self.is_down = False

    async def send(self, message: MailMessage) -> None:
        if self.is_down:
            raise MailUnavailable("the mail server does not respond")
        self.sent.append(message)

    def reset_link(
        self, person: Person, link: str, lifetime: float, language: str, company: str
    ) -> MailMessage | None:
        text = f"{company} {language} {lifetime:.0f} {link}"
        return MailMessage(to=person.email or "", subject="Link", text=text, html="")


class Aozora:
    async def of(self, subject_id: str) -> str:
        return "Aozora"


class Chosen:
    """Everybody has chosen this language, if any."""

    chosen = ""

    async def language(self, subject_id: str) -> str:
        return self.chosen


async def test_r257_a_reset_link_is_mailed_in_the_language_of_its_person(at_work: Office) -> None:
    await _add(at_work, "a", email="a@example.com")
    post, theirs = Post(), Chosen()
    mails = ResetMails(post, post, Aozora(), theirs, "ja", 900.0)  # type: ignore[arg-type]  # as is used
    for theirs.chosen in ("", "ko"):
        await mails.send(at_work.administration.users, "a")
    assert [each.text.split()[1] for each in post.sent] == ["ja", "ko"]


async def test_a_reset_link_is_mailed_and_kept_nowhere(at_work: Office) -> None:
    await _add(at_work, "a", email="a@example.com")
    await _add(at_work, "b")
    post = Post()
    mails = ResetMails(post, post, Aozora(), Chosen(), "ja", 900.0)  # type: ignore[arg-type]  # as is used
    job = await _start(at_work.administration, JobKind.RESET_LINK, EVERYBODY)
    await _run(at_work, _runner(at_work, send_link=mails.send))
    (message,) = post.sent
    assert message.to == "a@example.com"
    assert message.text.startswith("Aozora ja 900 https://sso.example.com/gate/")
    secret = message.text.rpartition("=")[2]
    assert len(secret) > 30
    kept = query(at_work.file, "SELECT * FROM jobs"), query(at_work.file, "SELECT * FROM job_rows")
    assert secret not in str(kept)
    assert secret not in str(query(at_work.file, "SELECT * FROM audit"))
    assert await _outcomes(at_work, job) == ["done", "refused"]
    post.is_down = True
    failed = await _start(at_work.administration, JobKind.RESET_LINK, EVERYBODY)
    await _run(at_work, _runner(at_work, send_link=mails.send))
    details = {each.detail for each in await at_work.administration.jobs.wrong(failed, 10)}
    assert details == {"the mail server does not respond", "there is no mail address"}


async def test_without_a_mail_server_no_link_is_sent(at_work: Office) -> None:
    await _add(at_work, "a", email="a@example.com")
    job = await _start(at_work.administration, JobKind.RESET_LINK, EVERYBODY)
    await _run(at_work)
    (row,) = await at_work.administration.jobs.wrong(job, 10)
    assert (row.outcome, row.detail) == (RowOutcome.REFUSED, "e-mail is not set up")


async def test_one_of_two_processes_carries_a_job_out(at_work: Office) -> None:
    await _add(at_work, *(f"p{number}" for number in range(10)))
    job = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    other = asyncio.create_task(_runner(at_work).run_forever(interval=0.01))
    await _run(at_work)
    await ended(other)
    assert (await at_work.administration.jobs.find(job.id)).done == 10
    assert query(at_work.file, "SELECT count(*) FROM audit WHERE detail = 'disabled'") == [(10,)]


KILLED = """
import asyncio, sys
from tests.administration.test_jobs import _runner
from tests.administration.installation import office
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.directory.jobs import JobRows

settle, settled = JobRows.settle, []

async def hanging(self, job_id, row):
    if len(settled) == 12:
        print("half-way", flush=True)
        await asyncio.sleep(3600)
    settled.append(row)
    return await settle(self, job_id, row)

async def main():
    directory = Directory.open(sys.argv[1])
    at_work = office(directory, None, PasswordHashing(threads=1))
    await _runner(at_work).run_forever(interval=0.02, lease=1.0)

JobRows.settle = hanging
asyncio.run(main())
"""


@pytest.mark.programs
async def test_r187_a_job_that_was_killed_half_way_goes_on(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the change of a person and its note; who comes next are written down."""
    monkeypatch.setattr(runners, "STEP", 20)
    await _add(at_work, *(f"p{number:02}" for number in range(30)))
    job = await _start(at_work.administration, JobKind.DISABLE, EVERYBODY)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, url_of(at_work.file)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"half-way\n"
        process.send_signal(signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert (await at_work.administration.jobs.find(job.id)).done == 12
    assert len(await _enabled(at_work)) == 17
    await _run(at_work, lease=1.0)
    after = await at_work.administration.jobs.find(job.id)
    assert (after.state, after.done, after.failed) == (JobState.DONE, 30, 0)
    assert await _enabled(at_work) == []
    assert await _outcomes(at_work, job) == ["done"] * 30
    assert query(at_work.file, "SELECT count(*) FROM audit WHERE detail = 'disabled'") == [(30,)]
    undone = await at_work.administration.jobs.undo(job.id)
    await _run(at_work)
    assert await _outcomes(at_work, undone) == ["done"] * 30
    assert len(await _enabled(at_work)) == 30


async def test_r197_a_job_outlives_the_session_in_which_it_was_begun(at_work: Office) -> None:
    administration = await _admin(at_work)
    await _add(at_work, "a", "b")
    job = await _start(administration, JobKind.DISABLE, EVERYBODY)
    await at_work.administration.users.sign_out("naoko")
    at_work.clock.now += 8 * 3_600
    await _run(at_work)
    found = await at_work.directory.jobs.find(job.id)
    assert found is not None
    assert found.state is JobState.DONE
    assert await _enabled(at_work) == ["naoko"]
