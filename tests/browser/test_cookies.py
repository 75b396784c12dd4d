"""What other sites can do to a signed-in person, as Chromium itself decides."""

import pytest
from playwright.async_api import expect
from tests.browser.servers import Premises
from tests.browser.windows import Window, submit_login
from tests.installation import PASSWORD, SESSION_COOKIE, USERNAME

from worksgate.audit import Event

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sign_in(premises: Premises, window: Window) -> None:
    await window.tab.goto(premises.login_url())
    await submit_login(window.tab, USERNAME, PASSWORD)
    await expect(window.tab.get_by_role("heading", level=1)).to_have_text("Arrived")
    premises.book.visits.clear()


async def is_signed_in(premises: Premises, window: Window) -> bool:
    """Whether LINE WORKS' link leads straight back, as it does for whoever has a session."""
    tab = await window.context.new_page()
    await tab.goto(premises.login_url())
    return tab.url.startswith(premises.other.callback)


async def codes_issued(premises: Premises) -> int:
    return len(await premises.installation.audit(event=Event.CODE_ISSUED))


async def visit(premises: Premises, window: Window, body: str, *, near: bool = False) -> None:
    """Open a page with this body on the other site, or on another origin of our own site."""
    origin = premises.other.neighbour if near else premises.other.url
    await window.tab.goto(origin + premises.other.shows(body))


# How they are kept


async def test_r22_every_cookie_is_a_host_cookie_out_of_reach_of_scripts(
    premises: Premises, window: Window
) -> None:
    await sign_in(premises, window)
    cookies = await window.context.cookies()
    assert len(cookies) == 3
    for cookie in cookies:
        assert cookie["name"].startswith("__Host-")
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == "127.0.0.1"
    await window.tab.goto(f"{premises.url}/logout")
    assert await window.tab.evaluate("document.cookie") == ""


# SameSite


async def test_r23_a_link_from_another_site_finds_the_session(
    premises: Premises, window: Window
) -> None:
    await sign_in(premises, window)
    await visit(premises, window, f"<a href='{premises.login_url()}'>sign in</a>")
    await window.tab.get_by_role("link").click()
    await expect(window.tab.get_by_role("heading", level=1)).to_have_text("Arrived")
    [link] = await premises.book.entries("GET", "/login", 1)
    assert link.headers["sec-fetch-site"] == "cross-site"
    assert SESSION_COOKIE in link.cookies
    assert len(premises.codes) == 2


async def test_r23_a_form_of_another_site_comes_without_the_session_and_is_refused(
    premises: Premises, window: Window
) -> None:
    await sign_in(premises, window)
    fields = "<input name=txn value=x><input name=choice value=continue><button>Win</button>"
    await visit(
        premises, window, f"<form method=post action='{premises.login_url()}'>{fields}</form>"
    )
    await window.tab.get_by_role("button").click()
    await window.tab.wait_for_url(f"{premises.url}/**")
    [form] = await premises.book.entries("POST", "/login", 1)
    assert form.cookies == ""
    assert form.status == 403
    assert await codes_issued(premises) == 1


async def test_r21_a_form_of_another_origin_of_our_site_is_refused_though_it_has_the_cookies(
    premises: Premises, window: Window
) -> None:
    await sign_in(premises, window)
    body = f"<form method=post action='{premises.login_url()}'><button>Win</button></form>"
    await visit(premises, window, body, near=True)
    await window.tab.get_by_role("button").click()
    await window.tab.wait_for_url(f"{premises.url}/**")
    [form] = await premises.book.entries("POST", "/login", 1)
    assert SESSION_COOKIE in form.cookies
    assert form.status == 403


IN_PASSING = "<img src='{0}'><iframe src='{0}'></iframe>"
NEAR_AND_FAR = pytest.mark.parametrize("near", [False, True], ids=["other-site", "other-origin"])
HIDDEN = ("frame-ancestors", "Failed to load resource")
"""What Chromium complains of where it keeps an answer of ours from such a page."""


@NEAR_AND_FAR
async def test_r17_an_image_and_a_frame_elsewhere_get_no_code(
    premises: Premises, window: Window, *, near: bool
) -> None:
    await sign_in(premises, window)
    window.tolerated = HIDDEN
    await visit(premises, window, IN_PASSING.format(premises.login_url()), near=near)
    for passing in await premises.book.entries("GET", "/login", 2):
        assert (SESSION_COOKIE in passing.cookies) == near
        assert passing.status == 200
    assert await codes_issued(premises) == 1
    assert await is_signed_in(premises, window)


@NEAR_AND_FAR
async def test_r68_an_image_and_a_frame_elsewhere_end_no_session(
    premises: Premises, window: Window, *, near: bool
) -> None:
    await sign_in(premises, window)
    window.tolerated = HIDDEN
    await visit(premises, window, IN_PASSING.format(f"{premises.url}/logout"), near=near)
    for passing in await premises.book.entries("GET", "/logout", 2):
        assert (SESSION_COOKIE in passing.cookies) == near
        assert passing.status == 403
    assert await is_signed_in(premises, window)


async def test_r68_a_link_ends_the_session(premises: Premises, window: Window) -> None:
    """What the tests above say would be worth nothing if nothing ended it."""
    await sign_in(premises, window)
    await visit(premises, window, f"<a href='{premises.url}/logout'>sign out</a>")
    await window.tab.get_by_role("link").click()
    await window.tab.wait_for_url(f"{premises.url}/**")
    assert not await is_signed_in(premises, window)


# Frames, forms and scripts


@NEAR_AND_FAR
async def test_r09_no_page_is_shown_in_a_frame(
    premises: Premises, window: Window, *, near: bool
) -> None:
    window.tolerated = HIDDEN
    addresses = [premises.login_url(), f"{premises.url}/logout", f"{premises.url}/nothing-here"]
    frames = "".join(f"<iframe src='{address}'></iframe>" for address in addresses)
    await visit(premises, window, frames, near=near)
    await premises.book.entries("GET", "/nothing-here", 1)
    await window.tab.wait_for_load_state("networkidle")
    assert len(window.tab.frames) == 4
    for frame in window.tab.frames[1:]:
        assert await frame.locator("main").count() == 0
    policies = [visit.policy for visit in premises.book.visits]
    assert len(policies) == 3
    assert all("frame-ancestors 'none'" in policy for policy in policies)


async def test_r09_the_form_cannot_be_made_to_send_the_password_elsewhere(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    elsewhere = f"{premises.other.neighbour}/stolen"
    await window.tab.evaluate("to => { document.forms[0].action = to; }", elsewhere)
    await window.tab.evaluate("document.forms[0].requestSubmit()")
    await window.expect_complaint("form-action")
    assert window.sent("POST", "/stolen") == []
    assert window.tab.url.startswith(premises.url)


async def test_r09_no_script_runs_but_ours(premises: Premises, window: Window) -> None:
    await window.tab.goto(premises.login_url())
    await window.tab.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'changed'";
            document.body.append(script);
        }"""
    )
    await window.expect_complaint("script-src")
    assert "Sign in" in await window.tab.title()


async def test_r10_no_page_says_where_a_person_came_from(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    await submit_login(window.tab, USERNAME, PASSWORD)
    await window.tab.wait_for_url(f"{premises.other.callback}**")
    for request in window.requests:
        assert "referer" not in await request.all_headers()
