"""A page from a prepared skeleton equals the rendered template, byte for byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.settings.options import Settings
from worksgate.web.pages import skeletons
from worksgate.web.pages.forms import SignInForm
from worksgate.web.pages.rendering import LANGUAGES, Page, Pages, Problem
from worksgate.web.pages.skeletons import Skeletons, hole

SETTINGS = Settings(
    public_url="https://sso.example.com",
    company_name="Acme & Co",
    support_url="mailto:it@a.example",
)
FILLING = Pages(SETTINGS)
"""One for all examples: what one has left behind must fit the next."""

TEXTS = st.one_of(st.sampled_from(["", "<b>&\"'", "hole-", "a" * 300]), st.text(max_size=40))
LANGUAGE = st.sampled_from(sorted(LANGUAGES))
FORMS = st.builds(
    SignInForm,
    action=st.sampled_from(["/login?lang=ja", "/sso/login?lang=en&x=<"]),
    txn=TEXTS,
    csrf=TEXTS,
    username=TEXTS,
    prefilled=st.booleans(),
    clear_url=st.none() | TEXTS,
    cancel=st.booleans(),
    passwords=st.booleans(),
    buttons=st.sampled_from([(), (("partner", "Partner <1>"),), (("a", "A"), ("b", "B"))]),
    passkey_options=st.none() | TEXTS,
    reset_url=st.sampled_from([None, "/account/forgot?lang=ko"]),
    for_account=st.booleans(),
)


def rendered(form: SignInForm, language: str, languages: list[tuple[str, str]]) -> Page:
    """The page as its template makes it, with nothing kept from before."""
    from worksgate.web.pages.rendering import _focus

    return Pages(SETTINGS)._login(form, language, languages, focus=_focus(form))


@examples(300)
@given(form=FORMS, language=LANGUAGE, addresses=st.lists(TEXTS, max_size=len(LANGUAGES)))
def test_a_filled_page_is_the_rendered_one(
    form: SignInForm, language: str, addresses: list[str]
) -> None:
    languages = list(zip(sorted(LANGUAGES), addresses, strict=False))
    assert FILLING.login(form, language, languages) == rendered(form, language, languages)


def test_a_page_with_a_problem_is_rendered_each_time() -> None:
    form = SignInForm(action="/login", txn="t", csrf="c", problem=Problem.THROTTLED, retry_after=7)
    languages = [("en", "/login?lang=en")]
    for seconds in (7, 61):
        waiting = replace(form, retry_after=seconds)
        assert FILLING.login(waiting, "en", languages) == rendered(waiting, "en", languages)


def test_a_value_of_one_request_is_in_no_page_of_another() -> None:
    pages = Pages(SETTINGS)
    first = SignInForm(
        action="/login", txn="momiji-txn", csrf="momiji-csrf", username="momiji-name"
    )
    second = SignInForm(action="/login", txn="second-txn", csrf="second-csrf", username="other")
    assert "momiji-" in pages.login(first, "en").html
    assert "momiji-" not in pages.login(second, "en").html


def test_what_is_filled_in_opens_no_hole() -> None:
    kept = Skeletons()
    values = {"name": hole("other"), "other": "<x>"}
    page = kept.filled("key", lambda: f"{hole('name')}|{hole('other')}", values)
    assert page.decode() == f"{hole('other')}|&lt;x&gt;"


def test_a_hole_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Skeletons().filled("key", lambda: hole("name"), {})


def test_there_are_never_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeletons, "MOST", 3)
    kept = Skeletons()
    for number in range(10):
        assert kept.filled(number, lambda: "page", {}) == b"page"
        assert len(kept._kept) <= 3


def test_what_strangers_choose_makes_no_skeletons() -> None:
    pages = Pages(SETTINGS)
    for number in range(50):
        form = SignInForm(
            action="/login?lang=en",
            txn=f"txn {number}",
            csrf=f"csrf {number}",
            username=f"user {number}",
            clear_url=f"/login?{number}",
            passkey_options=f'{{"challenge": {number}}}',
        )
        pages.login(form, "en", [("ja", f"/login?lang=ja&{number}")])
    assert len(pages._skeletons._kept) == 1
