"""Going live in the console: the members' file, the rehearsal, the plan and the day."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from tests.web.console.console import (
    PASSWORD,
    AdminBrowser,
    CannedExaminer,
    ConsoleUnderTest,
    console_of,
)

from worksgate.administration.going_live import AtSources, Finding
from worksgate.administration.going_live.members_file import MOST_BYTES
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.directory.people_list import Listed
from worksgate.settings.options import Settings
from worksgate.web.console.rehearsal import DONE_ON, DONE_TO
from worksgate.web.console.routes import BY_PATH

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILE = "Name,ID,External Key\n田中,tanaka@hikari,H-1\nKang,kang@hikari,H-2\n=New,new@hikari,\n"


@asynccontextmanager
async def acme(folder: Path) -> AsyncIterator[ConsoleUnderTest]:
    """A console with administrators of three roles, a client and two people."""
    async with console_of(folder) as console:
        await console.make("owner", Role.OWNER)
        await console.make("auditor", Role.AUDITOR)
        await console.make("helper", Role.HELP_DESK)
        await console.administration.clients.add("Acme")
        users = console.administration.users
        await users.add(
            "tanaka", password=PASSWORD, external_key="H-1", works_account="tanaka@hikari"
        )
        await users.add("kang", password=PASSWORD, external_key="H-9", works_account="kang@hikari")
        yield console


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleUnderTest]:
    """One console for this page's tests, none of which minds an earlier rehearsal."""
    async with acme(Path(tmp_path_factory.mktemp("console"))) as console:
        yield console


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(console: ConsoleUnderTest) -> AdminBrowser:
    return await console.signed_in("owner")


async def upload(browser: AdminBrowser, data: bytes, **fields: str) -> AdminBrowser:
    await browser.get("/go-live/rehearsal")
    browser.page = await browser.http.post(
        "/go-live/members",
        data={"csrf": browser.hidden("csrf"), **fields},
        files={"file": ("ExternalKey_member.csv", data, "text/csv")},
    )
    return browser


async def prove(console: ConsoleUnderTest, browser: AdminBrowser, who: str, path: str) -> None:
    """Type a code where it is asked for again."""
    if "proof" in browser.page.text:
        hidden = {name: browser.hidden(name) for name in ("finding", "at") if browser.hidden(name)}
        await browser.post(path, proof=console.code(who), **hidden)


async def test_r176_r177_from_the_file_to_the_person(tmp_path: Path) -> None:
    async with acme(tmp_path) as console:
        owner = await upload(await console.signed_in("owner"), FILE.encode("cp932"))
        assert owner.page.status_code == 303, owner.page.text
        await owner.get("/go-live/rehearsal")
        assert "3 members of LINE WORKS are compared" in owner.page.text
        await owner.post("/go-live/rehearsal")
        page = (await owner.get("/go-live/rehearsal")).text
        assert "1 of 3 would get in." in page
        page = (await owner.get("/go-live/rehearsal?finding=key_differs")).text
        assert "H-9" in page
        assert "H-2" in page
        kang = await console.administration.users.get("kang")
        assert f"/person?id={kang.person.subject_id.replace(':', '%3A')}" in page
        odd = await owner.get(f"/go-live/rehearsal?finding=key_differs&after={'9' * 30}")
        assert odd.status_code == 200


async def test_whoever_has_never_signed_in_has_no_page_and_unasked_sources_are_named(
    tmp_path: Path,
) -> None:
    new = Listed(
        sort_key="new",
        subject_id="ldap:new",
        source="ldap",
        username="new",
        name="New Person",
        external_key="H-3",
        works_account="new@hikari",
        email=None,
        enabled=True,
        has_factor=False,
        role=None,
        last_login_at=None,
    )
    at_sources = AtSources([new], frozenset({"ldap"}), ("entra",))
    examiner = CannedExaminer(Settings(), at_sources=at_sources)
    async with console_of(tmp_path, examiner=lambda _: examiner) as console:
        await console.make("owner", Role.OWNER)
        await console.administration.clients.add("Acme")
        owner = await upload(await console.signed_in("owner"), FILE.encode())
        await owner.get("/go-live/rehearsal")
        await owner.post("/go-live/rehearsal")
        page = (await owner.get("/go-live/rehearsal?finding=no_key_there")).text
        assert "who have signed in here: entra." in page
        assert '<span translate="no">New Person</span>' in page
        assert "/person?id=ldap" not in page
        await owner.get("/wizard/tell")
        await owner.post("/wizard/tell/file")
        assert '"new@hikari","","New Person","new","H-3"' in owner.page.text


