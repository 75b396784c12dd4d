"""Sign-ins at another provider, which is a small class here, as a browser sees them."""

import html
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest
from tests.installation import Browser, Installation, code_of, installed

from worksgate.audit import Event
from worksgate.provider import stranger_records
from worksgate.provider.stranger_records import A_DAY
from worksgate.settings.sources import OidcSettings
from worksgate.sources import AuthorizationRedirect, Person, RefusedUpstream, SourceUnavailable
from worksgate.web import cookies

SMALL_DAY = 5
PARTNER = "https://partner.example/authorize?state=the-state"
EMMA = Person(subject_id="partner:1", username="emma", name="Emma", external_key="P-1")


class Partner:
    """Another provider, with one person; ``outcome`` is what comes of the sign-in there."""

    label = "Partner"
    outcome: Person | Exception = EMMA
    has_left = False

    def __init__(self, name: str, *_: object, **__: object) -> None:
        self.name = name

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        return AuthorizationRedirect(url=PARTNER, state="the-state", kept="kept")

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        assert kept == "kept"
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return None if self.has_left else last_seen

    async def logout_url(self, return_url: str) -> str | None:
        return None

    async def close(self) -> None: ...


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installation]:
    """An installation with a partner's people, at the domain ``partner.example``."""
    monkeypatch.setattr("worksgate.sources.openid.source.OidcSource", Partner)
    source = OidcSettings(
        name="partner",
        domains=("partner.example",),
        issuer="https://partner.example",
        client_id="worksgate",
        external_key_claim="employee",
    )
    async with installed(tmp_path, sources=(source,)) as installation:
        yield installation


async def sent_to_the_partner(browser: Browser, **fields: str) -> httpx2.Response:
    response = await browser.submit(await browser.login_page(), **fields)
    assert response.status_code == 200
    link = re.search(r'<a class="button[^"]*" href="([^"]*)"', response.text)
    assert link is not None
    assert html.unescape(link[1]) == PARTNER
    return response


async def back(browser: Browser, source: str = "partner") -> httpx2.Response:
    return await browser.http.get(f"/login/callback/{source}", params={"state": "the-state"})


async def test_the_button_leads_to_the_provider_and_back_with_a_code(site: Installation) -> None:
    browser = site.browser()
    await sent_to_the_partner(browser, source="partner")
    response = await back(browser)
    assert response.status_code == 303
    assert code_of(response)
    assert await browser.is_signed_in()


async def test_a_name_of_the_provider_s_domain_leads_there_without_a_password(
    site: Installation,
) -> None:
    browser = site.browser()
    await sent_to_the_partner(browser, username="emma@partner.example")
    assert (await back(browser)).status_code == 303


@pytest.mark.parametrize(
    ("why", "status", "words"),
    [
        (RefusedUpstream("access_denied"), 403, "was not completed"),
        (SourceUnavailable("no answer"), 503, "does not answer"),
    ],
)
async def test_whoever_the_provider_does_not_let_in_may_try_another_way(
    site: Installation, monkeypatch: pytest.MonkeyPatch, why: Exception, status: int, words: str
) -> None:
    monkeypatch.setattr(Partner, "outcome", why)
    browser = site.browser()
    await sent_to_the_partner(browser, source="partner")
    response = await back(browser)
    assert response.status_code == status
    assert words in response.text
    assert 'name="password"' in response.text or 'name="source"' in response.text


@pytest.fixture
def small_day() -> Iterator[None]:
    with (
        patch.object(stranger_records, "A_DAY", dict.fromkeys(A_DAY, SMALL_DAY)),
        patch.object(stranger_records, "PORTION", SMALL_DAY),
    ):
        yield


async def test_r136_who_comes_back_refused_leaves_records_within_a_bound(
    small_day: None, site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Partner, "outcome", RefusedUpstream("access_denied"))
    for number in range(3 * SMALL_DAY):
        stranger = site.browser(address=f"2001:db8:{number}::1")
        await sent_to_the_partner(stranger, source="partner")
        assert (await back(stranger)).status_code == 403
    await site.settle()
    failed = [each for each in await site.audit() if each.event is Event.LOGIN_FAILED]
    # A process has a portion of its own beside the day's.
    assert len([each for each in failed if each.address]) <= 2 * SMALL_DAY


async def test_somebody_who_is_disabled_at_this_very_moment_gets_no_code_and_no_crash(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Partner, "has_left", True)
    browser = site.browser()
    await sent_to_the_partner(browser, source="partner")
    response = await back(browser)
    assert response.status_code == 403
    assert "location" not in response.headers
    assert not await browser.is_signed_in()


async def test_r91_the_way_back_is_taken_once_by_the_browser_that_left(site: Installation) -> None:
    browser = site.browser()
    await sent_to_the_partner(browser, source="partner")
    assert (await back(site.browser())).status_code == 403
    assert (await back(browser)).status_code == 303
    assert (await back(browser)).status_code == 403


async def test_r142_nothing_is_kept_here_until_the_provider_has_spoken(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = site.browser()
    count = "SELECT count(*) FROM interims"
    for _ in range(5):
        await sent_to_the_partner(browser, source="partner")
    monkeypatch.setattr(Partner, "outcome", RefusedUpstream("access_denied"))
    assert (await back(browser)).status_code == 403
    assert site.rows(count) == [(0,)]
    monkeypatch.setattr(Partner, "outcome", EMMA)
    assert (await back(browser)).status_code == 303
    assert site.rows(count) == [(1,)]
    assert cookies.UPSTREAM not in browser.http.cookies, "it is back"


async def test_two_tabs_can_be_at_providers_at_once(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, states = site.browser(), iter(("one", "two"))

    async def begin(*_: object, **__: object) -> AuthorizationRedirect:
        return AuthorizationRedirect(url=PARTNER, state=next(states), kept="kept")

    monkeypatch.setattr(Partner, "begin", begin)
    for _ in range(2):
        await sent_to_the_partner(browser, source="partner")
    for state in ("one", "two"):
        response = await browser.http.get("/login/callback/partner", params={"state": state})
        assert response.status_code == 303, response.text


async def test_the_account_says_what_is_kept_at_the_other_provider(site: Installation) -> None:
    browser = site.browser()
    await sent_to_the_partner(browser, source="partner")
    assert (await back(browser)).status_code == 303
    page = (await browser.account()).text
    assert "You sign in with Partner. Your password is kept there" in page
    assert "Partner may ask for two-step verification of its own." in page
    assert "Your company keeps your password elsewhere" not in page


@pytest.mark.parametrize("kept", [300, 500, 700, 900, 1_100])
async def test_the_headers_of_an_answer_fit_into_the_buffer_of_a_proxy(
    site: Installation, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Nginx answers 502 where they have more than a page of memory."""
    browser, states = site.browser(), (secrets.token_urlsafe(32) for _ in range(3))

    async def begin(*_: object, **__: object) -> AuthorizationRedirect:
        return AuthorizationRedirect(
            url=PARTNER, state=next(states), kept=secrets.token_urlsafe(kept)
        )

    monkeypatch.setattr(Partner, "begin", begin)
    for _ in range(3):
        response = await sent_to_the_partner(browser, source="partner")
        size = sum(len(name) + len(value) + 4 for name, value in response.headers.raw)
        assert size < 4_096 - 200
