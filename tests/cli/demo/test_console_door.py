"""The link that opens the demonstration's console: for whoever has it, on this machine (R-174)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import pyotp
import pytest
import pytest_asyncio

from worksgate.administration.users import UserAdministration
from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo.company import OWNER, DemoOwner, prepare_company
from worksgate.cli.demo.console_door import PATH, ConsoleDoor, open_door
from worksgate.cli.demo.installation import (
    CLIENT,
    Addresses,
    demonstrated,
    partner_source,
    prepare,
)
from worksgate.cli.demo.people import PASSWORD
from worksgate.settings.options import Settings

ADDRESSES = Addresses(8080, 8090, 8070)
SESSION = "__Host-wg_console"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Demonstration:
    """The console with its door, and browsers anywhere."""

    door: ConsoleDoor
    owner: DemoOwner
    users: UserAdministration
    stack: AsyncExitStack

    @property
    def path(self) -> str:
        """The printed link, without its host."""
        link = urlsplit(self.door.link)
        return f"{link.path}?{link.query}"

    async def browser(
        self, host: str = "localhost:8070", peer: str = "127.0.0.1"
    ) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.door, client=(peer, 1234))
        browser = httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")
        return await self.stack.enter_async_context(browser)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demonstration(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Demonstration]:
    file = tmp_path_factory.mktemp("demo") / "demo.db"
    given = Settings(port=ADDRESSES.port, database_url=f"sqlite:///{file}")
    settings = demonstrated(given, ADDRESSES, partner_source(ADDRESSES.issuer))
    prepared = await prepare(settings, ADDRESSES.simulator)
    owner = await prepare_company(settings, CLIENT, prepared.redirect_uri)
    async with AsyncExitStack() as stack:
        administration = await stack.enter_async_context(open_administration(settings))
        door, close = open_door(settings, owner)
        stack.push_async_callback(close)
        yield Demonstration(door, owner, administration.users, stack)


async def test_the_printed_link_opens_a_session_by_a_button(demonstration: Demonstration) -> None:
    browser = await demonstration.browser()
    page = await browser.get(demonstration.path)
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert page.headers["cache-control"] == "no-store"
    opened = await browser.post(demonstration.path)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    [cookie] = [
        each for each in opened.headers.get_list("set-cookie") if each.startswith(f"{SESSION}=")
    ]
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(cookie.split("; "))
    secret = cookie.partition(";")[0]
    today = await browser.get("/", headers={"Cookie": secret})
    assert today.status_code == 200
    health = await browser.get("/health", headers={"Cookie": secret})
    assert "it responds, and is at revision" in health.text
    assert "no master key" not in health.text


async def test_r174_without_the_secret_there_is_nothing(demonstration: Demonstration) -> None:
    browser = await demonstration.browser()
    for path in (PATH, f"{PATH}?token=", f"{demonstration.path}x", f"{PATH}?token=%00"):
        for method in ("GET", "POST"):
            refused = await browser.request(method, path)
            assert refused.status_code == 404
            assert "set-cookie" not in refused.headers
            assert PASSWORD not in refused.text


@pytest.mark.parametrize(
    ("host", "peer"),
    [("rebound.example:8070", "127.0.0.1"), ("localhost:8070", "192.0.2.7")],
)
async def test_r174_another_name_or_another_machine_finds_nothing(
    demonstration: Demonstration, host: str, peer: str
) -> None:
    browser = await demonstration.browser(host, peer)
    for method in ("GET", "POST"):
        assert (await browser.request(method, demonstration.path)).status_code == 404


async def test_r174_a_form_of_another_site_opens_no_session(demonstration: Demonstration) -> None:
    browser = await demonstration.browser()
    for site in ("cross-site", "same-site", "none"):
        refused = await browser.post(demonstration.path, headers={"Sec-Fetch-Site": site})
        assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


async def test_r174_it_is_only_for_a_console_on_this_machine(demonstration: Demonstration) -> None:
    with pytest.raises(ValueError, match="this machine only"):
        open_door(Settings(console_url="https://sso.example.com"), demonstration.owner)


async def test_r174_each_start_has_another_secret(demonstration: Demonstration) -> None:
    again, _ = open_door(Settings(console_port=8070), demonstration.owner)
    assert again.link != demonstration.door.link
    assert demonstration.owner.totp_secret not in repr(demonstration.owner)


async def test_the_page_shows_the_present_code_in_the_browser_s_language(
    demonstration: Demonstration,
) -> None:
    browser = await demonstration.browser()
    for language, title in (
        ("en", "The administrators’ console"),
        ("ja", "管理コンソール"),
        ("ko", "관리 콘솔"),
    ):
        page = await browser.get(demonstration.path, headers={"Accept-Language": language})
        assert f"<h1>{title}</h1>" in page.text
        totp = pyotp.TOTP(demonstration.owner.totp_secret)
        assert any(f"<code>{totp.now()}</code>" in page.text for _ in range(2))


async def test_an_owner_who_was_disabled_is_not_signed_in(demonstration: Demonstration) -> None:
    browser = await demonstration.browser()
    await demonstration.users.disable(OWNER, also_last_owner=True)
    try:
        refused = await browser.post(demonstration.path)
        assert (refused.headers["location"], "set-cookie" in refused.headers) == ("/sign-in", False)
    finally:
        await demonstration.users.enable(OWNER)
