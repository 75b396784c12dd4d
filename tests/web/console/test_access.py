"""Signing in to the console, and how a session ends."""

import asyncio
import re

import pytest
from tests.databases import query
from tests.web.console.console import (
    ORIGIN,
    PASSWORD,
    SESSION,
    AdminBrowser,
    ConsoleUnderTest,
    console_of,
)

from worksgate.administration.console.sessions import ABSOLUTE, IDLE
from worksgate.administration.errors import Refused
from worksgate.administration.first_owner import LINK_LIFETIME
from worksgate.administration.roles import Role
from worksgate.oauth.model import CLOCK_SKEW


async def first_step(console: ConsoleUnderTest, username: str) -> AdminBrowser:
    browser = await console.browser()
    await browser.get("/sign-in")
    await browser.post("/sign-in", username=username, password=PASSWORD)
    return browser


async def is_in(browser: AdminBrowser) -> bool:
    return (await browser.get("/me")).status_code == 200


async def test_password_and_code_open_a_session(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await first_step(console, "owner")
    assert f"{SESSION}=" not in str(browser.set_cookies())
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code("owner"))
    assert browser.page.status_code == 303
    (cookie,) = [each for each in browser.set_cookies() if each.startswith(f"{SESSION}=")]
    assert "HttpOnly; Path=/; SameSite=strict; Secure" in cookie
    assert (await browser.get("/")).status_code == 200
    stored = query(console.database, "SELECT key FROM console_sessions")
    assert len(stored) == 1
    assert stored[0][0] not in cookie


