"""The page of a person: what it says in the administrator's language, and what it offers."""

from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
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
