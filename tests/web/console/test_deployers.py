"""Tokens of deployers: clients as a document says, and nothing else."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.databases import query
from tests.web.console import own_people
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_administrators_of_sources import OWN, remembered, signed_in
from tests.web.console.test_routes import BY_TOKEN, PUBLIC, key_of

from worksgate.administration import Actor, Forbidden, NotFound, Refused
from worksgate.administration.deployers import LIFETIME, WRONG_A_MINUTE, TokenState
from worksgate.administration.roles import OF_PEOPLE, Role
from worksgate.audit import Event
from worksgate.database import ConcurrentChange
from worksgate.web.console.routes import ROUTES

PATH = "/api/apply"
ACME: dict[str, Any] = {"name": "Acme", "expires_in_web": 3_600}


@dataclass
class Deployer:
    """A program with a token."""

    http: httpx2.AsyncClient

    async def apply(self, *clients: object, query: str = "", **headers: str) -> httpx2.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"{PATH}{query}", json=list(clients), headers=names)


async def deployer(console: ConsoleUnderTest, token: str | None = None) -> Deployer:
    if token is None:
        token = (await console.administration.deployers.make("CI")).secret
    return Deployer((await console.browser(authorization=f"Bearer {token}")).http)


async def made_in_the_console(console: ConsoleUnderTest, owner: AdminBrowser, **form: str) -> str:
    await owner.get("/administrators")
    await owner.post("/administrators/token", **{"name": "CI", "days": "30", **form})
    found = re.search(r"wgd_[\w-]{43}", owner.page.text)
    assert found is not None, owner.page.text
    return found[0]


async def test_r236_a_token_opens_nothing_else(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    program = await deployer(console)
    for route in ROUTES:
        if key_of(route) not in PUBLIC | BY_TOKEN:
            response = await program.http.request(route.method, route.path)
            assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
    assert (await program.apply(ACME)).status_code == 200


async def test_r236_a_cookie_opens_nothing_there(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    for header in ("", "Bearer", "Bearer wgd_x", "Basic b3duZXI6eA=="):
        headers = {"authorization": header} if header else {}
        response = await owner.http.post(PATH, json=[ACME], headers=headers)
        assert (response.status_code, response.json()) == (
            401,
            {"error": "this needs the token of a deployer"},
        )
        assert response.headers["www-authenticate"] == 'Bearer realm="worksgate"'
        assert response.headers["cache-control"] == "no-store"
    assert await console.administration.clients.all() == ()


async def test_r236_an_owner_makes_a_token_that_is_shown_once(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    console.clock.stop()
    token = await made_in_the_console(console, owner)
    assert token not in (await owner.get("/administrators")).text
    assert "CI" in owner.page.text
    assert token not in repr(query(console.database, "SELECT * FROM deployer_tokens"))
    (listed,) = await console.administration.deployers.all()
    assert (listed.state, listed.token.used_at) == (TokenState.ACCEPTED, None)
    assert listed.token.expires_at == console.clock() + 30 * 86_400
    assert (await (await deployer(console, token)).apply(ACME)).status_code == 200
    (used,) = await console.administration.deployers.all()
    assert used.token.used_at == console.clock()
    records = await console.administration.audit_log.search(limit=50)
    assert token not in repr(records)
    assert "the deployer token CI was made" in [each.detail for each in records]


@pytest.mark.parametrize("end", ["ended", "expired", "role", "disabled"])
async def test_r236_a_token_ends_at_once(console: ConsoleUnderTest, end: str) -> None:
    await console.make("first", Role.OWNER)
    await console.make("owner", Role.OWNER)
    administration = console.administration
    owner = await console.signed_in("owner")
    program = await deployer(console, await made_in_the_console(console, owner))
    assert (await program.apply(ACME)).status_code == 200
    (made,) = await administration.deployers.all()
    match end:
        case "ended":
            await owner.get("/administrators")
            await owner.post("/administrators/token/end", id=made.token.id)
            assert owner.page.status_code == 303
        case "expired":
            console.clock.advance(30 * 86_400)
        case "role":
            await administration.administrators.set_role("owner", Role.ADMIN)
        case "disabled":
            await administration.users.disable("owner")
    response = await program.apply({**ACME, "expires_in_web": 7_200})
    assert response.status_code == 401
    (client,) = await administration.clients.all()
    assert client.expires_in_web == 3_600


async def test_r236_a_token_that_ends_meanwhile_changes_no_further_client(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await console.administration.deployers.make("CI")
    program = await deployer(console, made.secret)
    access = (await console.inside()).deployers
    found = access.find
    calls = 0

    async def find(secret: str, address: str) -> Actor:
        nonlocal calls
        calls += 1
        if calls == 3:  # before the body, after it, after the first client
            await console.administration.deployers.end("CI")
        return await found(secret, address)

    monkeypatch.setattr(access, "find", find)
    response = await program.apply(ACME, {"name": "Other"})
    assert response.status_code == 401
    assert [each["name"] for each in response.json()["clients"]] == ["Acme"]
    assert [each.name for each in await console.administration.clients.all()] == ["Acme"]


async def test_r236_the_token_of_a_command_hangs_on_nobody(console: ConsoleUnderTest) -> None:
    made = await console.administration.deployers.make("CI", lifetime=None)
    assert (made.token.maker, made.token.expires_at) == (None, None)
    console.clock.advance(10 * LIFETIME)
    assert (await (await deployer(console, made.secret)).apply(ACME)).status_code == 200


@pytest.mark.parametrize("role", [each for each in Role if each is not Role.OWNER])
async def test_r236_only_owners_make_and_end_tokens(console: ConsoleUnderTest, role: Role) -> None:
    await console.administration.deployers.make("CI")
    deployers = (
        (await console.inside())
        .administration(
            Actor("console:somebody", console.clock, subject_id="directory:x", role=role)
        )
        .deployers
    )
    with pytest.raises(Forbidden):
        await deployers.make("mine")
    with pytest.raises(Forbidden):
        await deployers.end("CI")


async def test_r236_nobody_has_the_role_of_a_token(console: ConsoleUnderTest) -> None:
    await console.make("person", None)
    administration = console.administration
    with pytest.raises(Refused):
        await administration.administrators.set_role("person", Role.DEPLOYER)
    with pytest.raises(Refused):
        await administration.invitations.invite("Aoi", Role.DEPLOYER)
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    await owner.get("/administrators")
    assert 'value="deployer"' not in owner.page.text
    await owner.post("/administrators/role", username="person", role="deployer")
    assert owner.page.status_code == 409
    assert Role.DEPLOYER not in OF_PEOPLE


@pytest.mark.parametrize(
    ("name", "lifetime"),
    [("", 60.0), (" x", 60.0), ("x\n", 60.0), ("x\ny", 60.0), ("x", 0.0), ("x", 1e12)],
)
async def test_a_token_has_a_name_and_a_time(
    console: ConsoleUnderTest, name: str, lifetime: float
) -> None:
    with pytest.raises(Refused):
        await console.administration.deployers.make(name, lifetime=lifetime)


async def test_two_tokens_have_two_names(console: ConsoleUnderTest) -> None:
    deployers = console.administration.deployers
    await deployers.make("CI")
    with pytest.raises(Refused, match="there is a deployer token CI already"):
        await deployers.make("CI")
    await deployers.end("CI")
    with pytest.raises(NotFound):
        await deployers.end("CI")
    await deployers.make("CI")
    records = await console.administration.audit_log.search(event=Event.SYSTEM)
    said = [each.detail for each in records if "the deployer token CI" in (each.detail or "")]
    assert said == [f"the deployer token CI {done}" for done in ("was made", "ended", "was made")]


async def test_a_token_that_could_not_be_stored_is_not_shown(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add(*_: object) -> None:
        raise ConcurrentChange("somebody else was first")

    deployers = console.administration.deployers
    monkeypatch.setattr(deployers._rows, "add", add)
    with pytest.raises(ConcurrentChange):
        await deployers.make("CI")


async def test_the_last_use_of_a_token_is_noted_once_a_minute(console: ConsoleUnderTest) -> None:
    console.clock.stop()
    made = await console.administration.deployers.make("CI")
    program, began = await deployer(console, made.secret), console.clock()
    noted = []
    for later in (0, 0.5, 59.25, 0.25, -30):  # the last one where the clock was set back
        console.clock.advance(later)
        await program.apply()
        (listed,) = await console.administration.deployers.all()
        noted.append((listed.token.used_at or 0.0) - began)
    assert noted == [0, 0, 0, 60, 30]


async def test_an_expired_token_is_listed_for_a_while(console: ConsoleUnderTest) -> None:
    console.clock.stop()
    rows = console.administration.deployers._rows
    await console.administration.deployers.make("CI", lifetime=60.0)
    console.clock.advance(60)
    (listed,) = await console.administration.deployers.all()
    assert listed.state is TokenState.EXPIRED
    assert await rows.purge(console.clock() - 1) == 0
    assert await rows.purge(console.clock()) == 1


async def test_r237_a_plan_changes_nothing_and_only_that_plan_is_carried_out(
    console: ConsoleUnderTest,
) -> None:
    clients = console.administration.clients
    await clients.add("Acme")
    program = await deployer(console)
    shown = await program.apply(ACME, query="?dry_run")
    assert shown.status_code == 200
    assert shown.json()["clients"][0]["settings"] == [
        {"setting": "expires_in_web", "before": 86_400, "after": 3_600}
    ]
    assert (await clients.get("Acme")).expires_in_web == 86_400
    plan = shown.headers["etag"]
    assert plan == f'"{shown.json()["plan"]}"'
    for other in ({**ACME, "expires_in_web": 60}, {"name": "New"}):
        assert (await program.apply(other, if_match=plan)).status_code == 412
    await clients.change("Acme", domain="acme.example")
    stale = await program.apply(ACME, if_match=plan)
    assert (stale.status_code, stale.json()["plan"]) == (412, stale.headers["etag"].strip('"'))
    assert (await clients.get("Acme")).expires_in_web == 86_400
    again = await program.apply(ACME, if_match=f'"x", {stale.headers["etag"]}')
    assert (again.status_code, again.json()["clients"][0]["action"]) == (200, "change")
    assert (await clients.get("Acme")).expires_in_web == 3_600


async def test_r237_changes_have_the_name_of_the_token(console: ConsoleUnderTest) -> None:
    program = await deployer(console)
    assert (await program.apply(ACME)).status_code == 200
    await program.apply({**ACME, "rules": ["require factor"]})
    administration = console.administration
    changes = await administration.changes.page(limit=5, by="CI")
    assert [(each.change.actor, each.change.role) for each in changes] == [
        ("deployer:CI", "deployer")
    ] * 2
    records = await administration.audit_log.search(event=Event.CLIENT_CHANGED, by="CI")
    assert {each.actor for each in records} == {"deployer:CI"}
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    page = (await owner.get("/audit/changes?lang=ja")).text
    assert "トークン" in page
    await administration.changes.undo(changes[0].change.number, [changes[0].change.kind])
    assert (await administration.clients.get("Acme")).rules == ()


async def test_r237_no_answer_has_a_secret(console: ConsoleUnderTest) -> None:
    program = await deployer(console)
    added = (await program.apply(ACME)).json()
    (client,) = await console.administration.clients.all()
    (document,) = added["clients"]
    assert (document["client_id"], document["action"]) == (client.client_id, "add")
    assert document["urls"]["web_login"] == "https://sso.example.com/login"
    assert "secret" not in repr(added)
    refused = await program.apply({"name": "Acme", "secrets": [], "client_secret": "x"})
    assert (refused.status_code, "client_secret" in refused.json()["error"]) == (422, True)


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"[]", {}, 200),
        (b"{}", {}, 400),
        (b"[", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'[{"name": "A\\u0000"}]', {}, 400),
        (b'[{"name": 1}]', {}, 422),
        (b'[{"client_id": "x"}]', {}, 422),
        (b'[{"name": "A", "expires_in_web": -1}]', {}, 422),
        (b'[{"name": "A", "expires_in_web": 1e400}]', {}, 400),
        (b"[]", {"content-type": "text/plain"}, 415),
        (b"[]", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"[]", {"content-encoding": "gzip"}, 415),
        (b" " * 1_048_577, {}, 413),
    ],
)
async def test_r237_what_is_no_list_of_clients_is_refused(
    console: ConsoleUnderTest, body: bytes, more: dict[str, str], status: int
) -> None:
    program = await deployer(console)
    headers = {"content-type": "application/json", **more}
    response = await program.http.post(PATH, content=body, headers=headers)
    assert (response.status_code, "error" in response.json()) == (status, status != 200)
    assert await console.administration.clients.all() == ()


@pytest.mark.parametrize("text", ["?dryrun", "?dry_run=0", "?dry_run=no", "?dry_run&x=1", "?x"])
async def test_r237_a_misspelt_dry_run_changes_nothing(
    console: ConsoleUnderTest, text: str
) -> None:
    program = await deployer(console)
    assert (await program.apply(ACME, query=text)).status_code == 400
    assert await console.administration.clients.all() == ()


async def test_r238_wrong_tokens_are_bounded_and_right_ones_never(
    console: ConsoleUnderTest,
) -> None:
    console.clock.stop()
    right = await deployer(console)
    wrong = await deployer(console, "wgd_" + 43 * "x")
    for _ in range(WRONG_A_MINUTE):
        assert (await wrong.apply(ACME)).status_code == 401
    late = await wrong.apply(ACME)
    assert (late.status_code, late.headers["retry-after"]) == (429, "60")
    assert (await right.apply(ACME)).status_code == 200
    console.clock.advance(60)
    assert (await wrong.apply(ACME)).status_code == 401
    await (await console.inside()).sign_in._audit.flush()
    records = await console.administration.audit_log.search(event=Event.CONSOLE_REFUSED)
    assert records[-1].detail == "an unknown deployer token"
    assert records[-1].address == "192.0.2.7"
    assert "wgd_" not in repr(records)


async def test_r238_no_body_is_read_for_a_wrong_token(console: ConsoleUnderTest) -> None:
    async def endless() -> Any:
        raise AssertionError("the body is read")
        yield b""

    wrong = await deployer(console, "wgd_x")
    headers = {"content-type": "application/json"}
    response = await wrong.http.post(PATH, content=endless(), headers=headers)
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("lost", "status"), [("nothing", 200), ("the group", 401), ("the account", 401), ("", 503)]
)
async def test_r253_the_source_of_its_owner_is_asked_when_a_token_is_used(
    tmp_path: Path, lost: str, status: int
) -> None:
    own_people.only(aoi="Aoi")
    chiefs = dataclasses.replace(OWN, console_groups=("owner: Chiefs",))
    async with console_of(tmp_path, sources=(chiefs,)) as console:
        own_people.GROUPS["aoi"] = ["Chiefs"]
        await remembered(console, "aoi", None)
        token = await made_in_the_console(console, await signed_in(console, "aoi"))
        match lost:
            case "the group":
                own_people.GROUPS["aoi"] = []
            case "the account":
                del own_people.PEOPLE["aoi"]
            case "":
                own_people.PEOPLE[own_people.OUTAGE] = ""
        program = await deployer(console, token)
        assert (await program.apply(ACME)).status_code == status
