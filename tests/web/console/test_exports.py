"""Records as files: recorded, streamed, harmless in a spreadsheet, and asked for twice."""

import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.jobs.operations import Selection
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.database import DatabaseUnavailable
from worksgate.directory.jobs import JobKind
from worksgate.directory.people_list import PeopleFilter
from worksgate.sources import Person
from worksgate.web.console import exports, people
from worksgate.web.console.audit import RECORDS
from worksgate.web.console.csv_files import csv_lines
from worksgate.web.console.exports import Export, FileKind, Layout, layout_of
from worksgate.web.console.periods import DAY, as_typed

MANY = 2_600
"""More than are read at once, of either page."""


class Exported:
    """A visit to the console that exports names, and what is recorded of it."""

    def __init__(self) -> None:
        self.details: list[str] = []
        self.administration = self.audit_log = self  # as far as an export sees

    async def record_export(self, detail: str) -> None:
        self.details.append(detail)

    async def lines(self, *pages: Sequence[str] | Exception) -> AsyncIterator[bytes]:
        async def each_page() -> AsyncIterator[Sequence[str]]:
            for page in pages:
                if isinstance(page, Exception):
                    raise page
                yield page

        layout: Layout[str] = layout_of(("name",), lambda name: {"name": name})
        export = Export(name="names", chosen={}, pages=each_page(), layout=layout)
        visit: Any = self
        async for line in export._lines(visit, FileKind.JSONL):
            yield line


async def test_a_file_has_at_most_so_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST", 5)
    exported = Exported()
    pages = ("ab", "cd", "ef", DatabaseUnavailable("nobody reads further"))
    data = b"".join([each async for each in exported.lines(*pages)])
    assert [json.loads(each)["name"] for each in data.splitlines()] == [*"abcde"]
    assert exported.details == ["5 records were exported: names"]


async def test_half_a_file_does_not_look_whole() -> None:
    exported = Exported()
    lines = exported.lines("ab", DatabaseUnavailable("away"))
    assert await anext(lines)
    with pytest.raises(DatabaseUnavailable):
        await anext(lines)
    assert exported.details == ["2 records were exported: names"]


async def test_r244_clients_jobs_and_administrators_are_files_too(
    console: ConsoleUnderTest,
) -> None:
    await console.make("=owner", Role.OWNER)
    browser = await console.signed_in("=owner")
    clients = console.administration.clients
    uris = ["https://a.example", "https://b.example"]
    added = [await clients.add(f"@Tenant {number}", redirect_uris=uris) for number in range(3)]
    secrets = [each.client_secret for each in added]
    secrets += [each.client.secrets[0].digest for each in added]
    await console.make("mika", None)
    jobs, selection = console.administration.jobs, Selection(wanted=PeopleFilter(text="mika"))
    for _ in range(2):
        preview = await jobs.preview(selection)
        await jobs.start(JobKind.SIGN_OUT, selection, preview.matching)
    for path, form, expected in (
        ("/clients", {}, ["'@Tenant 0", "'@Tenant 1", "'@Tenant 2"]),
        ("/clients", {"q": "tenant 1"}, ["'@Tenant 1"]),
        ("/administrators", {}, ["'=owner"]),
        ("/jobs", {}, ["sign_out", "sign_out"]),
    ):
        column = {"/clients": "name", "/administrators": "username", "/jobs": "kind"}[path]
        page = await browser.get(path)
        assert f'action="{path}/export"' in page.text
        table = await browser.post(f"{path}/export", **form, **{"as": "csv"})
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert [row[column] for row in rows] == expected
        await browser.get(path)
        lines = await browser.post(f"{path}/export", **form, **{"as": "jsonl"})
        documents = [json.loads(each) for each in lines.text.splitlines()]
        assert [each[column] for each in documents] == [each.removeprefix("'") for each in expected]
        assert not [each for each in secrets if each in f"{table.text}{lines.text}"]
        if path == "/clients":
            assert {row["redirect_uris"] for row in rows} == {"; ".join(uris)}
            assert all(each["redirect_uris"] == uris for each in documents)
    details = [
        each.detail for each in await console.administration.audit_log.search(event=Event.SYSTEM)
    ]
    assert "an export begins: clients as CSV, q=tenant 1" in details


