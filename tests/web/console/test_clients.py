"""Clients in the console: looking, changing, two at once, secrets, rules, undo."""

import html
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.databases import query
from tests.postgres_server import giving_back
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration.roles import Role
from worksgate.credentials.secrets import digest
from worksgate.oauth.model import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleUnderTest]:
    """A console with an owner, and somebody who only looks; each test has its own client."""
    async with console_of(tmp_path_factory.mktemp("clients")) as site:
        await site.make("owner", Role.OWNER)
        await site.make("audrey", Role.AUDITOR)
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(site: ConsoleUnderTest) -> AdminBrowser:
    return await site.signed_in("owner")


@pytest_asyncio.fixture(loop_scope="module")
async def client(site: ConsoleUnderTest, request: pytest.FixtureRequest) -> Client:
    name = request.node.name[:60]
    made = await site.administration.clients.add(name, allowed_addresses=["198.51.100.0/24"])
    return made.client


def shown(browser: AdminBrowser) -> str:
    """The text of the page, without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", browser.page.text)).split())


async def post(browser: AdminBrowser, page: str, path: str, **form: str) -> int:
    """Open a page, and send a form of it with its hidden fields."""
    await browser.get(page)
    assert browser.page.status_code == 200, browser.page.text
    kept = {name: browser.hidden(name) for name in ("id", "part", "version")}
    return (await browser.post(path, **{**kept, **form})).status_code


async def proved(site: ConsoleUnderTest, browser: AdminBrowser, path: str) -> None:
    """Answer the question for the second step, with the fields that it kept."""
    assert "Is it you?" in browser.page.text
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.page.text))
    await browser.post(path, **{**kept, "proof": site.code("owner")})


def edit_page(client: Client, part: str) -> str:
    return f"/client/edit?id={client.client_id}&part={part}"


async def test_a_client_is_shown_with_what_its_settings_mean(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    await site.administration.clients.change(
        client.client_id, rules=["deny kind=app days=sat-sun timezone=Asia/Tokyo"]
    )
    await owner.get(f"/clients?q={client.name}")  # another test may have added thousands
    assert f"/client?id={client.client_id}" in owner.page.text
    await owner.get(f"/client?id={client.client_id}")
    text = shown(owner)
    assert "Web Login URL https://sso.example.com/login" in text
    assert "Access Token Return API https://sso.example.com/accessToken" in text
    assert "Refuse sign-in app days Sat–Sun Asia/Tokyo" in text
    assert "Set Expire Time" in text
    assert "30 days" in text
    await owner.get(f"/find?q={client.client_id}")
    assert owner.page.headers["location"] == f"/client?id={client.client_id}"


async def test_what_cannot_be_saved_is_said_beside_the_field_and_nothing_is_lost(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    status = await post(
        owner,
        edit_page(client, "times"),
        "/client/edit",
        expires_in_web="soon",
        expires_in_app="7d",
        code_lifetime="1h",
    )
    assert status == 400
    page = owner.page.text
    assert 'value="soon"' in page
    assert 'value="7d"' in page
    assert page.count('class="problem"') == 2
    assert 'id="code_lifetime-problem"' in page
    assert owner.hidden("version") == str(client.version)
    assert await site.administration.clients.get(client.client_id) == client
    assert await post(owner, edit_page(client, "tenant"), "/client/edit", name="  ") == 400
    await site.administration.clients.add(f"{client.name}!")
    status = await post(
        owner,
        edit_page(client, "tenant"),
        "/client/edit",
        name=f"{client.name}!",
        domain="x.example",
    )
    assert status == 400
    assert "There is already a client with this name." in owner.page.text
    assert 'value="x.example"' in owner.page.text


async def test_one_part_is_changed_and_the_change_is_shown(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    status = await post(
        owner,
        edit_page(client, "sign-in"),
        "/client/edit",
        second_factor="required",
        require_state="off",
        sources="",
    )
    assert status == 303
    saved = await site.administration.clients.get(client.client_id)
    assert (saved.second_factor, saved.require_state) == ("required", False)
    await owner.get(owner.page.headers["location"])
    assert "The settings are saved." in owner.page.text
    assert "Second factor Before Of those who have one" not in shown(owner)
    assert re.search(r"<del>Of those who have one</del>.*<ins>Of everybody</ins>", owner.page.text)
    (record,) = await site.administration.audit_log.search(client=client.client_id, limit=1)
    assert record.detail == f"{client.name}: set require_state, second_factor"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Path]:
    with giving_back(tmp_path / "worksgate.postgres"):
        yield tmp_path


async def two_at_once(site: ConsoleUnderTest, first: AdminBrowser, second: AdminBrowser) -> None:
    """Two browsers have the same form open, and both save it."""
    made = await site.administration.clients.add(
        "Both", allowed_addresses=["198.51.100.0/24"], domain="example.com"
    )
    page = edit_page(made.client, "addresses")
    for browser in (first, second):
        await browser.get(page)
    kept = {name: second.hidden(name) for name in ("id", "part", "version")}
    await first.post("/client/edit", **kept, allowed_addresses="192.0.2.0/24", logout_queries="on")
    assert first.page.status_code == 303
    await second.post(
        "/client/edit",
        **kept,
        allowed_addresses="198.51.100.0/24\r\n203.0.113.0/24",
        logout_redirect_uris="https://example.com/bye",
        logout_queries="off",
    )
    assert second.page.status_code == 409
    text = shown(second)
    assert "owner changed this while you had it open" in text
    assert "One field was changed by both of you" in text
    stored = await site.administration.clients.get("Both")
    assert stored.allowed_addresses == ("192.0.2.0/24",), "theirs is not lost"
    values = re.findall(r'type="radio" name="allowed_addresses" value="([^"]*)"', second.page.text)
    assert [each.split() for each in values] == [
        ["192.0.2.0/24"],
        ["198.51.100.0/24", "203.0.113.0/24"],
        ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
    ]
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', second.page.text))
    await second.post("/client/edit", **{**again, "allowed_addresses": values[1]})
    assert second.page.status_code == 303
    stored = await site.administration.clients.get("Both")
    assert stored.allowed_addresses == ("198.51.100.0/24", "203.0.113.0/24"), "as was chosen"
    assert stored.logout_redirect_uris == ("https://example.com/bye",), "mine"
    assert stored.logout_queries, "theirs"


async def test_r163_of_two_who_change_the_same_nobody_loses_anything(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await two_at_once(site, owner, await site.signed_in("owner"))


async def test_r163_the_same_on_postgresql(postgres: Path) -> None:
    async with console_of(postgres, database="worksgate.postgres") as site:
        await site.make("owner", Role.OWNER)
        await two_at_once(site, await site.signed_in("owner"), await site.signed_in("owner"))


async def test_r163_who_changes_other_settings_is_not_in_the_way(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    await owner.get(edit_page(client, "tenant"))
    kept = {name: owner.hidden(name) for name in ("id", "part", "version")}
    await site.administration.clients.change(client.client_id, rules=["deny kind=app"])
    await owner.post("/client/edit", **kept, domain="example.com")
    assert owner.page.status_code == 303
    saved = await site.administration.clients.get(client.client_id)
    assert (saved.domain, saved.rules) == ("example.com", ("deny kind=app",))


async def test_r163_the_key_of_a_person_is_compared_too(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    subject = await site.make("paula", None, has_app=False)
    await owner.get(f"/person?id={subject}")
    kept = {"id": subject, "version": owner.hidden("version")}
    await site.administration.users.set_password("paula", "quite another lantern here")
    await site.administration.users.change("paula", external_key="theirs-1")
    await owner.post(
        "/person/key", **kept, external_key="mine-1", works_account="paula@example.com"
    )
    assert owner.page.status_code == 409
    text = shown(owner)
    assert "command line changed this while you had it open" in text
    assert "External Key key-paula theirs-1 mine-1" in text
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', owner.page.text))
    await owner.post("/person/key", **again, external_key="theirs-1")
    assert owner.page.status_code == 303
    account = await site.administration.users.get("paula")
    assert (account.external_key, account.works_account) == ("theirs-1", "paula@example.com")


async def test_a_key_that_is_taken_is_said_beside_the_field(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    subject = await site.make("petra", None, has_app=False)
    await owner.get(f"/person?id={subject}")
    version = owner.hidden("version")
    await owner.post("/person/key", id=subject, version=version, external_key="key-owner")
    assert owner.page.status_code == 409
    assert 'value="key-owner"' in owner.page.text
    assert 'id="key-problem"' in owner.page.text
    assert (await site.administration.users.get("petra")).external_key == "key-petra"


async def test_r164_a_secret_is_shown_once_to_whoever_made_it(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    site.clock.advance(600)
    page = f"/client?id={client.client_id}"
    await owner.get(page)
    form = {"id": client.client_id, **{name: owner.hidden(name) for name in ("csrf", "version")}}
    await owner.post("/client/secret", **form)
    assert len((await site.administration.clients.get(client.client_id)).secrets) == 1
    await proved(site, owner, "/client/secret")
    assert owner.page.status_code == 200
    (_, secret) = re.findall(r'<code class="copy"[^>]*>([^<]+)</code>', owner.page.text)
    after = await site.administration.clients.get(client.client_id)
    old, new = after.secrets
    assert new.digest == digest(secret)
    assert old.expires_at == pytest.approx(site.clock() + 86_400, abs=60)
    await owner.post("/client/secret", **form)
    assert owner.page.status_code == 409, "a reload makes no other"
    for path in (page, "/audit/changes", "/audit"):
        assert secret not in (await owner.get(path)).text
    assert secret not in str(query(site.database, "SELECT * FROM changes"))


async def test_r164_a_new_client_begins_with_the_defaults_of_its_product(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/client/new")
    await owner.post("/client/new", name="New one", profile="workbox", domain="")
    if "Is it you?" in owner.page.text:
        await proved(site, owner, "/client/new")
    assert "It is shown only now" in owner.page.text
    assert (await site.administration.clients.get("New one")).user_key == "works_account"
    await owner.get("/client/new")
    await owner.post("/client/new", name="New one", profile="line_works", domain="Example.com")
    assert owner.page.status_code == 400
    await owner.get("/client/new")
    await owner.post("/client/new", name="New one", profile="line_works", domain="")
    assert "There is already a client with this name." in owner.page.text


async def test_a_client_is_switched_off_and_on(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    page = f"/client?id={client.client_id}"
    await owner.get(page)
    await owner.post("/client/disable", id=client.client_id)
    if "Is it you?" in owner.page.text:
        await proved(site, owner, "/client/disable")
    assert not (await site.administration.clients.get(client.client_id)).enabled
    await owner.get(page)
    assert "is off: every sign-in and every call is refused" in owner.page.text
    await owner.post("/client/enable", id=client.client_id, version=owner.hidden("version"))
    assert (await site.administration.clients.get(client.client_id)).enabled


async def test_r162_a_change_is_undone_from_the_page_unless_somebody_was_faster(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    page = f"/client?id={client.client_id}"
    await site.administration.clients.change(client.client_id, domain="example.com")
    await owner.get(page)
    assert owner.page.text.count("Undo this change") == 1
    number = owner.hidden("number")
    await site.administration.clients.change(client.client_id, domain="example.org")
    await owner.post("/client/undo", number=number)
    assert owner.page.status_code == 409
    await owner.get(page)
    await owner.post("/client/undo", number=owner.hidden("number"))
    assert owner.page.headers["location"] == f"{page}&done=undone"
    assert (await site.administration.clients.get(client.client_id)).domain == "example.com"
    await owner.get("/audit/changes?kind=client")
    assert "undoes" in shown(owner)
    await owner.get(page)
    await owner.post("/person/undo", number=owner.hidden("number"))
    assert owner.page.status_code == 409, "of another kind"


async def test_r162_a_person_is_enabled_again_from_their_page(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    subject = await site.make("pia", None, has_app=False)
    await site.administration.users.disable("pia")
    await owner.get(f"/person?id={subject}")
    assert "Sessions that have ended do not come back" in owner.page.text
    await owner.post("/person/undo", number=owner.hidden("number"))
    assert owner.page.status_code == 303
    assert (await site.administration.users.get("pia")).enabled


async def test_whoever_only_looks_sees_no_button(site: ConsoleUnderTest, client: Client) -> None:
    await site.administration.clients.change(client.client_id, domain="example.com")
    audrey = await site.signed_in("audrey")
    await audrey.get(f"/client?id={client.client_id}")
    assert audrey.page.status_code == 200
    assert 'method="post"' not in audrey.page.text
    assert "/client/edit" not in audrey.page.text
    assert "Owners and administrators change clients." in audrey.page.text
    await audrey.get("/audit/changes")
    assert "example.com" in audrey.page.text
    assert "Undo this change" not in audrey.page.text


async def test_the_rules_are_asked_about_a_person_and_an_address(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    await site.make("rita", None, has_app=False)
    await site.administration.users.change("rita", groups=["finance"])
    await site.administration.clients.change(
        client.client_id, rules=["deny group=finance network!=192.0.2.0/24"]
    )
    page = f"/client/rules?id={client.client_id}"
    await owner.get(f"{page}&who=rita&address=198.51.100.7")
    assert "Rita would be refused" in shown(owner)
    await owner.get(f"{page}&who=rita&address=192.0.2.7")
    assert "Rita: Let in, with a second factor if they have one" in shown(owner)
    await owner.get(f"{page}&who=nobody-here&address=here")
    assert "Nobody here has this name." in shown(owner)
    assert "This is not an IP address." in shown(owner)


async def test_strange_input_is_shown_as_text(
    site: ConsoleUnderTest, owner: AdminBrowser, client: Client
) -> None:
    evil = '<script>alert(1)</script>%(x)s"'
    await post(owner, edit_page(client, "addresses"), "/client/edit", allowed_addresses=evil)
    assert owner.page.status_code == 400
    assert "<script>" not in owner.page.text
    await site.administration.clients.change(client.client_id, name="100% <b>Acme</b>")
    for path in (f"/client?id={client.client_id}", "/clients", "/audit/changes"):
        await owner.get(path)
        assert owner.page.status_code == 200
        assert "<b>Acme" not in owner.page.text


async def test_a_list_of_thousands_comes_a_page_at_a_time(
    site: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    for number in range(51):
        await site.administration.clients.add(f"many {number:02}")
    await owner.get("/clients?q=many")
    assert owner.page.text.count('<th scope="row">') == 50
    found = re.search(r'rel="next" href="([^"]+)"', owner.page.text)
    assert found is not None
    await owner.get(html.unescape(found[1]))
    assert owner.page.text.count('<th scope="row">') == 1
    assert "many 50" in owner.page.text
    await owner.get("/audit/changes")
    assert owner.page.text.count('class="change"') == 20
    assert len(owner.page.content) < 60_000
    before = html.unescape(owner.page.text.partition('rel="next" href="')[2].partition('"')[0])
    await owner.get(before)
    assert "many 30" in owner.page.text
    assert "First page" in owner.page.text