async def test_r159_findings_are_exported_after_a_code_and_with_a_record(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await upload(owner, FILE.encode())
    await owner.get("/go-live/rehearsal")
    await owner.post("/go-live/rehearsal")
    await owner.get("/go-live/rehearsal")
    console.clock.advance(600)
    await owner.post("/go-live/rehearsal/export", finding="nobody_here")
    assert "proof" in owner.page.text
    await prove(console, owner, "owner", "/go-live/rehearsal/export")
    assert owner.page.headers["content-type"].startswith("text/csv")
    assert owner.page.text.splitlines()[1] == '"new@hikari","\'=New","","","",""'
    events = await console.administration.audit_log.search(event=Event.SYSTEM)
    assert events[-1].detail == "going live: 1 findings of the rehearsal were exported: nobody_here"
    await owner.get("/go-live/rehearsal")
    chosen = {"finding": "nobody_here", "as": "jsonl"}
    (line,) = (await owner.post("/go-live/rehearsal/export", **chosen)).text.splitlines()
    assert json.loads(line) == {"account": "new@hikari", "name": "=New"}


async def test_r176_a_wrong_file_is_shown_row_by_row(owner: AdminBrowser) -> None:
    await upload(owner, b"ID,External Key\na@b,1\na@b,2\n,3\n")
    assert owner.page.status_code == 422
    assert "2 rows are wrong" in owner.page.text
    assert "Its account is in the file twice." in owner.page.text
    await upload(owner, b"A,B\n1,2\n", key_column="B")
    assert "It is not clear which column has the LINE WORKS account." in owner.page.text
    assert 'value="B"' in owner.page.text


async def test_r179_a_file_that_is_too_large_is_not_read(owner: AdminBrowser) -> None:
    await upload(owner, b"x" * (MOST_BYTES + 1))
    assert owner.page.status_code == 413
    await owner.get("/go-live/rehearsal")
    await owner.post("/go-live/members")
    assert owner.page.status_code == 409
    owner.page = await owner.http.post(
        "/go-live/members",
        content=b"--x\r\nno form",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert owner.page.status_code in (400, 403)


async def test_what_is_done_about_a_finding_is_on_a_page_for_those_who_may() -> None:
    for path, _, permission in DONE_ON.values():
        assert BY_PATH[path.partition("#")[0]]["GET"].permission is permission
    assert not DONE_ON.keys() & DONE_TO.keys()
    left = {Finding.READY, Finding.DUPLICATE}
    assert DONE_ON.keys() | DONE_TO.keys() | left == set(Finding)


async def test_something_is_done_to_those_of_a_finding_who_are_ticked(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await console.administration.users.disable("kang")
    await upload(owner, FILE.encode())
    await owner.get("/go-live/rehearsal")
    await owner.post("/go-live/rehearsal")
    page = (await owner.get("/go-live/rehearsal?finding=nobody_here")).text
    assert '<a class="button quiet" href="/people/import">Import people</a>' in page
    assert "/people/bulk" not in page
    kang = (await console.administration.users.get("kang")).person.subject_id
    auditor = await console.signed_in("auditor")
    listed = "/go-live/rehearsal?finding=disabled"
    page = (await auditor.get(listed)).text
    assert "kang@hikari" in page
    assert "/people/bulk" not in page
    page = (await owner.get(listed)).text
    assert f'name="p.1" value="{kang}"' in page
    assert '<button class="button quiet" name="do" value="enable">Enable</button>' in page
    await owner.post("/people/bulk", **{"p.1": kang, "do": "enable"})
    assert "Enable 1 person?" in owner.page.text
    await console.administration.users.enable("kang")
    await owner.get("/go-live/rehearsal")
    await owner.post("/go-live/members/remove")


async def test_members_can_be_removed(owner: AdminBrowser) -> None:
    await upload(owner, FILE.encode())
    await owner.get("/go-live/rehearsal")
    await owner.post("/go-live/members/remove")
    page = (await owner.get("/go-live/rehearsal")).text
    assert "No file was read yet." in page


async def test_an_auditor_reads_and_a_help_desk_sees_the_day_alone(
    console: ConsoleUnderTest,
) -> None:
    auditor = await console.signed_in("auditor")
    page = (await auditor.get("/go-live/rehearsal")).text
    assert 'action="/go-live/members"' not in page
    helper = await console.signed_in("helper")
    assert (await helper.get("/go-live")).headers["location"] == "/go-live/live"
    page = (await helper.get("/go-live/live")).text
    assert "/go-live/rehearsal" not in page
    assert "An owner or an administrator begins it." in page


async def recorded(console: ConsoleUnderTest, *records: AuditEvent) -> None:
    await console.administration.going_live._directory.record(records)


async def test_r178_the_day_from_apply_to_the_end(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/go-live/live")
    await owner.post("/go-live/start", at="")
    await prove(console, owner, "owner", "/go-live/start")
    page = (await owner.get("/go-live/live")).text
    assert "Waiting for the first person" in page
    assert '<meta http-equiv="refresh" content="10; url=/go-live/live?auto=1">' in page
    assert "refresh" not in (await owner.get("/go-live/live?pause=1")).text
    console.clock.advance(300)
    page = (await owner.get("/go-live/wall")).text
    assert "No requests from LINE WORKS since APPLY: nobody has reached the sign-in page." in page
    assert "https://sso.example.com/login" in page
    tanaka = (await console.administration.users.get("tanaka")).person.subject_id
    now = console.clock()
    await recorded(
        console,
        AuditEvent(event=Event.LOGIN_FAILED, at=now, username="kang", reason=Reason.WRONG_PASSWORD),
        AuditEvent(event=Event.USER_INFO_RETURNED, at=now, subject_id=tanaka, login_id="1"),
    )
    console.clock.advance(10)
    page = (await owner.get("/go-live/live")).text
    assert '<p class="n">1</p>' in page
    assert "1 person tried and is not in" in page
    assert "the password was wrong" in page
    kang = (await console.administration.users.get("kang")).person.subject_id
    assert f'href="/person?id={kang.replace(":", "%3A")}"' in page
    await owner.post("/go-live/end")
    assert "The live view begins with APPLY" in (await owner.get("/go-live/live")).text


@pytest.mark.parametrize("typed", ["25:00", "soon", "7"])
async def test_a_start_that_is_no_time_is_refused(
    console: ConsoleUnderTest, owner: AdminBrowser, typed: str
) -> None:
    await owner.get("/go-live/live")
    await owner.post("/go-live/start", at=typed)
    await prove(console, owner, "owner", "/go-live/start")
    assert owner.page.status_code == 409


async def test_the_plan_says_whether_the_way_back_was_tested_today(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/go-live/plan")
    assert "Everybody is signed out of LINE WORKS, everywhere." in owner.page.text
    for language in ("ja", "en", "ko", "zh-CN", "zh-TW"):
        assert f'<pre class="box small" lang="{language}">' in owner.page.text
    form = {
        "date": "20 October",
        "super_admin_0": "大塚 隆",
        "super_admin_1": "小林 直子",
        "tested_0": "1",
        "when_apply": "07:45",
        "who_apply": "<大塚>",
        "phone_apply": "03-5555-0108",
        "contact": "内線 114",
    }
    await owner.post("/go-live/plan", **form)
    page = (await owner.get("/go-live/plan")).text
    assert "says owner" in page
    assert page.count("not tested today") == 1
    assert "&lt;大塚&gt;" in page
    assert "20 October 07:45から" in page
    assert "内線 114" in page
    form.pop("tested_0")
    await owner.post("/go-live/plan", **form)
    assert "says owner" in (await owner.get("/go-live/plan")).text
    await owner.post("/go-live/plan", **form | {"super_admin_0": "somebody else"})
    assert "says owner" not in (await owner.get("/go-live/plan")).text


async def test_the_addresses_are_those_of_the_settings(tmp_path: Path) -> None:
    async with console_of(
        tmp_path, web_login_path="/sp/login", account_path="/my-account"
    ) as console:
        await console.make("owner", Role.OWNER)
        owner = await console.signed_in("owner")
        mail = (await owner.get("/go-live/plan")).text
        assert "https://sso.example.com/my-account" in mail
        await owner.get("/go-live/live")
        await owner.post("/go-live/start", at="")
        await prove(console, owner, "owner", "/go-live/start")
        console.clock.advance(300)
        for path in ("/go-live/live", "/go-live/wall"):
            page = (await owner.get(path)).text
            assert "<code>https://sso.example.com/sp/login</code>" in page, path
