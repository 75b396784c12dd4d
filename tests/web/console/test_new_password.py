"""A new password for somebody who calls: a help desk never sees a link."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.mail_server import MailServer, mail_server
from tests.web.console.console import ConsoleUnderTest, console_of

from worksgate.administration import Actor, Forbidden
from worksgate.administration.roles import Role
from worksgate.administration.users import Identified, UserAdministration
from worksgate.audit import Event
from worksgate.sources import Person

CODE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[tuple[ConsoleUnderTest, MailServer]]:
    with mail_server() as server:
        async with console_of(tmp_path, smtp_url=server.url, mail_from="sso@example.com") as made:
            await made.make("owner", Role.OWNER)
            await made.make("desk", Role.HELP_DESK)
            yield made, server


async def test_r233_a_help_desk_sends_a_link_and_never_sees_it(
    post: tuple[ConsoleUnderTest, MailServer],
) -> None:
    console, server = post
    subject = await console.make("person", None)
    desk = await console.signed_in("desk")
    page = (await desk.get(f"/person?id={subject}")).text
    assert "/person/code" in page
    assert "/person/reset-link" not in page
    assert "/person/reset-mail" not in page  # there is no address
    await console.administration.users.change("person", email="person@example.com")
    assert "/person/reset-mail" in (await desk.get(f"/person?id={subject}")).text
    await desk.post("/person/reset-mail", id=subject)
    assert desk.page.status_code == 303
    assert "token=" not in desk.page.text + desk.page.headers["location"]
    (mail,) = await server.wait_for(1)
    assert str(mail.message["to"]) == "person@example.com"
    assert "token=" in mail.link
    assert "sent to person@example.com" in (await desk.get(desk.page.headers["location"])).text


async def test_r233_a_link_goes_to_the_address_that_it_was_made_for(
    post: tuple[ConsoleUnderTest, MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    console, server = post
    subject = await console.make("person", None)
    await console.administration.users.change("person", email="old@example.com")
    issue = UserAdministration.issue_reset_link

    async def as_the_address_changes(
        users: UserAdministration, username: str, *, mailed: bool = False
    ) -> str:
        await console.administration.users.change(username, email="new@example.com")
        return await issue(users, username, mailed=mailed)

    monkeypatch.setattr(UserAdministration, "issue_reset_link", as_the_address_changes)
    desk = await console.signed_in("desk")
    await desk.get(f"/person?id={subject}")
    await desk.post("/person/reset-mail", id=subject)
    (mail,) = await server.wait_for(1)
    assert str(mail.message["to"]) == "new@example.com"


async def test_r233_a_code_is_shown_to_whoever_says_how_they_are_sure(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("desk", Role.HELP_DESK)
    subject = await console.make("person", None)
    desk = await console.signed_in("desk")
    page = (await desk.get(f"/person/code?id={subject}")).text
    assert "they have shown me a document" in page
    assert not CODE.search(page)
    assert (await desk.post("/person/code", id=subject)).status_code == 400
    await desk.post("/person/code", id=subject, identified="vouched_for")
    found = CODE.search(desk.page.text)
    assert found is not None
    assert "https://sso.example.com/account/code" in desk.page.text
    (issued,) = [
        each
        for each in await console.administration.audit_log.search(limit=20)
        if each.event is Event.RESET_LINK_ISSUED
    ]
    assert issued.actor == "console:desk"
    assert issued.detail == "a code to read out; somebody who knows them was asked"
    assert found[0] not in repr(await console.administration.audit_log.search(limit=50))


@pytest.mark.parametrize(("role", "is_allowed"), [(Role.HELP_DESK, False), (Role.ADMIN, True)])
async def test_r233_whatever_page_asks_a_help_desk_gets_no_link(
    console: ConsoleUnderTest, role: Role, *, is_allowed: bool
) -> None:
    await console.make("person", None)
    actor = Actor("console:who", console.clock, subject_id="directory:who", role=role)
    users = (await console.inside()).administration(actor).users
    if is_allowed:
        assert "token=" in await users.issue_reset_link("person")
    else:
        with pytest.raises(Forbidden):
            await users.issue_reset_link("person")
    assert "token=" in await users.issue_reset_link("person", mailed=True)


async def test_nobody_gets_a_code_or_a_link_of_whom_they_may_not_change(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    actor = Actor("console:who", console.clock, subject_id="directory:who", role=Role.HELP_DESK)
    users = (await console.inside()).administration(actor).users
    with pytest.raises(Forbidden):
        await users.issue_reset_code("owner", Identified.IN_PERSON)
    with pytest.raises(Forbidden):
        await users.issue_reset_link("owner", mailed=True)


@pytest.mark.parametrize("path", ["/person/code", "/person/reset-link", "/person/reset-mail"])
async def test_nobody_gets_the_password_of_their_namesake_in_another_source(
    console: ConsoleUnderTest, path: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", None)
    namesake = Person(subject_id="company:1", username="person", name="Another")
    people = console.administration.people._directory.people
    await people.remember("company", namesake, console.clock())
    owner = await console.signed_in("owner")
    await owner.get("/administrators")
    await owner.post(path, id="company:1", identified="in_person")
    assert owner.page.status_code == 404
    records = await console.administration.audit_log.search(limit=20)
    assert Event.RESET_LINK_ISSUED not in {each.event for each in records}


async def test_a_code_is_not_offered_where_it_would_not_work(console: ConsoleUnderTest) -> None:
    owner = await console.make("owner", Role.OWNER)
    await console.make("desk", Role.HELP_DESK)
    subject = await console.make("person", None)
    await console.administration.users.disable("person")
    desk = await console.signed_in("desk")
    for each in (owner, subject):
        assert 'name="identified"' not in (await desk.get(f"/person/code?id={each}")).text
