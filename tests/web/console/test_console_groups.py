"""Administrators by a group of their source: from when, until when, and what others see of it."""

import html
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.databases import query
from tests.web.console import own_people
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_administrators_of_sources import (
    OPENID,
    OWN,
    first_step,
    is_in,
    remembered,
    signed_in,
)
from tests.web.console.test_passkeys import add_passkey, console_key, sign_in_by
from tests.web.console.test_providers import Provider, come_back, sent_there

from worksgate.administration import Actor
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.console.sessions import TOUCHED, SignInOver
from worksgate.administration.errors import Forbidden, Refused
from worksgate.administration.jobs.kinds import Operations
from worksgate.administration.jobs.operations import Selection
from worksgate.administration.jobs.runner import ASKED_AGAIN, JobRunner
from worksgate.administration.roles import OF_PEOPLE, Role
from worksgate.bootstrap import console as bootstrap
from worksgate.database.leases import Turn
from worksgate.directory.console_groups import ASKED_WITHIN, SIGNED_IN_WITHIN, ConsoleGroups
from worksgate.directory.jobs import Job, JobKind, JobState
from worksgate.directory.people_list import PeopleFilter
from worksgate.directory.remembered import RememberedRedirect
from worksgate.provider.sources import SourcesInUse
from worksgate.settings.sources import DirectorySettings, LdapSettings
from worksgate.settings.sources.common import CONSOLE_ROLES, common_problems
from worksgate.settings.sources.ldap import GroupNames
from worksgate.sources import Person, SourceUnavailable

GROUPS = ("help_desk: Support", "admin: IT: staff", "owner: Chiefs")


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsoleUnderTest]:
    own_people.only(aoi="Aoi", ren="Ren")
    sources = (replace(OWN, console_groups=GROUPS), replace(OPENID, console_groups=GROUPS))
    async with console_of(tmp_path, sources=sources) as console:
        await console.make("owner", Role.OWNER)
        yield console


async def in_groups(console: ConsoleUnderTest, name: str, *groups: str) -> str:
    """Somebody of the own source with these groups there, who has signed in before, and an app."""
    own_people.GROUPS[name] = list(groups)
    return await remembered(console, name, None)


async def details(console: ConsoleUnderTest) -> list[str | None]:
    return [each.detail for each in await console.administration.audit_log.search()]


# The settings


def test_the_first_group_that_somebody_is_in_counts() -> None:
    groups = ConsoleGroups.of([replace(OWN, console_groups=GROUPS)])

    def role(*theirs: str) -> str | None:
        grant = groups.grant("company", theirs)
        return None if grant is None else grant.role

    assert role("Chiefs", "support") == "help_desk"
    assert role("it: STAFF") == "admin"
    assert role("Staff") is None
    assert groups.grant("other", ["Chiefs"]) is None


@pytest.mark.parametrize("wrong", ["Chiefs", "boss: Chiefs", "owner:", ": Chiefs"])
def test_a_group_needs_a_role_that_exists(wrong: str) -> None:
    assert "console_groups" in next(common_problems(replace(OWN, console_groups=(wrong,))))


def test_r226_only_a_source_that_answers_at_any_time_is_not_signed_in_to_again() -> None:
    ldap = LdapSettings(name="ad", bind_dn="cn=reader", console_groups=("admin: cn=it",))
    alone = replace(ldap, name="alone", bind_dn="")
    sources = [ldap, alone, *(replace(each, console_groups=GROUPS) for each in (OWN, OPENID))]
    groups = ConsoleGroups.of(sources)

    def until(source: str) -> float:
        return groups.counts_until(source, asked_at=7_000.0, vouched_at=0.0)

    assert until("ad") == 7_000.0 + ASKED_WITHIN
    assert {until(name) for name in ("alone", "company", "entra")} == {SIGNED_IN_WITHIN}


def test_groups_are_for_other_sources_that_name_some() -> None:
    own = DirectorySettings(console_groups=("owner: Chiefs",))
    assert "console_groups" in next(common_problems(own))
    ldap = LdapSettings(name="ad", console_groups=("admin: staff",))
    assert any("must name DNs" in each for each in ldap.problems())
    by_cn = replace(ldap, group_names=GroupNames.CN)
    assert any("another group can have the same cn" in each for each in by_cn.problems())
    without = replace(OPENID, groups_claim="", console_groups=GROUPS)
    assert "groups_claim: is required for console_groups" in list(without.problems())
    assert tuple(role.value for role in OF_PEOPLE) == CONSOLE_ROLES


# Signing in, and until when


