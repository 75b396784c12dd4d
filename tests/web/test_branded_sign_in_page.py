"""The sign-in page of a client that has a branding, and its logo."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clients.branding.pictures import picture
from tests.installation import PASSWORD, USERNAME, Installation, installed
from tests.properties import examples
from tests.web.test_headers import policy_of

from worksgate.clients.branding import Branding, LogoFacts, Texts
from worksgate.directory.branding_versions import BrandingVersion
from worksgate.settings.options import Settings
from worksgate.web.pages import looks
from worksgate.web.pages.forms import SignInForm
from worksgate.web.pages.looks import Look, Looks
from worksgate.web.pages.rendering import LANGUAGES, Pages

HOSTILE = "\"><img src=x onerror=alert(1)>'</title></script>{{ 7*7 }}%(product)s&amp;"
SETTINGS = Settings(public_url="https://sso.example.com", company_name="Usual & Co")
FILLING = Pages(SETTINGS)
LOGO = LogoFacts(id="b7Qw0pJr1s2t3u4v5w6x7y", width=320, height=80)
FORM = SignInForm(action="/login", txn="t", csrf="c")


async def publish(installation: Installation, **changes: Any) -> None:
    branding = installation.administration.branding
    await branding.save("Acme", **changes)
    await branding.publish("Acme")
    await installation.settle()


@pytest.fixture
async def branded(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation whose client has a name, a logo, colors and texts."""
    async with installed(tmp_path, company_name="Usual & Co") as installation:
        await installation.administration.branding.set_logo("Acme", picture())
        await publish(
            installation,
            name="光製作所 <b>",
            light="#7a1f5c",
            dark="",
            texts={
                "en": Texts(label="Employee & number", message=HOSTILE[:150]),
                "ja": Texts(label="社員番号", help_url="https://help.example/?a=1&b=2"),
            },
        )
        yield installation


async def test_r180_a_branded_page_shows_its_values_escaped(branded: Installation) -> None:
    page = (await branded.browser().login_page(lang="en")).response.text
    assert "Employee &amp; number</label>" in page
    assert "Use your 光製作所 &lt;b&gt; account." in page
    assert "<img src=x" not in page
    assert "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert "--accent:#7a1f5c" in page
    assert "Usual" not in page
    japanese = (await branded.browser().login_page(lang="ja")).response.text
    assert "社員番号</label>" in japanese
    assert 'href="https://help.example/?a=1&amp;b=2"' in japanese
    assert "onerror" not in japanese


async def test_r183_a_branded_page_keeps_the_policy_and_the_weight(branded: Installation) -> None:
    response = (await branded.browser().login_page()).response
    assert len(response.content) < 30_000
    policy = policy_of(response)
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["'self'", "data:"]
    assert len(policy["style-src"]) == 2
    for source in (*policy["style-src"], *policy["script-src"]):
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", source)
    assert re.findall(r'\ssrc="([^"]*)"', response.text) == [_logo_of(response)]
    assert not re.findall(r"<link|<iframe|@import|url\(", response.text)


async def test_every_page_of_its_sign_in_is_branded(branded: Installation) -> None:
    await branded.change_client(second_factor="required")
    browser = branded.browser()
    page = await browser.login_page()
    wrong = await browser.submit(page, username=USERNAME, password="wrong")
    enrol = await browser.submit(page, username=USERNAME, password=PASSWORD)
    for response in (wrong, enrol):
        assert "光製作所 &lt;b&gt;" in response.text
        assert "--accent:#7a1f5c" in response.text
        assert len(policy_of(response)["style-src"]) == 2


async def test_r182_other_pages_do_not_show_it(branded: Installation) -> None:
    browser = branded.browser()
    for response in (
        await browser.account(),
        await browser.arrive(client_id="nobody"),
        await browser.arrive(redirect_uri="https://evil.example/"),
        await browser.http.get("/nothing"),
    ):
        assert "光製作所" not in response.text
        assert "/logo" not in response.text


async def test_r182_the_branding_of_a_disabled_client_is_not_shown(branded: Installation) -> None:
    browser = branded.browser()
    page = await browser.login_page()
    address = _logo_of(page.response)
    assert (await browser.http.get(address)).status_code == 200
    await branded.administration.clients.disable("Acme")
    await branded.settle()
    for response in (
        await browser.arrive(),
        await browser.submit(page, username=USERNAME, password=PASSWORD),
    ):
        assert "光製作所" not in response.text
        assert "/logo" not in response.text
    assert (await browser.http.get(address)).status_code == 404


async def test_r181_a_logo_is_a_picture_that_browsers_keep(branded: Installation) -> None:
    http = branded.http()
    response = await http.get(_logo_of((await branded.browser().login_page()).response))
    assert response.status_code == 200
    assert response.content[:4] + response.content[8:12] == b"RIFFWEBP"
    headers = response.headers
    assert headers["content-type"] == "image/webp"
    assert headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers.keys().isdisjoint({"set-cookie", "pragma"})


