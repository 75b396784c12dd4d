"""The steps 3 to 5 of the set-up wizard: keys are counted, exported, and told to LINE WORKS."""

import csv
import io

from tests.web.console.console import AdminBrowser, ConsoleUnderTest
from tests.web.console.test_wizard import owner

from worksgate.audit import Event
from worksgate.web.console.routes import BY_PATH

__all__ = ["owner"]


async def test_keys_are_counted_when_asked_and_exported_with_a_record(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/wizard/keys")
    await owner.post("/wizard/keys/count")
    page = (await owner.get("/wizard/keys")).text
    assert "1 of 2 people have a usable key" in page
    assert 'href="/people?state=no_key"' in page
    users = console.administration.users
    await users.add("aoi", name="=1+1", external_key="00123", works_account="aoi@example.com")
    await users.add("ben", name="Ben")
    await owner.get("/wizard/tell")
    await owner.post("/wizard/tell/file")
    assert owner.page.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(owner.page.text)))
    assert [(each["username"], each["external_key"]) for each in rows] == [
        ("aoi", "00123"),
        ("owner", "key-owner"),
    ]
    assert rows[0]["name"] == "'=1+1"
    (record, *_) = reversed(await console.administration.audit_log.search(event=Event.SYSTEM))
    assert record.detail == "the user keys of 2 people were exported"
    await owner.get("/wizard/tell")
    await owner.post("/wizard/tell")
    assert "LINE WORKS was given the keys" in (await owner.get("/wizard/tell")).text


async def test_a_step_leads_to_the_page_that_does_it(owner: AdminBrowser) -> None:
    for step, path in (
        *(("people", "/people/import"), ("tell", "/go-live/rehearsal")),
        *(
            ("rehearse", "/go-live/rehearsal"),
            ("plan", "/go-live/plan"),
            ("apply", "/go-live/live"),
        ),
    ):
        page = (await owner.get(f"/wizard/{step}")).text
        assert f'href="{path}"' in page, step
        assert path in BY_PATH


async def test_the_menus_are_those_of_their_console(owner: AdminBrowser) -> None:
    assert "Open Organization Sync" in (await owner.get("/wizard/tell")).text
    await owner.post("/wizard/where", profile="line_works", plan="free", language="ja")
    page = (await owner.get("/wizard/tell")).text
    assert "Open 組織連携" in page
    assert "一覧ダウンロード" in page
