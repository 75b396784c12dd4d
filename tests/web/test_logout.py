"""GET /logout."""

from urllib.parse import quote

import pytest
from tests.installation import (
    MADE_UP_SESSION,
    SESSION_COOKIE,
    SIGNED_OUT,
    Installation,
    assert_page,
)

from worksgate.audit import Event
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.store import StoreUnavailable

REFUSED = {
    "another host": "https://evil.example/",
    "a host that begins alike": "https://works.example.com.evil.example/signed-out",
    "a user name": "https://works.example.com@evil.example/",
    "a query": f"{SIGNED_OUT}?next=https://evil.example",
    "a fragment": f"{SIGNED_OUT}#x",
    "dots": "https://works.example.com/x/../signed-out",
    "plain http": "http://works.example.com/signed-out",
    "no scheme": "//evil.example/",
    "a script": "javascript:alert(1)",
    "a line break": f"{SIGNED_OUT}\r\nSet-Cookie: x=1",
    "nothing": "",
}


def logout_url(redirect_uri: str) -> str:
    return f"/logout?redirect_uri={quote(redirect_uri, safe='')}"


async def test_r66_only_a_listed_address_is_gone_to(installation: Installation) -> None:
    browser = installation.browser()
    for reason, redirect_uri in REFUSED.items():
        browser.set_cookie(SESSION_COOKIE, MADE_UP_SESSION)
        response = await browser.http.get(logout_url(redirect_uri))
        assert response.status_code == 200, reason
        assert "location" not in response.headers, reason
        assert SESSION_COOKIE not in browser.http.cookies, reason
    twice = f"{logout_url(SIGNED_OUT)}&redirect_uri={quote(SIGNED_OUT, safe='')}"
    assert_page(await browser.http.get(twice), 200)
    for redirect_uri in (SIGNED_OUT, "https://auth.worksmobile.com/some/where"):
        response = await browser.http.get(logout_url(redirect_uri))
        assert response.status_code == 303
        assert response.headers["location"] == redirect_uri


async def test_r66_a_query_is_accepted_where_a_client_allows_it(
    installation: Installation,
) -> None:
    await installation.change_client(logout_queries=True)
    redirect_uri = f"{SIGNED_OUT}?a=%2B"
    response = await installation.browser().http.get(logout_url(redirect_uri))
    assert response.headers["location"] == redirect_uri


async def test_r67_the_session_is_dead_on_all_nodes(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    secret = browser.cookie(SESSION_COOKIE)
    async with installation.another_node() as other:
        there = other.browser()
        there.set_cookie(SESSION_COOKIE, secret)
        assert await there.is_signed_in()
        assert_page(await browser.http.get("/logout"), 200)
        assert SESSION_COOKIE not in browser.http.cookies
        assert not await there.is_signed_in()
        browser.set_cookie(SESSION_COOKIE, secret)
        assert not await browser.is_signed_in()
    assert installation.rows("SELECT count(*) FROM sessions") == [(0,)]
    assert len(await installation.audit(event=Event.LOGOUT)) == 1


async def test_an_outage_ends_no_session_and_says_so(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> str:
        raise StoreUnavailable("away")

    browser = installation.browser()
    await browser.code()
    with monkeypatch.context() as patched:
        patched.setattr(IdentityProvider, "log_out", away)
        assert_page(await browser.http.get("/logout"), 503)
    assert await browser.is_signed_in()


async def test_r68_an_image_or_a_frame_cannot_end_the_session(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.code()
    for mode, destination in (("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty")):
        headers = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": mode,
            "Sec-Fetch-Dest": destination,
        }
        assert_page(await browser.http.get(logout_url(SIGNED_OUT), headers=headers), 403)
        assert await browser.is_signed_in()
    prefetch = await browser.http.get("/logout", headers={"Sec-Purpose": "prefetch"})
    assert_page(prefetch, 403)
    assert await browser.is_signed_in()
    posted = await browser.http.post("/logout")
    assert_page(posted, 405)
    assert await browser.is_signed_in()


NO_NAVIGATION = {
    "no request of a page": {"Sec-Fetch-Mode": "no-cors"},
    "a script's request": {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "document"},
    "an image": {"Sec-Fetch-Dest": "image"},
    "a frame": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "a prefetch": {"Sec-Purpose": "prefetch"},
    "a prerender": {"Sec-Purpose": "prefetch;prerender"},
    "an old prefetch": {"Purpose": "prefetch"},
    "an older prefetch": {"X-Moz": "prefetch"},
    "a preview": {"X-Purpose": "preview"},
}


async def test_r68_each_sign_alone_that_nobody_goes_there_is_enough(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.code()
    for reason, headers in NO_NAVIGATION.items():
        response = await browser.http.get(logout_url(SIGNED_OUT), headers=headers)
        assert response.status_code == 403, reason
        assert "location" not in response.headers, reason
        assert await browser.is_signed_in(), reason
    head = await browser.http.head(logout_url(SIGNED_OUT))
    assert head.status_code == 403
    assert await browser.is_signed_in()
    there = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Purpose": ""}
    assert (await browser.http.get("/logout", headers=there)).status_code == 200
    assert not await browser.is_signed_in()


async def test_r69_without_a_session_the_redirect_comes_all_the_same(
    mounted: Installation,
) -> None:
    browser = mounted.browser()
    response = await browser.http.get(f"/sso{logout_url(SIGNED_OUT)}")
    assert response.headers["location"] == SIGNED_OUT
    assert_page(await browser.http.get("/sso/logout"), 200)
    assert await mounted.audit(event=Event.LOGOUT) == []


async def test_only_one_s_own_session_ends(installation: Installation) -> None:
    one, two = installation.browser(), installation.browser()
    await one.code()
    await two.code()
    await one.http.get("/logout")
    assert await two.is_signed_in()


async def test_who_has_signed_out_can_go_on_from_there(anywhere: Installation) -> None:
    page = (await anywhere.browser().http.get(f"{anywhere.path}/logout?lang=ko")).text
    assert f'href="{anywhere.settings.service_url}"' in page
    assert f'href="{anywhere.path}/account?lang=ko"' in page