async def test_r182_no_logo_is_found_by_guessing(branded: Installation) -> None:
    client_id = branded.client.client.client_id
    await branded.administration.branding.set_logo("Acme", picture(color="#aa0000"))
    draft = (await branded.administration.branding.of_client("Acme")).edited.logo
    assert draft is not None
    await branded.settle()
    http = branded.http()
    answers = [
        await http.get("/logo", params={"v": guess})
        for guess in ("", "1", "Acme", client_id, draft.id, "'", "\0", "../x", "a" * 3_000)
    ]
    answers.append(await http.get("/logo"))
    assert {(each.status_code, each.content) for each in answers} == {(404, b"not found\n")}
    assert {each.headers["cache-control"] for each in answers} == {"no-store"}


async def test_r183_neither_page_nor_logo_reads_the_database(
    branded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = branded.browser()
    address = _logo_of((await browser.login_page()).response)
    await browser.http.get(address)

    async def read(*_: object) -> None:
        raise AssertionError("it was read")

    directory = branded.administration.branding._directory
    monkeypatch.setattr(type(directory.brandings), "published", read)
    monkeypatch.setattr(type(directory.brandings), "logo", read)
    assert "光製作所" in (await browser.login_page()).response.text
    assert (await browser.http.get(address)).status_code == 200
    assert (await browser.http.get("/logo", params={"v": "x" * 22})).status_code == 404


async def test_a_new_version_is_shown_by_every_node(branded: Installation) -> None:
    async with branded.another_node() as other:
        await other.browser().login_page()
        await publish(branded, name="New name")
        await other.settle()
        for node in (branded, other):
            page = (await node.browser().login_page(lang="en")).response.text
            assert "Use your New name account." in page


async def test_an_empty_branding_is_the_usual_page(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation:
        before = _without_secrets((await installation.browser().login_page()).response)
        await publish(installation, name="x")
        assert _without_secrets((await installation.browser().login_page()).response) != before
        await publish(installation, name="")
        assert _without_secrets((await installation.browser().login_page()).response) == before


async def test_a_branding_that_cannot_be_used_is_not_shown(branded: Installation) -> None:
    branded.rows('UPDATE branding_versions SET content = \'{"light": "#0c5878}*{"}\'')
    async with branded.another_node() as fresh:
        page = (await fresh.browser().login_page()).response
        assert page.status_code == 200
        assert "}*{" not in page.text


# The page as a value

TEXTS = st.one_of(st.sampled_from(["", "<b>&\"'", "hole-", HOSTILE]), st.text(max_size=40))
BRANDINGS = st.builds(
    Branding,
    name=TEXTS,
    light=st.sampled_from(["", "#0c5878", "#7a1f5c"]),
    dark=st.sampled_from(["", "#78c1e0"]),
    texts=st.dictionaries(
        st.sampled_from(LANGUAGES), st.builds(Texts, label=TEXTS, message=TEXTS, help_url=TEXTS)
    ),
    logo=st.none()
    | st.builds(
        LogoFacts,
        id=st.just(LOGO.id),
        width=st.integers(16, 640),
        height=st.integers(16, 192),
        on_light=st.booleans(),
        on_dark=st.booleans(),
    ),
)


@examples(25)
@given(branding=BRANDINGS, language=st.sampled_from(LANGUAGES))
def test_r183_a_filled_page_of_a_client_is_the_rendered_one(
    branding: Branding, language: str
) -> None:
    look = Look.of(branding, "/logo?v=x")
    switcher = [("en", "/login?lang=en"), ("ja", "/login?lang=ja")]
    filled = FILLING.login(FORM, language, switcher, look)
    rendered = Pages(SETTINGS)._login(FORM, language, switcher, focus="username", look=look)
    assert filled == rendered


def test_r183_many_clients_share_their_skeletons() -> None:
    pages = Pages(SETTINGS)
    for number in range(50):
        branding = Branding(name=f"Company {number}", light="#0c5878", logo=LOGO)
        html = pages.login(FORM, "en", look=Look.of(branding, f"/logo?v={number}")).html
        assert f"Company {number} account" in html
        assert f'src="/logo?v={number}"' in html
    assert len(pages._skeletons._kept) == 1
    assert "Usual &amp; Co" in pages.login(FORM, "en").html


def test_looks_are_prepared_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "MOST", 3)
    kept = Looks("/sso/logo")
    versions = [
        BrandingVersion(
            client_id=str(number),
            number=1,
            content={"name": str(number)},
            created_at=0.0,
            actor=None,
            published_at=1.0,
        )
        for number in range(9)
    ]
    for version in versions:
        assert kept.of(version) is kept.of(version)
        assert len(kept._kept) <= 3
    assert kept.of(None) is None


@pytest.mark.parametrize(
    ("size", "shown"),
    [((640, 160), (134, 34)), ((192, 192), (56, 56)), ((640, 40), (288, 18)), ((20, 20), (20, 20))],
)
def test_logos_of_all_shapes_look_equally_large(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    logo = LogoFacts(id=LOGO.id, width=size[0], height=size[1])
    brand = Look.of(Branding(logo=logo), "/logo").brands["en"]
    assert (int(brand.logo_width), int(brand.logo_height)) == shown


def _logo_of(response: httpx2.Response) -> str:
    found = re.search(r'<img src="([^"]*)"', response.text)
    assert found is not None
    return found[1]


def _without_secrets(response: httpx2.Response) -> str:
    return re.sub(r'(name="(?:txn|csrf)" value=")[^"]*|data-options="[^"]*', r"\1", response.text)