async def test_a_browser_that_keeps_no_cookie_is_told_so(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.browser()
    for keeps_cookies, says in ((True, "too old, or not from here"), (False, "has sent no cookie")):
        await browser.get("/sign-in")
        if not keeps_cookies:
            browser.http.cookies.clear()
        refused = await browser.post("/sign-in", username="owner", password=PASSWORD, csrf="x")
        assert refused.status_code == 403
        assert says in refused.text


async def test_without_a_second_factor_there_is_no_session(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER, has_app=False)
    browser = await first_step(console, "owner")
    assert browser.page.status_code == 403
    assert "authenticator app" in browser.page.text
    assert not await is_in(browser)
    assert await console.refusals() == ["no second factor"]


@pytest.mark.parametrize("why", ["no role", "wrong password", "unknown", "disabled"])
async def test_whoever_is_no_administrator_learns_nothing(
    console: ConsoleUnderTest, why: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", None if why == "no role" else Role.ADMIN)
    if why == "disabled":
        await console.administration.users.disable("person")
    browser = await console.browser()
    await browser.get("/sign-in")
    await browser.post(
        "/sign-in",
        username="nobody" if why == "unknown" else "person",
        password="not the right password" if why == "wrong password" else PASSWORD,
    )
    assert browser.page.status_code == 401
    assert "do not belong to an administrator" in browser.page.text
    assert await console.refusals() == ["wrong name or password"]


async def test_a_code_works_once_and_a_wrong_one_never(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    code = console.code("owner")
    first, second = await first_step(console, "owner"), await first_step(console, "owner")
    await first.post("/sign-in/code", step=first.hidden("step"), code="000000")
    assert first.page.status_code == 401
    await first.post("/sign-in/code", step=first.hidden("step"), code=code)
    assert first.page.status_code == 303
    await second.post("/sign-in/code", step=second.hidden("step"), code=code)
    assert second.page.status_code == 401
    assert not await is_in(second)


async def test_wrong_codes_are_throttled(console: ConsoleUnderTest) -> None:
    console.clock.stop()  # the first wait is short: a busy machine might sit it out
    await console.make("owner", Role.OWNER)
    browser = await first_step(console, "owner")
    step, statuses = browser.hidden("step"), []
    for _ in range(12):
        await browser.post("/sign-in/code", step=step, code="000000")
        statuses.append(browser.page.status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_a_right_code_is_the_end_of_the_wrong_ones_before(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    for _ in range(3):
        browser = await first_step(console, "owner")
        for code in (*["000000"] * 3, console.code("owner")):
            step = browser.hidden("step")
            await browser.post("/sign-in/code", step=step, code=code)
        assert browser.page.status_code == 303


async def test_wrong_passwords_are_throttled(console: ConsoleUnderTest) -> None:
    console.clock.stop()
    await console.make("owner", Role.OWNER)
    browser = await console.browser()
    await browser.get("/sign-in")
    statuses = []
    for _ in range(12):
        await browser.post("/sign-in", username="owner", password="wrong wrong wrong wrong")
        statuses.append(browser.page.status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_the_second_step_belongs_to_one_browser_for_five_minutes(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser, thief = await first_step(console, "owner"), await console.browser()
    step = browser.hidden("step")
    await thief.get("/sign-in")
    await thief.post("/sign-in/code", step=step, code=console.code("owner"))
    assert thief.page.status_code == 401
    assert "another window" in thief.page.text
    await browser.post("/sign-in/code", step=step + "x", code=console.code("owner"))
    assert "another window" in browser.page.text
    assert not await is_in(browser)


async def test_the_first_step_dies_with_the_password(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await first_step(console, "owner")
    await console.administration.users.set_password("owner", "another long passphrase here")
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code("owner"))
    assert browser.page.status_code == 401
    assert not await is_in(browser)


async def test_r269_a_session_is_live_at_once_on_a_node_whose_clock_is_behind(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    console.clock.stop()
    console.clock.advance(5 - CLOCK_SKEW)
    assert await is_in(browser)
    console.clock.advance(-60)
    assert not await is_in(browser)


@pytest.mark.parametrize("how", ["idle", "absolute", "role", "password", "disabled", "removed"])
async def test_r152_a_session_ends(console: ConsoleUnderTest, how: str) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    browser = await console.signed_in("admin")
    users = console.administration.users
    match how:
        case "idle":
            console.clock.advance(IDLE - 5)
            assert await is_in(browser)
            console.clock.advance(IDLE + 1)
        case "absolute":
            for _ in range(int(ABSOLUTE // (IDLE - 10)) + 1):
                console.clock.advance(IDLE - 10)
                await browser.get("/me")
        case "role":
            await console.administration.administrators.set_role("admin", Role.AUDITOR)
        case "password":
            await users.set_password("admin", "another long passphrase here")
        case "disabled":
            await users.disable("admin")
            await users.enable("admin")
        case "removed":
            await users.remove("admin")
    assert not await is_in(browser)


async def test_r152_signing_out_ends_this_session_and_another_one_by_hand(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    here, there = await console.signed_in("owner"), await console.signed_in("owner")
    page = (await here.get("/me")).text
    key = re.findall(r'name="key" value="([0-9a-f]{64})"', page)
    assert len(key) == 1
    await here.post("/me/end", key=key[0])
    assert not await is_in(there)
    assert await is_in(here)
    await here.post("/sign-out")
    assert not await is_in(here)


async def test_nobody_ends_somebody_elses_session(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    owner, admin = await console.signed_in("owner"), await console.signed_in("admin")
    (key,) = [
        key
        for key, subject in query(console.database, "SELECT key, subject_id FROM console_sessions")
        if subject == (await console.administration.users.get("owner")).person.subject_id
    ]
    await admin.get("/me")
    await admin.post("/me/end", key=key)
    assert await is_in(owner)


# Forms, hosts, addresses


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_r154_a_form_of_another_site_is_refused(
    console: ConsoleUnderTest, headers: dict[str, str]
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/me")
    form = {"csrf": browser.hidden("csrf")}
    refused = await browser.http.post("/sign-out", data=form, headers=headers)
    assert refused.status_code == 403
    assert await is_in(browser)


async def test_r154_a_form_needs_the_token_of_its_session(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser, other = await console.signed_in("owner"), await console.signed_in("owner")
    await other.get("/me")
    for token in ("", "wrong", other.hidden("csrf")):
        refused = await browser.http.post("/sign-out", data={"csrf": token})
        assert refused.status_code == 403
    assert await is_in(browser)


@pytest.mark.parametrize("host", ["localhost:9443", "evil.example", "sso.example.com"])
async def test_r154_another_host_name_leads_nowhere(console: ConsoleUnderTest, host: str) -> None:
    browser = await console.browser(host=host)
    assert (await browser.get("/sign-in")).status_code == 404


async def test_r154_only_allowed_networks_reach_it(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    for networks, status in ((("10.0.0.0/8",), 404), (("192.0.2.0/24",), 200)):
        async with console_of(tmp_path, console_allowed_addresses=networks) as console:
            browser = await console.browser()
            assert (await browser.get("/sign-in")).status_code == status


async def test_pages_allow_no_script_of_their_own_and_no_frame(console: ConsoleUnderTest) -> None:
    page = await (await console.browser()).get("/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


# Step-up


async def test_step_up_keeps_the_form(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", None)
    browser = await console.signed_in("owner")
    console.clock.advance(600)
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="person", role="auditor")
    assert "Is it you?" in browser.page.text
    assert browser.hidden("username") == "person"
    assert (await console.administration.users.get("person")).role is None
    await browser.post("/administrators/role", username="person", role="auditor", proof="000000")
    assert browser.page.status_code == 401
    await browser.post(
        "/administrators/role",
        username=browser.hidden("username"),
        role=browser.hidden("role"),
        proof=console.code("owner"),
    )
    assert browser.page.status_code == 303
    assert (await console.administration.users.get("person")).role == "auditor"


# The first link


async def link_of(console: ConsoleUnderTest, *, recovers: bool = False) -> str:
    url = await console.administration.first_owner.issue_link(recovers=recovers)
    assert url.startswith(f"{ORIGIN}/first?token=")
    return url.removeprefix(ORIGIN)


async def name_oneself(browser: AdminBrowser, link: str, username: str) -> dict[str, str]:
    """The first page of a link; returns what the forms of the second one have in common."""
    await browser.get(link)
    names = {"token": browser.hidden("token"), "name": "First", "username": username}
    if browser.page.status_code == 200:
        await browser.post("/first", **names)
    return names


async def become(console: ConsoleUnderTest, browser: AdminBrowser, link: str, username: str) -> int:
    import pyotp

    names = await name_oneself(browser, link, username)
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", browser.page.text)
    if found is None:
        return browser.page.status_code
    await browser.post(
        "/first",
        **names,
        way="app",
        totp=browser.hidden("totp"),
        password=PASSWORD,
        again=PASSWORD,
        code=pyotp.TOTP(found[1].replace(" ", "")).at(int(console.clock())),
    )
    return browser.page.status_code


async def test_r153_the_first_link_makes_an_owner_once(console: ConsoleUnderTest) -> None:
    link = await link_of(console)
    browser = await console.browser()
    assert await become(console, browser, link, "first") == 200
    assert len(re.findall(r"<li><code>", browser.page.text)) == 10
    assert await is_in(browser)
    account = await console.administration.users.get("first")
    assert (account.role, account.enabled) == ("owner", True)
    for again in (browser, await console.browser()):
        assert await become(console, again, link, "second") == 410
    stored = query(console.database, "SELECT count(*) FROM first_links")
    assert stored == [(0,)]


async def test_r153_of_two_browsers_at_once_one_wins(console: ConsoleUnderTest) -> None:
    link = await link_of(console)
    browsers = [await console.browser() for _ in range(2)]
    statuses = await asyncio.gather(
        *(become(console, each, link, f"n{at}") for at, each in enumerate(browsers))
    )
    assert sorted(statuses) == [200, 410]
    assert len(await console.administration.administrators.all()) == 1


async def test_r153_a_link_ends_with_time_with_the_next_one_and_with_an_owner(
    console: ConsoleUnderTest,
) -> None:
    browser = await console.browser()
    old = await link_of(console)
    console.clock.advance(LINK_LIFETIME + 1)
    assert (await browser.get(old)).status_code == 410
    replaced, fresh = await link_of(console), await link_of(console)
    assert (await browser.get(replaced)).status_code == 410
    assert (await browser.get(fresh)).status_code == 200
    await console.make("owner", Role.OWNER)
    assert (await browser.get(fresh)).status_code == 410
    with pytest.raises(Refused, match="there is an owner already"):
        await link_of(console)
    rescue = await link_of(console, recovers=True)
    assert await become(console, browser, rescue, "rescuer") == 200
    assert len(await console.administration.administrators.all()) == 2


async def test_r153_a_wrong_code_or_password_makes_nobody(console: ConsoleUnderTest) -> None:
    link = await link_of(console)
    browser = await console.browser()
    form = await name_oneself(browser, link, "f")
    form |= {"way": "app", "totp": browser.hidden("totp"), "code": "000000"}
    await browser.post("/first", **form, password=PASSWORD, again=PASSWORD)
    assert browser.page.status_code == 400
    await browser.post("/first", **form, password=PASSWORD, again=PASSWORD + "!")
    assert "differ" in browser.page.text
    assert await console.administration.administrators.all() == []
    assert (await browser.get(link)).status_code == 200


async def test_a_name_that_belongs_to_somebody_is_refused_before_anything_is_set_up(
    console: ConsoleUnderTest,
) -> None:
    await console.make("taken", None)
    browser = await console.browser()
    await name_oneself(browser, await link_of(console), "taken")
    assert browser.page.status_code == 409
    assert "How will you sign in?" not in browser.page.text


# Pages that load themselves again


async def on_the_wall(console: ConsoleUnderTest) -> AdminBrowser:
    await console.make("owner", Role.OWNER)
    await console.administration.going_live.start(None)
    browser = await console.signed_in("owner")
    assert (await browser.get("/go-live/wall")).status_code == 200
    return browser


@pytest.mark.parametrize(
    "page", ["/go-live/wall", "/go-live/live", "/job?id=none", "/wizard/rehearse"]
)
async def test_r225_a_page_that_loads_itself_again_keeps_no_session_alive(
    console: ConsoleUnderTest, page: str
) -> None:
    browser = await on_the_wall(console)
    again = page + ("&" if "?" in page else "?") + "auto=1"
    for _ in range(3):
        console.clock.advance(IDLE / 4)
        assert (await browser.get(again)).status_code != 303
    console.clock.advance(IDLE / 4 + 1)
    await browser.get(again)
    assert browser.page.headers["location"] == "/sign-in?ended=1"
    assert "The session has ended" in (await browser.get("/sign-in?ended=1")).text


async def test_r225_htmx_leaves_the_numbers_of_a_session_that_has_ended(
    console: ConsoleUnderTest,
) -> None:
    browser = await on_the_wall(console)
    assert 'url=/go-live/wall?auto=1"></noscript>' in browser.page.text
    assert 'hx-get="/go-live/wall?auto=1"' in browser.page.text
    console.clock.advance(IDLE - 300)
    assert "Nobody has used this screen" in (await browser.get("/go-live/wall?auto=1")).text
    console.clock.advance(301)
    asked = await browser.http.get("/go-live/wall?auto=1", headers={"HX-Request": "true"})
    assert asked.headers["hx-redirect"] == "/sign-in?ended=1"


async def test_r225_whoever_opens_the_page_uses_the_session(console: ConsoleUnderTest) -> None:
    browser = await on_the_wall(console)
    for _ in range(3):
        console.clock.advance(IDLE - 5)
        assert (await browser.get("/go-live/wall")).status_code == 200
    console.clock.advance(IDLE - 5)
    assert (await browser.get("/people?auto=1")).status_code == 200  # it does not come again
    console.clock.advance(IDLE - 100)
    await browser.get("/go-live/wall?auto=1")
    console.clock.advance(10)
    assert await is_in(browser)  # a use that comes right after one that was none
    console.clock.advance(IDLE - 5)
    assert await is_in(browser)
