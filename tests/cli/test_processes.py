"""The command line as a process: at a terminal, in a pipe, and what it imports at the start."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.cli.terminal import WORKSGATE, Terminal
from tests.databases import directory_in
from tests.ports import free_port

from worksgate.audit import AuditEvent, Event

SECRET = "correct horse battery"
END_OF_INPUT = "\x04"
HEAVY = ("sqlalchemy", "alembic", "uvicorn", "starlette", "rich", "structlog", "argon2", "jinja2")

NOT_SERVING = (
    *("rich", "pygments", "alembic.autogenerate", "sqlalchemy.dialects.postgresql", "httpx2"),
    "sqlalchemy.orm",
    "worksgate.administration.composition",
    *("worksgate.cli.user", "worksgate.cli.check"),
)


def test_version_and_help_load_nothing_heavy() -> None:
    for option in ("--version", "--help"):
        program = (
            "import sys\nfrom worksgate.cli import main\n"
            f"sys.argv = ['worksgate', '{option}']\n"
            "try: main()\n"
            f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stderr == "[]\n"
        assert done.stdout.startswith(("worksgate 0", "Usage: worksgate "))


def test_a_server_on_sqlite_carries_nothing_of_terminals_of_postgresql_or_of_administrators(
    terminal: Terminal,
) -> None:
    # The address is nobody's (RFC 5737), so it ends where it would begin to listen.
    program = (
        "import sys\nfrom worksgate.cli import main\n"
        "sys.argv = ['worksgate', 'serve', '--host', '192.0.2.1', '--port', '9']\n"
        "try: main()\n"
        "finally:\n"
        "    import worksgate.bootstrap.application\n"
        f"    print(*[name for name in {NOT_SERVING!r} if sys.modules.get(name)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=terminal.folder,
        env={
            **os.environ,
            "WORKSGATE_DATABASE_URL": f"sqlite:///{terminal.folder}/worksgate.db",
            "WORKSGATE_PUBLIC_URL": "https://sso.example.jp",
        },
    )
    assert done.returncode == 1, done.stderr
    assert "192.0.2.1" in done.stderr
    assert done.stdout == "\n"


def test_to_read_a_catalogue_takes_nothing_that_is_known_of_all_languages() -> None:
    program = (
        "import babel.core\n"
        "from worksgate.web.pages.catalogues import translations\n"
        "print(translations('ko').gettext('User name'), babel.core._global_data)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "아이디 None\n"


def test_whole_round_as_a_script_would_do_it(terminal: Terminal) -> None:
    made = terminal.process("client", "add", "acme", "--json").json
    added = terminal.process(
        "user", "add", "aoi@x", "--password-stdin", "--json", stdin=SECRET.encode()
    )
    assert (added.code, added.err) == (0, "")
    assert added.json["username"] == "aoi@x"
    listed = terminal.process("client", "list", "--json")
    assert [client["client_id"] for client in listed.json] == [made["client_id"]]
    refused = terminal.process("client", "show", "nobody", "--json")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "worksgate: there is no client 'nobody'\n"
    assert terminal.process("client", "shwo").code == 2


def test_password_is_asked_for_twice_and_never_shown(terminal: Terminal) -> None:
    answers = {"generate one): ": SECRET, "Repeat the password: ": SECRET}
    code, screen = terminal.at_a_terminal("user", "add", "aoi@x", answers=answers)
    assert code == 0
    assert "aoi@x has been added." in screen
    assert SECRET not in screen
    assert "Password  " not in screen


def test_password_is_asked_for_again_until_it_is_one(terminal: Terminal) -> None:
    again = "New password (15 characters or more; leave empty to generate one): "
    answers = {
        again: "short",
        f"several words do well.\r\n{again}": SECRET,
        "Repeat the password: ": f"{SECRET}!",
        f"The two passwords are not the same.\r\n{again}": "",
    }
    code, screen = terminal.at_a_terminal("user", "add", "aoi@x", answers=answers)
    assert code == 0
    assert "Password  " in screen
    assert terminal.json("user", "show", "aoi@x")["lacks"] == ["user key"]


def test_terminal_that_ends_instead_of_an_answer_changes_nothing(terminal: Terminal) -> None:
    for command, question in (
        (("user", "add", "aoi@x"), "generate one): "),
        (("init", "--config", "other.toml"), "reach this server [http://127.0.0.1:8080]: "),
    ):
        code, screen = terminal.at_a_terminal(*command, answers={question: END_OF_INPUT})
        assert code == 1
        assert "there was no answer; nothing has been changed" in screen
    assert terminal.json("user", "list") == []


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0)])
def test_removal_is_asked_for_at_a_terminal(
    terminal: Terminal, answer: str, code: int, left: int
) -> None:
    terminal.ok("client", "add", "acme")
    ended, screen = terminal.at_a_terminal(
        "client", "remove", "acme", answers={"Remove the client acme? [y/N] ": answer}
    )
    assert ended == code
    assert ("nothing has been changed" in screen) is bool(left)
    assert len(terminal.json("client", "list")) == left


def test_init_asks_for_what_it_was_not_told(terminal: Terminal, tmp_path: Path) -> None:
    answers = {
        "reach this server [http://127.0.0.1:8080]: ": "http://sso.example.com",
        "Must begin with https://; plain http is allowed for this machine only.\r\n"
        "The URL at which people will reach this server [http://127.0.0.1:8080]: ": (
            "https://sso.example.com"
        ),
        "first administrator [administrator]: ": "",
        "generate one): ": "",
    }
    code, screen = terminal.at_a_terminal("init", answers=answers)
    assert code == 0, screen
    assert "Password  " in screen
    assert 'public_url = "https://sso.example.com"' in (tmp_path / "worksgate.toml").read_text()
    assert terminal.json("user", "show", "administrator")["administrator"] is True


def test_import_and_table_at_a_terminal_are_drawn(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("username,name\naoi@x,田中 葵\nkim@x,\n", "utf-8")
    code, screen = terminal.at_a_terminal("user", "import", "people.csv", answers={})
    assert code == 0
    assert "Importing" in screen
    assert "2 added, 0 updated, 0 unchanged, 0 refused." in screen
    code, screen = terminal.at_a_terminal("user", "list", answers={})
    assert code == 0
    assert "─" in screen
    assert "田中 葵" in screen
    assert "password, user key" in screen
    for empty in ("External key", "LINE WORKS account", "Administrator", "Last sign-in"):
        assert empty not in screen


def test_times_are_local_for_people_and_in_utc_for_programs(terminal: Terminal) -> None:
    record(terminal.folder / "worksgate.db", LOGIN)
    terminal.environ["TZ"] = "Asia/Tokyo"
    piped = terminal.process("audit").out.splitlines()
    (moment,) = {line.partition("\t")[0] for line in piped[1:]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+09:00", moment)
    (utc,) = {each["at"] for each in terminal.process("audit", "--json").json}
    assert datetime.fromisoformat(moment) == datetime.fromisoformat(utc)
    assert utc.endswith("Z")
    naive = moment.removesuffix("+09:00")
    assert terminal.process("audit", "--json", "--since", naive).json
    assert terminal.process("audit", "--json", "--since", moment).json
    assert terminal.process("audit", "--json", "--until", utc).json == []
    _, screen = terminal.at_a_terminal("audit", answers={})
    assert screen.splitlines()[0] == f"{moment[:10]}, UTC+09:00"


def test_audit_log_names_clients(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    piped = terminal.process("audit").out.splitlines()
    assert piped[1].split("\t")[3] == "acme"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_init_that_is_ended_leaves_nothing_behind(
    terminal_without_database: Terminal, number: signal.Signals
) -> None:
    terminal = terminal_without_database
    command = ("init", "--config", "new.toml", "--public-url", "http://127.0.0.1:8080")
    process = subprocess.Popen(
        [*WORKSGATE, *command, "--administrator", "admin", "--password-stdin"],
        stdin=subprocess.PIPE,
        cwd=terminal.folder,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while not list(terminal.folder.glob(".new.toml.*")):  # it waits for the password
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert process.stdin is not None
    process.stdin.close()
    assert list(terminal.folder.glob("*new.toml*")) == []


@pytest.mark.parametrize("columns", [80, 120])
def test_audit_log_at_a_terminal_breaks_no_time_event_or_id(
    terminal: Terminal, columns: int
) -> None:
    terminal.ok("client", "add", "acme")
    terminal.ok("user", "add", "a-long-name.of-somebody@subsidiary.example.com")
    record(terminal.folder / "worksgate.db", LOGIN)
    code, screen = terminal.at_a_terminal("audit", answers={}, columns=columns)
    assert code == 0
    lines = screen.splitlines()
    assert all(len(line) <= columns for line in lines)
    assert lines[0].endswith(", UTC")
    beginnings = [line.split()[:2] for line in lines if re.match(r"\d\d:\d\d:\d\d  ", line)]
    assert [event for _, event in beginnings] == [
        "client.changed",
        "user.changed",
        "session_key.refused",
    ]
    assert f"login id {LOGIN.login_id}" in screen
    assert "client acme" in screen
    assert "address" not in lines[1]


def test_audit_log_names_whom_a_record_knows_by_the_subject_alone(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    subject_id = terminal.json("audit")[0]["subject_id"]
    for subject in (subject_id, "directory:gone"):
        known = AuditEvent(event=Event.CODE_REDEEMED, at=4_000_000_000.0, subject_id=subject)
        record(terminal.folder / "worksgate.db", known)
    lines = terminal.ok("audit", "--event", "code.redeemed").out.splitlines()[1:]
    assert [line.split("\t")[2] for line in lines] == ["aoi@x", "directory:gone"]
    code, screen = terminal.at_a_terminal("audit", "--event", "code.redeemed", answers={})
    assert code == 0
    assert "user aoi@x" in screen
    events = terminal.json("audit", "--event", "code.redeemed")
    assert [(each["username"], each["subject_id"]) for each in events] == [
        (None, subject_id),
        (None, "directory:gone"),
    ]


def record(database: Path, event: AuditEvent) -> None:
    async def recording() -> None:
        async with directory_in(database) as directory:
            await directory.record([event])

    asyncio.run(recording())


LOGIN = AuditEvent(
    event=Event.SESSION_KEY_REFUSED,
    at=4_000_000_000.0,
    login_id="BJ79vTQ37I5R_HWECFuKAx",
    client_id="Qm3b8WcXz1TnR5vYk2LpJd",
    username="aoi.tanaka@example.com",
    address="2001:db8:1234:5678:9abc:def0:1234:5678",
    detail="LINE WORKS did not confirm the session key of the app",
)


def test_reader_that_has_seen_enough_is_no_error(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    pipeline = f"{' '.join(WORKSGATE)} client list --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", pipeline],
        capture_output=True,
        text=True,
        env=terminal._environ(),
        cwd=terminal.folder,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""


def test_database_that_cannot_be_opened_leaves_no_traceback(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "worksgate.db").mkdir()
    for command in (("client", "list"), ("migrate",)):
        result = terminal_without_database.process(*command)
        assert (result.code, result.out) == (1, "")
        assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_in_order_and_its_last_line_is_written(
    terminal: Terminal, number: signal.Signals
) -> None:
    port = str(free_port())
    server = subprocess.Popen(
        [*WORKSGATE, "serve", "--port", port],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=terminal._environ(),
        cwd=terminal.folder,
    )
    assert server.stdout is not None
    try:
        first = json.loads(server.stdout.readline())
        assert first["event"] == "server.starting"
        assert first["version"] == version("worksgate")
        assert first["address"] == first["public_url"] == f"http://127.0.0.1:{port}"
        assert (first["database"], first["workers"]) == ("sqlite", 1)
        assert (first["store"], first["operations"]) == ("database", None)
        while "server.ready" not in (line := server.stdout.readline()):
            assert line, server.stderr and server.stderr.read()
        server.send_signal(number)
        out, err = server.communicate(timeout=30)
    finally:
        server.kill()
    assert (server.returncode, err) == (0, "")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["server.draining"]
