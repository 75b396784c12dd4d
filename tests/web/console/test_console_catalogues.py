"""Each language of the console has each text, with the same placeholders."""

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from worksgate.doctor.sentences import said
from worksgate.web.console import pages
from worksgate.web.console.pages import LANGUAGES, marked_in

FOLDER = Path(pages.__file__).parent
PLACEHOLDER = re.compile(r"%(?:\(\w+\)[sd]|.)")
Id = str | tuple[str, ...]


def identity(message: Message) -> Id:
    return message.id if isinstance(message.id, str) else tuple(message.id)


@cache
def texts_in_the_code() -> frozenset[Id]:
    with (FOLDER / "locale" / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel's
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "text": None}
    found = extract_from_dir(str(FOLDER), methods, options, keywords=keywords, comment_tags=())
    return frozenset(text for _, _, text, _, _ in found)


def strings_of(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def messages(language: str) -> list[Message]:
    with (FOLDER / "locale" / f"{language}.po").open("rb") as file:
        return [each for each in read_po(file, locale=language, abort_invalid=True) if each.id]


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_catalogue_has_each_text_and_no_other(language: str) -> None:
    found = {identity(each) for each in messages(language)}
    assert texts_in_the_code() - found == set()
    assert found - texts_in_the_code() == set()
    assert [each.id for each in messages(language) if not each.string or each.fuzzy] == []


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_translation_has_the_placeholders_of_its_text(language: str) -> None:
    for each in messages(language):
        (*_, english) = (each.id,) if isinstance(each.id, str) else each.id
        for string in strings_of(each):
            assert sorted(PLACEHOLDER.findall(string)) == sorted(PLACEHOLDER.findall(english))


def test_the_template_for_translators_is_up_to_date() -> None:
    with (FOLDER / "locale" / "console.pot").open("rb") as file:
        assert {identity(each) for each in read_po(file) if each.id} == texts_in_the_code()


def test_japanese_has_no_blanks_beside_latin() -> None:
    blank = re.compile(
        r"[\u3040-\u30ff\u4e00-\u9fff] +[A-Za-z%]|[A-Za-z)] +[\u3040-\u30ff\u4e00-\u9fff]"
    )
    strings = [string for each in messages("ja") for string in strings_of(each)]
    assert [each for each in strings if blank.search(each)] == []


@pytest.mark.parametrize(
    ("language", "sentence", "shown"),
    [
        ("en", "no <b> here", "no &lt;b&gt; here"),
        ("ja", "no <b> here", '<span lang="en">no &lt;b&gt; here</span>'),
        ("ja", said("settings"), "設定"),
        ("en", said("settings"), "settings"),
    ],
)
def test_a_sentence_without_translation_is_marked_as_english(
    language: str, sentence: str, shown: str
) -> None:
    assert marked_in(language, sentence) == shown


def test_beside_a_field_its_name_is_left_out() -> None:
    assert marked_in("en", "rules: there are 3 rules", "rules") == "there are 3 rules"
    assert marked_in("en", "name must be text", "name") == "must be text"
    assert marked_in("en", "there are 3 rules", "rules") == "there are 3 rules"
    assert marked_in("ja", "name is odd", "name") == '<span lang="en">is odd</span>'


@pytest.mark.parametrize(
    ("language", "shown"),
    [("en", "<b>&amp;</b> (command line)"), ("ja", "（コマンドライン）"), ("ko", "(명령줄)")],
)
def test_what_is_added_in_brackets_has_those_of_the_language(language: str, shown: str) -> None:
    source = "<b>{{ '&' }}</b>{{ bracketed(_('command line')) }}"
    assert pages._environment(language).from_string(source).render().endswith(shown)
