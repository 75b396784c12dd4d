"""Colors that can be read, on light and on dark pages."""

import colorsys
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.clients.branding import (
    DARK_SURFACE,
    LIGHT_SURFACE,
    Branding,
    nearest_on_dark,
)
from worksgate.clients.branding.colors import (
    LEAST_CONTRAST,
    contrast,
    nearest_readable,
    read_color,
    tinted,
)
from worksgate.web.pages.stylesheets import brand_style, inline_style

COLORS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
SURFACES = st.sampled_from([LIGHT_SURFACE, DARK_SURFACE])


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ffffff", "#ffffff", 1.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


@examples(60)
@given(color=COLORS, surface=SURFACES)
def test_r180_the_nearest_color_can_be_read(color: str, surface: str) -> None:
    nearest = nearest_readable(color, surface)
    assert contrast(nearest, surface) >= LEAST_CONTRAST
    assert nearest_readable(nearest, surface) == nearest
    if contrast(color, surface) >= LEAST_CONTRAST:
        assert nearest == color


@pytest.mark.parametrize("color", ["#06c755", "#ff6600", "#ffd400", "#00b900"])
def test_the_nearest_color_has_the_same_hue_and_is_not_far(color: str) -> None:
    nearest = nearest_readable(color, LIGHT_SURFACE)
    assert contrast(nearest, LIGHT_SURFACE) < LEAST_CONTRAST + 0.15
    assert abs(_hue(color) - _hue(nearest)) < 0.05


@examples(60)
@given(accent=COLORS)
def test_r180_every_text_of_a_tinted_page_can_be_read(accent: str) -> None:
    branding = Branding(
        light=nearest_readable(accent, LIGHT_SURFACE),
        dark=nearest_on_dark(accent),
    )
    accents = branding.accents
    assert accents is not None
    for block, accent_here in zip(_blocks(brand_style(accents)), accents, strict=True):
        surface = block["surface"]
        assert block["accent"] == accent_here
        for text in ("accent", "accent-strong", "muted", "ink"):
            assert contrast(block[text], surface) >= LEAST_CONTRAST, text
        for ground in ("ground", "arch-1", "arch-2", "arch-3", "sunken"):
            assert contrast(block["muted"], block[ground]) >= LEAST_CONTRAST, ground
        for button in ("accent", "accent-strong"):
            assert contrast(block["on-accent"], block[button]) >= LEAST_CONTRAST, button
        assert contrast(block["ink"], block["accent-soft"]) >= LEAST_CONTRAST
        assert contrast(block["edge"], surface) >= 3.0


def test_a_missing_color_is_the_nearest_to_the_other() -> None:
    assert Branding(light="#002050").accents == ("#002050", nearest_on_dark("#002050"))
    light = nearest_readable("#a3d8ee", LIGHT_SURFACE)
    assert Branding(dark="#a3d8ee").accents == (light, "#a3d8ee")
    assert Branding(name="Acme").accents is None


def test_a_grey_accent_makes_a_grey_page() -> None:
    red, green, blue = (int(tinted("#d6e2e9", "#333333")[at : at + 2], 16) for at in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) <= 1


def test_the_surfaces_are_those_of_the_stylesheet() -> None:
    surfaces = re.findall(r"--surface:(#[0-9a-f]+)", inline_style())
    assert surfaces == ["#fff", DARK_SURFACE]
    assert LIGHT_SURFACE == "#ffffff"


@pytest.mark.parametrize(
    "text",
    [
        *("", "red", "#fff", "#12345g", "#1234567", "0c5878", "#0c5878;}", "#0c5878 url(x)"),
        *("rgb(1,2,3)", "var(--x)", "#０c5878", "#0c58\n78", "expression(alert(1))"),
    ],
)
def test_r180_what_is_no_color_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="six hexadecimal"):
        read_color(text)


def _blocks(style: str) -> list[dict[str, str]]:
    found = re.findall(r":root\{([^}]*)\}", style)
    assert len(found) == 2
    return [dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", block)) for block in found]


def _hue(color: str) -> float:
    return colorsys.rgb_to_hsv(*(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0]
