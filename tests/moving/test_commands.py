"""``worksgate backup``, ``restore``, ``move`` and ``migrate --check`` as somebody types them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import terminal
from tests.cli.terminal import Terminal
from tests.databases import query, url_of

from worksgate.directory.migrations import HEAD
from worksgate.directory.migrations.tables import INTERIMS

__all__ = ["terminal"]

PASSPHRASE = "several words do well"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\nthe second line does not count\n")
    return file


def test_backup_and_restore_as_an_administrator_does_it(
    terminal: Terminal, passphrase: Path, tmp_path: Path
) -> None:
    terminal.ok("client", "add", "acme")
    written = terminal.ok("backup", "b", "--passphrase-file", str(passphrase))
    assert written.out == "Wrote b: 0 people, 1 client, 1 audit record.\n"
    assert b" 18\n" in (tmp_path / "b").read_bytes()[:100]
    terminal.ok("client", "remove", "acme", "--yes")
    refused = terminal.refused("restore", "b", "--passphrase-file", str(passphrase))
    assert refused == "the database is not empty; --force puts the backup in its place"
    restored = terminal.json("restore", "b", "--passphrase-file", str(passphrase), "--force")
    assert restored["rows"]["clients"] == 1
    assert [each["name"] for each in terminal.json("client", "list")] == ["acme"]
    last = terminal.json("audit")[-1]
    assert last["actor"].startswith("cli:")
    assert last["detail"].startswith("restored from a backup of 20")
    assert PASSPHRASE not in written.out + written.err


def test_a_backup_that_is_not_encrypted_is_said_to_be(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    written = terminal.run("backup", "b", "--json")
    assert written.code == 0
    assert written.json["encrypted"] is False
    assert written.json["rows"]["clients"] == 1
    assert written.json["revision"] == HEAD
    assert terminal.refused("backup", "b") == "b exists; --force replaces it"
    assert "not encrypted" in terminal.run("backup", "b", "--force").err
    last = terminal.json("audit")[-1]
    assert last["detail"] == "a backup was written, not encrypted: b"


def test_mistakes_are_told_in_one_line(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("client", "add", "acme")
    assert terminal.refused("restore", "none", "--force") == "none: No such file or directory"
    (tmp_path / "empty").write_text("\n")
    told = terminal.refused("backup", "b", "--passphrase-file", "empty")
    assert told == "empty: its first line is empty; it must be the passphrase"
    assert terminal.refused("backup", "nowhere/b").endswith("No such file or directory")
    refused = terminal.refused("move", "mysql://host/a", "b")
    assert refused.startswith("the database address must begin with sqlite:/// or postgresql://")


def test_progress_is_drawn_at_a_terminal(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    code, screen = terminal.at_a_terminal("backup", "b", answers={})
    assert code == 0
    assert "Writing a backup" in screen


def test_move_as_an_administrator_does_it(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("client", "add", "acme")
    target = url_of(tmp_path / "other.db")
    moved = terminal.ok("move", url_of(tmp_path / "worksgate.db"), target)
    assert f"All is in {target} now" in moved.out
    terminal.environ["WORKSGATE_DATABASE_URL"] = target
    assert [each["name"] for each in terminal.json("client", "list")] == ["acme"]
    assert terminal.json("audit")[-1]["detail"] == "moved from sqlite to sqlite"
    again = terminal.json("move", target, url_of(tmp_path / "third.db"))
    assert again["rows"]["clients"] == 1
    assert INTERIMS not in again["rows"]


def test_a_password_on_the_command_line_is_warned_of_and_not_repeated(terminal: Terminal) -> None:
    url = "postgresql://worksgate:hunter22@127.0.0.1:1/worksgate"
    result = terminal.run("move", "sqlite:////nowhere/a.db", url)
    assert result.code == 1
    assert "can see a password on the command line" in result.err
    assert "hunter22" not in result.out + result.err


def test_check_says_what_is_missing_and_changes_nothing(terminal: Terminal, tmp_path: Path) -> None:
    fresh = terminal.run("migrate", "--check", "--json")
    assert fresh.code == 3
    assert fresh.json["revision"] is None
    assert [step["revision"] for step in fresh.json["steps"]] == ["0001", "0002", "0003"]
    assert not (tmp_path / "worksgate.db").exists()
    terminal.ok("migrate")
    assert terminal.ok("migrate", "--check").out == (
        f"The database is at revision {HEAD}; there is nothing to do.\n"
    )
    assert terminal.json("migrate", "--check")["up_to_date"] is True
    query(tmp_path / "worksgate.db", "DROP TABLE leases")
    query(tmp_path / "worksgate.db", "DROP TABLE compatibility")
    query(tmp_path / "worksgate.db", "UPDATE alembic_version SET version_num = '0002'")
    found = terminal.run("migrate", "--check")
    assert (found.code, found.err) == (3, "")
    assert "The database is at revision 0002; this version needs 0003." in found.out
    assert "servers of the version before can go on" in found.out
    assert "CREATE TABLE IF NOT EXISTS leases" in found.out
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)


def test_check_refuses_a_database_that_is_newer(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("migrate")
    query(tmp_path / "worksgate.db", "UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999" in terminal.refused("migrate", "--check")
