"""People from a CSV file: the file, what would happen to its rows, and the job."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration.people_import.files import ReadFile, read_file
from worksgate.administration.roles import Role
from worksgate.web.console import importing
from worksgate.web.console.importing import FILE_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = "username,name,external_key,email\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleUnderTest]:
    async with console_of(tmp_path_factory.mktemp("import")) as console:
        await console.make("owner", Role.OWNER)
        yield console


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(console: ConsoleUnderTest) -> AdminBrowser:
    return await console.signed_in("owner")


async def upload(browser: AdminBrowser, data: bytes, **form: str) -> httpx2.Response:
    await browser.get("/people/import")
    browser.page = await browser.http.post(
        "/people/import",
        data={"csrf": browser.hidden("csrf"), **form},
        files={"file": ("people.csv", data, "text/csv")},
    )
    return browser.page


async def usernames(console: ConsoleUnderTest) -> set[str]:
    return {each.username async for each in console.administration.users.all()}


async def test_a_file_is_looked_at_before_it_is_imported(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    lines = "".join(f"new{n:02},<b>新人 {n}</b>,K-{n},\n" for n in range(25))
    page = await upload(browser, f"{HEAD}{lines}owner,,,\nbad,,,no address\n".encode())
    assert page.status_code == 303
    preview = (await browser.get(page.headers["location"])).text
    assert "25 rows of this file can be imported." in preview
    assert "2 rows are refused" in preview
    assert "line 27" in preview
    assert preview.count("&lt;b&gt;新人") == 20
    assert "new00" not in await usernames(console)
    await browser.post("/people/import/start", id=browser.hidden("id"))
    assert browser.page.status_code == 303
    path = browser.page.headers["location"]
    directory = console.administration.people._directory
    async with asyncio.timeout(60):
        while await directory.jobs.count_running():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0.05)
    done = (await browser.get(path)).text
    assert "Import people: done, but for 2 people" in done
    assert "line 27" in done
    assert {"new00", "new24"} <= await usernames(console)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "Choose a file first."),
        (b"name,nonsense\n", "there is no column"),
        ("username\n田中\n".encode("utf-16"), "UTF-16"),
        (b"username\n\xff\xfe\xfa\n", "The encoding of this file is not clear"),
        (b'username\n"never closed\n', "never closed"),
    ],
)
async def test_what_is_no_file_of_people_says_why(
    browser: AdminBrowser, data: bytes, problem: str
) -> None:
    page = await upload(browser, data)
    assert page.status_code == 400
    assert problem in page.text


async def test_r189_a_file_with_passwords_or_too_large_is_refused(browser: AdminBrowser) -> None:
    page = await upload(browser, b"username,password\nx,correct horse battery\n")
    assert page.status_code == 409
    assert "passwords and hashes are not imported here" in page.text
    assert "correct horse" not in page.text
    page = await upload(browser, HEAD.encode() + b"x" * (FILE_BYTES + 1))
    assert page.status_code == 413


async def test_r189_reading_a_file_ends_with_the_first_row_too_many(
    browser: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without reading on: what follows is no CSV. A sign-in meanwhile waits for none of it."""
    monkeypatch.setattr(importing, "MOST_ROWS", 2)
    threads: list[threading.Thread] = []

    def read_elsewhere(*arguments: Any, **options: Any) -> ReadFile:
        threads.append(threading.current_thread())
        return read_file(*arguments, **options)

    monkeypatch.setattr(importing, "read_file", read_elsewhere)
    page = await upload(browser, b'username\na\nb\nc\n"never closed\n')
    assert page.status_code == 400
    assert "the file has more than 2 rows" in page.text
    page = await upload(browser, b"username\na\nb\n" + b"\n" * 9)
    assert page.status_code == 303
    assert threading.main_thread() not in threads
    assert len(threads) == 2
    whole = read_file("people.csv", b"username\n" + b"a\n" * 20_000)
    assert len(whole.rows) == 20_000  # on the command line


async def test_a_file_of_a_japanese_windows_is_read(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    page = await upload(browser, f"{HEAD}sjis,田中 美咲,,\n".encode("cp932"), encoding="cp932")
    preview = (await browser.get(page.headers["location"])).text
    assert "田中 美咲" in preview
    assert "sjis" not in await usernames(console)


async def test_one_person_is_added_and_chooses_a_password_by_a_link(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    await browser.get("/people/import")
    form = {"name": "佐藤 美香", "email": "mika@example.com", "external_key": "H-0007"}
    form["reading"] = "さとう みか"
    await browser.post("/people/add", **form, username="mika.sato")
    assert browser.page.status_code == 303, browser.page.text
    page = (await browser.get(browser.page.headers["location"])).text
    assert "The person is added." in page
    added = await console.administration.users.get("mika.sato")
    assert form == {name: getattr(added, name) for name in form}
    await browser.post("/person/reset-link", id=added.person.subject_id)
    assert 'id="reset-link"' in browser.page.text
    await browser.get("/people/import")
    again = await browser.post("/people/add", **form, username="another")
    assert again.status_code == 400
    assert 'value="another"' in again.text
    assert 'id="one-problem"' in again.text
    assert "another" not in await usernames(console)
