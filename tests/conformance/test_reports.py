"""The reports: complete in three languages, readable by machines, and without a secret."""

import asyncio
import base64
import json
import re
import string
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.conformance.implementation import (
    CLIENT,
    PASSWORD,
    Implementation,
    Implementations,
    Way,
    serving,
)
from tests.conformance.runs import Done, run_checks, target_at

import worksgate.conformance
from worksgate.conformance.checks.examination import CHECKS, FAMILIES
from worksgate.conformance.checks.operator import Deed
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.sign_in import Stuck
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.exchange import Answer, Exchange, Failure, TimeLimits, Timings
from worksgate.conformance.exchange import Request as SentRequest
from worksgate.conformance.report.html_page import html_page
from worksgate.conformance.report.json_document import document
from worksgate.conformance.report.junit import junit
from worksgate.conformance.report.plain_text import plan, result_lines, sum_line
from worksgate.conformance.report.summary import NOT_ASKED, Report
from worksgate.conformance.report.texts import LANGUAGES, Texts, catalogue

ROOM = Path(worksgate.conformance.__file__).parent
ENGLISH = catalogue("en")
OF_CHECKS = {f"check.{check}.{part}" for check in CHECKS for part in ("title", "reason")}


class Echoing(Implementation):
    """Answers each call with all that it was sent, in its error and its headers."""

    async def call(self, path: str, request: Request) -> Response:
        body = (await request.body()).decode()
        response = await super().call(path, request)
        found = json.loads(bytes(response.body))
        if "error" in found:
            found["error_description"] = f"<i>\x1b[31m{body}</i> {PASSWORD} {' '.join(self.codes)}"
        kept = {**dict(response.headers), "x-echo": quote(body)}
        del kept["content-length"]
        return Response(json.dumps(found), response.status_code, headers=kept)


@pytest.fixture(scope="module")
def implementations() -> Implementations:
    return Implementations()


@pytest.fixture(scope="module")
def origin(implementations: Implementations) -> Iterator[str]:
    with serving(implementations) as address:
        yield address


@pytest.fixture(scope="module")
def echo(origin: str, implementations: Implementations) -> tuple[Done, Implementation]:
    """A run against a server that is wrong in many ways, and repeats what it hears."""
    echoing = Echoing(Way(), "token.unknown_code")
    implementations.all["echo"] = echoing
    return asyncio.run(run_checks(target_at(origin, "echo"))), echoing


def report_of(done: Done) -> Report:
    return Report(
        name="sso.example.com",
        addresses=(("web_login", "https://sso.example.com/login"),),
        client_id=CLIENT.client_id,
        at=1_790_000_000,
        took=3.2,
        requests=done.requests,
        version="0.1.0",
        results=list(done.results.values()),
    )


def every_output(done: Done, origin: str, language: str) -> str:
    texts, report = Texts(language), report_of(done)
    lines = [*plan(target_at(origin, "echo"), CHECKS.values(), "form", texts)]
    for result in report.results:
        lines += result_lines(result, texts)
    return "\n".join(
        [
            *lines,
            sum_line(report, texts),
            json.dumps(document(report, texts), ensure_ascii=False),
            junit(report, texts).decode(),
            html_page(report, texts),
            repr(report),
        ]
    )


# Secrets


@pytest.mark.parametrize("language", LANGUAGES)
def test_r204_no_secret_is_in_any_output(
    language: str, echo: tuple[Done, Implementation], origin: str
) -> None:
    done, implementation = echo
    shown = every_output(done, origin, language)
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    secrets = [PASSWORD, quote(PASSWORD), encoded, quote(encoded, safe=""), CLIENT.client_secret]
    secrets += [*implementation.codes, *implementation.tokens]
    assert len(secrets) > 15
    assert [secret for secret in secrets if secret in shown] == []


def test_r204_what_a_server_answers_cannot_change_a_terminal_or_a_page(
    echo: tuple[Done, Implementation], origin: str
) -> None:
    shown = every_output(echo[0], origin, "en")
    assert "\x1b" not in shown
    assert "<i>" not in html_page(report_of(echo[0]), Texts("en"))


def test_a_request_is_named_by_method_path_and_redacted_body(
    echo: tuple[Done, Implementation],
) -> None:
    sent = echo[0].results["token.unknown_code"].sent[-1]
    assert (sent.method, sent.path) == ("POST", "/echo/accessToken")
    assert sent.body == ("grant_type=authorization_code&client_id=acme&client_secret=…&code=…")


@pytest.mark.parametrize("separator", ["#", "&", ";", "/&", "?x=1#"])
def test_r204_a_code_is_not_shown_wherever_a_redirect_has_it(separator: str) -> None:
    request = SentRequest("GET", "https://sso.example.com/login?client_id=acme")
    location = f"https://auth.worksmobile.com/cb{separator}code=a-code"
    redactor = Redactor()
    answer = Answer(302, (("Location", location),))
    sent = redactor.sent(Exchange(request, answer, Timings(), TimeLimits()))
    assert sent.path == "/login?client_id"
    assert sent.answer.startswith("HTTP 302 → https://auth.worksmobile.com/cb")
    assert "a-code" not in sent.answer
    assert redactor.hide("the code a-code") == "the code …"


