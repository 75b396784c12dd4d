"""*Find* takes every ID that the console and its commands print."""

import re
from urllib.parse import quote

from tests.web.console.console import AdminBrowser, ConsoleUnderTest

from worksgate.administration.roles import Role


async def found(browser: AdminBrowser, text: str) -> str:
    """Where *Find* leads."""
    answer = await browser.get(f"/find?q={quote(text, safe='')}")
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_a_session_and_a_job_are_found_by_what_the_audit_log_calls_them(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    subject = await console.make("tanaka", None)
    owner, helper = await console.signed_in("owner"), await console.signed_in("helper")
    await owner.get("/people")
    await owner.post("/people/bulk", **{"p.1": subject, "do": "disable"})
    kept = {"p.0": subject, "do": "disable", "count": "1"}
    job = (await owner.post("/jobs/start", **kept)).headers["location"].partition("=")[2]
    assert await found(owner, job) == f"/job?id={job}"
    assert (await found(helper, job)).startswith("/trace"), "another's job is nobody's"
    await owner.get("/me")
    session = re.search(r"session=([0-9a-f]{10})", owner.page.text)
    assert session is not None
    assert await found(owner, session[1]) == f"/people?q={session[1]}", "it has changed nothing"
    await owner.get(f"/person?id={subject}")
    await owner.post("/person/rename", id=subject, name="Tanaka Misaki")
    assert await found(owner, session[1]) == f"/audit/changes?session={session[1]}"
    assert await found(helper, session[1]) == f"/people?q={session[1]}"


async def test_somebody_who_was_removed_is_found_where_they_can_be_brought_back(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("tanaka", None)
    await console.make("tanaka.aoi", None)
    owner = await console.signed_in("owner")
    await console.administration.users.remove("tanaka")
    page = f"/person?id={quote(subject, safe='')}"
    assert await found(owner, subject) == page
    assert await found(owner, "key-tanaka.aoi") != page
    await console.administration.users.remove("tanaka.aoi")
    assert await found(owner, "key-tanaka.aoi") != page
    assert await found(owner, "Tanaka") == "/people/removed?q=Tanaka"
    assert await found(owner, "nobody at all") == "/people?q=nobody+at+all"
