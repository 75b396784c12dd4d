"""The texts of the simulator: complete catalogues, and the choice of the language."""

import re
import string
from pathlib import Path

import pytest

import worksgate.conformance.simulator
from worksgate.conformance.exchange import Failure
from worksgate.conformance.simulator import diagram, misbehaviour
from worksgate.conformance.simulator.mail_app import MailRefusal
from worksgate.conformance.simulator.settings import Tries
from worksgate.conformance.simulator.sign_in import Kind, Refusal
from worksgate.conformance.simulator.texts import LANGUAGES, Texts, catalogue, choose_language
from worksgate.web.pages.catalogues import translations

HERE = Path(worksgate.conformance.simulator.__file__).parent
ENGLISH = catalogue("en")


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_complete(language: str) -> None:
    assert catalogue(language).keys() == ENGLISH.keys()
    assert all(text.strip() for text in catalogue(language).values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_the_same_values_in_each_text(language: str) -> None:
    for key, text in catalogue(language).items():
        names = values_in(text) - {"product", "sso"}
        assert names == values_in(ENGLISH[key]) - {"product", "sso"}, key


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_catalogue_is_translated(language: str) -> None:
    """Names of APIs and parameters stay as the Developer Console has them."""
    same = {key for key, text in catalogue(language).items() if text == ENGLISH[key]}
    assert same == {
        *("place.token", "place.user_info", "place.mail", "fact.works_id"),
        *(["misbehave.run_this"] if language == "ko" else []),  # only ja has a colon of its own
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_are_called_as_on_the_sign_in_page(language: str) -> None:
    texts, pages = catalogue(language), translations(language)
    assert texts["home.username"] == pages.gettext("User name")
    assert texts["home.password"] == pages.gettext("Password")
    assert texts["nav.sign_in"] == pages.gettext("Sign in")


def test_japanese_has_no_blanks_beside_latin_as_on_the_sign_in_page() -> None:
    beside = re.compile(r"[ぁ-ヿ一-鿿] [\w{]|[\w}] [ぁ-ヿ一-鿿]")
    texts = {**catalogue("ja"), **translations("ja").single}
    assert {key: text for key, text in texts.items() if beside.search(text)} == {}


def test_every_text_that_a_template_names_is_there() -> None:
    named = set()
    for template in (HERE / "templates").glob("*.html"):
        source = template.read_text(encoding="utf-8")
        named |= set(re.findall(r"""\bt\(["']([\w.-]+)["'](?=[,)])""", source))
    assert len(named) > 50
    assert named <= ENGLISH.keys()


def test_every_text_that_code_names_is_there() -> None:
    named = [f"kind.{kind}" for kind in Kind]
    named += [f"refusal.{refusal}" for refusal in Refusal]
    named += [f"failure.{failure}" for failure in Failure]
    named += [f"got.{failure}" for failure in Failure if failure is not Failure.NOT_JSON]
    named += [f"place.{place}" for place in misbehaviour.Place]
    for key in misbehaviour.SCENARIOS:
        named += [f"scenario.{key}.name", f"scenario.{key}.about"]
    named += [f"mail_refusal.{refusal}" for refusal in MailRefusal]
    named += [f"tries.{tries}" for tries in Tries]
    steps = [f"step.{number}" for number in range(1, diagram.LAST_STEP + 1)]
    steps += [f"mail_step.{number}" for number in (1, 2, 3, diagram.LAST_MAIL_STEP)]
    for step in steps:
        named += [f"{step}.name", f"{step}.about"]
    assert set(named) <= ENGLISH.keys()


def test_no_text_is_left_over() -> None:
    """What no template and no code names, not even by its beginning, is dead."""
    sources = [*(HERE / "templates").glob("*.html"), *HERE.glob("*.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in sources)
    beginnings = set(re.findall(r"""["']([a-z_]+\.)(?:["'] ~|\{number)""", source))
    left = [
        key
        for key in ENGLISH
        if f'"{key}"' not in source
        and f"'{key}'" not in source
        and not any(key.startswith(beginning) for beginning in beginnings)
        and not key.startswith("duration.")
    ]
    assert left == []


@pytest.mark.parametrize(
    ("wanted", "remembered", "accept", "language"),
    [
        ("ko", "ja", "en", "ko"),
        (None, "ja", "ko", "ja"),
        ("xx", "yy", "ko", "ko"),
        (None, None, "fr, ja;q=0.3, ko;q=0.7", "ko"),
        (None, None, "ja;q=0, ko;q=0.1", "ko"),
        (None, None, "JA-jp", "ja"),
        (None, None, "ja;q=nonsense", "en"),
        (None, None, "", "en"),
        (None, None, ";;;,,,q=", "en"),
    ],
)
def test_language_is_the_one_asked_for_else_remembered_else_preferred(
    wanted: str | None, remembered: str | None, accept: str, language: str
) -> None:
    assert choose_language(wanted, remembered, accept) == language


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0.4 ms"),
        (0.0149, "15 ms"),
        (1, "1 s"),
        (2.004, "2.00 s"),
        (12.34, "12.3 s"),
        (1800, "30 min"),
        (95, "1 min 35 s"),
        (86400, "24 h"),
        (30 * 86400, "30 d"),
    ],
)
def test_duration_is_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert Texts("en").duration(seconds) == text
