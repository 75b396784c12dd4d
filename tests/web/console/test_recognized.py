"""Plain sentences of other rooms: each that an administrator can meet is known, and translated."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import worksgate
from worksgate.catalogues import Quoted
from worksgate.doctor.sentences import said
from worksgate.web.console.pages import marked_in, said_in
from worksgate.web.console.recognized import TEMPLATES, recognize

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


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_is_recognized_as_itself(template: str) -> None:
    values = {name: f"<{name}>" for name in names_in(template)}
    found = recognize(template % values)
    assert found == (template, values)


def names_in(template: str) -> list[str]:
    return [each.partition(")")[0] for each in template.split("%(")[1:]]


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
