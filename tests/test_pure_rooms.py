"""Testing a pure room imports only that room, and no application."""

import subprocess
import sys
from types import ModuleType

import pytest
from tests import changes
from tests.changes import changed, constants
from tests.quick import TESTS

from worksgate.credentials import password_hashing
from worksgate.provider.factors import recovery

SERVERS = {"alembic", "asyncpg", "httpx2", "jinja2", "sqlalchemy", "starlette", "uvicorn", "valkey"}
BEHIND_THE_NAME = {"limits", "oauth", "settings", "sources"}
"""Rooms that ``import worksgate`` itself imports parts of."""

_RUN = """
import sys, pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[1]])
print("imported", *sys.modules)
sys.exit(status)
"""


@pytest.mark.programs
@pytest.mark.parametrize(
    ("test", "allowed"),
    [
        ("oauth/test_user_info.py::test_request_is_read", set()),
        ("settings/test_values.py::test_r103_no_setting_is_left_unchecked", set()),
        (
            "clients/test_access_rules.py::test_person_without_groups_is_in_none",
            {"catalogues", "clients"},
        ),
        (
            "credentials/test_secrets.py::test_ids_are_22_characters_and_no_option_of_a_command",
            {"credentials"},
        ),
    ],
)
def test_one_file_of_a_pure_room_imports_no_application(test: str, allowed: set[str]) -> None:
    command = [sys.executable, "-c", _RUN, f"tests/{test}"]
    run = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    imported = run.stdout.rpartition("imported ")[2].split()
    assert "pytest" in imported
    assert not SERVERS & set(imported)
    rooms = {name.split(".")[1] for name in imported if name.startswith("worksgate.")}
    assert rooms
    assert rooms <= BEHIND_THE_NAME | allowed


def costs() -> set[int]:
    """The memory of the hashes that are made now, in KiB."""
    return {vars(module)["ARGON2"].memory_cost for module in (password_hashing, recovery)}


def test_passwords_cost_little_where_a_test_is_not_about_their_cost() -> None:
    assert costs() == {64}


@pytest.mark.hashing
def test_passwords_cost_what_they_do_where_a_test_is_about_it() -> None:
    assert costs() == {19 * 1024}


def test_constant_is_changed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("early")
    vars(module)["PATIENCE"] = 1
    monkeypatch.setitem(sys.modules, "early", module)
    with changed({"early": constants(PATIENCE=60)}):
        assert vars(module)["PATIENCE"] == 60
    assert vars(module)["PATIENCE"] == 1


def test_module_that_is_imported_too_late_to_be_changed_fails_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "_IMPORTS_MORE_LATER", frozenset())
    with (
        pytest.raises(AssertionError, match="import late at the top of the file"),
        changed({"late": constants(PATIENCE=60)}),
    ):
        monkeypatch.setitem(sys.modules, "late", ModuleType("late"))


def test_where_any_module_may_be_imported_at_any_moment_all_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)  # nothing here needs it
    monkeypatch.setattr(changes, "_IMPORTS_MORE_LATER", frozenset({"pytest"}))
    with changed({"colorsys": constants(ONE_THIRD=60)}):
        assert vars(sys.modules["colorsys"])["ONE_THIRD"] == 60
