"""``migrate``, ``purge``, ``audit``, ``serve`` and ``demo``."""

import asyncio
import os
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from pwd import getpwuid

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query, url_of
from tests.ports import free_port

from worksgate.database.engines import open_engines
from worksgate.database.migrations import upgrade
from worksgate.database.newest_record import NewestRecord, note_newest, read_note


def test_migrate_reports_the_revision(terminal_without_database: Terminal, tmp_path: Path) -> None:
    revision = terminal_without_database.json("migrate")["revision"]
    assert revision
    assert (
        terminal_without_database.ok("migrate").out == f"The database is at revision {revision}.\n"
    )
    assert (tmp_path / "worksgate.db").exists()


def test_r287_a_command_works_on_no_copy(terminal: Terminal, tmp_path: Path) -> None:
    """What it wrote there would be lost once the original is back."""
    file = tmp_path / "worksgate.db"
    terminal.ok("client", "add", "acme")
    ((whose, newest),) = query(file, "SELECT id, (SELECT max(id) FROM audit) FROM installation")
    note_newest(file, whose, NewestRecord(newest))
    terminal.ok("client", "add", "added")
    noted = read_note(file).of(whose)
    assert noted.number > newest, "servers that are idle know of it"
    note_newest(file, whose, NewestRecord(noted.number + 7))
    before = file.read_bytes()
    assert "it lacks its 7 newest audit records" in terminal.refused("client", "add", "other")
    assert file.read_bytes() == before


FORGETFUL = (
    ("client", "list"),
    ("client", "add", "acme"),
    ("user", "list"),
    ("user", "add", "aoi@x"),
    ("user", "import", "people.csv", "--dry-run"),
    ("audit",),
    ("purge",),
    ("source", "test", "directory"),
    ("rules", "explain", "aoi@x", "--client", "acme", "--from", "192.0.2.7"),
)


@pytest.mark.parametrize("command", FORGETFUL, ids=" ".join)
def test_forgotten_settings_make_no_second_installation(
    terminal_without_database: Terminal, tmp_path: Path, command: tuple[str, ...]
) -> None:
    terminal_without_database.has_database_url = False
    told = terminal_without_database.refused(*command)
    assert told.startswith(f"there is no database at {tmp_path}/worksgate.db")
    for hint in ("worksgate.toml", "/etc/worksgate/worksgate.toml", "--config FILE", "init"):
        assert hint in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", FORGETFUL, ids=" ".join)
