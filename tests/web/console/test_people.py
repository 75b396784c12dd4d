"""The page of a person: what it says in the administrator's language, and what it offers."""

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.directory.people_list import PeopleCounts, PeopleList, PeopleState
from worksgate.web.console.pages import ROLE_NAMES, texts_of


async def test_a_role_has_its_name_on_every_page(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("helper", Role.HELP_DESK)
    owner = await console.signed_in("owner")
    await owner.get(f"/person?id={subject}")
    await owner.post("/person/disable", id=subject)
    assert owner.page.status_code == 303
    name = texts_of("ja").gettext(ROLE_NAMES[Role.HELP_DESK])
    for path in (f"/person?id={subject}", "/administrators", "/audit/changes"):
        page = (await owner.get(f"{path}{'&' if '?' in path else '?'}lang=ja")).text
        assert name in page, path
        assert ">help_desk<" not in page, path
        assert "(owner)" not in page, path


async def test_a_reset_link_is_offered_only_where_it_would_work(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None)
    owner = await console.signed_in("owner")
    assert "/person/reset-link" in (await owner.get(f"/person?id={subject}")).text
    await owner.post("/person/disable", id=subject)
    assert "/person/reset-link" not in (await owner.get(f"/person?id={subject}")).text
    await owner.post("/person/reset-link", id=subject)
    assert owner.page.status_code == 409


async def test_a_refusal_is_said_in_the_language_of_the_page(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    page = await owner.get("/client?id=none&lang=ja")
    assert page.status_code == 404
    assert '<html lang="ja">' in page.text
    assert "<p>クライアント&#39;none&#39;はありません</p>" in page.text


async def test_r235_who_was_disabled_again_is_not_enabled_by_an_older_page(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject, users = await console.make("person", None), console.administration.users
    await users.disable("person")
    owner = await console.signed_in("owner")
    await owner.get(f"/person?id={subject}")
    old = owner.hidden("version")
    await users.enable("person")
    await users.disable("person")
    assert (await owner.post("/person/enable", id=subject, version=old)).status_code == 409
    await owner.get(f"/person?id={subject}")
    assert (await owner.post("/person/enable", id=subject, version="")).status_code == 409
    assert not (await users.get("person")).enabled
    await owner.get(f"/person?id={subject}")
    await owner.post("/person/enable", id=subject, version=owner.hidden("version"))
    assert (await users.get("person")).enabled
    await owner.get(f"/person?id={subject}")
    await owner.post("/person/disable", id=subject)
    assert not (await users.get("person")).enabled


async def test_a_help_desk_sees_what_it_has_done_itself(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("desk", Role.HELP_DESK)
    subject = await console.make("person", None)
    owner, desk = await console.signed_in("owner"), await console.signed_in("desk")
    assert "Nothing that changes anything" in (await desk.get("/me")).text
    await owner.get("/me")
    await owner.post("/person/disable", id=subject)
    await desk.post("/person/sign-out", id=subject)
    page = (await desk.get("/me")).text
    done = page[page.index("What you have done lately") :]
    assert "signed out" in done
    assert f"/person?id={subject}".replace(":", "%3A") in done
    assert "disabled" not in done


async def test_how_many_match_is_said_exactly(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")

    async def counts(*_: object) -> PeopleCounts:
        return PeopleCounts(
            123_456, {each: 7_001 + number for number, each in enumerate(PeopleState)}
        )

    monkeypatch.setattr(PeopleList, "counts", counts)
    page = (await owner.get("/people?state=disabled")).text
    assert ">7,002 people</p>" in page
    assert 'All <span class="num">123,456</span>' in page
    assert "of 123,456" in (await owner.get("/")).text
