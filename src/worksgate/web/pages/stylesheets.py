"""The stylesheets that pages include, and the tints of a client's."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from worksgate.clients.branding.colors import lightened, tinted

_STATIC: Final = Path(__file__).parent / "static"
_LIGHT: Final = re.compile(r":root\{(color-scheme:[^}]*)\}")
_DARK: Final = re.compile(r"@media screen and \(prefers-color-scheme:dark\)\{:root\{([^}]*)\}")
_NEUTRALS: Final = (
    *("ground", "arch-1", "arch-2", "arch-3", "surface", "sunken"),
    *("ink", "muted", "line", "edge", "accent-soft"),
)
"""Colors that take on the hue of an accent; each is as light as before."""
_STEP: Final = 0.08
"""The difference in lightness of a button under the pointer."""
_DARKEST: Final = "#070c0f"
_TRANSLUCENT: Final = re.compile(r"rgb\((\d+) (\d+) (\d+)/(\d+)%\)")
_IN_THE_DARK: Final = re.compile(r"@media screen and \(prefers-color-scheme:\s*dark\)")


@cache
def inline_style() -> str:
    """The stylesheet without comments and insignificant blanks."""
    return minified("worksgate.css")


@cache
def minified(name: str) -> str:
    """A stylesheet of ``static`` without comments and insignificant blanks, in short forms."""
    css = (_STATIC / name).read_text("utf-8")
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s*([{};>/])\s*", r"\1", re.sub(r"\n\s*", " ", css)).strip()
    css = _TRANSLUCENT.sub(_in_hex, re.sub(r"\b0\.(?=\d)", ".", css))
    return re.sub(r"([:,])\s+", r"\1", css).replace(";}", "}")


def _in_hex(color: re.Match[str]) -> str:
    red, green, blue, percent = map(int, color.groups())
    return f"#{red:02x}{green:02x}{blue:02x}{round(percent * 2.55):02x}"


@lru_cache(maxsize=1_024)
def brand_style(accents: tuple[str, str] | None) -> str:
    """The additional style of a client's pages, with its colors on light and on dark pages."""
    rules = minified("brand.css")
    if accents is None:
        return rules
    light, dark = _root(accents[0], is_dark=False), _root(accents[1], is_dark=True)
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}{rules}"


@lru_cache(maxsize=64)
def in_scheme(css: str, scheme: str) -> str:
    """A stylesheet as a browser applies it that asks for ``light`` or ``dark`` pages."""
    answered = _IN_THE_DARK.sub("@media all" if scheme == "dark" else "@media not all", css)
    return answered.replace("color-scheme:light dark", f"color-scheme:{scheme}")


def _root(accent: str, *, is_dark: bool) -> str:
    colors = _colors(accent, is_dark=is_dark)
    return f":root{{{';'.join(f'--{name}:{color}' for name, color in colors.items())}}}"


def _colors(accent: str, *, is_dark: bool) -> Mapping[str, str]:
    step = _STEP if is_dark else -_STEP
    return {
        "accent": accent,
        "accent-strong": lightened(accent, step),
        "on-accent": tinted(_DARKEST, accent) if is_dark else "#ffffff",
        **{name: tinted(color, accent) for name, color in _neutrals(is_dark=is_dark).items()},
    }


@cache
def _neutrals(*, is_dark: bool) -> Mapping[str, str]:
    """Our own neutral colors, of the stylesheet."""
    found = (_DARK if is_dark else _LIGHT).search(inline_style())
    tokens = dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", found[1] if found else ""))
    return {name: _long(tokens[name]) for name in _NEUTRALS}


def _long(color: str) -> str:
    """``#fff`` as ``#ffffff``."""
    return color if len(color) == 7 else "#" + "".join(2 * digit for digit in color[1:])
