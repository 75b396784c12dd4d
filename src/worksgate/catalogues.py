"""Texts in the languages of people: which languages there are, and how their catalogues are read.

Catalogues are gettext ``.po`` files, read directly: a checkout needs no build step. Each room that
has texts has a folder of its own: the pages, the trace of a sign-in, what ``doctor`` finds, what a
source says of itself, and what a client cannot be. The last three are English sentences that know
their templates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = ("en", "ja", "ko", "zh-CN", "zh-TW")
"""Those of the pages and mails for everybody; a room for few people may have some of them."""
LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "en": "English",
    "ja": "日本語",
    "ko": "한국어",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}


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


def catalogue_path(folder: Path, language: str) -> Path:
    """Where a language's texts are in the folder of a room."""
    return folder / locale_name(language) / "LC_MESSAGES" / "worksgate.po"


@cache
def read_catalogue(path: Path, language: str) -> Translations:
    """The texts of a file in one of ``LANGUAGES``, read once. Raises OSError if it is gone."""
    from babel.messages.pofile import read_po

    single: dict[str, str] = {}
    plural: dict[str, tuple[str, ...]] = {}
    with path.open("rb") as file:
        # For a named language Babel would load what it knows of all of them: 2 MiB, which stay.
        for message in read_po(line for line in file if not line.startswith(b'"Language:')):
            if isinstance(message.id, str):
                if message.id and isinstance(message.string, str):
                    single[message.id] = message.string or message.id
            elif isinstance(message.string, list | tuple) and any(message.string):
                plural[message.id[0]] = tuple(filter(None, message.string))
    return Translations(single, plural)


class Sentence(str):
    """A sentence in English that knows what it was made of, to be said in another language.

    It is text like any other: where nobody asks for a language, it is in English. ``template`` is
    the key of its translation in ``folder``, with ``%(name)s`` for each of ``values``, which may be
    sentences themselves.
    """

    template: str
    values: Mapping[str, object]
    folder: Path

    def __new__(cls, folder: Path, template: str, values: Mapping[str, object]) -> "Sentence":
        made = super().__new__(cls, template % values if values else template)
        made.template, made.values, made.folder = template, values, folder
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        """For copies, which are created again."""
        return self.folder, self.template, self.values


class Quoted(str):
    """What another program says, such as OpenSSL or a directory: shown as it is, in English."""

    __slots__ = ()


Said = Callable[..., Sentence]
"""``said(template, **values)``; Babel looks for this name."""


def sentences_in(folder: Path) -> Said:
    """What makes the sentences of a room, whose translations are in ``folder``."""

    def said(template: str, /, **values: object) -> Sentence:
        return Sentence(folder, template, values)

    return said


def in_language(text: str, language: str) -> str:
    """A sentence in one of ``LANGUAGES``; other texts, and what has no translation, as they are."""
    if not isinstance(text, Sentence):
        return text
    template = template_in(text, language)
    values = {
        name: in_language(value, language) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return template % values if values else template


def template_in(sentence: Sentence, language: str) -> str:
    """The template of a sentence in one of ``LANGUAGES``, if it is translated."""
    path = catalogue_path(sentence.folder, language)
    if language == "en" or not path.exists():
        return sentence.template
    return read_catalogue(path, language).gettext(sentence.template)


def sentence_of(error: Exception) -> str:
    """What an error says; a sentence that can be said in another language stays one."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Sentence | Quoted) else str(error)
