"""``worksgate move`` on the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import terminal
from tests.cli.terminal import Terminal
from tests.databases import url_of
from tests.postgres_server import running_postgres

from worksgate.database.migrations.tables import INTERIMS

__all__ = ["terminal"]


def test_move_as_an_administrator_does_it(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("client", "add", "acme")
    target = url_of(tmp_path / "other.db")
    moved = terminal.ok("move", url_of(tmp_path / "worksgate.db"), target)
    assert f"Everything is in {target} now" in moved.out
    terminal.environ["WORKSGATE_DATABASE_URL"] = target
    assert [each["name"] for each in terminal.json("client", "list")] == ["acme"]
    assert terminal.json("audit")[-1]["detail"] == "moved from sqlite to sqlite"
    again = terminal.json("move", target, url_of(tmp_path / "third.db"))
    assert again["rows"]["clients"] == 1
    assert INTERIMS not in again["rows"]


def test_what_is_no_address_of_a_database_is_refused_by_its_place(terminal: Terminal) -> None:
    kinds = "the database address must begin with sqlite:/// or postgresql://"
    assert terminal.refused("move", "mysql://host/a", "b") == f"SOURCE: {kinds}"
    assert terminal.refused("move", "sqlite:///a.db", "b.db") == f"TARGET: {kinds}"


def test_a_password_on_the_command_line_is_warned_of_and_not_repeated(terminal: Terminal) -> None:
    url = "postgresql://worksgate:hunter22@127.0.0.1:1/worksgate"
    result = terminal.run("move", "sqlite:////nowhere/a.db", url)
    assert result.code == 1
    assert "can see a password on the command line" in result.err
    assert "hunter22" not in result.out + result.err


@pytest.fixture
def asking() -> Iterator[str]:
    """The address, without a password, of a database on a server that asks for one."""
    with running_postgres() as server:
        server.query("ALTER ROLE worksgate PASSWORD 'hunter22'")
        name = server.lend(migrated=False)
        ((file,),) = server.query("SHOW hba_file")
        Path(file).write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        server.stop()
        server.start()
        yield server.url_of(name)


def test_where_a_password_for_postgresql_comes_from_is_reported(
    terminal: Terminal, tmp_path: Path, asking: str
) -> None:
    source = url_of(tmp_path / "worksgate.db")
    file = tmp_path / "pgpass"
    terminal.environ |= {"PGPASSFILE": str(file), "HOME": str(tmp_path)}
    refused = terminal.refused("move", source, asking)
    assert "password" in refused
    assert refused.endswith(
        "; no password was given: set PGPASSFILE to a file with a line "
        "HOST:PORT:DATABASE:ROLE:PASSWORD"
    )
    file.write_text("*:*:*:worksgate:wrong\n")
    file.chmod(0o644)
    refused = terminal.refused("move", source, asking)
    assert refused == f"{file} is ignored, since others can read it: chmod 600 {file}"
    file.chmod(0o600)
    refused = terminal.refused("move", source, asking)
    assert refused.endswith(
        f"; check the line for this database in {file}, HOST:PORT:DATABASE:ROLE:PASSWORD"
    )
    file.write_text("*:*:*:worksgate:hunter22\n")
    assert "Everything is in" in terminal.ok("move", source, asking).out
