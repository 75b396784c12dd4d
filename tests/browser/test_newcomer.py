"""The newcomer's first minutes with ``worksgate demo``."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.browser.servers import Demo
from tests.browser.windows import (
    OpenWindow,
    Window,
    open_console_as_told,
    sign_in_as_told,
    submit_login,
)

from worksgate.cli.demo.mistakes import MISTAKES
from worksgate.cli.demo.people import GUESTS, PASSWORD
from worksgate.web.pages.wording import NOTICES, PROBLEMS, Notice, Problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

AOI, MINJUN, TAYLOR, HANA = GUESTS
STEPS = 11
TIMED_STEPS = (6, 7, 8, 9, 10)
"""Steps with a limit: the person has 30 minutes, a connection 1 s, an answer 3 s."""


async def start(demo: Demo, tab: Page, kind: str = "browser", works_id: str = "") -> None:
    """Press the button of the simulator's first page."""
    await tab.goto(demo.simulator)
    await tab.fill("#worksId", works_id)
    await tab.click(f"button[value={kind}]")


async def sign_in(demo: Demo, tab: Page, kind: str = "browser") -> None:
    await start(demo, tab, kind)
    await submit_login(tab, AOI.username, PASSWORD)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Signed in")


async def needs_password(demo: Demo, tab: Page) -> bool:
    await start(demo, tab)
    await tab.wait_for_selector("#password, #steps")
    return await tab.locator("#password").count() == 1


async def test_the_demonstration_says_where_to_click_and_whom_to_sign_in_as(
    demo: Demo, window: Window
) -> None:
    await sign_in_as_told(window.tab, demo.lines)


async def test_the_console_of_the_demonstration_leads_to_each_of_its_three_mistakes(
    demo: Demo, open_window: OpenWindow
) -> None:
    tab = (await open_window(locale="en-US", reduced_motion="reduce")).tab
    await open_console_as_told(tab, demo.lines)
    for number, mistake in enumerate(MISTAKES):
        await tab.goto(demo.lines[-1].split()[-1])
        answers = tab.locator("details")
        await expect(answers).to_have_count(len(MISTAKES))
        await answers.nth(number).locator("summary").click()
        await answers.nth(number).get_by_role("link").click()
        await expect(tab.locator("main")).to_contain_text(mistake.shows)


async def test_the_commands_to_try_do_what_they_say(demo: Demo) -> None:
    """But for the recording, which takes minutes (tests/cli/test_record.py)."""
    commands = await asyncio.to_thread(Path(demo.lines[3].partition(": ")[2]).read_text, "utf-8")
    check, fill, plan, sync, trace, *_ = re.findall("^/.*$", commands, re.MULTILINE)
    checked = await told(check, 0)
    assert " 0 failed, " in checked
    assert "5 filled" in await told(fill, 1)
    assert "Nothing has been changed." in await told(plan, 1)
    assert "Another member has the key" in await told(f"{sync} --yes", 1)
    assert "External Key" in await told(trace, 0)


async def told(command: str, exit_code: int) -> str:
    """What a command prints, which ends with this exit code."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == exit_code, output.decode()
    return output.decode()


@pytest.mark.parametrize("kind", ["browser", "app"])
async def test_all_eleven_steps_are_shown_with_their_times(
    demo: Demo, window: Window, kind: str
) -> None:
    tab = window.tab
    await sign_in(demo, tab, kind)
    await expect(tab.locator(".step.is-done")).to_have_count(STEPS - 2)
    await expect(tab.locator(".step.is-unseen .number")).to_have_text(["3", "4"])
    for number in TIMED_STEPS:
        time = tab.locator(f"#step-{number} .meter-text").first
        await expect(time).to_have_text(re.compile(r"^\d+(\.\d+)? m?s of (30 min|1 s|3 s)$"))
    await expect(tab.locator("#step-11 summary")).to_contain_text(AOI.external_key)


async def test_an_app_s_session_key_is_checked(demo: Demo, window: Window) -> None:
    await sign_in(demo, window.tab, "app")
    await window.tab.click("#step-2 summary")
    step = window.tab.locator("#step-2")
    await expect(step).to_contain_text("LineWorks")
    await expect(step).to_contain_text("checked the session key, and was told that it is valid")


async def test_no_secret_of_the_sign_in_is_on_the_page_that_shows_it(
    demo: Demo, window: Window
) -> None:
    await sign_in(demo, window.tab)
    code = next(r for r in window.requests if "code=" in r.url and r.url.startswith(demo.simulator))
    page = await window.tab.content()
    assert code.url.rpartition("code=")[2] not in page
    assert PASSWORD not in page


async def test_a_second_sign_in_does_not_ask_for_the_password(demo: Demo, window: Window) -> None:
    await sign_in(demo, window.tab)
    await start(demo, window.tab)
    await expect(window.tab.get_by_role("heading", level=1)).to_have_text("Signed in")


@pytest.mark.parametrize(
    ("role", "name"),
    [("button", "Sign out at LINE WORKS"), ("link", "Sign out from Worksgate’s side")],
)
async def test_after_signing_out_the_password_is_asked_for_again(
    demo: Demo, window: Window, role: str, name: str
) -> None:
    tab = window.tab
    await sign_in(demo, tab)
    await tab.goto(demo.simulator)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("You are signed in")
    await tab.get_by_role(role, name=name).click()  # type: ignore[arg-type]  # two roles
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Signed out")
    await tab.goto(demo.simulator)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Sign in as your people would")
    assert await needs_password(demo, tab)


async def test_the_disabled_person_is_told_so(demo: Demo, window: Window) -> None:
    await start(demo, window.tab)
    await submit_login(window.tab, TAYLOR.username, PASSWORD)
    await expect(window.tab.get_by_role("alert")).to_contain_text(
        PROBLEMS[Problem.DISABLED].happened
    )


async def test_each_misbehaviour_that_needs_nobody_is_answered_as_the_contract_says(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await tab.goto(f"{demo.simulator}/misbehave")
    scenarios = await tab.locator(".scenario").count()
    assert scenarios == 18
    await tab.get_by_role("button", name="Run them all").click()
    await expect(tab.locator(".result.good")).to_have_count(scenarios - 1)
    await expect(tab.locator(".result.bad")).to_have_count(0)


async def test_r36_a_code_used_twice_is_shown_with_its_dead_token(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await tab.goto(f"{demo.simulator}/misbehave")
    await tab.get_by_role("button", name="Sign in and run: A code used twice").click()
    await submit_login(tab, AOI.username, PASSWORD)
    await expect(tab.get_by_role("status")).to_have_text("Worksgate did what the contract says.")
    await expect(tab.locator(".turns > li")).to_have_count(3)
    got = tab.locator(".versus > div:nth-child(2) dd")
    assert [text.partition(" ")[0] for text in await got.all_inner_texts()] == ["200", "302", "303"]


@pytest.mark.parametrize(
    ("scenario", "notice"),
    [
        ("A foreign redirect_uri", Notice.BAD_REDIRECT_URI),
        ("An unknown client at the sign-in page", Notice.UNKNOWN_CLIENT),
    ],
)
async def test_r01_a_refused_sign_in_link_leads_to_a_page_that_explains(
    demo: Demo, window: Window, scenario: str, notice: Notice
) -> None:
    await window.tab.goto(f"{demo.simulator}/misbehave")
    row = window.tab.locator(".scenario", has_text=scenario)
    await row.get_by_role("link", name="See the page yourself").click()
    title = window.tab.get_by_role("heading", level=1)
    await expect(title).to_have_text(NOTICES[notice].title)
    assert window.tab.url.startswith(demo.url)
