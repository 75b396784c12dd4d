"""Each language has each text, and the catalogues are up to date."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from worksgate.settings.loading import load
from worksgate.web.pages.catalogues import (
    LANGUAGE_NAMES,
    LANGUAGES,
    LOCALE_FOLDER,
    catalogue_path,
    locale_name,
    translations,
)
from worksgate.web.pages.wording import (
    NOTICES,
    PROBLEMS,
    Notice,
    NoticeWording,
    Problem,
    ProblemWording,
)

PLACEHOLDER = re.compile(r"%(?:\(\w+\)[sd]|.)")
HAN = "[一-鿿]"
CHINESE = ("zh-CN", "zh-TW")
TRANSLATED = tuple(each for each in LANGUAGES if each != "en")
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "text": None}
Id = str | tuple[str, ...]


@cache
def texts_in_the_code() -> frozenset[Id]:
    """Every text that a page can show, as Babel finds them."""
    with (LOCALE_FOLDER / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel's
    found = extract_from_dir(
        str(LOCALE_FOLDER.parent.parent), methods, options, keywords=KEYWORDS, comment_tags=()
    )
    return frozenset(text for _, _, text, _, _ in found)


def read(language: str) -> Catalog:
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=locale_name(language), abort_invalid=True)


def messages(language: str) -> list[Message]:
    return [message for message in read(language) if message.id]


def forms(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    assert isinstance(value, list | tuple)
    return tuple(value)


def identity(message: Message) -> Id:
    return message.id if isinstance(message.id, str) else tuple(message.id)


def test_babel_finds_the_texts_of_templates_and_of_the_code() -> None:
    found = texts_in_the_code()
    assert "Sign in" in found
    assert "Your time to sign in has run out" in found
    assert any(isinstance(text, tuple) for text in found)


def test_the_template_for_translators_is_up_to_date() -> None:
    with (LOCALE_FOLDER / "worksgate.pot").open("rb") as file:
        template = {identity(message) for message in read_po(file) if message.id}
    assert template == texts_in_the_code()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_each_text_and_no_other(language: str) -> None:
    assert {identity(message) for message in messages(language)} == texts_in_the_code()
    assert not read(language).obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_each_text_is_translated_and_not_by_a_guess(language: str) -> None:
    for message in messages(language):
        assert not message.fuzzy, message.id
        assert all(text.strip() for text in forms(message.string)), message.id
        assert len(forms(message.string)) == (
            1 if isinstance(message.id, str) else plurals(language)
        )


def plurals(language: str) -> int:
    return read(language).num_plurals


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_placeholders_of_the_text(language: str) -> None:
    for message in messages(language):
        wanted = set(PLACEHOLDER.findall(forms(message.id)[0]))
        for text in forms(message.string):
            assert set(PLACEHOLDER.findall(text)) == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_holds_no_markup_as_it_is_not_escaped(language: str) -> None:
    for message in messages(language):
        texts = forms(message.id if language == "en" else message.string)
        assert not re.search(r"[<>&]", "".join(texts)), message.id


SCRIPTS = {"ja": "[ぁ-んァ-ヶ一-龠]", "ko": "[가-힣]", "zh-CN": HAN, "zh-TW": HAN}


@pytest.mark.parametrize(("language", "script"), SCRIPTS.items())
def test_a_translation_is_written_in_its_script(language: str, script: str) -> None:
    for message in messages(language):
        for text in forms(message.string):
            words = re.sub(r"%\(\w+\)\w|[（）()：: ]", "", text)
            assert not words or re.search(script, words), message.id


def test_english_is_in_the_code_and_repeated_nowhere() -> None:
    assert not any("".join(forms(message.string)) for message in messages("en"))
    assert translations("en").gettext("Sign in") == "Sign in"
    assert translations("en").ngettext("%(n)d cat", "%(n)d cats", 1) == "%(n)d cat"


def test_sentences_end_alike_in_every_language() -> None:
    for language, stop in (("ja", "。"), ("ko", "."), ("zh-CN", "。"), ("zh-TW", "。")):
        for message in messages(language):
            if forms(message.id)[0].endswith(","):  # a salutation
                continue
            is_sentence = forms(message.id)[0].endswith(".")
            assert all(text.endswith(stop) == is_sentence for text in forms(message.string)), (
                message
            )


def test_every_problem_and_every_notice_has_its_words() -> None:
    assert set(PROBLEMS) == set(Problem)
    assert set(NOTICES) == set(Notice)
    wordings: Iterable[ProblemWording | NoticeWording] = (*PROBLEMS.values(), *NOTICES.values())
    for wording in wordings:
        assert wording.happened in texts_in_the_code()


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("number", [1, 2])
def test_a_number_has_the_form_of_its_language(language: str, number: int) -> None:
    counted = [message for message in messages(language) if isinstance(message.id, tuple)]
    assert counted
    for message in counted:
        said = translations(language).ngettext(message.id[0], message.id[1], number)
        assert said == forms(message.string)[-1]


def test_a_text_that_no_catalogue_has_stays_english() -> None:
    assert translations("ja").gettext("Unheard of") == "Unheard of"
    assert translations("ja").ngettext("%(n)d cat", "%(n)d cats", 2) == "%(n)d cats"


def test_each_language_is_called_by_its_own_name() -> None:
    assert set(LANGUAGE_NAMES) == set(LANGUAGES)


# Chinese, as the mainland and as Taiwan write it


def chinese(language: str) -> list[str]:
    return [text for message in messages(language) for text in forms(message.string)]


def found(pattern: str, texts: Iterable[str]) -> list[str]:
    return [text for text in texts if re.search(pattern, text)]


def letters_beyond(charset: str, language: str) -> set[str]:
    """The letters that a character set of that country lacks."""
    letters = set(re.findall(HAN, "".join(chinese(language))))
    return {letter for letter in letters if not letter.encode(charset, "ignore")}


@pytest.mark.parametrize("language", CHINESE)
def test_chinese_is_one_blank_away_from_latin_and_numbers(language: str) -> None:
    """As Apple, Google and Microsoft set it; a placeholder is Latin, unless it is in quotes."""
    texts = chinese(language)
    assert found(f"{HAN}[A-Za-z0-9%]|[A-Za-z0-9]{HAN}", texts) == []
    assert found(f"{HAN} +{HAN}|  ", texts) == []


@pytest.mark.parametrize("language", CHINESE)
def test_a_name_in_any_script_is_beside_punctuation_in_chinese(language: str) -> None:
    """No blank is right for both “Acme” and “青空”."""
    names = r"%\((?:company|provider|keeper|username|name)\)s"
    texts = chinese(language)
    assert found(names, texts)
    assert found(f"(?:{HAN}| ){names}|{names}(?:{HAN}| )", texts) == []


@pytest.mark.parametrize("language", CHINESE)
def test_chinese_has_its_own_punctuation_and_no_blank_beside_it(language: str) -> None:
    texts = [PLACEHOLDER.sub("N", text) for text in chinese(language)]
    assert found(r"[，。：；？！“”「」（）、] | [，。：；？！“”「」（）、]", texts) == []
    assert found(rf"{HAN} ?[,.:;?!()\"']|[,.:;?!()\"'] ?{HAN}", texts) == []
    assert found({"zh-CN": "[「」]", "zh-TW": "[“”]"}[language], texts) == []


def test_simplified_chinese_has_no_traditional_or_japanese_letters() -> None:
    assert letters_beyond("gb2312", "zh-CN") == set()
    assert letters_beyond("gb2312", "zh-TW") > set("這為請")


def test_traditional_chinese_has_no_simplified_or_japanese_letters() -> None:
    assert letters_beyond("big5", "zh-TW") == set()
    assert letters_beyond("big5", "zh-CN") > set("这为请")
    # These are in Big5 as well, as rare letters or with another meaning.
    assert found("[与于几后复并异确据网种余范]", chinese("zh-TW")) == []


def test_taiwan_has_its_own_words() -> None:
    """What a conversion of the letters alone would leave behind."""
    of_the_mainland = (
        *("登錄", "賬號", "賬戶", "用戶名", "設備", "設置", "驗證器應用(?!程式)", "鏈接", "郵箱"),
        *("網絡", "信息", "默認", "屏幕", "服務器", "客戶端", "創建", "標籤頁", "二維碼"),
        *("日曆", "密鑰", "文件夾", "刷新", "支持", "通過(?!兩)", "字符", "發送"),
    )
    assert found("|".join(of_the_mainland), chinese("zh-TW")) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_mails_can_be_in_each_language(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}, {"mail_language": language}).mail_language == language
