"""``worksgate key``, and the master key in other commands."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.credentials.master_key import MasterKey, Place

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


def test_r132_encrypting_is_shown_once_and_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    enrol(database, "a")
    assert "no master key is configured" in terminal.refused("key", "encrypt", "--yes")
    having(terminal, KEY)
    assert f"have master key {KEY.id}" in terminal.refused("key", "encrypt")
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
    wrong = finding(having(terminal, OTHER), "keys", "fail")
    assert KEY.id in wrong
    assert "nothing has been changed" not in wrong  # it is only looked at
    assert "worksgate key forget-lost" in advice(terminal, "keys")
    assert "no longer needed" not in finding(having(terminal, KEY), "keys", "ok")


def advice(terminal: Terminal, part: str) -> str:
    found = json.loads(terminal.run("doctor", "--json").out)["findings"]
    return " / ".join(each["advice"] or "" for each in found if each["part"] == part)


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
    assert (f"{file} contains a master key" in finding(terminal, "settings", "warn")) is is_told


def test_r130_a_backup_says_which_key_it_needs_and_is_not_restored_without(
    terminal: Terminal, tmp_path: Path
) -> None:
    database = tmp_path / "worksgate.db"
    enrol(database, "a")
    having(terminal, KEY).ok("key", "encrypt", "--yes")
    written = terminal.run("backup", "there.backup")
    assert f"This backup requires master key {KEY.id}; store the key separately.\n" in written.out
    assert terminal.run("backup", "again.backup", "--json").json["master_keys"] == [KEY.id]
    before = query(database, "SELECT * FROM totp_secrets")
    for key in (None, OTHER):
        refused = having(terminal, key).refused("restore", "there.backup", "--force")
        assert f"encrypted under master key {KEY.id}" in refused
        assert refused.endswith("; nothing has been changed")
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


def give_passkey(database: Path, subject_id: str) -> None:
    query(
        database,
        "INSERT INTO passkeys (id, subject_id, public_key, sign_count, backed_up, aaguid,"
        " transports, name, created_at)"
        " VALUES ('pk', ?, x'00', 0, 0, 'aaguid', '[]', 'Phone', 1.0)",
        subject_id,
    )


def subject(terminal: Terminal, username: str) -> str:
    return "directory:" + str(terminal.json("user", "show", username)["id"])


@pytest.fixture
def lost(terminal: Terminal, tmp_path: Path) -> Terminal:
    """A terminal whose master key is lost: there is OTHER in its place.

    Aoi has an authenticator app, Ben a passkey as well, Eri has an app of an LDAP directory's
    people, and Kim has none.
    """
    database = tmp_path / "worksgate.db"
    having(terminal, KEY).environ["WORKSGATE_PUBLIC_URL"] = "https://sso.example.com"
    for name in ("aoi@x", "ben@x", "kim@x"):
        terminal.ok("user", "add", name)
    query(
        database,
        "INSERT INTO people (subject_id, source, username, username_key, name, groups, enabled,"
        " first_login_at, last_login_at)"
        " VALUES ('ldap:eri', 'ldap', 'eri', 'eri', 'Eri', '[]', 1, 1.0, 1.0)",
    )
    for each in (subject(terminal, "aoi@x"), subject(terminal, "ben@x"), "ldap:eri"):
        enrol(database, each)
    query(
        database,
        "INSERT INTO recovery_codes VALUES ('d1', ?, 1.0)",
        subject(terminal, "aoi@x"),
    )
    give_passkey(database, subject(terminal, "ben@x"))
    terminal.ok("key", "encrypt", "--yes")
    return having(terminal, OTHER)


def forget(terminal: Terminal) -> Any:
    """What the command says that it has done."""
    done = terminal.run(*FORGET, "--json")
    assert done.code == 0, done.err
    return done.json


FORGET = ("key", "forget-lost", "--remove-authenticator-apps", "--yes")


def test_r132_with_a_lost_key_nobody_is_left_with_a_password_alone(
    lost: Terminal, tmp_path: Path
) -> None:
    database = tmp_path / "worksgate.db"
    told = forget(lost)
    assert (told["lost"], told["done"]) == ([KEY.id], True)
    closed = {each["username"]: each["disabled"] for each in told["people"]}
    assert closed == {"aoi@x": True, "ben@x": False, "eri": True}
    assert {
        name: lost.json("user", "show", name)["enabled"] for name in ("aoi@x", "ben@x", "kim@x")
    } == {"aoi@x": False, "ben@x": True, "kim@x": True}
    assert query(database, "SELECT enabled FROM people") == [(0,)]
    assert query(database, "SELECT count(*) FROM totp_secrets") == [(0,)]
    assert query(database, "SELECT count(*) FROM recovery_codes") == [(0,)]
    assert query(database, "SELECT id FROM passkeys") == [("pk",)]
    removed = lost.json("audit", "--event", "factor.removed")
    assert [each["detail"] for each in removed] == ["TOTP: its master key is lost"] * 3
    assert {each["username"] for each in removed} == closed.keys()
    assert f"master key {KEY.id} is given up as lost" in str(
        lost.json("audit", "--event", "system")
    )


def test_r132_a_passkey_that_is_of_no_use_saves_nobody(lost: Terminal) -> None:
    lost.environ["WORKSGATE_PUBLIC_URL"] = "http://127.0.0.1:8000"
    assert all(each["disabled"] for each in forget(lost)["people"])


def test_r132_after_a_lost_key_is_given_up_the_server_has_new_keys(
    lost: Terminal, tmp_path: Path
) -> None:
    database = tmp_path / "worksgate.db"
    signing = KEY.seal(bytes(32), Place("keys", "value", "signing"))
    query(database, "INSERT INTO keys VALUES ('signing', ?, 1.0)", signing)
    assert KEY.id in lost.refused("key", "encrypt", "--yes")
    assert KEY.id in finding(lost, "keys", "fail")
    forget(lost)
    assert query(database, "SELECT count(*) FROM keys WHERE name = 'signing'") == [(0,)]
    assert OTHER.id in finding(lost, "keys", "ok")
    shown = lost.json("key", "show")
    assert (shown["in_force"], shown["encrypted"], shown["in_clear"]) == (OTHER.id, {}, 0)
    assert "nothing is lost" in lost.refused(*FORGET)


def test_a_lost_key_is_given_up_only_when_that_is_said_and_asked(
    lost: Terminal, tmp_path: Path
) -> None:
    before = query(tmp_path / "worksgate.db", "SELECT * FROM totp_secrets")
    shown = lost.run("key", "forget-lost")
    assert f"Master key {KEY.id} is missing; the authenticator apps of 3 people" in shown.out
    assert "Nothing has been changed" in shown.err
    unasked = lost.run(*FORGET[:-1])
    assert unasked.code == 1
    assert f"all copies of master key {KEY.id} lost?" in unasked.err
    assert "create one with worksgate key new" in having(lost, None).refused(*FORGET)
    assert "nothing is lost" in having(lost, OTHER, KEY).refused(*FORGET)
    assert query(tmp_path / "worksgate.db", "SELECT * FROM totp_secrets") == before


def test_a_lost_key_is_not_given_up_while_a_server_that_may_have_it_runs(
    lost: Terminal, tmp_path: Path
) -> None:
    lease = "INSERT INTO leases VALUES ('purging', 'node1', unixepoch() + 30)"
    query(tmp_path / "worksgate.db", lease)
    assert "the server is running (node1)" in lost.refused(*FORGET)


def test_what_remains_under_a_key_that_is_at_hand_stays(lost: Terminal, tmp_path: Path) -> None:
    enrol(tmp_path / "worksgate.db", subject(lost, "kim@x"), key=OTHER)
    forget(lost)
    assert lost.json("key", "show")["encrypted"] == {OTHER.id: 1}
    assert lost.json("user", "show", "kim@x")["enabled"]


def test_a_backup_whose_key_is_lost_is_restored_when_that_is_said(
    lost: Terminal, tmp_path: Path
) -> None:
    assert lost.run("backup", "there.backup").code == 0
    restore = ("restore", "there.backup", "--force")
    assert KEY.id in lost.refused(*restore)
    gone = tmp_path / "gone.key"
    having(lost, None).environ["WORKSGATE_MASTER_KEY_FILE"] = str(gone)
    assert f"create a new one: worksgate key new {gone}" in lost.refused(
        *restore, "--although-its-key-is-lost"
    )
    del having(lost, OTHER).environ["WORKSGATE_MASTER_KEY_FILE"]
    lost.ok(*restore, "--although-its-key-is-lost")
    assert f"encrypted under master key {KEY.id}" in lost.refused("serve", "--port", "1")
    assert query(tmp_path / "worksgate.db", "SELECT oldest FROM compatibility") == [("0004",)]
    forget(lost)
    assert OTHER.id in finding(lost, "keys", "ok")
