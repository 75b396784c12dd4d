"""Cookies and sessions: their content, their lifetime, and their end."""

import asyncio
import re

import pytest
from tests.installation import (
    BROWSER_COOKIE,
    DEVICE_COOKIE,
    MADE_UP_SESSION,
    PASSWORD,
    REDIRECT_URI,
    SESSION_COOKIE,
    USERNAME,
    Browser,
    Installation,
    assert_page,
    assert_refused,
    code_of,
)

from worksgate.credentials.secrets import storage_key
from worksgate.oauth.errors import InvalidAccess, InvalidAuthorization

HOUR = 3_600
DAY = 24 * HOUR
NEW_PASSWORD = "quite different horse"


def with_session(installation: Installation, secret: str) -> Browser:
    """A browser that holds this session cookie and nothing else."""
    browser = installation.browser()
    browser.set_cookie(SESSION_COOKIE, secret)
    return browser


async def test_r22_r23_every_cookie_is_locked_down(mounted: Installation) -> None:
    browser = mounted.browser()
    page = await browser.login_page()
    signed_in = await browser.submit(page, username=USERNAME, password=PASSWORD)
    signed_out = await browser.http.get("/sso/logout")
    set_cookies = [
        value
        for response in (page.response, signed_in, signed_out)
        for value in response.headers.get_list("set-cookie")
    ]
    names = [value.partition("=")[0] for value in set_cookies]
    assert names == [BROWSER_COOKIE, SESSION_COOKIE, DEVICE_COOKIE, SESSION_COOKIE]
    for value in set_cookies:
        _, *attributes = (part.strip().lower() for part in value.split(";"))
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(attributes), value
        assert not any(attribute.startswith("domain") for attribute in attributes), value
        assert value.startswith("__Host-")


async def test_r23_a_link_from_another_site_sees_the_session(installation: Installation) -> None:
    """A Lax cookie comes along on a cross-site navigation, and only there."""
    browser = installation.browser()
    await browser.code()
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert (await browser.arrive(link)).status_code == 303
    post = await browser.http.post(browser.login_url(), data={"x": "1"}, headers=link)
    assert post.status_code == 403


