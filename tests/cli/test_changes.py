"""``worksgate changes``: each field before and after, and its undoing."""

import csv
import io

import pytest
from tests.cli.terminal import Terminal

from worksgate.cli import changes
from worksgate.directory.change_log import ChangeKind

PASSWORD = b"correct horse battery"


@pytest.fixture
def changed(terminal: Terminal) -> Terminal:
    """A client whose rules were changed, and a person who was renamed."""
    terminal.ok("client", "add", "Acme")
    terminal.ok("client", "set", "Acme", "--rule", "deny kind=app")
    terminal.ok("user", "add", "anna@x", "--password-stdin", stdin=PASSWORD)
    terminal.ok("user", "set", "anna@x", "--name", "=Anna")
    return terminal


def test_a_change_is_shown_before_and_after_by_whom_and_of_what(changed: Terminal) -> None:
    text = changed.ok("changes").out
    assert "rules: - -> deny kind=app" in text
    assert "name: - -> =Anna" in text
    assert "cli:" in text
    (only,) = changed.json("changes", "--kind", "person", "--about", "anna@x")
    assert (only["kind"], only["name"]) == ("person", "anna@x")
    assert only["fields"] == [{"field": "name", "before": "", "after": "=Anna"}]
    assert len(changed.json("changes", "--about", "Acme")) == 2
    assert changed.json("changes", "--by", "somebody else") == []
    who = only["actor"].removeprefix("cli:")
    assert len(changed.json("changes", "--by", who)) == 3
    assert changed.json("changes", "--until", "1d") == []
    assert "No change matches." in changed.run("changes", "--since", "0s").err


def test_r195_secrets_are_named_and_not_shown_and_no_cell_is_a_formula(changed: Terminal) -> None:
    secret = changed.json("client", "rotate-secret", "Acme")["client_secret"]
    for option in ((), ("--csv",), ("--json",)):
        told = changed.ok("changes", *option).out
        assert secret not in told
        assert "secret" in told
    rows = list(csv.DictReader(io.StringIO(changed.ok("changes", "--csv").out)))
    assert [row["after"] for row in rows if row["field"] == "name"][-1] == "'=Anna"


def test_a_change_is_undone_once(changed: Terminal) -> None:
    number = changed.json("changes", "--kind", "person")[-1]["number"]
    assert "pass --yes" in changed.refused("changes", "undo", str(number))
    told = changed.ok("changes", "undo", str(number), "--yes").out
    assert told == f"Change {number} is undone.\n"
    assert changed.json("changes", "--kind", "person")[-1]["undoes"] == number
    assert "it has been undone" in changed.refused("changes", "undo", str(number), "--yes")
    assert "without a subcommand" in changed.misused("changes", "--by", "x", "undo", "1")


def test_kinds_are_those_of_the_log() -> None:
    assert list(changes._KINDS) == list(ChangeKind)
