"""Plain sentences of other rooms: each that an administrator can meet is known, and translated."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markupsafe import escape

import worksgate
from worksgate.audit import AuditEvent, Event
from worksgate.catalogues import Quoted
from worksgate.doctor.sentences import said
from worksgate.web.console.known_sentences import CAUSES, TEMPLATES
from worksgate.web.console.pages import Words, marked_in, said_in
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.sentence_matching import recognize, recognize_cause

SOURCE = Path(worksgate.__file__).parent
ROOMS = (
    *("administration", "administration/going_live", "administration/jobs"),
    *("administration/people_import", "administration/set_up", "clients/branding"),
    *("directory", "oauth", "web/console"),
)
ERRORS = frozenset(
    {
        *("Refused", "Conflict", "NotFound", "Outdated", "Unfinished", "Forbidden"),
        *("BadColumns", "BadFile", "UnknownEncoding", "BadLogo", "LogosUnavailable"),
    }
)
VALUE_ERRORS = ("account_rules.py", "columns.py", "user_info.py")
"""Files whose ValueErrors are refusals of what somebody typed."""
OF_COMMANDS = frozenset(
    (
        *("applying.py", "bearer.py"),
        "audit_log.py",
        "lost_keys.py",
        "older_encodings.py",
        "recordings.py",
        "line_works_api.py",
        "line_works_logs.py",
    )
)
"""Only commands and programs come here, which speak English."""
UNKNOWN = (
    *("administrator is either on", "groups must be a list", "the overlap must be"),
    *("there is an owner already", "X must be text", "that could be changed"),
    *("the XX belong", "there is no X X", "there is no column X; X"),
)
"""Parts of sentences that only commands get, or that are joined of parts."""


def refusals() -> Iterator[tuple[str, str]]:
    """Each sentence that is raised, with its place; X stands for its values."""
    for room in ROOMS:
        for file in sorted((SOURCE / room).glob("*.py")):
            if file.name in OF_COMMANDS:
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and is_refusal(node, file.name):
                    sentence = sample_of(node.args[0])
                    if sentence.strip("X: ") and not any(each in sentence for each in UNKNOWN):
                        yield f"{file.name}:{node.lineno}", sentence


def is_refusal(call: ast.Call, file: str) -> bool:
    name = getattr(call.func, "id", "")
    return bool(call.args) and (name in ERRORS or (name == "ValueError" and file in VALUE_ERRORS))


def sample_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "X" for each in node.values)
        return "".join(map(str, parts))
    return ""


def test_the_console_knows_what_it_can_be_refused_for() -> None:
    found = list(refusals())
    assert len(found) > 80
    assert [each for each in found if recognize(each[1]) is None] == []


RECORDING = frozenset(
    ("event", "person_event", "account_event", "_event", "_keep", "_record", "_refused")
)
"""Calls that make a record; its detail is one of their arguments."""
AFTER = ("", "going live: ", "set-up: ", "branding, ")
"""What a room puts in front of its details."""
JOINED = frozenset(
    {
        *("X: X", "XX: X", "X X", "job X: X", "going live: X", "X: branding, X", "on X"),
        *(
            "version X publishedX",
            "X members of LINE WORKS were read X",
            "a test alert was sent; X",
        ),
    }
)
"""Details of parts, each of which is known."""


def records() -> Iterator[tuple[str, str]]:
    """What records of administrators' rooms say, with its place; X stands for its values."""
    for file in sorted((SOURCE / "administration").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in RECORDING:
                for argument in node.args:
                    if " " in (detail := sample_of(argument)):
                        yield f"{file.name}:{node.lineno}", detail


def test_r257_the_console_knows_what_records_say() -> None:
    found = list(records())
    assert len(found) > 50
    known = [each for each in found if any(recognize(before + each[1]) for before in AFTER)]
    assert [each for each in found if each not in known and each[1] not in JOINED] == []


@pytest.mark.parametrize("language", ["ja", "ko"])
@pytest.mark.parametrize(
    "detail",
    [
        "set-up: source directory was asked about aoi, with a password: warn",
        "set-up: public address, from outside: plain_http",
        "set-up: Set Expire Time is not as it must be",
        "set-up: line_works, plan free, domain aozora.example",
        "set-up: 3 of 5 people have a usable works_account",
        "Chrome on Windows; session 1a21",
        "set-up: the sign-in that was tried at Acme has ended; values that work: 5",
        "a test alert was sent; mail: taken; webhook: not taken",
        "job 1a22: enable, 2 people, which undoes job 1a21",
        "leaving, failed to suspend at LINE WORKS: LINE WORKS gives no answer to suspend "
        "somebody: it answers with status 500",
        "leaves: not done at LINE WORKS: suspend: nobody there has this user key or account",
    ],
)
def test_r257_a_record_is_said_in_the_language_of_its_reader(detail: str, language: str) -> None:
    said = in_words(AuditEvent(event=Event.SYSTEM, at=0.0, detail=detail), Words(language))
    names = (
        r"Acme|LINE WORKS|Webhook|Bot|HTTP|aoi|directory|1a2\d|Set Expire Time"
        r"|line_works|free|aozora.example|Chrome|Windows|<.*?>"
    )
    assert 'lang="en"' not in said
    assert not re.search("[A-Za-z]{2,}", re.sub(names, "", said))


@pytest.mark.parametrize("language", ["ja", "ko"])
@pytest.mark.parametrize(
    "finding",
    [
        "records 1 to 9 are not as they were sealed (seal 3 of 2026-05-01 10:00:00Z): at least "
        "one of them, or the seal, was changed",
        "2 of record 7 (seal 1) are missing",
        "seals 2 to 4 are missing, for records 5 to 9; without it, seal 5 cannot be compared",
    ],
)
def test_r257_a_finding_of_the_audit_log_is_said_in_it_too(finding: str, language: str) -> None:
    assert not re.search("[A-Za-z]{2,}", said_in(language, finding))


def test_r257_the_console_knows_what_is_found_in_the_audit_log() -> None:
    file = SOURCE / "directory/audit/seal_verification.py"
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    found = [sample_of(each) for each in nodes if isinstance(each, ast.JoinedStr)]
    sealed = "record 7 (seal 1)"  # what X stands for where it has parts
    parts = {"seal X is", "seals X to X are", "not by anyone with master key X", "X (X)"}
    parts |= {"X missing, for X; without it, seal X cannot be compared"}
    parts |= {"all records up to X were removed, and X", "%Y-%m-%d %H:%M:%S"}
    whole = [
        each.replace("of X", f"of {sealed}").replace("among X", f"among {sealed}") for each in found
    ]
    assert len(whole) > 20
    assert [each for each in whole if recognize(each) is None and each not in parts] == []


def test_r257_what_openssl_or_a_directory_says_is_explained_and_quoted() -> None:
    why = said("the certificate of %(url)s is not trusted: %(problem)s", url="x", problem="")
    for words, meaning in (
        ("certificate has expired", "有効期限が切れています"),
        ("Hostname mismatch, certificate is not valid for 'sso.example'.", "「sso.example」"),
        ("busy", "混み合っています"),
        (
            "socket ssl wrapping error: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
            "failed: self-signed certificate (_ssl.c:1006)",
            "証明書を検証できません：自己署名証明書です",
        ),
    ):
        why.values = {"url": "x", "problem": Quoted(words)}
        marked = marked_in("ja", why)
        assert meaning in marked
        assert f'（<span lang="en">{escape(words)}</span>）' in marked


@pytest.mark.parametrize("template", CAUSES)
def test_each_cause_is_recognized_as_itself(template: str) -> None:
    values = {name: f"<{name}>" for name in names_in(template)}
    assert recognize_cause(template % values) == (template, values)


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_is_recognized_as_itself(template: str) -> None:
    values = {name: f"<{name}>" for name in names_in(template)}
    found = recognize(template % values)
    assert found == (template, values)


def names_in(template: str) -> list[str]:
    return [each.partition(")")[0] for each in template.split("%(")[1:]]


def test_a_long_sentence_that_is_nearly_one_is_read_in_one_pass() -> None:
    """Each way to divide it would be tried otherwise, for seconds."""
    for template in TEMPLATES:
        first, *rest = re.split(r"%\((?:\w+)\)s", template.replace("%%", "%"))
        nearly = (first + ("x" + "x".join(rest[:-1])) * 2_000)[:1_999] + "\0"
        found = recognize(nearly)
        assert found is None or "\0" in "".join(found.values.values())


def test_a_value_may_have_words_of_its_sentence() -> None:
    found = recognize("job x: disable, 5 people, 7 people")
    assert found is not None
    assert found.values == {"id": "x", "what": "disable", "number": "5 people, 7"}


@pytest.mark.parametrize(
    ("sentence", "in_japanese"),
    [
        ("disabled", "無効"),
        ("the same external key is already on line 3", "同じExternal Keyが3行目にあります"),
        ("the file: the column name is there twice", "列nameが2つあります"),
        (
            "the external key 7%1 belongs to <b>",
            "External Key「7%1」は&lt;b&gt;さんが使用しています",
        ),
        ("<i>nobody</i> knows this", '<span lang="en">&lt;i&gt;nobody&lt;/i&gt; knows this</span>'),
        (
            said("it cannot be written to: %(problem)s", problem=Quoted("disk I/O <error>")),
            '書き込めません：<span lang="en">disk I/O &lt;error&gt;</span>',
        ),
    ],
)
def test_a_sentence_is_said_with_its_values_and_english_is_marked(
    sentence: str, in_japanese: str
) -> None:
    assert marked_in("ja", sentence) == in_japanese
    assert "<span" not in said_in("ja", sentence)
    assert said_in("en", sentence) == sentence
