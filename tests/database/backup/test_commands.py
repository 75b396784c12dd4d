"""``worksgate backup`` and ``restore`` on the command line."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.conftest import terminal
from tests.cli.terminal import WORKSGATE, Terminal
from tests.cli.test_users import remember
from tests.databases import query

from worksgate.database.migrations import HEAD

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
    remember(tmp_path / "worksgate.db", "company", "hanako")
    written = terminal.ok("backup", "b", "--passphrase-file", str(passphrase))
    assert written.out == "Wrote b: 1 person, 1 client, 1 audit record.\n"
    assert b" 18\n" in (tmp_path / "b").read_bytes()[:100]
    terminal.ok("client", "remove", "acme", "--yes")
    refused = terminal.refused("restore", "b", "--passphrase-file", str(passphrase))
    assert refused == "the database is not empty; --force replaces it with the backup"
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


def test_mistakes_are_reported_in_one_line(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("client", "add", "acme")
    for force in ([], ["--force"]):  # the file is looked at before the database
        told = terminal.refused("restore", "none", *force)
        assert told == "none: No such file or directory"
    (tmp_path / "empty").write_text("\n")
    told = terminal.refused("backup", "b", "--passphrase-file", "empty")
    assert told == "empty: its first line is empty; it must be the passphrase"
    assert terminal.refused("backup", "nowhere/b") == "there is no folder nowhere"


def test_progress_is_drawn_at_a_terminal(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    code, screen = terminal.at_a_terminal("backup", "b", answers={})
    assert code == 0
    assert "Writing a backup" in screen


def begun(terminal: Terminal, *arguments: str, beside: str) -> "subprocess.Popen[bytes]":
    """A command that is at work: the file into which it writes is there."""
    database = f"sqlite:///{terminal.folder}/worksgate.db"
    process = subprocess.Popen(
        [*WORKSGATE, *arguments],
        cwd=terminal.folder,
        env={**os.environ, "WORKSGATE_DATABASE_URL": database},
        # Whoever runs the tests may ignore it, as nohup does, and then the command would too.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    # Behind it comes the passphrase, which costs more than half a second.
    while not list(terminal.folder.glob(f"**/{beside}*")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.002)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_backup_that_is_interrupted_leaves_nothing_in_the_clear(
    terminal: Terminal, passphrase: Path, tmp_path: Path, number: signal.Signals
) -> None:
    terminal.ok("client", "add", "acme-in-the-clear")
    (tmp_path / "out").mkdir()
    arguments = ("backup", "out/b", "--passphrase-file", str(passphrase))
    process = begun(terminal, *arguments, beside=".b.")
    process.send_signal(number)
    assert process.wait(60) != 0
    left = [each for each in tmp_path.glob("out/**/*") if each.is_file()]
    assert not [each for each in left if b"acme-in-the-clear" in each.read_bytes()]
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert list(tmp_path.glob("out/*")) == []
    assert not list(tmp_path.glob(".worksgate.db.*"))


def test_a_restore_that_is_interrupted_leaves_the_database_as_it_was(
    terminal: Terminal, passphrase: Path, tmp_path: Path
) -> None:
    terminal.ok("client", "add", "acme")
    terminal.ok("backup", "b", "--passphrase-file", str(passphrase))
    terminal.ok("client", "add", "other")
    arguments = ("restore", "b", "--force", "--passphrase-file", str(passphrase))
    process = begun(terminal, *arguments, beside=".worksgate.db.")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not list(tmp_path.glob(".worksgate.db.*"))
    names = query(tmp_path / "worksgate.db", "SELECT name FROM clients ORDER BY name")
    assert names == [("acme",), ("other",)]
