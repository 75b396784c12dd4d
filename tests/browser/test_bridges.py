"""People of other systems sign in, in a browser: with a real LDAP server and a real provider."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.provider_pages import log_in_there, overlook_the_provider
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import OpenWindow, Window, submit_login
from tests.installation import PASSWORD, USERNAME, Installation
from tests.openid_provider.real import CLIENT_ID, CLIENT_SECRET, real_provider
from tests.slapd import PASSWORD as LDAP_PASSWORD
from tests.slapd import Authority, running_slapd

from worksgate.audit import Event
from worksgate.settings.sources import OidcSettings, SourceSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def bridge(tmp_path: Path) -> AsyncIterator[Premises]:
    """An installation with a provider for hanako, and the built-in directory for the others."""
    callbacks: list[str] = []
    port_is_known: list[OidcSettings] = []

    def sources(url: str) -> tuple[SourceSettings, ...]:
        callbacks.append(f"{url}/login/callback/partner")
        provider = stack.enter_context(real_provider(callbacks, [f"{url}/logout"]))
        port_is_known.append(
            OidcSettings(
                name="partner",
                label="Partner",
                issuer=provider.issuer,
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                scopes=("openid", "profile", "email", "groups"),
                external_key_claim="employee_number",
                domains=("company.example",),
                logout=True,
            )
        )
        return tuple(port_is_known)

    with ExitStack() as stack:
        async with open_premises(tmp_path, sources=sources) as premises:
            yield premises


async def arrived(tab: Page) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Arrived")


async def user_id(installation: Installation, code: str) -> str:
    """Whom LINE WORKS is told of."""
    answer = await installation.exchange(code)
    token = answer.json()["access_token"]
    return str((await installation.user_info(token)).json()["user_id"])


async def test_r24_r91_a_person_of_another_provider_signs_in_by_its_button(
    bridge: Premises, window: Window
) -> None:
    tab = window.tab
    await tab.goto(bridge.login_url())
    await tab.locator("button[name=source]").click()
    await tab.wait_for_selector("input[name=login]")
    assert "response_mode=form_post" not in tab.url
    await log_in_there(tab, "hanako")
    await arrived(tab)
    (code,) = bridge.codes
    assert await user_id(bridge.installation, code) == "E-hanako"
    overlook_the_provider(window)


async def test_a_name_with_their_domain_leads_to_the_provider(
    bridge: Premises, window: Window
) -> None:
    tab = window.tab
    await tab.goto(bridge.login_url())
    await submit_login(tab, "hanako@company.example", "")
    await log_in_there(tab, "hanako")
    await arrived(tab)
    overlook_the_provider(window)


async def test_r91_coming_back_twice_signs_nobody_in(bridge: Premises, window: Window) -> None:
    tab = window.tab
    returned: list[str] = []
    tab.on("request", lambda request: returned.append(request.url))
    await tab.goto(bridge.login_url())
    await tab.locator("button[name=source]").click()
    await log_in_there(tab, "hanako")
    await arrived(tab)
    (landing,) = [url for url in returned if "/login/callback/partner?" in url]
    await window.context.clear_cookies()
    await tab.goto(landing)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Please sign in again")
    assert len(bridge.codes) == 1
    overlook_the_provider(window)


async def test_signing_out_here_signs_out_there_and_goes_on(
    bridge: Premises, window: Window
) -> None:
    tab = window.tab
    await tab.goto(bridge.login_url())
    await tab.locator("button[name=source]").click()
    await log_in_there(tab, "hanako")
    await arrived(tab)
    wanted = f"{bridge.other.url}/out"
    await tab.goto(f"{bridge.url}/logout?redirect_uri={quote(wanted, safe='')}")
    async with tab.expect_request(wanted):
        await tab.get_by_role("button", name="Yes, sign me out").click()
    await tab.goto(bridge.login_url())
    await tab.locator("button[name=source]").click()
    await tab.wait_for_selector("input[name=login]")
    overlook_the_provider(window)


async def test_f19_the_password_works_while_the_provider_is_down(
    tmp_path: Path, open_window: OpenWindow
) -> None:
    gone = OidcSettings(
        name="partner",
        issuer="http://127.0.0.1:9",
        client_id="worksgate",
        external_key_claim="employee_number",
    )
    async with open_premises(tmp_path, sources=lambda _: (gone,)) as premises:
        window = await open_window()
        tab = window.tab
        await tab.goto(premises.login_url())
        await tab.get_by_role("button", name="Continue with partner").click()
        await expect(tab.locator("#problem")).to_contain_text("does not answer")
        await window.expect_complaint("status of 503")
        await submit_login(tab, USERNAME, PASSWORD)
        await arrived(tab)


async def test_a_person_in_ldap_signs_in_and_is_remembered(
    tmp_path: Path, open_window: OpenWindow
) -> None:
    with running_slapd(tmp_path / "company", Authority(tmp_path)) as server:
        server.add_person("tanaka", employeeNumber="E-7", cn="田中 葵")
        company = server.settings(external_key_attribute="employeeNumber")
        async with open_premises(tmp_path, sources=lambda _: (company,)) as premises:
            tab = (await open_window(locale="ja-JP")).tab
            await tab.goto(premises.login_url())
            await submit_login(tab, "tanaka", LDAP_PASSWORD)
            await arrived(tab)
            (code,) = premises.codes
            assert await user_id(premises.installation, code) == "E-7"
            administration = premises.installation.administration
            (remembered,) = await administration.people.remembered(company.name)
            assert remembered.person.username == "tanaka"

            await administration.people.set_enabled("tanaka", company.name, enabled=False)
            stranger = (await open_window()).tab
            await stranger.goto(premises.login_url())
            await submit_login(stranger, "tanaka", LDAP_PASSWORD)
            await expect(stranger.locator("#problem")).to_contain_text("has been disabled")
            failed = await premises.installation.audit(event=Event.LOGIN_FAILED)
            assert [event.detail for event in failed] == ["the person is disabled"]