async def test_r226_a_group_makes_an_administrator_and_the_record_names_it(
    console: ConsoleUnderTest,
) -> None:
    await in_groups(console, "aoi", "IT: staff")
    browser = await signed_in(console, "aoi")
    assert (await browser.get("/clients")).status_code == 200
    assert (await browser.get("/administrators")).status_code == 403
    named = "code; admin by the group IT: staff of company; session "
    assert any((each or "").startswith(named) for each in await details(console))


async def test_r226_nobody_becomes_an_administrator_by_another_group(
    console: ConsoleUnderTest,
) -> None:
    await in_groups(console, "aoi", "Administrators", "owner")
    assert (await first_step(console, "aoi")).page.status_code == 401


async def test_r226_the_sign_in_asks_for_the_groups_of_now(console: ConsoleUnderTest) -> None:
    await in_groups(console, "aoi")
    own_people.GROUPS["aoi"] = ["Chiefs"]
    assert (await (await signed_in(console, "aoi")).get("/administrators")).status_code == 200
    own_people.GROUPS["aoi"] = []
    assert (await first_step(console, "aoi")).page.status_code == 401


@pytest.mark.parametrize("now", [[], ["Support"], ["Chiefs"]])
async def test_r226_a_session_ends_within_a_minute_with_the_group(
    console: ConsoleUnderTest, now: list[str]
) -> None:
    await in_groups(console, "aoi", "IT: staff")
    browser = await signed_in(console, "aoi")
    own_people.GROUPS["aoi"] = now
    assert await is_in(browser)
    console.clock.advance(TOUCHED + 1)
    assert not await is_in(browser)
    assert "no longer in the group IT: staff of company" in await details(console)
    own_people.GROUPS["aoi"] = ["IT: staff"]
    assert not await is_in(browser)


async def test_r226_in_an_outage_of_the_source_the_right_ends_soon(
    console: ConsoleUnderTest,
) -> None:
    await in_groups(console, "aoi", "IT: staff")
    await remembered(console, "ren", Role.AUDITOR)
    by_group, assigned = await signed_in(console, "aoi"), await signed_in(console, "ren")
    own_people.PEOPLE[own_people.OUTAGE] = ""
    console.clock.advance(ASKED_WITHIN - 62)
    assert await is_in(by_group)
    console.clock.advance(62)
    assert not await is_in(by_group)
    assert await is_in(assigned)


async def test_r226_a_role_that_was_assigned_counts_alone(console: ConsoleUnderTest) -> None:
    await in_groups(console, "aoi", "Chiefs")
    await signed_in(console, "aoi")
    administrators = console.administration.administrators
    with pytest.raises(Refused, match="by a group of company"):
        await administrators.set_role("aoi", None, source="company")
    await administrators.set_role("aoi", Role.AUDITOR, source="company")
    browser = await signed_in(console, "aoi")
    assert (await browser.get("/administrators")).status_code == 403
    own_people.GROUPS["aoi"] = []
    console.clock.advance(TOUCHED + 1)
    assert await is_in(browser)


async def test_r226_a_passkey_counts_with_the_groups_of_now(console: ConsoleUnderTest) -> None:
    await in_groups(console, "aoi", "IT: staff")
    key = console_key()
    await add_passkey(await signed_in(console, "aoi"), key)
    assert await is_in(await sign_in_by(console, key))
    own_people.GROUPS["aoi"] = []
    assert (await sign_in_by(console, key)).page.status_code == 401
    own_people.GROUPS["aoi"] = ["Chiefs"]
    browser = await sign_in_by(console, key)
    assert (await browser.get("/administrators")).status_code == 200


# At an OpenID provider, which says groups at a sign-in only


@dataclass
class NamesGroups(Provider):
    """A provider that names groups of the person."""

    groups: tuple[str, ...] = ("IT: staff",)

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        return replace(await super().finish(return_url, kept, query), groups=self.groups)


async def provider_of(console: ConsoleUnderTest) -> NamesGroups:
    """The provider of ``OPENID``, at which mei has signed in before, and her app."""
    await remembered(console, "mei", None, source="entra")
    sign_in, provider = (await console.inside()).sign_in, NamesGroups()
    opened, people = sign_in.sources._sources, console.administration.people._directory.people
    kept = RememberedRedirect(provider, people, console.clock)

    async def with_provider(names: frozenset[str]) -> SourcesInUse:
        sources = await opened(names)
        return replace(sources, redirects=dict.fromkeys(sources.redirects, kept))

    sign_in.sources._sources = with_provider
    return provider