async def test_r171_both_lists_are_exported_whole_in_both_forms_and_recorded(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    log = console.administration.audit_log
    now = console.clock()
    await log._directory.record(
        [
            AuditEvent(
                at=now - index // 2,
                event=Event.LOGIN_FAILED,
                username=f"={index:04}",
                reason=Reason.WRONG_PASSWORD,
            )
            for index in range(MANY)
        ]
    )
    for path, form in (
        ("/sign-ins", {"kind": "login.failed", "range": "week"}),
        ("/audit", {"event": "login.failed"}),
    ):
        await browser.get(path)
        table = await browser.post(f"{path}/export", **form, **{"as": "csv"})
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert {row["username"] for row in rows} == {f"'={index:04}" for index in range(MANY)}
        assert len(rows) == MANY
        await browser.get(path)
        lines = await browser.post(f"{path}/export", **form, **{"as": "jsonl"})
        assert "attachment" in lines.headers["content-disposition"]
        documents = [json.loads(each) for each in lines.text.splitlines()]
        assert {each["username"] for each in documents} == {f"={n:04}" for n in range(MANY)}
        if path == "/sign-ins":
            assert rows[0]["said"] == documents[0]["said"] == "The password was wrong."
    records = await log.search(event=Event.SYSTEM)
    assert [each.detail for each in records][:2] == [
        "an export begins: sign-ins as CSV, range=week kind=login.failed",
        f"{MANY} records were exported: sign-ins",
    ]
    assert {each.actor for each in records} == {"console:owner"}
    assert len(records) == 8


async def test_r171_an_export_asks_for_the_second_step_and_a_helper_gets_none(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    browser = await console.signed_in("owner")
    console.clock.advance(600)
    await browser.get("/sign-ins")
    await browser.post("/sign-ins/export", kind="out", **{"as": "jsonl"})
    assert "Is it you?" in browser.page.text
    assert (browser.hidden("kind"), browser.hidden("as")) == ("out", "jsonl")
    await browser.post(
        "/sign-ins/export", kind="out", proof=console.code("owner"), **{"as": "jsonl"}
    )
    assert browser.page.headers["content-type"] == "application/x-ndjson"
    helper = await console.signed_in("helper")
    for path in ("/sign-ins/export", "/audit/export"):
        await helper.get("/me")
        await helper.post(path)
        assert helper.page.status_code == 403


@pytest.mark.parametrize("first", [*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", "'=", "''@"])
def test_r171_every_beginning_of_a_formula_gets_a_quote(first: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_lines([(f"{first}x", None, 12.5)]), newline=""))
    assert row == [f"'{first}x", "", "12.5"]


def test_r171_a_spreadsheet_that_separates_by_semicolons_finds_no_formula() -> None:
    line = csv_lines([("typed;=HYPERLINK(1)", "b")])
    (row,) = csv.reader(io.StringIO(line, newline=""), delimiter=";")
    assert not any(each.startswith("=") for each in row)


async def test_r171_people_are_exported_as_filtered_and_without_secrets(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "EXPORTED_AT_ONCE", 2)
    await console.make("owner", Role.OWNER)
    await console.make("mika-0", None, has_app=False)
    await console.administration.users.change("mika-0", name="=Mika", external_key="00123")
    await console.administration.users.disable("mika-0")
    remembered = console.administration.people._directory.people
    for number in range(1, 5):
        person = Person(subject_id=f"company:{number}", username=f"mika-{number}", name="Mika")
        await remembered.remember("company", person, console.clock())
    browser = await console.signed_in("owner")
    await browser.get("/people?q=mika")
    assert browser.hidden("q") == "mika"
    table = await browser.post("/people/export", q="mika", **{"as": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [each["username"] for each in rows] == [f"mika-{number}" for number in range(5)]
    assert (rows[0]["name"], rows[0]["external_key"]) == ("'=Mika", "00123")
    assert {each["source"] for each in rows} == {"directory", "company"}
    await browser.get("/people")
    lines = await browser.post("/people/export", state="disabled", **{"as": "jsonl"})
    (only,) = [json.loads(each) for each in lines.text.splitlines()]
    assert (only["username"], only["enabled"]) == ("mika-0", False)
    assert not any("password" in name for name in (*rows[0], *only))
    records = await console.administration.audit_log.search(event=Event.SYSTEM)
    assert [each.detail for each in records][-2:] == [
        "an export begins: people as JSONL, state=disabled",
        "1 records were exported: people",
    ]
    console.clock.advance(600)
    await browser.get("/people")
    await browser.post("/people/export", **{"as": "csv"})
    assert "Is it you?" in browser.page.text


async def test_removed_people_are_a_file_too(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    for name in ("mika", "tanaka"):
        await console.make(name, None, has_app=False)
        await console.administration.users.remove(name)
    browser = await console.signed_in("owner")
    await browser.get("/people/removed?q=mika")
    lines = await browser.post("/people/removed/export", q="mika", **{"as": "jsonl"})
    (only,) = [json.loads(each) for each in lines.text.splitlines()]
    assert (only["username"], only["external_key"]) == ("mika", "key-mika")
    assert only["removed_at"] < only["kept_until"]
    await browser.get("/people/removed")
    table = await browser.post("/people/removed/export", **{"as": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [each["username"] for each in rows] == ["tanaka", "mika"]
    assert not any("password" in name for name in (*rows[0], *only))


async def test_r195_changes_are_filtered_and_exported_with_a_record(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("mika", None, has_app=False)
    made = await console.administration.clients.add("Acme")
    await console.administration.clients.change("Acme", domain="example.com")
    await console.administration.clients.rotate_secret("Acme", overlap=0)
    await console.administration.users.change("mika", name="=Mika")
    browser = await console.signed_in("owner")
    page = (await browser.get("/audit/changes?about=Acme&by=cli")).text
    assert "example.com" in page
    assert "=Mika" not in page
    for path, nothing in (("/audit/changes", "No change matches"), ("/audit", "No record matches")):
        assert nothing in (await browser.get(f"{path}?by=nobody")).text, path
        assert nothing not in (await browser.get(f"{path}?by=cli")).text, path
    # As a clock shows it, an hour is ambiguous when summer time ends; a day is not.
    early, late = (as_typed(console.clock() + seconds) for seconds in (-DAY, DAY))
    for path, nothing in (("/audit/changes", "No change matches"), ("/audit", "No record matches")):
        assert nothing not in (await browser.get(f"{path}?from={early}&to={late}")).text, path
        assert f'name="to" value="{late}"' in browser.page.text, path
        assert nothing in (await browser.get(f"{path}?from={late}")).text, path
        assert nothing in (await browser.get(f"{path}?to={early}")).text, path
    await browser.get("/audit/changes")
    none = await browser.post("/audit/changes/export", to=early, **{"as": "jsonl"})
    assert none.text == ""
    await browser.get("/audit/changes")
    table = await browser.post("/audit/changes/export", about="mika", **{"as": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["name"], row["field"], row["before"], row["after"]) for row in rows] == [
        ("mika", "name", "Mika", "'=Mika")
    ]
    await browser.get("/audit/changes")
    lines = await browser.post("/audit/changes/export", kind="client", **{"as": "jsonl"})
    assert made.client_secret not in lines.text
    secret, domain, _ = [json.loads(each)["fields"] for each in lines.text.splitlines()]
    assert secret == [{"field": "secret", "before": None, "after": "changed"}]
    assert domain == [{"field": "domain", "before": None, "after": "example.com"}]
    records = await console.administration.audit_log.search(event=Event.SYSTEM)
    assert [each.detail for each in records][-2:] == [
        "an export begins: changes as JSONL, kind=client",
        "3 records were exported: changes",
    ]
    console.clock.advance(600)
    await browser.get("/audit/changes")
    await browser.post("/audit/changes/export", about="Acme", **{"as": "csv"})
    assert "Is it you?" in browser.page.text


async def test_the_audit_log_is_read_page_by_page(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    now = console.clock()
    await console.administration.audit_log._directory.record(
        [
            AuditEvent(at=now, event=Event.LOGIN_FAILED, username=f"name{index:03}")
            for index in range(2 * RECORDS + 1)
        ]
    )
    path, shown = "/audit?event=login.failed", []
    while path:
        page = (await browser.get(path)).text
        shown += re.findall(r"name\d{3}", page)
        assert len(page.encode()) < 60_000
        older = re.search(r'rel="next" href="([^"]*)"', page)
        path = html.unescape(older[1]) if older else ""
    assert shown == [f"name{index:03}" for index in reversed(range(2 * RECORDS + 1))]
    assert "First page" in page


async def test_what_is_printed_says_what_was_chosen(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    for path, chosen in (
        ("/people?q=tanaka&state=disabled&group=sales", ["Disabled", "tanaka", "sales"]),
        ("/people/removed?q=tanaka", ["tanaka"]),
        ("/clients?q=tanaka", ["tanaka"]),
        ("/sign-ins?range=today&user=tanaka", ["tanaka"]),
        ("/audit?user=tanaka", ["tanaka"]),
        ("/audit/changes?about=tanaka", ["tanaka"]),
    ):
        page = (await owner.get(path)).text
        line = re.search(r'<p class="on-paper small">(.*?)</p>', page)
        assert line is not None, path
        _, *parts = re.sub("<[^>]*>", "", line[1]).split(" · ")
        assert [each for each in parts if each in chosen] == chosen, path
