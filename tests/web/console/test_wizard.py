"""The set-up wizard: what is asked, kept, found, and shown once."""

import re

import pytest
from tests.administration.set_up.test_outside_check import printed
from tests.databases import query
from tests.web.console.console import AdminBrowser, ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.administration.set_up import Step
from worksgate.audit import Event

WIZARD = [f"/wizard/{step.value}" for step in Step]
IMPOSSIBLE: tuple[tuple[str, dict[str, str]], ...] = (
    ("/wizard/where", {"profile": "other", "plan": "free", "language": "en"}),
    ("/wizard/where", {"profile": "line_works", "plan": "gold", "language": "en"}),
    ("/wizard/where", {"profile": "line_works", "plan": "free", "language": "xx"}),
    ("/wizard/keys", {"kind": "password_hash"}),
    ("/wizard/values/client", {"name": ""}),
    ("/wizard/values/choose", {"client": "nobody"}),
    ("/wizard/values", {"field": "sso_type", "is_so": "yes"}),
    ("/wizard/values", {"field": "client_secret", "is_so": "yes"}),
    ("/wizard/values/secret", {}),
)
PLACE = {"profile": "line_works", "plan": "free", "language": "en"}
MARKS = re.compile(r'aria-label="(done|needs attention)"')


@pytest.fixture
async def owner(console: ConsoleUnderTest) -> AdminBrowser:
    await console.make("owner", Role.OWNER)
    return await console.signed_in("owner")


async def answers(console: ConsoleUnderTest) -> set[str]:
    return set((await console.administration.set_up.overview()).answers)


async def records(console: ConsoleUnderTest) -> list[str]:
    found = await console.administration.audit_log.search(event=Event.SYSTEM)
    return [each.detail or "" for each in found if (each.detail or "").startswith("set-up")]


async def version_on(browser: AdminBrowser, path: str) -> str:
    """The version of the client that a page shows."""
    await browser.get(path)
    return browser.hidden("version")


async def test_a_new_installation_leads_to_the_wizard_until_somebody_has_signed_in(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    assert 'href="/wizard">Begin the set-up' in (await owner.get("/")).text
    page = await owner.get("/wizard")
    assert (page.status_code, page.headers["location"]) == (303, "/wizard/where")
    await console.administration.clients.add("Works")
    assert 'href="/wizard">Go on with the set-up' in (await owner.get("/")).text
    query(console.database, "UPDATE accounts SET last_login_at = 1")
    assert "with the set-up" not in (await owner.get("/")).text


async def test_a_source_that_is_tested_in_the_wizard_leads_back_to_it(owner: AdminBrowser) -> None:
    await owner.get("/wizard/people")
    for _ in range(2):
        page = await owner.post("/source/test", name="directory", **{"from": owner.hidden("from")})
        assert 'href="/wizard/people">Go on with the set-up' in page.text


async def test_r166_opening_the_pages_keeps_nothing(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    for path in (*WIZARD, "/sources", "/source?name=directory"):
        assert (await owner.get(path)).status_code == 200, path
    assert await answers(console) == set()
    assert await records(console) == []
    assert await console.administration.clients.all() == ()


async def test_r166_each_answer_is_kept_with_a_record_in_the_name_of_who_gave_it(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/wizard/where")
    await owner.post(
        "/wizard/where",
        profile="naver_works",
        domain=" Works.Example.com ",
        plan="free",
        language="ko",
    )
    assert owner.page.headers["location"] == "/wizard/address"
    assert await answers(console) == {"where"}
    assert await records(console) == ["set-up: naver_works, plan free, domain works.example.com"]
    (record, *_) = await console.administration.audit_log.search(event=Event.SYSTEM, limit=1)
    assert record.actor == "console:owner"
    page = (await owner.get("/wizard/where")).text
    assert 'value="naver_works" checked' in page
    assert 'value="works.example.com"' in page
    assert "NAVER WORKS" in page


async def test_an_answer_that_cannot_be_is_refused_and_not_kept(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    for path, form in IMPOSSIBLE:
        await owner.get("/me")
        await owner.post(path, **form)
        assert owner.page.status_code in (404, 409), (path, form)
    assert await answers(console) == set()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/wizard/where", {"domain": "mine.example.com", **PLACE}),
        ("/wizard/keys", {"kind": "works_account"}),
    ],
)
async def test_the_client_is_changed_only_as_the_page_has_shown_it(
    console: ConsoleUnderTest, owner: AdminBrowser, path: str, form: dict[str, str]
) -> None:
    clients = console.administration.clients
    await clients.add("Works")
    seen = await version_on(owner, path)
    theirs = await clients.change("Works", domain="theirs.example.com")
    other = (await clients.add("Another, which comes first")).client
    for late in ("", seen, str(theirs.version)):
        await owner.get(path)
        await owner.post(path, **form, version=late)
        assert owner.page.status_code == 409, late
    assert set(await clients.all()) == {other, theirs}
    assert await answers(console) == set()
    await owner.post(path, **form, version=await version_on(owner, path))
    assert owner.page.status_code == 303
    assert await clients.get("Works") == theirs
    assert await clients.get(other.client_id) != other


async def test_r166_the_address_is_done_by_an_answer_from_outside_alone(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    page = (await owner.get("/wizard/address")).text
    assert "https://sso.example.com/accessToken</pre>" in page
    await owner.post("/wizard/address/inside")
    page = (await owner.get("/wizard/address")).text
    assert "it responds, from this machine" in page
    assert MARKS.findall((await owner.get("/wizard/where")).text) == ["needs attention"]
    await owner.get("/wizard/address")
    await owner.post("/wizard/address/outside", answer="<script>alert(1)</script>")
    page = (await owner.get("/wizard/address")).text
    assert "This is not the answer of the line." in page
    assert "<script>" not in page
    await owner.post("/wizard/address/outside", answer=printed())
    page = (await owner.get("/wizard/address")).text
    assert "LINE WORKS can reach this installation." in page
    assert "connected in 0.09 s, answered in 0.18 s" in page
    assert MARKS.findall((await owner.get("/wizard/where")).text) == ["done"]
    assert await records(console) == [
        "set-up: public address, from inside: ok",
        "set-up: public address, from outside: unreadable",
        "set-up: public address, from outside: reached",
    ]


async def test_the_wizard_is_light_with_many_people(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    query(
        console.database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
        "INSERT INTO accounts (id, username, username_key, name, enabled, administrator, "
        "created_at, groups, version) SELECT 'id' || i, 'u' || i, 'u' || i, '', 1, 0, 0, '[]', 1 "
        "FROM n",
    )
    for path in WIZARD:
        page = await owner.get(path)
        assert len(page.content) < 60_000, path
    assert "more than 1,000" in page.text