async def signed_in_by_provider(console: ConsoleUnderTest) -> AdminBrowser:
    browser, state = await sent_there(console)
    assert await come_back(browser, state) == 200, browser.page.text
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code("mei"))
    assert browser.page.status_code == 303, browser.page.text
    return browser


async def test_r226_a_provider_that_cannot_be_asked_vouches_for_an_hour(
    console: ConsoleUnderTest,
) -> None:
    provider = await provider_of(console)
    browser = await signed_in_by_provider(console)
    for _ in range(3):
        console.clock.advance(SIGNED_IN_WITHIN / 4)
        assert await is_in(browser)
    console.clock.advance(SIGNED_IN_WITHIN / 4)
    assert not await is_in(browser)
    provider.groups = ()
    browser, state = await sent_there(console)
    assert await come_back(browser, state) == 403
    assert "nobody who is an administrator here" in browser.page.text


async def test_r226_any_sign_in_at_the_provider_without_the_group_ends_the_sessions(
    console: ConsoleUnderTest,
) -> None:
    await provider_of(console)
    browser = await signed_in_by_provider(console)
    person = Person(subject_id="entra:mei", username="mei", name="Mei")
    people = console.administration.people._directory.people
    member = replace(person, groups=("IT: staff",))
    await people.remember("entra", member, console.clock())
    assert await is_in(browser)
    await people.remember("entra", person, console.clock())
    assert not await is_in(browser)
    await people.remember("entra", member, console.clock())
    assert not await is_in(browser)


async def test_r226_who_loses_the_group_during_the_second_step_gets_no_session(
    console: ConsoleUnderTest,
) -> None:
    await in_groups(console, "aoi", "IT: staff")
    await signed_in(console, "aoi")
    sign_in = (await console.inside()).sign_in
    seen = await sign_in._rows.by_subject("company:aoi")
    assert seen is not None
    await console.administration.people._directory.people.note_groups(
        "company", replace(seen.person, groups=())
    )
    browser = ConsoleBrowser(address="192.0.2.7", name="", secret="s" * 43)
    with pytest.raises(SignInOver):
        await sign_in.sessions.begin(seen, browser, "code")


async def test_r226_a_passkey_counts_for_an_hour_after_the_provider_has_vouched(
    console: ConsoleUnderTest,
) -> None:
    await provider_of(console)
    key = console_key()
    await add_passkey(await signed_in_by_provider(console), key)
    assert await is_in(await sign_in_by(console, key))
    console.clock.advance(SIGNED_IN_WITHIN)
    browser = await sign_in_by(console, key)
    assert browser.page.status_code == 403
    assert "Sign in without the passkey first" in browser.page.text
    await signed_in_by_provider(console)
    assert await is_in(await sign_in_by(console, key))


# What others see of it


async def test_r226_a_help_desk_does_not_act_on_an_administrator_by_a_group(
    console: ConsoleUnderTest,
) -> None:
    aoi = await in_groups(console, "aoi", "IT: staff")
    await signed_in(console, "aoi")
    await console.make("helper", Role.HELP_DESK)
    browser = await console.signed_in("helper")
    assert "/person/disable" not in (await browser.get(f"/person?id={aoi}")).text
    actor = Actor("console:helper", console.clock, role=Role.HELP_DESK)
    helper = (await console.inside()).administration(actor)
    with pytest.raises(Forbidden):
        await helper.people.set_enabled_by_subject(aoi, enabled=False)
    with pytest.raises(Forbidden):
        await helper.people.reset_factors(aoi, "company")


def no_operations(actor: Actor) -> Operations:
    raise AssertionError(f"nothing is done in the name of {actor.name}")


async def test_r226_a_job_ends_with_the_group_of_its_administrator(
    console: ConsoleUnderTest,
) -> None:
    aoi = await in_groups(console, "aoi", "IT: staff")
    await signed_in(console, "aoi")
    inside = await console.inside()
    actor = Actor("console:aoi", console.clock, subject_id=aoi, role=Role.ADMIN)
    jobs, chosen = inside.administration(actor).jobs, Selection(wanted=PeopleFilter())
    matching = (await jobs.preview(chosen)).matching
    job = await jobs.start(JobKind.SIGN_OUT, chosen, matching)
    runner = JobRunner(jobs._directory, no_operations, console.clock)
    assert await runner._actor(job) is not None
    person = Person(subject_id=aoi, username="aoi", name="Aoi", groups=("Chiefs",))
    await jobs._directory.people.note_groups("company", person)
    assert await runner._actor(job) is None