def test_settings_that_name_no_database_make_no_second_installation(
    terminal_without_database: Terminal, tmp_path: Path, command: tuple[str, ...]
) -> None:
    told = terminal_without_database.refused(*command)
    assert told == (
        f"there is no database at {tmp_path}/worksgate.db; WORKSGATE_DATABASE_URL says so; "
        "worksgate migrate creates one there"
    )
    terminal_without_database.has_database_url = False
    (tmp_path / "wg.toml").write_text('database_url = "sqlite:///mistyped.db"\n')
    told = terminal_without_database.refused(*command, "--config", "wg.toml")
    assert told == (
        f"there is no database at {tmp_path}/mistyped.db; see database_url in wg.toml; "
        "worksgate migrate creates one there"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["wg.toml"]


def test_config_may_stand_before_the_command(terminal: Terminal, tmp_path: Path) -> None:
    terminal.has_database_url = False
    for name in ("first", "second"):
        text = f'database_url = "sqlite:///{tmp_path}/{name}.db"\n'
        (tmp_path / f"{name}.toml").write_text(text)
        terminal.ok("--config", f"{name}.toml", "migrate")
        terminal.ok("--config", f"{name}.toml", "client", "add", name)
    listed = terminal.json("--config", "second.toml", "client", "list")
    assert [client["name"] for client in listed] == ["second"]
    both = ("--config", "second.toml", "client", "list", "--config", "first.toml")
    assert [client["name"] for client in terminal.json(*both)] == ["first"]


def test_purge_reports_how_much(terminal: Terminal) -> None:
    assert terminal.json("purge") == {"removed": 0}
    assert terminal.ok("purge").out == "Removed 0 expired rows.\n"


def test_r105_every_change_is_in_the_audit_log(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    terminal.ok("user", "add", "aoi@x")
    terminal.ok("user", "disable", "aoi@x")
    events = terminal.json("audit")
    assert [event["event"] for event in events] == [
        "client.changed",
        "user.changed",
        "user.changed",
    ]
    assert {event["actor"] for event in events} == {f"cli:{getpwuid(os.getuid()).pw_name}"}
    terminal.environ["SUDO_USER"] = "kim"
    terminal.ok("user", "enable", "aoi@x")
    last = terminal.json("audit")[-1]
    assert (last["actor"], last["detail"]) == ("cli:kim", "enabled")
    assert events[0]["at"].endswith("Z")


def test_audit_narrows_by_what_is_asked(terminal: Terminal) -> None:
    client = terminal.json("client", "add", "acme")["client_id"]
    for name in ("aoi@x", "kim@x"):
        terminal.ok("user", "add", name)
    everything = terminal.json("audit")
    assert len(everything) == 3
    assert terminal.json("audit", "--user", "AOI@x") == [everything[1]]
    assert terminal.json("audit", "--client", "acme") == [everything[0]]
    assert terminal.json("audit", "--client", client) == [everything[0]]
    assert terminal.json("audit", "--event", "user.changed") == everything[1:]
    assert terminal.json("audit", "--limit", "1") == everything[2:]
    assert terminal.json("audit", "--since", "1h") == everything
    assert terminal.json("audit", "--until", "1h") == []
    assert terminal.json("audit", "--since", "2000-01-31T09:00", "--until", "2000-02-01") == []
    assert terminal.json("audit", "--login-id", "none") == []
    assert terminal.run("audit", "--login-id", "none").err == "No record matches.\n"
    assert terminal.json("audit", "--user", "nobody@x") == []
    assert "there is no client 'acm'" in terminal.refused("audit", "--client", "acm")
    table = terminal.ok("audit", "--user", "aoi@x").out.splitlines()
    assert table[0].split("\t")[:3] == ["time", "event", "user"]
    misspelt = terminal.misused("audit", "--event", "login.faild")
    assert "there is no event 'login.faild'; did you mean login.failed?\n" in misspelt
    assert "\n  code.issued\n" in terminal.misused("audit", "--event", "nonsense")
    assert "neither a time" in terminal.misused("audit", "--since", "yesterday")


def test_audit_shows_what_a_newer_version_writes_under_the_name_that_it_has(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.ok("user", "add", "aoi@x")
    sql = "INSERT INTO audit (at, event, detail) VALUES (9e9, 'moon.landed', 'one small step')"
    query(tmp_path / "worksgate.db", sql)
    newer = terminal.json("audit")[-1]
    assert (newer["event"], newer["detail"]) == ("moon.landed", "one small step")
    assert newer.keys() == terminal.json("audit")[0].keys()
    assert "\tmoon.landed\t" in terminal.ok("audit").out
    assert "there is no event" in terminal.misused("audit", "--event", "moon.landed")


def test_all_problems_of_the_settings_are_reported_a_line_each(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "worksgate.toml").write_text("prot = 1\n")
    terminal.environ["WORKSGATE_LOG_LEVEL"] = "loud"
    for command in (("serve",), ("client", "list"), ("migrate",), ("user", "export")):
        result = terminal.run(*command)
        assert (result.code, result.out) == (1, "")
        assert result.err.splitlines() == [
            "worksgate: worksgate.toml: prot: there is no such setting; did you mean port?",
            "worksgate: WORKSGATE_LOG_LEVEL: must be debug, info, warning or error",
        ]


def test_database_that_cannot_be_opened_is_one_line(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "worksgate.db").mkdir()
    assert terminal_without_database.refused("client", "list")


def test_file_that_is_no_database_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").write_bytes(b"this is a letter to a friend " * 100)
    assert terminal.refused("client", "list")
    assert (tmp_path / "worksgate.db").read_bytes().startswith(b"this is a letter")


def test_serve_checks_its_options_before_it_starts(terminal: Terminal) -> None:
    assert "must be given together" in terminal.misused("serve", "--tls-cert", "cert.pem")
    assert "1<=x<=256" in terminal.misused("serve", "--workers", "0")
    assert terminal.refused("serve", "--tls-cert", "a.pem", "--tls-key", "b.pem") == (
        "a.pem: No such file or directory"
    )
    assert terminal.refused("serve", "--port", "70000").startswith("--port: must be between")
    terminal.environ["WORKSGATE_STORE_URL"] = "memory:"
    assert "one process only" in terminal.refused("serve", "--workers", "2")


def test_port_that_is_taken_is_one_line_that_names_the_option(
    terminal: Terminal, tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        taken = f"port {port} on 127.0.0.1 is in use; choose another with "
        assert terminal.refused("serve", "--port", port) == f"{taken}--port"
        folder = ("--folder", str(tmp_path))
        assert terminal.refused("demo", "--port", port, *folder).startswith(f"{taken}--port 9080")
        told = terminal.refused(
            "demo", "--port", str(free_port()), "--simulator-port", port, *folder
        )
        assert told == (f'{taken}--simulator-port 9090 (make run ARGS="--simulator-port 9090")')
        assert not (tmp_path / "demo.db").exists()


def test_address_of_another_machine_is_one_line(terminal: Terminal) -> None:
    terminal.environ["WORKSGATE_PUBLIC_URL"] = "https://sso.example.com"
    told = terminal.refused("serve", "--host", "203.0.113.1")
    assert told.startswith("203.0.113.1 is not an address of this machine: ")


def test_serve_reports_what_is_wrong_with_its_certificate(
    terminal: Terminal, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        make_certificate(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
    locked = (
        "openssl",
        "ec",
        "-aes256",
        "-passout",
        "pass:x",
        "-in",
        "a.key",
        "-out",
        "locked.key",
    )
    subprocess.run(locked, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    (tmp_path / "letter.pem").write_text("Dear friend")
    for cert, key, problem in (
        ("letter.pem", "a.key", "letter.pem is not a PEM certificate"),
        ("a.pem", "letter.pem", "letter.pem is not a PEM private key without a passphrase"),
        ("a.pem", "locked.key", "locked.key is not a PEM private key without a passphrase"),
        ("a.pem", "b.key", "b.key is not the key of a.pem"),
    ):
        assert terminal.refused("serve", "--tls-cert", cert, "--tls-key", key) == problem


def test_start_that_fails_ends_with_one(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("migrate")
    (tmp_path / "worksgate.db").unlink()
    (tmp_path / "worksgate.db").mkdir()
    assert terminal.refused("serve", "--port", str(free_port()))
    (tmp_path / "worksgate.db").rmdir()
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
    assert "does not know" in terminal.refused("serve", "--port", str(free_port()))
    nobody = str(free_port())
    terminal.environ["WORKSGATE_STORE_URL"] = f"redis://:canary@127.0.0.1:{nobody}"
    (tmp_path / "worksgate.db").unlink()
    told = terminal.refused("serve", "--port", str(free_port()))
    assert told == f"Valkey cannot be reached: 127.0.0.1:{nobody}: Connection refused"
    del terminal.environ["WORKSGATE_STORE_URL"]
    (tmp_path / "worksgate.db").unlink()
    terminal.ok("migrate")
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as database:
        # Reading works, as is tried before; only the server itself writes its key.
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        database.commit()
    result = terminal.process("serve", "--port", str(free_port()))
    assert (result.code, result.err) == (1, "")
    (line,) = [line for line in result.out.splitlines() if "start.failed" in line]
    assert "reason" in line, line


def make_certificate(cert: Path, key: Path) -> None:
    subject = ("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run(
        ("openssl", "req", "-x509", *curve, *subject), check=True, capture_output=True, timeout=60
    )


def test_demo_needs_three_ports(terminal: Terminal) -> None:
    assert "must differ" in terminal.misused("demo", "--port", "8090")
    assert "must differ" in terminal.misused("demo", "--console-port", "8080")


def test_migrate_check_says_what_the_page_about_upgrades_shows(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs/upgrading.md").read_text()
    shown = page.partition("$ worksgate migrate --check\n")[2].partition("```")[0]
    file = tmp_path / "worksgate.db"
    file.touch(0o600)
    asyncio.run(_at_revision(file, "0003"))
    told = terminal_without_database.run("migrate", "--check")
    first, *others = shown.split("  …\n")
    assert (told.code, told.out[: len(first)]) == (3, first)
    rest = told.out[len(first) :]
    for each in others:
        assert each in rest
        rest = rest.partition(each)[2]
    assert others
    assert len(shown.splitlines()) > 4


@pytest.mark.parametrize(
    "command",
    [("user", "list"), ("client", "list"), ("audit",), ("client", "add", "acme"), ("purge",)],
    ids=" ".join,
)
def test_no_command_but_migrate_changes_a_database_of_the_release_before(
    terminal_without_database: Terminal, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "worksgate.db"
    file.touch(0o600)
    asyncio.run(_at_revision(file, "0003"))
    before = query(file, "SELECT name FROM sqlite_master ORDER BY name")
    told = terminal_without_database.refused(*command)
    assert "the database is at revision 0003: run worksgate migrate" in told
    assert query(file, "SELECT version_num FROM alembic_version") == [("0003",)]
    assert query(file, "SELECT name FROM sqlite_master ORDER BY name") == before


async def _at_revision(file: Path, revision: str) -> None:
    engines = open_engines(url_of(file))
    async with engines.write.begin() as connection:
        await connection.run_sync(upgrade, revision)
    await engines.close()
