"""Refusals under overload: in every language, and in the format that the client expects."""

from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals
from worksgate.web.pages.catalogues import LANGUAGES, translations
from worksgate.web.pages.rendering import Notice
from worksgate.web.pages.wording import NOTICES


def test_calls_are_known_by_their_paths() -> None:
    refusals = Refusals.of(Settings())
    for url in (b"/accessToken", b"/userInfo?x=1", b"/apiLogin/c?password=x", b"/readyz"):
        assert refusals.is_call(url)
    for url in (b"/login?client_id=x", b"/accessTokens", b"/account", b"/", b"/metrics"):
        assert not refusals.is_call(url)


def test_metrics_are_refused_last_on_the_operators_port_alone() -> None:
    for url in (b"/metrics", b"/metrics?name[]=x", b"/healthz", b"/readyz"):
        assert Refusals.of_operators(Settings()).is_call(url)
    assert not Refusals.of(Settings(metrics_public=True)).is_call(b"/metrics")


def test_a_refusal_speaks_every_language_and_has_the_headers_of_a_page() -> None:
    refusals = Refusals.of(Settings(public_url="https://sso.example.com"))
    head, _, body = refusals.page.partition(b"\r\n\r\n")
    for language in LANGUAGES:
        title = translations(language).gettext(NOTICES[Notice.UNAVAILABLE].title)
        assert f'<section lang="{language}"><h1>{title}</h1>' in body.decode()
    for header in (b"retry-after: ", b"x-frame-options: DENY", b"content-security-policy: "):
        assert header in head
    assert f"content-length: {len(body)}".encode() in head
    assert b"strict-transport-security" in refusals.call
