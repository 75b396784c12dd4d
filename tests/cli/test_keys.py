"""``worksgate key``, and what the other commands do about the master key."""

import json
import stat
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.master_key import MasterKey, Place

KEY, OTHER = MasterKey(bytes(32)), MasterKey(bytes([1] * 32))
INIT = ("init", "--administrator", "admin", "--password-stdin")
PASSWORD = b"correct horse battery\n"
SECRET = bytes(range(20))


def enrol(
    database: Path, subject_id: str, secret: bytes = SECRET, key: MasterKey | None = None
) -> None:
    stored = (
        secret if key is None else key.seal(secret, Place("totp_secrets", "secret", subject_id))
    )
    query(database, "INSERT INTO totp_secrets VALUES (?, ?, 1, 1.0, NULL)", subject_id, stored)


def having(
    terminal: Terminal, key: MasterKey | None, previous: MasterKey | None = None
) -> Terminal:
    """The terminal with these keys in its environment."""
    for name, each in (("MASTER_KEY", key), ("PREVIOUS_MASTER_KEY", previous)):
        terminal.environ.pop(f"WORKSGATE_{name}", None)
        if each is not None:
            terminal.environ[f"WORKSGATE_{name}"] = each.text
    return terminal


def test_a_new_key_is_for_its_owner_alone_and_never_replaces_one(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "new.key"
    told = terminal.ok("key", "new", str(file))
    key = MasterKey.parse(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key.id in told.out
    assert key.text not in told.out
    assert "never replaced" in terminal.refused("key", "new", str(file))
    assert MasterKey.parse(file.read_text()) == key


def test_init_makes_a_key_beside_the_settings_and_the_database_begins_with_it(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal = terminal_without_database
    terminal.environ.clear()
    assert terminal.run(*INIT, stdin=PASSWORD).code == 0
    file = tmp_path / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert '\nmaster_key_file = "master.key"\n' in (tmp_path / "worksgate.toml").read_text()
    key = MasterKey.parse(file.read_text())
    assert terminal.json("key", "show")["current"] == key.id
    assert (
        terminal.run(*INIT, "--force", stdin=b"another good password\n").code == 1
    )  # the same name
    assert MasterKey.parse(file.read_text()) == key


def test_init_that_is_refused_leaves_no_key(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal_without_database.environ.clear()
    assert terminal_without_database.run(*INIT, stdin=b"short\n").code == 1
    assert list(tmp_path.glob("*.key")) == []


def test_init_leaves_the_key_to_a_variable_that_names_it(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal_without_database.environ.clear()
    having(terminal_without_database, KEY)
    assert terminal_without_database.run(*INIT, stdin=PASSWORD).code == 0
    assert not (tmp_path / "master.key").exists()


def test_r132_encrypting_is_said_once_and_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    enrol(database, "a")
    assert "no master key is configured" in terminal.refused("key", "encrypt", "--yes")
    having(terminal, KEY)
    assert f"know master key {KEY.id}" in terminal.refused("key", "encrypt")
    assert terminal.json("key", "show")["in_clear"] == 1
    assert terminal.json("key", "encrypt", "--yes") == {
        "key": KEY.id,
        "encrypted": 1,
        "rewritten": True,
    }
    assert SECRET not in database.read_bytes()
    assert terminal.json("key", "encrypt", "--yes")["encrypted"] == 0
    shown = terminal.json("key", "show")
    assert (shown["in_force"], shown["in_clear"], shown["encrypted"]) == (KEY.id, 0, {KEY.id: 1})
    (record,) = terminal.json("audit", "--event", "system")
    assert record["detail"] == f"secrets are encrypted under master key {KEY.id}"


def test_r132_a_key_is_replaced_by_the_same_command(terminal: Terminal, tmp_path: Path) -> None:
    enrol(tmp_path / "worksgate.db", "a")
    having(terminal, KEY).ok("key", "encrypt", "--yes")
    refused = having(terminal, OTHER).refused("key", "encrypt", "--yes")
    assert KEY.id in refused
    assert OTHER.id in refused
    having(terminal, OTHER, KEY).ok("key", "encrypt", "--yes")
    assert having(terminal, OTHER).json("key", "show")["encrypted"] == {OTHER.id: 1}


@pytest.mark.parametrize(
    ("key", "said"), [(None, "no master key is configured"), (OTHER, OTHER.id)]
)
def test_r132_a_server_without_the_right_key_does_not_start(
    terminal: Terminal, key: MasterKey | None, said: str
) -> None:
    having(terminal, KEY).ok("key", "encrypt", "--yes")
    refused = having(terminal, key).refused("serve", "--port", "1")
    assert f"encrypted under master key {KEY.id}" in refused
    assert said in refused


def finding(terminal: Terminal, part: str, severity: str) -> str:
    found = json.loads(terminal.run("doctor", "--json").out)["findings"]
    return " / ".join(
        each["text"] for each in found if (each["part"], each["severity"]) == (part, severity)
    )


def test_doctor_says_how_it_is_with_the_master_key(terminal: Terminal, tmp_path: Path) -> None:
    enrol(tmp_path / "worksgate.db", "a")
    assert "no master key is configured" in finding(terminal, "keys", "warn")
    having(terminal, KEY)
    assert f"1 of the secrets are not encrypted under master key {KEY.id}" in finding(
        terminal, "keys", "warn"
    )
    terminal.ok("key", "encrypt", "--yes")
    assert f"encrypted under master key {KEY.id}" in finding(terminal, "keys", "ok")
    assert KEY.id in finding(having(terminal, OTHER), "keys", "fail")
    assert "no longer needed" not in finding(having(terminal, KEY), "keys", "ok")


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o600, False), (0o440, False), (0o644, True), (0o660, True)]
)
def test_doctor_says_who_can_read_or_replace_the_key(
    terminal: Terminal, tmp_path: Path, *, mode: int, is_told: bool
) -> None:
    file = tmp_path / "some.key"
    terminal.ok("key", "new", str(file))
    file.chmod(mode)
    terminal.environ["WORKSGATE_MASTER_KEY_FILE"] = str(file)
    assert (f"{file} holds a master key" in finding(terminal, "settings", "warn")) is is_told


def test_r130_a_backup_says_which_key_it_needs_and_is_not_restored_without(
    terminal: Terminal, tmp_path: Path
) -> None:
    database = tmp_path / "worksgate.db"
    enrol(database, "a")
    having(terminal, KEY).ok("key", "encrypt", "--yes")
    written = terminal.run("backup", "there.backup")
    assert f"This backup needs master key {KEY.id}; keep that elsewhere.\n" in written.out
    assert terminal.run("backup", "again.backup", "--json").json["master_keys"] == [KEY.id]
    before = query(database, "SELECT * FROM totp_secrets")
    for key in (None, OTHER):
        refused = having(terminal, key).refused("restore", "there.backup", "--force")
        assert f"encrypted under master key {KEY.id}" in refused
        assert query(database, "SELECT * FROM totp_secrets") == before
    having(terminal, OTHER, KEY).ok("restore", "there.backup", "--force")
    assert query(database, "SELECT * FROM totp_secrets") == before
    shown = terminal.json("key", "show")
    assert (shown["in_force"], shown["encrypted"]) == (OTHER.id, {KEY.id: 1})
    assert query(database, "SELECT oldest FROM compatibility") == [("0004",)]
    assert terminal.json("key", "encrypt", "--yes")["encrypted"] == 1


def test_a_move_carries_what_is_encrypted_as_it_is(terminal: Terminal, tmp_path: Path) -> None:
    enrol(tmp_path / "worksgate.db", "a")
    having(terminal, KEY).ok("key", "encrypt", "--yes")
    target = tmp_path / "other.db"
    terminal.ok("move", f"sqlite:///{tmp_path}/worksgate.db", f"sqlite:///{target}")
    question = "SELECT secret FROM totp_secrets"
    assert query(target, question) == query(tmp_path / "worksgate.db", question)
    assert query(target, "SELECT oldest FROM compatibility") == [("0004",)]
    terminal.environ["WORKSGATE_DATABASE_URL"] = f"sqlite:///{target}"
    assert terminal.json("key", "show")["in_force"] == KEY.id
