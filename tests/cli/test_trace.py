"""``worksgate trace``: the sentence first, then what it is based on."""

import re

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate import catalogues
from worksgate.administration.sign_in_trace.localized import LANGUAGES
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.cli import trace
from worksgate.credentials.references import reference_of
from worksgate.credentials.secrets import new_ordered_id

LOGIN_ID = new_ordered_id()


@pytest.fixture
def staff(terminal: Terminal) -> Terminal:
    """A person without a user key, who has just tried to sign in."""
    terminal.ok("client", "add", "Acme")
    terminal.ok(
        *("user", "add", "tanaka@x.example", "--name", "田中 美咲", "--password-stdin"),
        *("--email", "tanaka@x.example"),
        stdin=b"correct horse battery",
    )
    return terminal


def signed_in_without_a_key(terminal: Terminal) -> None:
    subject_id = f"directory:{terminal.json('user', 'show', 'tanaka@x.example')['id']}"
    client_id = terminal.json("client", "show", "Acme")["client_id"]
    at = int(LOGIN_ID[:11], 16) / 1_000
    event = AuditEvent(
        event=Event.LOGIN_REFUSED,
        at=at,
        login_id=LOGIN_ID,
        client_id=client_id,
        subject_id=subject_id,
        username="tanaka@x.example",
        address="203.0.113.24",
        detail="no user key: there is no external key",
        reason=Reason.NO_USER_KEY,
        elapsed_ms=212.0,
    )
    columns = AuditEvent.__struct_fields__
    values = [getattr(event, name) for name in columns]
    marks = ", ".join("?" * len(columns))
    query(
        terminal.folder / "worksgate.db",
        f"INSERT INTO audit ({', '.join(columns)}) VALUES ({marks})",
        *[str(value) if isinstance(value, str) else value for value in values],
    )


def test_the_sentence_comes_first_then_the_next_step_gates_tries_and_text(staff: Terminal) -> None:
    signed_in_without_a_key(staff)
    lines = staff.ok("trace", "田中").out.split("\n")
    assert re.fullmatch(
        r"At \d\d:\d\d the sign-in was right, but there is no External Key to give to LINE WORKS.",
        lines[0],
    )
    assert lines[1:4] == [
        "",
        "Next step: Set the user key, here or in the mapping of the source.",
        "  worksgate user set tanaka@x.example --external-key KEY",
    ]
    assert "  ✗ User key: no External Key" in lines
    assert (
        "  – Same key at LINE WORKS: not known: the Directory API is not set up; look in the LINE "
        "WORKS console"
    ) in lines
    assert any(
        re.search(r"✗ Code: stopped here, \d\d:\d\d:\d\d, 212 ms, no user key", line)
        for line in lines
    )
    text = "\n".join(lines[lines.index("To hand on") :])
    assert f"Reference {reference_of(LOGIN_ID)}" in text
    assert "203.0.113.24" not in text
    assert "203.0.113.24" in "\n".join(lines)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", "LINE WORKSに渡すExternal Key（外部キー）がありません。"),
        ("ko", "전달할 External Key(외부 키) 값이 없습니다."),
    ],
)
def test_it_is_said_in_other_languages(staff: Terminal, language: str, words: str) -> None:
    signed_in_without_a_key(staff)
    assert words in staff.ok("trace", "tanaka@x.example", "--lang", language).out


def test_the_languages_are_those_of_the_trace() -> None:
    assert trace._LANGUAGES == LANGUAGES
    assert set(LANGUAGES) <= set(catalogues.LANGUAGES)


def test_a_reference_finds_the_sign_in_here_and_in_the_audit_log(staff: Terminal) -> None:
    signed_in_without_a_key(staff)
    reference = reference_of(LOGIN_ID) or ""
    for typed in (reference, reference.lower()):
        document = staff.json("trace", typed)
        assert document["person"]["username"] == "tanaka@x.example"
        assert [each["login_id"] for each in document["tries"]] == [LOGIN_ID]
        found = staff.json("audit", "--login-id", typed)
        assert [each["reason"] for each in found] == ["no_user_key"]


def test_json_has_the_reason_and_the_action_as_words(staff: Terminal) -> None:
    signed_in_without_a_key(staff)
    document = staff.json("trace", "203.0.113.24", "--client", "Acme", "--since", "12h")
    (one,) = document["tries"]
    assert (one["event"], one["reason"], one["ended"]) == ("login.refused", "no_user_key", None)
    assert document["next"]["action"] == "set_key"
    gates = {each["gate"]: each["state"] for each in document["gates"]}
    assert gates["user_key"] == "shut"
    assert gates["known"] == "open"
    assert one["steps"][3]["elapsed_ms"] == 212.0


def test_without_a_try_the_first_shut_gate_is_said(staff: Terminal) -> None:
    out = staff.ok("trace", "tanaka@x.example").out
    assert out.startswith(
        "There was no sign-in lately. One would be stopped now: User key: no External Key\n"
    )


def test_several_people_are_named_and_nothing_is_guessed(staff: Terminal) -> None:
    words = ("user", "add", "tanaka2@x.example", "--name", "田中 太郎", "--password-stdin")
    staff.ok(*words, stdin=b"correct horse battery")
    assert staff.refused("trace", "田中").startswith("several people match '田中'; give one of ")


def test_an_unknown_client_and_an_empty_question_are_refused(staff: Terminal) -> None:
    assert staff.refused("trace", "tanaka", "--client", "Nobody") == "there is no client 'Nobody'"
    assert "is needed" in staff.refused("trace", " ")
