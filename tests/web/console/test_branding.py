"""The branding of a client in the console: draft, preview, publishing, and what is refused."""

import re

import httpx2
import pytest
from tests.clients.branding.pictures import picture
from tests.web.console.console import AdminBrowser, ConsoleUnderTest

from worksgate.administration.console.sessions import PROVED_FOR
from worksgate.administration.roles import Role
from worksgate.clients.branding import Texts

PATH = "/client/branding"


@pytest.fixture
async def client_id(console: ConsoleUnderTest) -> str:
    await console.make("owner", Role.OWNER)
    return (await console.administration.clients.add("Acme <1>")).client.client_id


async def opened(console: ConsoleUnderTest, client_id: str) -> AdminBrowser:
    browser = await console.signed_in("owner")
    await browser.get(f"{PATH}?id={client_id}")
    assert browser.page.status_code == 200, browser.page.text
    return browser


async def send(browser: AdminBrowser, path: str = "", **form: str) -> httpx2.Response:
    """Send a form of the page with its version, and follow to the page after it."""
    hidden = {name: browser.hidden(name) for name in ("id", "number")}
    response = await browser.post(PATH + path, **hidden, **form)
    if response.status_code == 303:
        await browser.get(response.headers["location"])
    return response


async def upload(browser: AdminBrowser, file: bytes) -> httpx2.Response:
    form = {name: browser.hidden(name) for name in ("csrf", "id", "number")}
    files = {"file": ("logo.png", file, "image/png")}
    browser.page = await browser.http.post(f"{PATH}/logo", data=form, files=files)
    response = browser.page
    if response.status_code == 303:
        await browser.get(response.headers["location"])
    return response


async def test_a_draft_is_saved_previewed_and_published(
    console: ConsoleUnderTest, client_id: str
) -> None:
    browser = await opened(console, client_id)
    assert "People see the usual page" in browser.page.text
    await send(browser, name="光製作所", light="#7a1f5c", label_ja="社員番号")
    assert len(set(re.findall(r'fill="(#[0-9a-f]{6})"', browser.page.text))) == 2
    assert "A draft waits to be published" in browser.page.text
    assert 'value="社員番号"' in browser.page.text
    branding = console.administration.branding
    found = await branding.of_client(client_id)
    assert found.shown is None
    assert found.edited.texts == {"ja": Texts(label="社員番号")}
    preview = await browser.get(f"{PATH}/preview?id={client_id}&show=ja&scheme=dark")
    assert "社員番号</label>" in preview.text
    await browser.get(f"{PATH}?id={client_id}")
    await send(browser, "/publish")
    assert "This is what people see" in browser.page.text
    found = await branding.of_client(client_id)
    assert found.shown is not None
    assert found.shown.actor == "console:owner"
    await send(browser, name="")
    response = await browser.post(f"{PATH}/discard", id=client_id, number=str(found.number))
    assert response.status_code == 409
    assert (await branding.of_client(client_id)).draft is not None
    await browser.get(f"{PATH}?id={client_id}")
    await send(browser, "/discard")
    assert (await branding.of_client(client_id)).draft is None


async def test_r180_a_color_that_is_hard_to_read_comes_back_with_the_nearest(
    console: ConsoleUnderTest, client_id: str
) -> None:
    browser = await opened(console, client_id)
    response = await send(browser, name="Kept <b>", light="#06c755", dark="red")
    assert response.status_code == 422
    text = response.text
    assert "its contrast is below 4.5:1" in text
    assert "six hexadecimal digits" in text
    assert 'value="Kept &lt;b&gt;"' in text
    instead = re.search(r'name="use_light" value="(#[0-9a-f]{6})"', text)
    assert instead is not None
    assert (await console.administration.branding.of_client(client_id)).draft is None
    await send(browser, name="Kept", light="#06c755", use_light=instead[1])
    found = await console.administration.branding.of_client(client_id)
    assert (found.edited.light, found.edited.name) == (instead[1], "Kept")


@pytest.mark.parametrize(
    "form",
    [
        {"light": "#0c5878}body{display:none"},
        {"light": "</style><script>alert(1)</script>"},
        {"help_url_en": "javascript:alert(1)"},
        {"help_url_ja": "http://help.example"},
        {"message_en": "m" * 201},
        {"name": "a\u202eb"},
    ],
)
async def test_r180_what_cannot_be_used_is_shown_escaped_and_not_saved(
    console: ConsoleUnderTest, client_id: str, form: dict[str, str]
) -> None:
    browser = await opened(console, client_id)
    response = await send(browser, **form)
    assert response.status_code == 422
    assert "<script>" not in response.text
    assert "Nothing was saved yet" in response.text
    assert (await console.administration.branding.of_client(client_id)).draft is None


