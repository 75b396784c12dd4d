"""The languages of the pages: which there are, which one a person gets, and their texts.

Catalogues are gettext ``.po`` files, read directly: a checkout needs no build step.
``locale/babel.cfg`` says how to update them after a text has changed;
``tests/web/test_catalogues.py`` fails until each language has each text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "ja", "ko", "zh-CN", "zh-TW")
LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "en": "English",
    "ja": "日本語",
    "ko": "한국어",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}
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


@dataclass(frozen=True, slots=True)
class Translations:
    """The texts of one language; a missing text stays English."""

    single: Mapping[str, str]
    plural: Mapping[str, tuple[str, ...]]

    def gettext(self, message: str) -> str:
        return self.single.get(message, message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        # English has two forms, the other languages have one: no other rule is needed yet.
        forms = self.plural.get(singular, (singular, plural))
        return forms[0 if number == 1 else -1]


def locale_name(language: str) -> str:
    """The name of a language's locale, as gettext and Babel spell it: ``zh_TW``."""
    return language.replace("-", "_")


def catalogue_path(language: str) -> Path:
    return LOCALE_FOLDER / locale_name(language) / "LC_MESSAGES" / "worksgate.po"


@cache
def translations(language: str) -> Translations:
    """Return the texts of one of ``LANGUAGES``, read once. Raises OSError if the file is gone."""
    return read_catalogue(catalogue_path(language), language)


def read_catalogue(path: Path, language: str) -> Translations:
    """The texts of a ``.po`` file. Raises OSError if it is gone."""
    from babel.messages.pofile import read_po

    single: dict[str, str] = {}
    plural: dict[str, tuple[str, ...]] = {}
    with path.open("rb") as file:
        for message in read_po(file, locale=locale_name(language)):
            if isinstance(message.id, str):
                if message.id and isinstance(message.string, str):
                    single[message.id] = message.string or message.id
            elif isinstance(message.string, list | tuple) and all(message.string):
                plural[message.id[0]] = tuple(message.string)
    return Translations(single, plural)