async def test_r27_the_cookie_is_a_reference_that_is_kept_hashed(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.code()
    secret = browser.cookie(SESSION_COOKIE)
    assert re.fullmatch(r"[A-Za-z0-9_-]{54}", secret)  # a time and 256 bits
    assert installation.rows("SELECT key FROM sessions") == [(storage_key(secret),)]


async def test_r27_a_made_up_session_is_none(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    (key,) = installation.rows("SELECT key FROM sessions")[0]
    for value in (MADE_UP_SESSION, "A" * 43, str(key), str(key)[:54], "", "x" * 4_000):
        assert not await with_session(installation, value).is_signed_in()


async def test_r28_each_sign_in_makes_a_new_session_and_ends_the_old(
    installation: Installation,
) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    await browser.code()
    old = browser.cookie(SESSION_COOKIE)
    assert (await browser.submit(page, username=USERNAME, password=PASSWORD)).status_code == 303
    new = browser.cookie(SESSION_COOKIE)
    assert new != old
    assert not await with_session(installation, old).is_signed_in()
    assert await with_session(installation, new).is_signed_in()


async def test_r28_a_session_that_was_planted_is_not_taken_over(
    installation: Installation,
) -> None:
    browser = installation.browser()
    browser.set_cookie(SESSION_COOKIE, MADE_UP_SESSION)
    await browser.code()
    assert not await with_session(installation, MADE_UP_SESSION).is_signed_in()


@pytest.mark.parametrize("end", ["disable", "remove", "sign_out"])
async def test_r30_session_code_and_token_end_at_once_on_all_nodes(
    installation: Installation, end: str
) -> None:
    browser = installation.browser()
    token = await installation.access_token(await browser.code())
    unused = code_of(await browser.arrive())
    async with installation.another_node() as other:
        there = other.browser()
        there.set_cookie(SESSION_COOKIE, browser.cookie(SESSION_COOKIE))
        assert await there.is_signed_in()
        await getattr(installation.administration.users, end)(USERNAME)
        for node, at in ((installation, browser), (other, there)):
            assert not await at.is_signed_in()
            assert_refused(await node.exchange(unused), InvalidAuthorization)
            assert_refused(await node.user_info(token), InvalidAccess)


async def test_r30_who_is_disabled_while_signing_in_keeps_nothing(
    installation: Installation,
) -> None:
    """Disabling and signing in race: whoever wins, nothing is left that works."""
    administration = installation.administration
    for round_ in range(8):
        browser = installation.browser()
        page = await browser.login_page()

        async def disable(after: float = round_ * 0.012) -> None:
            await asyncio.sleep(after)
            await administration.users.disable(USERNAME)

        response, _ = await asyncio.gather(
            browser.submit(page, username=USERNAME, password=PASSWORD), disable()
        )
        if response.status_code == 303:
            assert_refused(await installation.exchange(code_of(response)), InvalidAuthorization)
        assert not await browser.is_signed_in()
        assert installation.rows("SELECT count(*) FROM sessions") == [(0,)]
        assert installation.rows("SELECT count(*) FROM codes") == [(0,)]
        await administration.users.enable(USERNAME)
    assert await installation.browser().code()


async def test_r31_a_new_password_ends_the_sessions(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    await installation.administration.users.set_password(USERNAME, NEW_PASSWORD)
    assert not await browser.is_signed_in()
    assert_page(await browser.sign_in(), 403)
    assert await browser.code(USERNAME, NEW_PASSWORD)


async def test_r31_who_signs_in_while_the_password_changes_keeps_nothing(
    installation: Installation,
) -> None:
    """A sign-in with the old password and the new password race: the old one opens nothing."""
    administration = installation.administration
    for round_ in range(8):
        await administration.users.set_password(USERNAME, PASSWORD)
        browser = installation.browser()
        page = await browser.login_page()

        async def change(after: float = round_ * 0.012) -> None:
            await asyncio.sleep(after)
            await administration.users.set_password(USERNAME, NEW_PASSWORD)

        response, _ = await asyncio.gather(
            browser.submit(page, username=USERNAME, password=PASSWORD), change()
        )
        if response.status_code == 303:
            assert_refused(await installation.exchange(code_of(response)), InvalidAuthorization)
        assert not await browser.is_signed_in()
        assert installation.rows("SELECT count(*) FROM sessions") == [(0,)]
        assert installation.rows("SELECT count(*) FROM codes") == [(0,)]


async def test_r32_no_cookie_tells_what_was_asked(installation: Installation) -> None:
    browser = installation.browser()
    await browser.sign_in(worksId="user1@example.com", userAgent="LineWorks", sessionKey="sk-1")
    for name, value in browser.http.cookies.items():
        for told in ("user1", "example", "LineWorks", "sk-1", "state", browser.client_id, "dXNlcj"):
            assert told not in value, name


async def test_r32_two_browsers_of_one_person_hold_nothing_in_common(
    installation: Installation,
) -> None:
    one, two = installation.browser(), installation.browser()
    await one.code()
    await two.code()
    for name in (BROWSER_COOKIE, SESSION_COOKIE, DEVICE_COOKIE):
        assert one.cookie(name) != two.cookie(name)


async def test_a_cookie_that_comes_twice_counts_for_nothing(installation: Installation) -> None:
    """A sibling host may add a cookie of the same name; it must not decide which one counts."""
    browser = installation.browser()
    await browser.code()
    own, added = (
        f"{SESSION_COOKIE}={value}" for value in (browser.cookie(SESSION_COOKIE), MADE_UP_SESSION)
    )
    fresh = installation.browser()
    for header, status in ((own, 303), (f"{own}; {added}", 200), (f"{added}; {own}", 200)):
        assert (await fresh.arrive({"Cookie": header})).status_code == status


async def test_a_session_serves_every_client(installation: Installation) -> None:
    other = await installation.administration.clients.add(
        "Other", redirect_uris=("https://auth.worksmobile.com/cb",)
    )
    await installation.settle()
    browser = installation.browser()
    await browser.code()
    response = await browser.arrive(client_id=other.client.client_id)
    assert response.headers["location"].startswith(f"{REDIRECT_URI}&code=")