async def test_r184_a_logo_needs_the_second_factor_again(
    console: ConsoleUnderTest, client_id: str
) -> None:
    browser = await opened(console, client_id)
    console.clock.advance(PROVED_FOR + 1)
    await browser.get(f"{PATH}?id={client_id}")
    assert 'type="file"' not in browser.page.text
    response = await upload(browser, picture())
    assert response.status_code == 200
    assert "Is it you?" in response.text
    await send(browser, "/logo", proof=console.code("owner"))
    assert "Now choose the file" in browser.page.text
    await upload(browser, picture())
    assert "The logo is in the draft" in browser.page.text
    found = await console.administration.branding.of_client(client_id)
    assert found.edited.logo is not None
    await send(browser, "/logo", remove="1")
    assert (await console.administration.branding.of_client(client_id)).edited.logo is None


@pytest.mark.parametrize("file", [b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n", b"x" * 300_000])
async def test_r181_a_file_that_is_no_logo_is_refused_in_the_page(
    console: ConsoleUnderTest, client_id: str, file: bytes
) -> None:
    browser = await opened(console, client_id)
    response = await upload(browser, file)
    assert response.status_code in (413, 422)
    assert "onload" not in response.text
    assert (await console.administration.branding.of_client(client_id)).draft is None


async def test_r184_the_preview_can_neither_run_nor_send(
    console: ConsoleUnderTest, client_id: str
) -> None:
    browser = await opened(console, client_id)
    frames = re.findall(r"<iframe [^>]*>", browser.page.text)
    assert len(frames) == 4
    assert all(' sandbox=""' in frame for frame in frames)
    assert "frame-src 'self'" in browser.page.headers["content-security-policy"]
    await send(browser, name="Acme", light="#7a1f5c")
    await upload(browser, picture())
    for scheme, kept in (("light", "#7a1f5c"), ("dark", "color-scheme:dark")):
        page = await browser.get(f"{PATH}/preview?id={client_id}&scheme={scheme}")
        policy = page.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'none'", "sandbox"} <= set(policy)
        assert {"form-action 'none'", "frame-ancestors 'self'", "img-src data:"} <= set(policy)
        assert page.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
        assert "<script" not in page.text
        assert "prefers-color-scheme" not in page.text
        assert kept in page.text
        assert 'src="data:image/webp;base64,' in page.text
        assert browser.hidden("csrf") == ""


async def test_r184_two_administrators_do_not_overwrite_each_other(
    console: ConsoleUnderTest, client_id: str
) -> None:
    await console.make("admin", Role.ADMIN)
    browser = await opened(console, client_id)
    await console.administration.branding.save(client_id, name="Theirs")
    response = await send(browser, name="Ours")
    assert response.status_code == 409
    assert (await console.administration.branding.of_client(client_id)).edited.name == "Theirs"
    for path in ("", "/publish", "/logo"):
        await browser.get("/me")
        broken = await browser.post(PATH + path, id=client_id, number="x", remove="1")
        assert broken.status_code == 409


async def test_a_page_is_small_and_names_no_other_client(
    console: ConsoleUnderTest, client_id: str
) -> None:
    other = (await console.administration.clients.add("Secret Ltd")).client.client_id
    await console.administration.branding.save(other, name="Secret name")
    for number in range(25):
        await console.administration.branding.save(client_id, name=f"Name {number}")
        await console.administration.branding.publish(client_id)
    browser = await opened(console, client_id)
    assert len(browser.page.content) < 60_000
    assert "Secret" not in browser.page.text
    assert "Acme &lt;1&gt;" in browser.page.text
    assert browser.page.text.count('name="again"') == 19
    again = re.search(r'name="again" value="(\d+)"', browser.page.text)
    assert again is not None
    await send(browser, "/publish", again=again[1])
    found = await console.administration.branding.of_client(client_id)
    assert found.shown is not None
    assert found.shown.branding.name == "Name 23"
    assert (await browser.get(f"{PATH}?id=nobody")).status_code == 404


async def test_the_stylesheet_is_kept_by_browsers(console: ConsoleUnderTest) -> None:
    browser = await console.browser()
    page = await browser.get("/sign-in")
    address = re.search(r'href="(/console\.[0-9a-f]+\.css)"', page.text)
    assert address is not None
    style = await browser.get(address[1])
    assert style.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert page.headers.get_list("cache-control") == ["no-store"]
