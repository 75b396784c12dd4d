"""Disk commits of each step of a sign-in: as few as possible, each complete."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.installation import PASSWORD, USERNAME, Installation

from worksgate.database.direct_reads import Query, SqliteReads
from worksgate.database.newest_record import NewestRecord
from worksgate.directory.database import Directory
from worksgate.store.sqlite.group_commit import GroupCommit


@pytest.fixture(name="commits")
def _commits(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The verbs in each commit of the store, so far."""
    commits: list[list[str]] = []
    commit = GroupCommit._commit

    def noted(writer: GroupCommit, requests: list[Any], newest: NewestRecord | None) -> None:
        waited_for = [each.work.__name__ for each in requests if not each.in_background]
        if waited_for:
            commits.append(waited_for)
        commit(writer, requests, newest)

    monkeypatch.setattr(GroupCommit, "_commit", noted)
    return commits


@contextmanager
def step(commits: list[list[str]]) -> Iterator[list[list[str]]]:
    """Only the commits of what is done in the block."""
    commits.clear()
    yield commits


async def test_a_page_takes_no_commit(installation: Installation, commits: list[list[str]]) -> None:
    browser = installation.browser()
    with step(commits):
        await browser.login_page()
    assert commits == []


@pytest.mark.parametrize("later", [0, 3_600])
async def test_a_code_by_a_live_session_takes_one_commit(
    installation: Installation, commits: list[list[str]], later: int
) -> None:
    """Also an hour later, when the use of the session moves its idle limit."""
    browser = installation.browser()
    await browser.sign_in()
    ends = installation.rows("SELECT expires_at FROM sessions")
    installation.clock.advance(later)
    with step(commits):
        response = await browser.arrive()
    assert response.status_code == 303
    assert commits == [["add"]]
    is_moved = installation.rows("SELECT expires_at FROM sessions") != ends
    assert is_moved is (later > 0)


async def test_a_sign_in_waits_for_no_note_in_the_directory(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory has a writer of its own: each of its commits would be another wait."""
    writers: list[str] = []
    noted = asyncio.Event()
    writing = Directory.writing

    def seen(connections: Directory) -> AbstractAsyncContextManager[AsyncConnection]:
        writers.append(sys._getframe(1).f_code.co_name)
        if writers[-1] == "note_logins":
            noted.set()
        return writing(connections)

    monkeypatch.setattr(Directory, "writing", seen)
    assert (await installation.browser().sign_in()).status_code == 303
    assert writers == []
    async with asyncio.timeout(60):
        await noted.wait()
    assert writers == ["note_logins"]


@pytest.mark.parametrize("is_known", [False, True], ids=["a stranger", "a known browser"])
async def test_a_password_takes_one_commit_before_the_hash_and_one_after_it(
    installation: Installation,
    commits: list[list[str]],
    is_known: bool,  # noqa: FBT001  # a parameter
) -> None:
    """What the throttle admits; and the sign-in itself, with what the throttle forgives by it."""
    browser = installation.browser()
    if is_known:
        await browser.sign_in()
        await browser.http.get("/logout")
    page = await browser.login_page()
    with step(commits):
        response = await browser.submit(page, username=USERNAME, password=PASSWORD)
    assert response.status_code == 303
    assert commits == [["bump_all"], ["add"]]


async def test_a_sign_in_asks_the_directory_nothing_by_sqlalchemy_but_what_all_requests_share(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read by its asynchronous layer takes ten times as long as one on the driver."""
    asked: set[str] = set()
    reading = Directory.reading

    def seen(directory: Directory) -> AbstractAsyncContextManager[AsyncConnection]:
        asked.add(sys._getframe(1).f_code.co_name)
        return reading(directory)

    monkeypatch.setattr(Directory, "reading", seen)
    browser = installation.browser()
    assert (await browser.sign_in()).status_code == 303
    assert (await browser.arrive()).status_code == 303
    of_the_client_list = {"_installation", "client_count", "client_ids", "clients_by_id"}
    of_the_client_list.add("published")  # their brandings
    assert asked - of_the_client_list == {"has_imported_hashes"}  # once a minute


async def test_each_step_reads_the_directory_as_often_as_it_must(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person and their factors, and the person again once the code is saved. For a form the
    person is read before the hash, too: an administrator may act meanwhile.
    """
    reads: list[Query] = []
    find = SqliteReads.find

    async def seen(reader: SqliteReads, query: Query, values: Mapping[str, Any]) -> Any:
        reads.append(query)
        return await find(reader, query, values)

    monkeypatch.setattr(SqliteReads, "find", seen)
    browser = installation.browser()
    page = await browser.login_page()
    assert len(reads) == 0
    await browser.submit(page, username=USERNAME, password=PASSWORD)
    assert len(reads) == 4
    reads.clear()
    await browser.arrive()
    assert len(reads) == 3
