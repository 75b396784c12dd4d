"""Each end of a sign-in has its words and its next step, in each language."""

import re
from functools import cache
from io import BytesIO

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.gates import GateName
from worksgate.administration.sign_in_trace.localized import LOCALE_FOLDER
from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.tries import Ending, Passage, Stage
from worksgate.audit import Event, Reason
from worksgate.catalogues import catalogue_path
from worksgate.oauth.errors import Cause

TRANSLATED = ("ja", "ko")
SCRIPTS = {"ja": "[ぁ-んァ-ヶ一-龠]", "ko": "[가-힣]"}
STOPS = {"ja": "。", "ko": "."}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%.")
NOT_AN_END = {Reason.COUNTED}


@cache
def texts_in_the_code() -> frozenset[str]:
    source = (LOCALE_FOLDER.parent / "sentences.py").read_bytes()
    found = extract("python", BytesIO(source), keywords={"text": None})
    return frozenset(text for _, text, _, _ in found if isinstance(text, str))


def read(language: str) -> Catalog:
    with catalogue_path(LOCALE_FOLDER, language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def messages(language: str) -> list[Message]:
    return [message for message in read(language) if message.id]


@pytest.mark.parametrize("language", ["en", *TRANSLATED])
def test_a_catalogue_has_each_text_and_no_other(language: str) -> None:
    assert {message.id for message in messages(language)} == texts_in_the_code()
    assert not read(language).obsolete


def test_the_template_for_translators_is_up_to_date() -> None:
    with (LOCALE_FOLDER / "worksgate.pot").open("rb") as file:
        assert {message.id for message in read_po(file) if message.id} == texts_in_the_code()


@pytest.mark.parametrize("language", TRANSLATED)
def test_each_text_is_translated_with_its_placeholders(language: str) -> None:
    for message in messages(language):
        english, translated = str(message.id), str(message.string)
        assert not message.fuzzy, english
        assert set(PLACEHOLDER.findall(translated)) == set(PLACEHOLDER.findall(english)), english
        words = re.sub(r"%\(\w+\)s|[（）() ]", "", translated)
        assert not words.strip("()（）") or re.search(SCRIPTS[language], words), english
        ends_alike = translated.endswith(STOPS[language]) == english.endswith(".")
        assert ends_alike, english


def test_english_is_in_the_code_and_repeated_nowhere() -> None:
    assert not any(message.string for message in messages("en"))


def test_a_text_says_the_values_that_a_verdict_gives() -> None:
    given = {"time", "kind", "detail", "key", "until"}
    sayings = [each for known in sentences.SAYINGS.values() for each in known.values()]
    for saying in (*sayings, *sentences.ENDINGS.values(), sentences.UNKNOWN_END):
        assert set(re.findall(r"%\((\w+)\)s", saying.sentence)) <= given, saying


def test_each_reason_is_said_of_an_event() -> None:
    said = {reason for known in sentences.SAYINGS.values() for reason in known}
    assert said == set(Reason) - NOT_AN_END


def test_each_cause_of_the_protocol_is_a_reason_of_the_audit_log() -> None:
    assert {cause.value for cause in Cause} <= {reason.value for reason in Reason}


def test_ends_of_one_event_are_told_apart_by_their_reason_alone() -> None:
    for event, known in sentences.SAYINGS.items():
        said = [saying.sentence for saying in known.values()]
        assert len(set(said)) == len(said), event


def test_what_has_a_name_has_its_words() -> None:
    assert set(sentences.ENDINGS) == set(Ending)
    assert set(sentences.ACTIONS) == set(Action)
    assert set(sentences.GATES) == {each.value for each in GateName}
    assert set(sentences.STAGES) == set(Stage)
    assert set(sentences.PASSAGES) == set(Passage)


def test_a_record_of_another_version_is_said_in_its_own_words() -> None:
    unknown = sentences.UNKNOWN_END
    assert sentences.saying_of((Event.LOGIN_REFUSED, None)) is unknown
    assert sentences.saying_of((Event.LOGIN_REFUSED, Reason.COUNTED)) is unknown
    assert sentences.saying_of((Event.CLIENT_CHANGED, Reason.RULE)) is unknown
