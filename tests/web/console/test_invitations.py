"""Invitations of administrators, and the sessions of all of them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.databases import query
from tests.mail_server import mail_server
from tests.web.console import own_people
from tests.web.console.console import ORIGIN, ConsoleUnderTest, console_of
from tests.web.console.test_access import become, is_in, name_oneself
from tests.web.console.test_administrators_of_sources import OWN, remembered, signed_in

from worksgate.administration import Forbidden, NotFound, Refused
from worksgate.administration.invitations import LIFETIME
from worksgate.administration.roles import Role

LINK = re.compile(rf"{ORIGIN}(/first\?token=[\w-]+)")


async def invited(console: ConsoleUnderTest, role: Role = Role.HELP_DESK) -> str:
    """The link of an invitation that an owner has made in the console."""
    owner = await console.signed_in("owner")
    await owner.get("/administrators")
    await owner.post("/administrators/invite", name="Minjun Kim", role=role.value)
    found = LINK.search(owner.page.text)
    assert found is not None, owner.page.text
    assert found[0] not in (await owner.get("/administrators")).text
    assert "Minjun Kim" in owner.page.text
    return found[1]


async def test_r234_an_invitation_gives_its_role_once(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    link = await invited(console)
    browser = await console.browser()
    assert "Help desk" in (await browser.get(link)).text
    assert await become(console, browser, link, "minjun") == 200
    account = await console.administration.users.get("minjun")
    assert (account.role, account.administrator) == ("help_desk", False)
    assert await is_in(browser)
    assert (await browser.get("/administrators")).status_code == 403
    assert await become(console, await console.browser(), link, "second") == 410
    records = await console.administration.audit_log.search(limit=20)
    used = [each.detail for each in records if each.username == "minjun" and each.detail]
    assert used[0].startswith("the role help_desk in the console, by an invitation of console:own")
    assert link.rpartition("=")[2] not in repr(records)
    assert link.rpartition("=")[2] not in repr(
        query(console.database, "SELECT * FROM console_invitations")
    )


async def test_r234_an_invitation_ends_with_time_and_when_it_is_withdrawn(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    link = await invited(console)
    console.clock.advance(LIFETIME + 1)
    browser = await console.browser()
    assert (await browser.get(link)).status_code == 410
    assert await console.administration.invitations.valid() == []
    link = await invited(console)
    assert (await browser.get(link)).status_code == 200
    (open_one,) = await console.administration.invitations.valid()
    owner = await console.signed_in("owner")
    await owner.get("/administrators")
    await owner.post("/administrators/withdraw", id=open_one.id)
    assert owner.page.status_code == 303
    assert (await browser.get(link)).status_code == 410
    with pytest.raises(NotFound):
        await console.administration.invitations.withdraw(open_one.id)


@pytest.mark.parametrize("lost", ["role", "disabled", "removed"])
async def test_r234_an_invitation_is_void_once_its_owner_is_none(
    console: ConsoleUnderTest, lost: str
) -> None:
    await console.make("first", Role.OWNER)
    await console.make("owner", Role.OWNER)
    link = await invited(console, Role.OWNER)
    if lost == "role":
        await console.administration.administrators.set_role("owner", Role.ADMIN)
    elif lost == "disabled":
        await console.administration.users.disable("owner")
    else:
        await console.administration.users.remove("owner")
    assert (await (await console.browser()).get(link)).status_code == 410
    assert await console.administration.invitations.valid() == []


async def test_r234_the_owner_is_looked_at_again_when_it_is_used(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.make("first", Role.OWNER)
    await console.make("owner", Role.OWNER)
    link = await invited(console, Role.OWNER)
    hashing = (await console.inside()).first_owner._hashing
    hashed = hashing.hash

    async def while_the_role_is_taken(password: str) -> str:
        await console.administration.administrators.set_role("owner", None)
        return await hashed(password)

    monkeypatch.setattr(hashing, "hash", while_the_role_is_taken)
    assert await become(console, await console.browser(), link, "late") == 410
    everybody = await console.administration.administrators.all()
    assert [each.username for each in everybody] == ["first"]


async def test_r229_whoever_is_invited_does_not_learn_who_was_removed(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("hana", None)
    await console.administration.users.remove("hana")
    link = await invited(console)
    for name in ("HANA", "OWNER"):
        browser = await console.browser()
        await name_oneself(browser, link, name)
        assert browser.page.status_code == 409
        assert f"there is already a person called {name}" in browser.page.text
        assert "removed" not in browser.page.text


async def test_r234_an_invitation_of_a_clock_that_was_ahead_waits_for_its_time(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    link = await invited(console)
    for seconds, status in ((-3_600, 410), (3_600, 200)):
        console.clock.advance(seconds)
        assert (await (await console.browser()).get(link)).status_code == status


@pytest.mark.parametrize(
    ("role", "lost", "status"),
    [
        (None, "nothing", 200),
        (None, "the group", 410),
        (None, "the account", 410),
        (Role.OWNER, "the group", 200),
        (Role.OWNER, "the account", 410),
        (None, "the answer", 503),
    ],
)
async def test_r249_the_source_of_its_owner_is_asked_when_an_invitation_is_used(
    tmp_path: Path, role: Role | None, lost: str, status: int
) -> None:
    own_people.PEOPLE.clear()
    own_people.PEOPLE["aoi"] = "Aoi"
    chiefs = replace(OWN, console_groups=("owner: Chiefs",))
    async with console_of(tmp_path, sources=(chiefs,)) as console:
        own_people.GROUPS["aoi"] = ["Chiefs"]
        await remembered(console, "aoi", role)
        owner = await signed_in(console, "aoi")
        await owner.get("/administrators")
        await owner.post("/administrators/invite", name="Minjun Kim", role="owner")
        link = LINK.search(owner.page.text)
        assert link is not None
        match lost:
            case "the group":
                own_people.GROUPS["aoi"] = []
            case "the account":
                del own_people.PEOPLE["aoi"]
            case "the answer":
                own_people.PEOPLE[own_people.OUTAGE] = ""
        browser = await console.browser()
        assert (await browser.get(link[1])).status_code == status
        if status != 503:
            assert await become(console, browser, link[1], "minjun") == status


async def test_an_invitation_with_an_address_is_sent_and_not_shown(tmp_path: Path) -> None:
    with mail_server() as server:
        mail: dict[str, Any] = {"smtp_url": server.url, "mail_from": "sso@example.com"}
        async with console_of(tmp_path, **mail) as console:
            await console.make("owner", Role.OWNER)
            owner = await console.signed_in("owner")
            await owner.get("/administrators?lang=ja")
            await owner.post(
                "/administrators/invite?lang=ja",
                name="<b>葵",
                role="auditor",
                email="aoi@example.com",
            )
            assert owner.page.status_code == 303
            (sent,) = await server.wait_for(1)
            assert str(sent.message["to"]) == "aoi@example.com"
            plain, rich = (sent.message.get_body((kind,)) for kind in ("plain", "html"))
            assert plain is not None
            assert rich is not None
            found = LINK.search(plain.get_content())
            assert found is not None
            assert "<b>" not in rich.get_content()
            assert await become(console, await console.browser(), found[1], "aoi") == 200
            assert (await console.administration.users.get("aoi")).email == "aoi@example.com"


async def test_an_invitation_that_cannot_be_sent_is_shown_instead(tmp_path: Path) -> None:
    mail: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "sso@example.com"}
    async with console_of(tmp_path, **mail) as console:
        await console.make("owner", Role.OWNER)
        owner = await console.signed_in("owner")
        await owner.get("/administrators")
        await owner.post(
            "/administrators/invite", name="Aoi", role="auditor", email="aoi@example.com"
        )
        assert "could not be sent" in owner.page.text
        assert LINK.search(owner.page.text)


async def test_an_invitation_needs_a_name_and_a_role(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    for form in ({"name": "", "role": "admin"}, {"name": "x", "role": "king"}):
        await owner.get("/administrators")
        assert (await owner.post("/administrators/invite", **form)).status_code == 409
    with pytest.raises(Refused):
        await console.administration.invitations.invite("x", Role.ADMIN, email="no address")


async def test_r234_only_an_owner_ends_the_sessions_of_others(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("admin", Role.ADMIN)
    owner, admin = await console.signed_in("owner"), await console.signed_in("admin")
    await owner.get("/administrators")
    (key,) = re.findall(r'name="key" value="([0-9a-f]+)"', owner.page.text)
    await owner.post("/administrators/end", id=subject, key=key)
    assert owner.page.status_code == 303
    assert not await is_in(admin)
    assert await is_in(owner)
    records = await console.administration.audit_log.search(limit=5)
    assert ("console:owner", "ended by an owner") in [(each.actor, each.detail) for each in records]


async def test_r234_no_other_role_invites_or_ends_whatever_the_way(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("admin", Role.ADMIN)
    inside, browser = await console.inside(), await console.signed_in("admin")
    assert browser is not None
    from worksgate.administration import Actor

    actor = Actor("console:admin", console.clock, subject_id=subject, role=Role.ADMIN)
    administration = inside.administration(actor)
    with pytest.raises(Forbidden):
        await administration.invitations.invite("x", Role.AUDITOR)
    with pytest.raises(Forbidden):
        await administration.invitations.withdraw("x")
    with pytest.raises(Forbidden):
        await administration.administrators.end_sessions(subject)