@pytest.mark.parametrize("how", ["gone", "group"])
async def test_r259_a_job_ends_by_a_word_of_its_administrator_s_source(
    console: ConsoleUnderTest, how: str
) -> None:
    runner, job = await job_of_aoi(console)
    assert await runner._actor(job) is not None
    if how == "gone":
        del own_people.PEOPLE["aoi"]
    else:
        own_people.GROUPS["aoi"] = ["Chiefs"]
    assert await runner._actor(job) is not None  # it was asked a moment ago
    console.clock.advance(ASKED_AGAIN)
    assert await runner._actor(job) is None


async def test_r259_an_outage_of_that_source_holds_up_this_job_and_no_other(
    console: ConsoleUnderTest,
) -> None:
    runner, job = await job_of_aoi(console)
    inside = await console.inside()
    actor = Actor("command", console.clock)
    jobs, chosen = inside.administration(actor).jobs, Selection(subjects=("nobody",))
    other = await jobs.start(JobKind.SIGN_OUT, chosen, (await jobs.preview(chosen)).matching)
    own_people.PEOPLE[own_people.OUTAGE] = ""
    with pytest.raises(SourceUnavailable):
        await runner._run_all(Turn(jobs._directory.leases, 30.0, "test"))
    assert (await jobs.find(job.id)).state is JobState.RUNNING
    assert (await jobs.find(other.id)).state is JobState.DONE


async def test_r259_the_console_has_the_sources_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []

    class Noted(JobRunner):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            made.append(parts)

    monkeypatch.setattr(bootstrap, "JobRunner", Noted)
    async with console_of(tmp_path) as console:
        inside = await console.inside()
        assert made[0][-1] == inside.sign_in.sources.ask


async def job_of_aoi(console: ConsoleUnderTest) -> tuple[JobRunner, Job]:
    """A job of an administrator by a group, and what carries it out as the console does."""
    aoi = await in_groups(console, "aoi", "IT: staff")
    await signed_in(console, "aoi")
    inside = await console.inside()
    actor = Actor("console:aoi", console.clock, subject_id=aoi, role=Role.ADMIN)
    jobs, chosen = inside.administration(actor).jobs, Selection(wanted=PeopleFilter())
    job = await jobs.start(JobKind.SIGN_OUT, chosen, (await jobs.preview(chosen)).matching)
    ask = inside.sign_in.sources.ask
    return JobRunner(jobs._directory, nothing_done, console.clock, ask), job


def nothing_done(actor: Actor) -> Operations:
    """Operations that are never used."""
    nobody: Any = None
    return Operations(users=nobody, people=nobody, people_import=nobody)


async def test_r226_who_has_become_an_administrator_by_a_group_does_not_leave_by_a_plan(
    console: ConsoleUnderTest,
) -> None:
    aoi = await in_groups(console, "aoi")
    departures = console.administration.departures
    await departures.plan("aoi", console.clock() + 3_600, "company")
    own_people.GROUPS["aoi"] = ["Chiefs"]
    await signed_in(console, "aoi")
    departure = await departures.of(aoi)
    assert departure is not None
    with pytest.raises(Refused, match="has become an administrator"):
        await departures._steps.carry_out(departure)


async def test_r226_disabled_here_nobody_is_an_administrator(console: ConsoleUnderTest) -> None:
    await in_groups(console, "aoi", "Chiefs")
    browser = await signed_in(console, "aoi")
    await console.administration.people.set_enabled("aoi", "company", enabled=False)
    assert not await is_in(browser)
    assert (await first_step(console, "aoi")).page.status_code == 401


async def test_r226_an_owner_by_a_group_is_no_reason_to_lose_the_last_one_here(
    console: ConsoleUnderTest,
) -> None:
    await in_groups(console, "aoi", "Chiefs")
    await signed_in(console, "aoi")
    with pytest.raises(Refused, match="the last owner"):
        await console.administration.users.disable("owner")


async def test_the_page_says_where_a_role_comes_from(console: ConsoleUnderTest) -> None:
    aoi = await in_groups(console, "aoi", "IT: staff")
    await signed_in(console, "aoi")
    browser = await console.signed_in("owner")
    page = html.unescape((await browser.get("/administrators")).text)
    assert "by the group IT: staff" in page
    assert "assigned here" in page
    assert "Aoi" in (await browser.get("/people?state=administrators")).text
    assert "by the group IT: staff" in (await browser.get(f"/person?id={aoi}")).text
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="aoi", role="", source="company")
    assert browser.page.status_code == 409
    assert query(console.database, f"SELECT role FROM people WHERE subject_id = '{aoi}'") == [
        (None,)
    ]
