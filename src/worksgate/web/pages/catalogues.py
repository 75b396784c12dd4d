"""The languages of the pages: which one a person gets, and the texts of the pages in it.

``worksgate.catalogues`` reads them. ``locale/babel.cfg`` says how to update them after a text has
changed; ``tests/web/test_catalogues.py`` fails until each language has each text.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from worksgate import catalogues
from worksgate.catalogues import (
    LANGUAGE_NAMES,
    LANGUAGES,
    Translations,
    locale_name,
    read_catalogue,
)

__all__ = [
    "LANGUAGES",
    "LANGUAGE_NAMES",
    "LOCALE_FOLDER",
    "Translations",
    "catalogue_path",
    "choose_language",
    "locale_name",
    "read_catalogue",
    "requested_language",
    "translations",
]

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
_SCRIPTS_OF_CHINESE: Final[Mapping[str, str]] = {"hans": "zh-CN", "hant": "zh-TW"}
_TRADITIONAL_REGIONS: Final = frozenset({"tw", "hk", "mo"})
_LONGEST: Final = 512
"""Characters of a header or a parameter that are examined."""
_MOST_RANGES: Final = 20


def choose_language(chosen: str | None, accept_language: str) -> str:
    """Return the requested language if it exists, or the best that the browser accepts.

    Neither value is trusted: malformed ones are ignored. The fallback is English.
    """
    return requested_language(chosen) or _preferred(accept_language[:_LONGEST])


def requested_language(chosen: str | None) -> str | None:
    """Return the language that a tag such as ``ja-JP`` or ``zh-Hant-HK`` names, if it exists."""
    return next(iter(_languages((chosen or "")[:_LONGEST])), None)


@lru_cache(maxsize=256)
def _preferred(accept_language: str) -> str:
    """The language of ours that a browser likes best: each by its most specific range."""
    ranked: dict[str, tuple[int, float]] = {}
    for part in accept_language.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        name, _, parameter = part.partition(";")
        rank = (name.count("-"), _quality(parameter))
        for language in _languages(name):
            ranked[language] = max(rank, ranked.get(language, rank))
    best = max(ranked, key=lambda language: ranked[language][1], default="en")
    return best if best in ranked and ranked[best][1] > 0 else "en"


def _languages(tag: str) -> Sequence[str]:
    """The languages of ours that a language range covers, the best match first.

    Chinese goes by its script, or else by its region: where none says traditional, it is
    simplified. ``zh`` alone covers both.
    """
    primary, *subtags = tag.strip().lower().split("-")
    if primary != "zh":
        return (primary,) if primary in LANGUAGES else ()
    if not subtags:
        return ("zh-CN", "zh-TW")
    for subtag in subtags:
        if subtag in _SCRIPTS_OF_CHINESE:
            return (_SCRIPTS_OF_CHINESE[subtag],)
    return ("zh-CN",) if _TRADITIONAL_REGIONS.isdisjoint(subtags) else ("zh-TW",)


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if not name.strip():
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name.strip().lower() == "q" and 0 <= quality <= 1 else 0.0


def catalogue_path(language: str) -> Path:
    return catalogues.catalogue_path(LOCALE_FOLDER, language)


def translations(language: str) -> Translations:
    """The texts of the pages in one of ``LANGUAGES``. Raises OSError if the file is gone."""
    return catalogues.read_catalogue(catalogue_path(language), language)
