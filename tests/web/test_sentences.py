"""Sentences of doctor, of sources and about clients: each has its text in each language.

A sentence's template is its key: whoever changes one has to translate it anew.
"""

import ast
import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

import worksgate
from worksgate.catalogues import Sentence, catalogue_path, in_language, sentence_of
from worksgate.clients import sentences as of_clients
from worksgate.clients.access_rules import parse_rules
from worksgate.clients.validation import problems_of, read_changes
from worksgate.doctor import sentences as of_doctor
from worksgate.oauth import redirect_uri
from worksgate.oauth.model import Client
from worksgate.sources import sentences as of_sources

ROOMS = (of_doctor, of_clients, of_sources)
LANGUAGES = ("ja", "ko")
SEVERITIES = ("ok", "warn", "fail")
PLACEHOLDER = re.compile(r"%(?:\(\w+\)[sd]|.)")
SOURCE = Path(worksgate.__file__).parent


@cache
def texts_in(folder: Path) -> frozenset[str]:
    with (folder / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel's
    keywords = {"said": None}
    found = extract_from_dir(
        str(folder.parent), methods, options, keywords=keywords, comment_tags=()
    )
    return frozenset(text for _, _, text, _, _ in found if isinstance(text, str))


def messages(path: Path, language: str | None = None) -> list[Message]:
    with path.open("rb") as file:
        return [each for each in read_po(file, locale=language, abort_invalid=True) if each.id]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("folder", [each.LOCALE_FOLDER for each in ROOMS])
def test_r199_each_sentence_has_its_text_with_the_same_values(folder: Path, language: str) -> None:
    found = messages(catalogue_path(folder, language), language)
    assert {each.id for each in found} == texts_in(folder)
    for each in found:
        assert each.string, each.id
        assert not each.fuzzy
        values = sorted(PLACEHOLDER.findall(str(each.string)))
        assert values == sorted(PLACEHOLDER.findall(str(each.id))), each.id
    if language == "ja":
        blank = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff] +[A-Za-z%]")
        assert [each.string for each in found if blank.search(str(each.string))] == []


@pytest.mark.parametrize("folder", [each.LOCALE_FOLDER for each in ROOMS])
def test_the_template_for_translators_is_up_to_date(folder: Path) -> None:
    assert {each.id for each in messages(folder / "worksgate.pot")} == texts_in(folder)


@pytest.mark.parametrize("folder", [each.LOCALE_FOLDER for each in ROOMS])
def test_no_sentence_sends_anybody_to_a_page_that_is_not_on_a_server(folder: Path) -> None:
    assert [text for text in texts_in(folder) if "docs/" in text] == []


def test_r199_doctor_finds_nothing_in_words_without_translations() -> None:
    """Every text of a finding is made by ``said``, is a command, or is what another room says."""
    unsaid = []
    for file in sorted((SOURCE / "doctor").glob("*.py")):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in (
                "ok",
                "warn",
                "fail",
            ):
                unsaid += [f"{file.name}:{each.lineno}" for each in call.args if is_written(each)]
    assert unsaid == []


def is_written(node: ast.expr) -> bool:
    """Whether a sentence stands there as it is; a command line is the same in each language."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return isinstance(node, ast.Constant) and not str(node.value).startswith("worksgate ")


def test_what_an_address_is_refused_for_has_its_text() -> None:
    tree = ast.parse(Path(redirect_uri.__file__).read_text("utf-8"))
    (check,) = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef) and each.name == "check_entry"
    ]
    raised = {
        ast.literal_eval(each.exc.args[0])
        for each in ast.walk(check)
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call)
    }
    assert raised == set(of_clients.OF_ADDRESSES)


def test_r199_a_refused_rule_is_said_in_the_language_to_its_last_word() -> None:
    with pytest.raises(ValueError, match="did you mean") as refused:
        parse_rules(("deny kind=app", "alow network=10.0.0.1/8"))
    said = in_language(sentence_of(refused.value), "ja")
    assert said == (
        "ルール2：'alow'は動作ではありません。allow、require、denyのいずれかで始めてください"
        "（allowのことですか？）"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"name": " x"},
        {"name": ""},
        {"domain": "A.example"},
        {"redirect_uris": ()},
        {"redirect_uris": ("http://example.com",)},
        {"redirect_uris": ("https://*.example.com",)},
        {"redirect_uris": ("https://example.com/?a",)},
        {"redirect_uris": ("https://example.com/../a",)},
        {"allowed_addresses": ("x",)},
        {"sources": ("a b",)},
        {"rules": ("deny hours=25:00-26:00",)},
        {"rules": ("deny days=xyz",)},
        {"rules": ('deny group="x',)},
        {"rules": ("deny network=10.0.0.1/8",)},
        {"expires_in_web": 0},
        {"code_lifetime": 10_000},
        {"user_key": "neither"},
        {"imap_login": "perhaps"},
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_r199_what_a_client_cannot_be_is_said_in_each_language(
    change: dict[str, object], language: str
) -> None:
    (name,) = change
    usual = {"client_id": "c", "name": "Acme", "redirect_uris": ("https://example.com",)}
    try:
        client = Client(**{**usual, **read_changes(change)})
        said = problems_of(client, loopback=False)[name]
    except ValueError as error:
        said = sentence_of(error)
    assert isinstance(said, Sentence)
    assert re.search(r"[\u3040-\u30ff\uac00-\ud7a3]", in_language(said, language))


def test_a_sentence_is_text_and_can_be_copied() -> None:
    said = of_doctor.said("%(file)s is %(free)s %% full", file="/x", free=3)
    assert said == deepcopy(said) == "/x is 3 % full"
    assert deepcopy(said).values == {"file": "/x", "free": 3}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_sentence_stays_in_english_where_there_is_no_catalogue(language: str) -> None:
    said = of_doctor.said("%(free)s GiB are free in %(folder)s", free="3", folder="/x")
    assert in_language(said, language) == "3 GiB are free in /x"
    assert in_language(said, "ja") != said


def test_what_has_no_translation_is_said_as_it_is() -> None:
    said = of_doctor.said("there is no %(name)s of it", name="translation")
    assert in_language(said, "ja") == "there is no translation of it"
    assert in_language("plain", "ja") == "plain"
