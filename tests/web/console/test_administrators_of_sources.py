"""Administrators of another source than the built-in directory: what they may, and until when."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.databases import query
from tests.web.console import own_people
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_passkeys import add_passkey, console_key, sign_in_by

from worksgate.administration import Actor
from worksgate.administration.console.sessions import IDLE, TOUCHED
from worksgate.administration.errors import Forbidden, NotFound, Refused
from worksgate.administration.roles import Role
from worksgate.credentials.secrets import digest
from worksgate.settings.sources import OidcSettings, PythonSettings
from worksgate.sources import Person

OWN = PythonSettings(name="company", function="tests.web.console.own_people:Company")
OPENID = OidcSettings(
    name="entra",
    issuer="https://login.example.com",
    client_id="1",
    client_secret="s",
    external_key_claim="sub",
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsoleUnderTest]:
    own_people.only(aoi="Aoi", ren="Ren")
    sources = (OWN, OPENID)
    async with console_of(tmp_path, sources=sources) as console:
        await console.make("owner", Role.OWNER)
        yield console


async def remembered(
    console: ConsoleUnderTest, name: str, role: Role | None, source: str = "company"
) -> str:
    """Somebody who has signed in by their source, has an app, and perhaps a role."""
    directory = console.administration.people._directory
    person = Person(subject_id=f"{source}:{name}", username=name, name=name.title())
    await directory.people.remember(source, person, console.clock())
    await console.enrol(name, person.subject_id)
    if role is not None:
        await console.administration.administrators.set_role(name, role, source=source)
    return person.subject_id


async def first_step(
    console: ConsoleUnderTest, name: str, password: str = own_people.PASSWORD
) -> AdminBrowser:
    browser = await console.browser()
    await browser.get("/sign-in")
    await browser.post("/sign-in", username=name, password=password)
    return browser


async def signed_in(console: ConsoleUnderTest, name: str) -> AdminBrowser:
    browser = await first_step(console, name)
    assert browser.page.status_code == 200, browser.page.text
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code(name))
    assert browser.page.status_code == 303, browser.page.text
    return browser


async def is_in(browser: AdminBrowser) -> bool:
    return (await browser.get("/me")).status_code == 200


async def test_r191_a_person_of_another_source_signs_in_and_acts_in_their_name(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    subject = await console.make("person", None)
    browser = await signed_in(console, "aoi")
    await browser.get("/me")
    assert "Aoi" in browser.page.text
    await browser.post("/person/disable", id=subject)
    assert not (await console.administration.users.get("person")).enabled
    actors = query(console.database, "SELECT actor FROM changes WHERE kind = 'person'")
    assert ("console:aoi (company)",) in actors


async def test_r250_no_name_makes_an_administrator_look_like_one_of_another_source(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.HELP_DESK)
    await console.make("aoi (company)", Role.HELP_DESK)
    await console.make("person", None)
    person = (await console.administration.users.get("person")).person.subject_id
    for browser in (await signed_in(console, "aoi"), await console.signed_in("aoi (company)")):
        await browser.get("/me")
        await browser.post("/person/sign-out", id=person)
        assert browser.page.status_code == 303
        assert (await browser.get("/me")).text.count("signed out") == 1
    signed_out = [
        each.actor
        for each in await console.administration.audit_log.search()
        if each.username == "person" and each.detail == "signed out"
    ]
    assert signed_out == ["console:aoi (company)", "console:aoi (company) (directory)"]


async def test_r250_who_takes_the_name_of_somebody_there_is_recorded_with_a_mark(
    console: ConsoleUnderTest,
) -> None:
    directory = console.administration.people._directory
    of_entra = {"entra:b": "Taro", "entra:a": "taro", "entra:c": "ta\u3164ro", "company:d": "taro"}
    for subject, username in of_entra.items():
        person = Person(subject_id=subject, username=username, name="")
        source, later = subject.partition(":")[0], 5.0 if subject == "entra:a" else 0.0
        assert await directory.people.remember(source, person, 9.0 + later)
    names = []
    for subject in of_entra:
        found = await directory.administrators.by_subject(subject)
        assert found is not None
        names.append(found.recorded_name)
    mark = digest("entra:a")[:8]
    assert names[:2] == ["Taro (entra)", f"taro (entra, {mark})"]
    assert names[2:] == [f"ta\u3164ro (entra, {digest('entra:c')[:8]})", "taro (company)"]


@pytest.mark.parametrize("why", ["wrong password", "no role", "disabled here", "gone there"])
async def test_r191_whoever_may_not_is_refused_like_after_a_wrong_password(
    console: ConsoleUnderTest, why: str
) -> None:
    await remembered(console, "ren", Role.ADMIN)
    await remembered(console, "aoi", None if why == "no role" else Role.ADMIN)
    if why == "disabled here":
        await console.administration.people.set_enabled("aoi", "company", enabled=False)
    if why == "gone there":
        del own_people.PEOPLE["aoi"]
    password = "wrong" if why == "wrong password" else own_people.PASSWORD
    browser = await first_step(console, "aoi", password)
    assert browser.page.status_code == 401
    assert "do not belong to an administrator" in browser.page.text


async def test_r191_without_a_second_factor_nobody_gets_in(console: ConsoleUnderTest) -> None:
    directory = console.administration.people._directory
    person = Person(subject_id="company:aoi", username="aoi", name="Aoi")
    await directory.people.remember("company", person, console.clock())
    await console.administration.administrators.set_role("aoi", Role.ADMIN)
    assert (await first_step(console, "aoi")).page.status_code == 403


@pytest.mark.parametrize("how", ["role", "disabled here", "gone there"])
async def test_r191_a_session_ends_with_the_role_and_with_the_source(
    console: ConsoleUnderTest, how: str
) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    browser = await signed_in(console, "aoi")
    assert await is_in(browser)
    match how:
        case "role":
            await console.administration.administrators.set_role("aoi", None)
        case "disabled here":
            people = console.administration.people
            await people.set_enabled("aoi", "company", enabled=False)
            await people.set_enabled("aoi", "company", enabled=True)
        case _:
            del own_people.PEOPLE["aoi"]
            console.clock.advance(TOUCHED + 1)
    assert not await is_in(browser)
    own_people.PEOPLE["aoi"] = "Aoi"
    assert not await is_in(browser)


async def test_r191_while_the_source_is_down_a_session_is_not_extended(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    browser = await signed_in(console, "aoi")
    own_people.PEOPLE[own_people.OUTAGE] = ""
    console.clock.advance(IDLE - 60)
    assert await is_in(browser)
    console.clock.advance(61)
    assert not await is_in(browser)
    again = await first_step(console, "aoi")
    assert again.page.status_code == 503


async def test_r225_the_source_is_asked_also_for_pages_that_load_themselves_again(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    browser = await signed_in(console, "aoi")
    del own_people.PEOPLE["aoi"]
    console.clock.advance(TOUCHED + 1)
    assert (await browser.get("/go-live/live?auto=1")).status_code == 303
    assert not await is_in(browser)


async def test_r191_a_source_that_is_down_keeps_no_owner_out(console: ConsoleUnderTest) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    own_people.PEOPLE[own_people.OUTAGE] = ""
    assert await is_in(await console.signed_in("owner"))


async def test_r191_a_source_without_administrators_sees_no_password(
    console: ConsoleUnderTest,
) -> None:
    own_people.PEOPLE[own_people.OUTAGE] = ""
    browser = await first_step(console, "aoi")
    assert browser.page.status_code == 401  # and not 503: nobody was asked


async def test_r191_a_passkey_counts_as_long_as_the_source_knows_its_person(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.ADMIN)
    key = console_key()
    await add_passkey(await signed_in(console, "aoi"), key)
    assert await is_in(await sign_in_by(console, key))
    own_people.PEOPLE[own_people.OUTAGE] = ""
    assert (await sign_in_by(console, key)).page.status_code == 503
    own_people.PEOPLE.clear()
    assert (await sign_in_by(console, key)).page.status_code == 401


async def test_r191_nobody_acts_on_an_administrator_of_another_source_with_more_rights(
    console: ConsoleUnderTest,
) -> None:
    aoi, ren = await remembered(console, "aoi", Role.OWNER), await remembered(console, "ren", None)
    await console.make("helper", Role.HELP_DESK)
    browser = await console.signed_in("helper")
    assert "/person/disable" not in (await browser.get(f"/person?id={aoi}")).text
    assert "/person/disable" in (await browser.get(f"/person?id={ren}")).text
    for path in ("/person/sign-out", "/person/remove-factors", "/person/disable"):
        await browser.get("/me")
        await browser.post(path, id=aoi)
        assert browser.page.status_code == 403, path
    people = console.administration.people
    actor = Actor("console:helper", console.clock, role=Role.HELP_DESK)
    helper = (await console.inside()).administration(actor)
    with pytest.raises(Forbidden):
        await helper.people.set_enabled_by_subject(aoi, enabled=False)
    with pytest.raises(Forbidden):
        await helper.departures.leave(aoi, "company")
    assert (await people.by_subject(aoi)).enabled


async def test_r191_who_has_become_an_administrator_does_not_leave_by_a_plan(
    console: ConsoleUnderTest,
) -> None:
    subject = await remembered(console, "aoi", None)
    departures = console.administration.departures
    await departures.plan("aoi", console.clock() + 3_600, "company")
    await console.administration.administrators.set_role("aoi", Role.ADMIN)
    departure = await departures.of(subject)
    assert departure is not None
    with pytest.raises(Refused, match="has become an administrator"):
        await departures._steps.carry_out(departure)
    assert (await console.administration.people.by_subject(subject)).enabled


async def test_r191_an_owner_of_another_source_is_no_reason_to_lose_the_last_one_here(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "aoi", Role.OWNER)
    with pytest.raises(Refused, match="the last owner"):
        await console.administration.users.disable("owner")


async def test_a_role_is_for_somebody_who_can_sign_in_to_the_console(
    console: ConsoleUnderTest,
) -> None:
    await remembered(console, "mei", None, source="gone")
    administrators = console.administration.administrators
    with pytest.raises(Refused, match="no source gone"):
        await administrators.set_role("mei", Role.ADMIN)
    with pytest.raises(NotFound, match="there is no person"):
        await administrators.set_role("hina", Role.ADMIN)


async def test_a_role_of_another_source_is_given_listed_and_undone_on_pages(
    console: ConsoleUnderTest,
) -> None:
    subject = await remembered(console, "aoi", None)
    browser = await console.signed_in("owner")
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="aoi", role="auditor", source="company")
    assert browser.page.status_code == 303, browser.page.text
    page = (await browser.get("/administrators")).text
    assert f"id={subject.replace(':', '%3A')}" in page
    listed = (await browser.get("/people?state=administrators")).text
    assert "Aoi" in listed
    ((number,),) = query(console.database, f"SELECT number FROM changes WHERE subject='{subject}'")
    await browser.get("/administrators")
    await browser.post("/administrators/undo", number=str(number))
    assert browser.page.status_code == 303, browser.page.text
    assert (await console.administration.people.by_subject(subject)).role is None
