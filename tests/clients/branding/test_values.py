"""What a branding may consist of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.clients.branding import (
    MAX_LABEL,
    MAX_MESSAGE,
    MAX_NAME,
    BadBranding,
    Branding,
    Fault,
    LogoFacts,
    Texts,
    checked,
)

LOGO = LogoFacts(id="b7Qw0pJr1s2t3u4v5w6x7y", width=320, height=80, on_dark=False)
WHOLE = Branding(
    name="光製作所",
    light="#0c5878",
    dark="#78c1e0",
    texts={
        "ja": Texts(
            label="社員番号", message="Windowsと同じです。", help_url="https://a.example/?q=1"
        )
    },
    logo=LOGO,
)


def faults(branding: Branding) -> dict[str, Fault]:
    with pytest.raises(BadBranding) as bad:
        checked(branding)
    return {each.place: each.fault for each in bad.value.problems}


def test_what_is_stored_comes_back() -> None:
    assert Branding.of(WHOLE.content()) == WHOLE
    assert Branding.of({}).is_empty
    assert Branding().content() == {}


def test_texts_are_tidied() -> None:
    tidy = checked(
        Branding(
            name="  Acme \t Ltd ",
            light=" #0C5878 ",
            texts={"ja": Texts(message="一行\r\n二行\u3000三行"), "ko": Texts(label="  ")},
        )
    )
    assert (tidy.name, tidy.light) == ("Acme Ltd", "#0c5878")
    assert tidy.texts == {"ja": Texts(message="一行 二行 三行")}


def test_r180_each_problem_names_its_place() -> None:
    assert faults(
        Branding(
            name="x" * (MAX_NAME + 1),
            light="#06c755",
            dark="blue",
            texts={
                "en": Texts(label="a\u202eb", message="m" * (MAX_MESSAGE + 1)),
                "ja": Texts(label="l" * (MAX_LABEL + 1), help_url="http://a.example"),
            },
        )
    ) == {
        "name": Fault.TOO_LONG,
        "light": Fault.LOW_CONTRAST,
        "dark": Fault.NO_COLOR,
        "texts.en.label": Fault.NOT_PRINTABLE,
        "texts.en.message": Fault.TOO_LONG,
        "texts.ja.label": Fault.TOO_LONG,
        "texts.ja.help_url": Fault.NO_HTTPS,
    }


def test_r180_a_color_that_is_hard_to_read_is_refused_with_the_nearest() -> None:
    sentence = r"below 4\.5:1\. The nearest color that passes is #0"
    with pytest.raises(BadBranding, match=sentence) as bad:
        checked(Branding(light="#06c755"))
    (problem,) = bad.value.problems
    assert checked(Branding(light=problem.instead)).light == problem.instead
    with pytest.raises(BadBranding) as bad:
        checked(Branding(dark="#002050"))
    (problem,) = bad.value.problems
    assert checked(Branding(dark=problem.instead)).dark == problem.instead


@pytest.mark.parametrize(
    "link",
    [
        *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example"),
        *("http://help.example", "https:/help.example", "https://", "https://-a.example"),
        *("https://user:secret@help.example", "https://help.example\\@evil.example"),
        *("https://help.example/ä", "https://ヘルプ.example", " ftp://help.example"),
        *("https://help.example/a b", "https://help.example:123456/", "https://h.example\n/"),
    ],
)
def test_r180_only_https_links_are_taken(link: str) -> None:
    assert faults(Branding(texts={"en": Texts(help_url=link)})) == {
        "texts.en.help_url": Fault.NO_HTTPS
    }


@pytest.mark.parametrize(
    "color",
    [
        "#0c5878}body{display:none",
        "#0c5878;background:url(https://evil.example)",
        "red",
        "#0c5878/**/",
        "</style><script>alert(1)</script>",
        "var(--surface)",
    ],
)
def test_r180_no_css_comes_in_by_a_color(color: str) -> None:
    assert faults(Branding(light=color, dark=color)) == {
        "light": Fault.NO_COLOR,
        "dark": Fault.NO_COLOR,
    }


@pytest.mark.parametrize(
    "content",
    [
        {"light": "#0c5878}*{"},
        {"light": 7},
        {"name": ["a"]},
        {"texts": "x"},
        {"texts": {"en": "x"}},
        {"texts": {"en": {"help_url": "javascript:alert(1)"}}},
        {"logo": {"id": "../../etc/passwd", "width": 1, "height": 1}},
        {"logo": {"id": "a" * 22}},
        {"logo": "x"},
    ],
)
def test_r180_what_was_changed_in_the_database_is_not_shown(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Branding.of(content)


def test_what_a_later_version_stores_is_left_out() -> None:
    content = {**WHOLE.content(), "font": "Comic", "texts": {"tlh": {"label": "x"}}}
    assert Branding.of(content).texts == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@examples(60)
@given(content=st.dictionaries(st.sampled_from(["name", "light", "dark", "texts", "logo"]), JSON))
def test_no_stored_content_does_worse_than_a_value_error(content: dict[str, Any]) -> None:
    try:
        branding = Branding.of(content)
    except ValueError:
        return
    assert checked(branding) == branding
