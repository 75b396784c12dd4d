"""Output cannot control the terminal; errors are one safe line each."""

import errno
import json
import os
from pathlib import Path

import pytest

from worksgate.cli.printing import (
    as_document,
    print_json,
    print_json_list,
    print_line,
    print_table,
)
from worksgate.cli.refusals import Refusal, sentences
from worksgate.directory import Account

HOSTILE = "eve\x1b[2J\x9b1m\r\n\u202e"


def test_r105_control_characters_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_line(HOSTILE)
    print_table(("User",), [(HOSTILE,)])
    print_json({"user": HOSTILE})
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.split("\n"))
    assert json.loads(out[out.index("{") :]) == {"user": HOSTILE}


@pytest.mark.parametrize(
    "documents", [[], [{}], [{"user": HOSTILE, "groups": ["一", []]}, [], "x", None]]
)
def test_a_list_is_written_one_by_one_as_it_would_be_as_a_whole(
    capsys: pytest.CaptureFixture[str], documents: list[object]
) -> None:
    print_json(documents)
    whole = capsys.readouterr().out
    print_json_list(iter(documents))
    assert capsys.readouterr().out == whole


def test_an_argument_in_another_encoding_is_no_bug_of_ours() -> None:
    assert list(sentences(_error_of(os.fsdecode(b"caf\xe9")))) == [
        "an argument is no text in UTF-8"
    ]
    (line,) = sentences(_error_of("\ud800"))
    assert "please report it: UnicodeEncodeError" in line


def _error_of(text: str) -> UnicodeEncodeError:
    with pytest.raises(UnicodeEncodeError) as caught:
        text.encode()
    return caught.value


def test_hidden_fields_are_left_out_and_times_are_in_utc() -> None:
    account = Account(id="a", username="u", password_hash="$argon2id$", created_at=0.0)
    document = as_document(account, hidden=("password_hash",))
    assert document["created_at"] == "1970-01-01T00:00:00Z"
    assert document["last_login_at"] is None
    assert "password_hash" not in document


def test_r106_text_of_an_unexpected_error_is_not_repeated() -> None:
    try:
        int("canary-7f3a")
    except ValueError as error:
        (line,) = sentences(error)
    assert "canary" not in line
    assert "ValueError at test_printing.py:" in line


def test_refusal_of_several_lines_becomes_one() -> None:
    (line,) = sentences(Refusal("first\nsecond\x1b"))
    assert line == "first second\\u001b"


def test_file_that_may_not_be_used_is_reported_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    file = tmp_path / "closed" / "worksgate.db"
    (line,) = sentences(PermissionError(errno.EACCES, "Permission denied", str(file)))
    whose = f"it belongs to {tmp_path.owner()}; run this as that user"
    assert line == f"{file}: Permission denied ({whose})"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (line,) = sentences(PermissionError(errno.EACCES, "Permission denied", str(file)))
    assert line == f"{file}: Permission denied"  # no owner keeps root out
