"""``init``, ``migrate``, ``purge``, ``audit``, ``serve`` and ``demo``."""

import stat
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

from worksgate import config

PASSWORD = b"correct horse battery\n"
INIT = ("init", "--administrator", "admin", "--password-stdin")


def test_init_makes_settings_database_and_administrator(terminal: Terminal, tmp_path: Path) -> None:
    terminal.environ.clear()
    result = terminal.run(*INIT, "--public-url", "https://sso.example.com", stdin=PASSWORD)
    assert result.code == 0
    assert result.out == "Wrote worksgate.toml, and made admin an administrator.\n"
    text = (tmp_path / "worksgate.toml").read_text()
    assert '\npublic_url = "https://sso.example.com"\n' in text
    assert "\n# port = 8080\n" in text
    assert terminal.json("user", "show", "admin")["administrator"] is True
    assert terminal.json("client", "add", "a")["urls"]["logout"] == "https://sso.example.com/logout"
    assert [path.name for path in tmp_path.glob("*.toml*")] == ["worksgate.toml"]


def test_init_never_replaces_a_file_by_itself(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.toml").write_text("port = 1\n")
    told = terminal.refused(*INIT, stdin=PASSWORD)
    assert told == "worksgate.toml exists; --force replaces it"
    assert (tmp_path / "worksgate.toml").read_text() == "port = 1\n"
    assert terminal.run(*INIT, "--force", stdin=PASSWORD).code == 0
    assert "# port = 8080" in (tmp_path / "worksgate.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (("--public-url", "http://sso.example.com"), PASSWORD, "worksgate.toml: public_url: must"),
        ((), b"short\n", "the password is not accepted"),
        (("--database-url", "redis://x"), PASSWORD, "must be sqlite"),
        (("--config", "nowhere/wg.toml"), PASSWORD, "No such file or directory"),
    ],
)
def test_init_that_is_refused_leaves_no_file(
    terminal: Terminal, tmp_path: Path, arguments: tuple[str, ...], stdin: bytes, problem: str
) -> None:
    if "--database-url" in arguments:
        terminal.environ["WORKSGATE_DATABASE_URL"] = "redis://x"  # it would win over the file
    assert problem in terminal.refused(*INIT, *arguments, stdin=stdin)
    assert not list(tmp_path.glob("*.toml*"))
    assert not list(tmp_path.glob(".*"))


def test_init_keeps_a_file_with_a_database_address_private(
    terminal: Terminal, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/worksgate.db"
    file = tmp_path / "wg.toml"
    options = ("--config", "wg.toml", "--database-url", database)
    assert terminal.run(*INIT, *options, stdin=PASSWORD).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert config.load(file, {}, {}).database_url == database


def test_r103_init_by_a_script_must_name_the_administrator(terminal: Terminal) -> None:
    assert "--administrator" in terminal.misused("init")


def test_init_without_a_password_makes_one(terminal: Terminal) -> None:
    result = terminal.run("init", "--administrator", "admin")
    assert result.code == 0
    assert "  Password  " in result.out


def test_migrate_tells_the_revision(terminal: Terminal, tmp_path: Path) -> None:
    revision = terminal.json("migrate")["revision"]
    assert revision
    assert terminal.ok("migrate").out == f"The database is at revision {revision}.\n"
    assert (tmp_path / "worksgate.db").exists()


def test_purge_tells_how_much(terminal: Terminal) -> None:
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
    assert {event["actor"] for event in events} == {"cli"}
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
    assert terminal.run("audit", "--login-id", "none").err == "No record fits.\n"
    table = terminal.ok("audit", "--user", "aoi@x").out.splitlines()
    assert table[0].split("\t")[:3] == ["time", "event", "user"]
    assert "login.failed" in terminal.misused("audit", "--event", "login.faild")
    assert "neither a time" in terminal.misused("audit", "--since", "yesterday")


def test_all_problems_of_the_settings_are_told_a_line_each(
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


def test_database_that_cannot_be_opened_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").mkdir()
    assert terminal.refused("client", "list")


def test_file_that_is_no_database_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").write_bytes(b"this is a letter to a friend " * 100)
    assert terminal.refused("client", "list")
    assert (tmp_path / "worksgate.db").read_bytes().startswith(b"this is a letter")


def test_serve_checks_its_options_before_it_starts(terminal: Terminal) -> None:
    assert "belong together" in terminal.misused("serve", "--tls-cert", "cert.pem")
    assert "1<=x<=256" in terminal.misused("serve", "--workers", "0")
    assert terminal.refused("serve", "--tls-cert", "a.pem", "--tls-key", "b.pem") == (
        "a.pem: No such file or directory"
    )
    assert terminal.refused("serve", "--port", "70000").startswith("--port: must be between")
    terminal.environ["WORKSGATE_STORE_URL"] = "memory:"
    assert "one process only" in terminal.refused("serve", "--workers", "2")


def test_demo_needs_two_ports(terminal: Terminal) -> None:
    assert "must differ" in terminal.misused("demo", "--port", "8090")
