"""How the pages of a client look: its branding, prepared once per version.

A page shows it by filling in texts (``skeletons``), so it costs a page next to nothing, and memory
does not grow with the clients. There is nothing to await: the published brandings are in memory,
with the clients.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Final

import structlog
from markupsafe import escape

from worksgate.catalogues import LANGUAGES
from worksgate.clients.branding import Branding, LogoFacts
from worksgate.directory.branding_versions import BrandingVersion
from worksgate.web.pages.skeletons import hole
from worksgate.web.pages.stylesheets import brand_style

MOST: Final = 4_000
"""Maximum number of cached looks, of some 5 kB each; the oldest is dropped."""
LOGO_PATH: Final = "/logo"
"""Below it, as ``v``, is the random ID of a logo."""
CLIENT_PARAMETER: Final = "client"
"""Of the address of a page: the client whose sign-in page led there."""

_AREA: Final = 4_500
"""Square pixels of a page that a logo covers: wide ones and square ones look equally large."""
_TALLEST, _LOWEST, _WIDEST = 56, 26, 288
_WORDMARK: Final = 1.8
"""A logo this wide, compared to its height, holds the company's name; others have it beside."""

_log = structlog.get_logger("worksgate.pages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What templates show of a branding in one language; what is empty is as on every page.

    ``shows_name`` is whether the company's name stands beside the logo.
    """

    name: str = ""
    style: str = ""
    logo_url: str = ""
    logo_width: str = ""
    logo_height: str = ""
    logo_class: str = ""
    shows_name: str = ""
    label: str = ""
    message: str = ""
    help_url: str = ""


NO_BRAND: Final = Brand()
_NAMES: Final = tuple(each.name for each in fields(Brand))


@dataclass(frozen=True, slots=True)
class Look:
    """A branding, ready for the pages: ``style`` as they include it, and the rest by language.

    ``escaped`` are the values of the holes of a skeleton, as they stand in a page.
    """

    style: str
    brands: Mapping[str, Brand]
    escaped: Mapping[str, Mapping[str, bytes]]

    @classmethod
    def of(cls, branding: Branding, logo_url: str) -> "Look":
        """``logo_url`` is where a browser finds the logo, if there is one."""
        style = brand_style(branding.accents)
        brands = {each: _brand(branding, style, logo_url, each) for each in LANGUAGES}
        return cls(style, brands, {each: _escaped(brand) for each, brand in brands.items()})


def brand_of_holes(names: Collection[str]) -> Brand:
    """The brand of a skeleton: a hole for each of these values of a look."""
    return Brand(**{name: hole(_key(name)) for name in _NAMES if _key(name) in names})


class Looks:
    """The looks of published brandings; ``logo_address`` is that of ``LOGO_PATH``."""

    def __init__(self, logo_address: str) -> None:
        self._logo_address = logo_address
        self._kept: dict[str, tuple[BrandingVersion, Look | None]] = {}

    def of(self, version: BrandingVersion | None) -> Look | None:
        """The look of a version, or None for the usual one."""
        if version is None:
            return None
        kept = self._kept.get(version.client_id)
        if kept is None or kept[0] is not version:
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[version.client_id] = (version, self._made(version))
        return kept[1]

    def _made(self, version: BrandingVersion) -> Look | None:
        try:
            branding = Branding.of(version.content)
        except ValueError:  # of a later version, or changed in the database
            _log.warning("branding.unusable", client_id=version.client_id, number=version.number)
            return None
        if branding.is_empty:
            return None
        logo = branding.logo
        return Look.of(branding, "" if logo is None else f"{self._logo_address}?v={logo.id}")


def _brand(branding: Branding, style: str, logo_url: str, language: str) -> Brand:
    texts = branding.texts_in(language)
    brand = {"name": branding.name, "style": style}
    if branding.logo is not None:
        brand |= _logo(branding.logo, logo_url)
    return Brand(**brand, label=texts.label, message=texts.message, help_url=texts.help_url)


def _logo(logo: LogoFacts, url: str) -> dict[str, str]:
    ratio = logo.width / logo.height
    height = min(_TALLEST, max(_LOWEST, math.sqrt(_AREA / ratio)), logo.height)
    width = min(_WIDEST, height * ratio)
    plates = [
        *(() if logo.on_light else ("plate-on-light",)),
        *(() if logo.on_dark else ("plate-on-dark",)),
    ]
    return {
        "logo_url": url,
        "logo_width": str(max(1, round(width))),
        "logo_height": str(max(1, round(width / ratio))),
        "logo_class": " ".join(plates),
        "shows_name": "" if ratio >= _WORDMARK else "yes",
    }


def _escaped(brand: Brand) -> Mapping[str, bytes]:
    """Escaped beforehand, which is not repeated for each page."""
    return {_key(name): escape(text).encode() for name in _NAMES if (text := getattr(brand, name))}


def _key(name: str) -> str:
    return f"brand_{name}"
