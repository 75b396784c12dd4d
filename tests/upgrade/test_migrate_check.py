"""``worksgate migrate --check``: what an upgrade would do to the database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import terminal, terminal_without_database
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.database.migrations import HEAD

__all__ = ["terminal", "terminal_without_database"]


def test_check_says_what_is_missing_and_changes_nothing(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal = terminal_without_database
    fresh = terminal.run("migrate", "--check", "--json")
    assert fresh.code == 3
    assert fresh.json["revision"] is None
    assert [step["revision"] for step in fresh.json["steps"]] == [
        "0001",
        "0002",
        "0003",
        "0004",
        "0005",
        "0006",
    ]
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
    assert "The database is at revision 0002; this version needs 0006." in found.out
    assert "servers of the previous version can run" in found.out
    assert "CREATE TABLE IF NOT EXISTS leases" in found.out
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)


def test_check_refuses_a_database_that_is_newer(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("migrate")
    query(tmp_path / "worksgate.db", "UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999" in terminal.refused("migrate", "--check")