def test_r204_a_secret_is_recognized_in_html() -> None:
    redactor = Redactor(["a&b'c<d"])
    for written in ("a&b'c<d", "a&amp;b'c&lt;d", "a&amp;b&#x27;c&lt;d", "a%26b%27c%3Cd"):
        assert redactor.hide(f"wrong secret {written}!") == "wrong secret …!"


# Texts


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_complete(language: str) -> None:
    wanted = set(ENGLISH) | (set() if language == "en" else OF_CHECKS)
    assert set(catalogue(language)) == wanted
    assert all(text.strip() for text in catalogue(language).values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_the_same_values_in_each_text(language: str) -> None:
    for key, text in ENGLISH.items():
        assert values_in(catalogue(language)[key]) == values_in(text), key


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_titles_and_reasons_are_translated(language: str) -> None:
    texts = Texts(language)
    for check in CHECKS.values():
        assert texts.title(check) != check.title
        assert texts.reason(check) != check.reason


def test_japanese_has_no_blanks_beside_latin() -> None:
    beside = re.compile(r"[ぁ-ヿ一-鿿] [\w{]|[\w}] [ぁ-ヿ一-鿿]")
    assert {k: v for k, v in catalogue("ja").items() if beside.search(v)} == {}


def test_every_text_that_code_names_is_there_and_none_is_left_over() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted(ROOM.rglob("checks/*.py")))
    named = {
        f"finding.{key}"
        for key in re.findall(r"(?:Finding|Untested|Message)\(\s*\"(\w+)\"", source)
    }
    named |= {"finding.not_signed_in", "finding.typed_code"}  # chosen between
    named |= {f"finding.needs_{each}" for each in Deed if each is not Deed.RECOVERY}
    named |= {f"ask.{each}" for each in Deed}
    named |= {f"finding.stuck_{each}" for each in Stuck}
    named |= {f"value.{each}" for each in Failure} | set(re.findall(r"\"(value\.[a-z_]+)", source))
    named |= {f"family.{family.name}" for family in FAMILIES}
    named |= {f"outcome.{outcome}" for outcome in Outcome}
    named |= {key for key in ENGLISH if key.startswith(("plan.", "report.", "address."))}
    assert named == set(ENGLISH)


def test_the_sentences_of_a_check_are_short() -> None:
    for check in CHECKS.values():
        assert len(check.title) <= 110, check.id
        assert check.reason.endswith("."), check.id


# Machines


def test_json_names_each_check_with_its_page(echo: tuple[Done, Implementation]) -> None:
    found = document(report_of(echo[0]), Texts("ja"))
    assert found["ok"] is False
    assert sum(found["counts"].values()) == len(CHECKS) == len(found["checks"])
    first = found["checks"][0]
    assert (first["id"], first["outcome"]) == ("reach.https", "not_tested")
    assert first["page"].startswith("docs/")


def test_junit_counts_what_failed_and_what_was_skipped(
    echo: tuple[Done, Implementation],
) -> None:
    report = report_of(echo[0])
    root = ET.fromstring(junit(report, Texts("ko")))
    suites = root.findall("testsuite")
    assert sum(int(suite.get("tests", "")) for suite in suites) == len(CHECKS)
    failures = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert len(failures) == report.count(Outcome.FAIL) > 0
    skipped = [case for case in root.iter("testcase") if case.find("skipped") is not None]
    assert len(skipped) == report.count(Outcome.NOT_TESTED)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_stands_alone(language: str, echo: tuple[Done, Implementation]) -> None:
    page = html_page(report_of(echo[0]), Texts(language))
    reader = _Reader()
    reader.feed(page)
    assert not {"script", "img", "link", "iframe"} & set(reader.tags)
    assert all(link.startswith("https://developers.worksmobile.com/") for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids))
    assert f'<html lang="{language}">' in page
    assert "token.unknown_code" in reader.ids
    assert "url(" not in page


# Exit codes


def test_each_reason_why_nothing_is_missing_is_in_the_catalogue() -> None:
    assert {f"finding.{key}" for key in NOT_ASKED} <= set(ENGLISH)


@pytest.mark.parametrize(
    ("name", "only", "code"),
    [
        ("plain", ["token"], 0),
        ("token.token_type", ["token.token_type"], 1),
        ("login.script", ["login.comes_back"], 2),
        ("login.script", ["token.exchange"], 2),
        ("login.comes_back", ["userinfo"], 2),
        ("plain", ["refresh", "reach"], 0),
    ],
)
async def test_exit_code(name: str, only: list[str], code: int, origin: str) -> None:
    done = await run_checks(target_at(origin, name), only)
    assert report_of(done).exit_code == code
