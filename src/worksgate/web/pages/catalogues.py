"""The languages of the pages: which there are, which one a person gets, and their texts.

Catalogues are gettext ``.po`` files, read directly: a checkout needs no build step.
``locale/babel.cfg`` says how to update them after a text has changed;
``tests/web/test_catalogues.py`` fails until each language has each text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "ja", "ko")
LANGUAGE_NAMES: Final[Mapping[str, str]] = {"en": "English", "ja": "日本語", "ko": "한국어"}
LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
_LONGEST: Final = 512
"""Characters of a header that are examined."""
_MOST_RANGES: Final = 20


def choose_language(asked: str | None, accept_language: str) -> str:
    """Return the requested language if it exists, or the best that the browser accepts.

    Neither value is trusted: malformed ones are ignored. The fallback is English.
    """
    if asked is not None and (language := _language(asked)):
        return language
    return _preferred(accept_language[:_LONGEST])


@lru_cache(maxsize=256)
def _preferred(accept_language: str) -> str:
    """The language of ours that a browser likes best."""
    ranked: dict[str, float] = {}
    for part in accept_language.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        name, _, parameter = part.partition(";")
        if (language := _language(name)) and language not in ranked:
            ranked[language] = _quality(parameter)
    best = max(ranked, key=lambda language: ranked[language], default="en")
    return best if ranked.get(best, 0) > 0 else "en"


def _language(tag: str) -> str | None:
    primary = tag.strip().partition("-")[0].lower()
    return primary if primary in LANGUAGES else None


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
        # English has two forms, Japanese and Korean have one: no other rule is needed yet.
        forms = self.plural.get(singular, (singular, plural))
        return forms[0 if number == 1 else -1]


def catalogue_path(language: str) -> Path:
    return LOCALE_FOLDER / language / "LC_MESSAGES" / "worksgate.po"


@cache
def translations(language: str) -> Translations:
    """Return the texts of one of ``LANGUAGES``, read once. Raises OSError if the file is gone."""
    from babel.messages.pofile import read_po

    single: dict[str, str] = {}
    plural: dict[str, tuple[str, ...]] = {}
    with catalogue_path(language).open("rb") as file:
        for message in read_po(file, locale=language):
            if isinstance(message.id, str):
                if message.id and isinstance(message.string, str):
                    single[message.id] = message.string or message.id
            elif isinstance(message.string, list | tuple) and all(message.string):
                plural[message.id[0]] = tuple(message.string)
    return Translations(single, plural)
