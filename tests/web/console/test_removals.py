"""A person who is removed on their page, brought back, and removed for good."""

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role


async def test_a_person_is_removed_brought_back_and_removed_for_good(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None, has_app=False)
    browser = await console.signed_in("owner")
    page = (await browser.get(f"/person?id={subject}")).text
    assert 'action="/person/remove"' in page
    await browser.post("/person/remove", id=subject)
    page = (await browser.get(browser.page.headers["location"])).text
    assert "Mika was removed." in page
    assert "They are removed, and everything they held has ended." in page
    assert (
        f"/person?id={subject.replace(':', '%3A')}" in (await browser.get("/people/removed")).text
    )

    await browser.get(f"/person?id={subject}")
    form = {"id": subject, "version": browser.hidden("version")}
    await browser.post("/person/restore", **form)
    page = (await browser.get(browser.page.headers["location"])).text
    assert "They are back, as they were." in page
    await browser.post("/person/restore", **form)
    assert browser.page.status_code == 404

    await browser.get(f"/person?id={subject}")
    await browser.post("/person/remove", id=subject)
    await browser.get(f"/person?id={subject}")
    console.clock.advance(600)
    assert "Is it you?" in (await browser.post("/person/purge", id=subject, username="mika")).text
    assert browser.hidden("username") == "mika"
    assert len(await console.administration.removals.page()) == 1
    await browser.post("/person/purge", id=subject, username="mika", proof=console.code("owner"))
    assert browser.page.headers["location"] == "/people/removed"
    assert await console.administration.removals.page() == []
    assert (await browser.get(f"/person?id={subject}")).status_code == 404


@pytest.mark.parametrize("typed", ["", "mik", "Mika", "owner"])
async def test_r264_nobody_is_removed_for_good_whose_name_was_not_typed(
    console: ConsoleUnderTest, typed: str
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None)
    await console.administration.users.remove("mika")
    browser = await console.signed_in("owner")
    page = (await browser.get(f"/person?id={subject}")).text
    assert "Their password, second factors, groups and role go with them." in page
    await browser.post("/person/purge", id=subject, username=typed)
    assert browser.page.status_code == 422
    assert "Nothing was removed." in browser.page.text
    assert len(await console.administration.removals.page()) == 1


async def test_whose_key_somebody_else_has_is_not_brought_back(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None, has_app=False)
    users = console.administration.users
    await users.remove("mika")
    await users.add("jiro", external_key="key-mika", reuse_retired_keys=True)
    browser = await console.signed_in("owner")
    await browser.get(f"/person?id={subject}")
    await browser.post("/person/restore", id=subject, version=browser.hidden("version"))
    assert browser.page.status_code == 409
    assert "the external key key-mika belongs to jiro" in browser.page.text


@pytest.mark.parametrize("role", [Role.HELP_DESK, Role.AUDITOR])
async def test_who_may_only_look_is_offered_nothing(console: ConsoleUnderTest, role: Role) -> None:
    await console.make("who", role)
    subject = await console.make("mika", None, has_app=False)
    browser = await console.signed_in("who")
    assert "/person/remove" not in (await browser.get(f"/person?id={subject}")).text
    await console.administration.users.remove("mika")
    page = (await browser.get(f"/person?id={subject}")).text
    assert "Mika was removed." in page
    assert "/person/restore" not in page
