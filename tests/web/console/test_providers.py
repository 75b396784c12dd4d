"""Administrators who sign in at another provider: there, back, and the second step here."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path

import pytest
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_administrators_of_sources import OPENID, is_in, remembered

from worksgate.administration.console.providers import BACK_WITHIN
from worksgate.administration.roles import Role
from worksgate.provider.sources import SourcesInUse
from worksgate.sources import AuthorizationRedirect, Person, RefusedUpstream
from worksgate.web.console.cookies import PROVIDER

THERE = "https://login.example.com/authorize?state="


@dataclass
class Provider:
    """Signs in the person whose name is the code."""

    name: str = "entra"
    label: str = "Entra ID"
    asked: list[bool] = field(default_factory=list)

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        self.asked.append(reauthenticate)
        state = f"state{len(self.asked)}"
        return AuthorizationRedirect(url=THERE + state, state=state, kept=f"{return_url} {state}")

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        if kept != f"{return_url} {query['state']}" or "code" not in query:
            raise RefusedUpstream("access_denied")
        name = query["code"]
        return Person(subject_id=f"entra:{name}", username=name, name=name.title())

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen

    async def logout_url(self, return_url: str) -> str | None:
        return None


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsoleUnderTest]:
    async with console_of(tmp_path, sources=(OPENID,)) as console:
        await console.make("owner", Role.OWNER)
        await remembered(console, "mei", Role.ADMIN, source="entra")
        sign_in, provider = (await console.inside()).sign_in, Provider()
        opened = sign_in.sources._sources

        async def with_provider(names: frozenset[str]) -> SourcesInUse:
            sources = await opened(names)
            return replace(sources, redirects=dict.fromkeys(sources.redirects, provider))

        sign_in.sources._sources = with_provider
        yield console


async def sent_there(console: ConsoleUnderTest) -> tuple[AdminBrowser, str]:
    """A browser that has been sent to the provider, and the state."""
    browser = await console.browser()
    await browser.get("/sign-in")
    assert "Sign in with Entra ID" in browser.page.text
    await browser.post("/sign-in/provider", source="entra")
    found = re.search(r'content="0; url=([^"]*)"', browser.page.text)
    assert found is not None, browser.page.text
    return browser, unescape(found[1]).removeprefix(THERE)


async def come_back(browser: AdminBrowser, state: str, code: str = "mei") -> int:
    return (await browser.get(f"/sign-in/return?state={state}&code={code}")).status_code


async def test_r191_a_person_of_another_provider_needs_a_second_factor_here(
    console: ConsoleUnderTest,
) -> None:
    browser, state = await sent_there(console)
    (cookie,) = [each for each in browser.set_cookies() if "_provider=" in each]
    assert "HttpOnly; Path=/; SameSite=strict; Secure" in cookie
    assert state not in cookie
    assert await come_back(browser, state) == 200
    assert "__Host-wg_console_provider" not in browser.http.cookies
    assert not await is_in(browser)
    await come_back(browser, (await again(browser)))
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code("mei"))
    assert browser.page.status_code == 303
    assert await is_in(browser)


async def again(browser: AdminBrowser) -> str:
    """Send the same browser there once more; the state."""
    await browser.get("/sign-in")
    await browser.post("/sign-in/provider", source="entra")
    found = re.search(r"state=(state\d+)", browser.page.text)
    assert found is not None
    return found[1]


async def test_r191_a_page_leads_to_itself_for_cookies_that_another_site_does_not_bring(
    console: ConsoleUnderTest,
) -> None:
    _, state = await sent_there(console)
    other = await console.browser()
    assert await come_back(other, state) == 200
    found = re.search(r'content="0; url=([^"]*)"', other.page.text)
    assert found is not None
    assert unescape(found[1]) == f"/sign-in/return?state={state}&code=mei&again=1"
    await other.get(unescape(found[1]))
    assert other.page.status_code == 401
    assert "another window was used" in other.page.text


@pytest.mark.parametrize("sent", [b"\xa0%b=x", b"%b=x; %b=y"])
async def test_r22_what_a_neighbour_may_have_set_is_not_our_cookie(
    console: ConsoleUnderTest, sent: bytes
) -> None:
    browser, name = await console.browser(), PROVIDER.encode()
    cookie = sent.replace(b"%b", name)
    page = await browser.http.get("/sign-in/return?state=x", headers=[(b"cookie", cookie)])
    assert page.status_code == 200
    assert "again=1" in page.text


async def test_r191_coming_back_counts_once_in_time_and_with_its_own_state(
    console: ConsoleUnderTest,
) -> None:
    browser, state = await sent_there(console)
    kept = browser.http.cookies["__Host-wg_console_provider"]
    assert await come_back(browser, "another") == 401
    browser.http.cookies.set("__Host-wg_console_provider", kept, domain="console.example.com")
    assert await come_back(browser, state) == 200
    browser.http.cookies.set("__Host-wg_console_provider", kept, domain="console.example.com")
    assert await come_back(browser, state) == 401
    late, state = await sent_there(console)
    console.clock.advance(BACK_WITHIN)
    assert await come_back(late, state) == 401


async def test_r191_whoever_has_no_role_comes_back_for_nothing(console: ConsoleUnderTest) -> None:
    await remembered(console, "hina", None, source="entra")
    for path in ("code=hina", "code=stranger", "error=access_denied"):
        browser, state = await sent_there(console)
        await browser.get(f"/sign-in/return?state={state}&{path}")
        assert browser.page.status_code == 403
        assert "nobody who is an administrator" in browser.page.text
        assert not await is_in(browser)
    assert sorted(map(str, await console.refusals())) == [
        "another provider: access_denied",
        "another provider: no administrator",
        "another provider: no administrator",
    ]


async def test_r191_without_an_administrator_there_is_no_way_to_the_provider(
    console: ConsoleUnderTest,
) -> None:
    await console.administration.administrators.set_role("mei", None, source="entra")
    browser = await console.browser()
    await browser.get("/sign-in")
    assert "Entra ID" not in browser.page.text
    assert (await browser.post("/sign-in/provider", source="entra")).status_code == 400
