"""Colors of a client's pages: contrast, the nearest color that has enough, and tints.

Colors are texts such as ``#0c5878``. Contrast is that of WCAG 2; lightness, chroma and hue are
those of OKLab, where equal steps look equal.
https://www.w3.org/TR/WCAG22/#contrast-minimum
https://bottosson.github.io/posts/oklab/
"""

import math
import re
from typing import Final, NamedTuple

LEAST_CONTRAST: Final = 4.5
"""Of text against what it stands on (WCAG 2, 1.4.3)."""

_COLOR: Final = re.compile(r"#[0-9a-f]{6}")
_STEPS: Final = 24
"""Halvings of an interval of lightness: finer than a color of 8 bits."""
_FULL_CHROMA: Final = 0.08
"""An accent with at least this chroma tints the page as much as our own."""


class _Lab(NamedTuple):
    lightness: float
    a: float
    b: float

    @property
    def chroma(self) -> float:
        return math.hypot(self.a, self.b)


def read_color(text: str) -> str:
    """The color in lower case. Raises ValueError if it is not six hexadecimal digits."""
    color = text.strip().lower()
    if not _COLOR.fullmatch(color):
        raise ValueError("a color is # and six hexadecimal digits, such as #0c5878")
    return color


def luminance(color: str) -> float:
    """Relative luminance, from 0 (black) to 1 (white)."""
    red, green, blue = _linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colors, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def is_readable(color: str, surface: str) -> bool:
    """Whether text of a color can be read on a surface."""
    return contrast(color, surface) >= LEAST_CONTRAST


def nearest_readable(color: str, surface: str) -> str:
    """The color itself if it can be read on a surface, or else the nearest of its hue.

    Only the lightness changes, and the chroma where the hue does not have as much there.
    """
    if is_readable(color, surface):
        return color
    start = _lab(color)
    unreadable, readable = start.lightness, 0.0 if luminance(surface) > 0.18 else 1.0
    for _ in range(_STEPS):
        middle = (unreadable + readable) / 2
        if is_readable(_shown(start._replace(lightness=middle)), surface):
            readable = middle
        else:
            unreadable = middle
    return _shown(start._replace(lightness=readable))


def lightened(color: str, by: float) -> str:
    """A color of the same hue; ``by`` is added to its lightness, and is negative for darker."""
    lab = _lab(color)
    return _shown(lab._replace(lightness=min(1.0, max(0.0, lab.lightness + by))))


def tinted(neutral: str, accent: str) -> str:
    """A neutral color in the hue of an accent: as light as before, and no more colorful."""
    before, towards = _lab(neutral), _lab(accent)
    chroma = before.chroma * min(1.0, towards.chroma / _FULL_CHROMA)
    share = chroma / towards.chroma if towards.chroma > 1e-4 else 0.0
    return _shown(_Lab(before.lightness, towards.a * share, towards.b * share))


def _linear(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _decoded(red), _decoded(green), _decoded(blue)


def _decoded(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _lab(color: str) -> _Lab:
    red, green, blue = _linear(color)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return _Lab(
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _rgb(lab: _Lab) -> tuple[float, float, float]:
    """Linear components; outside 0 to 1 if no screen shows this color."""
    long = (lab.lightness + 0.3963377774 * lab.a + 0.2158037573 * lab.b) ** 3
    medium = (lab.lightness - 0.1055613458 * lab.a - 0.0638541728 * lab.b) ** 3
    short = (lab.lightness - 0.0894841775 * lab.a - 1.2914855480 * lab.b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _shown(lab: _Lab) -> str:
    """The color as a screen shows it: with as much of its chroma as there is."""
    least, most = 0.0, 1.0
    if not _exists(lab):
        for _ in range(_STEPS):
            middle = (least + most) / 2
            if _exists(_Lab(lab.lightness, lab.a * middle, lab.b * middle)):
                least = middle
            else:
                most = middle
        lab = _Lab(lab.lightness, lab.a * least, lab.b * least)
    digits = [round(255 * _encoded(min(1.0, max(0.0, each)))) for each in _rgb(lab)]
    return "#{:02x}{:02x}{:02x}".format(*digits)


def _exists(lab: _Lab) -> bool:
    return all(-1e-4 <= each <= 1.0001 for each in _rgb(lab))
