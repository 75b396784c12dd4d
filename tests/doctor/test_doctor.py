"""``worksgate doctor``: problems, and what to do about them."""

import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query
from tests.postgres_server import giving_back, shared_postgres, url_for
from tests.valkey_server import ValkeyServer, running_valkey

from worksgate.credentials.master_key import MasterKey
from worksgate.database.identity import OVERWRITTEN
from worksgate.database.migrations import HEAD
from worksgate.database.newest_record import NOTE, Content, NewestRecord, note_newest
from worksgate.directory.key_ownership import UserKey
from worksgate.doctor import Finding, examination
from worksgate.doctor.database_check import _of_disputed, examine_clients
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings

SECRET = "hunter2-canary"


@pytest.fixture
def installation(terminal: Terminal) -> Terminal:
    terminal.environ["WORKSGATE_PUBLIC_URL"] = "https://sso.example.com"
    terminal.environ["WORKSGATE_TRUSTED_PROXIES"] = "10.0.0.0/8"
    terminal.environ["WORKSGATE_MASTER_KEY"] = MasterKey(bytes(32)).text
    terminal.ok("migrate")
    terminal.ok("client", "add", "acme")
    return terminal


@pytest.fixture(autouse=True)
def _public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the address of an example; ``test_public_address`` asks some."""

    async def examine(_settings: Settings) -> AsyncIterator[Finding]:
        nothing: tuple[Finding, ...] = ()
        for finding in nothing:
            yield finding

    monkeypatch.setattr(examination, "examine_public_address", examine)


def findings(terminal: Terminal, code: int = 0) -> Mapping[str, list[str]]:
    """What was found: for each severity the parts and texts."""
    result = terminal.run("doctor", "--json")
    assert (result.code, result.err) == (code, ""), result
    assert result.json["ok"] is (code == 0)
    told: dict[str, list[str]] = {"ok": [], "warn": [], "fail": []}
    for each in result.json["findings"]:
        assert bool(each["advice"]) is (each["severity"] != "ok")
        told[each["severity"]].append(f"{each['part']}: {each['text']}")
    return told


def test_healthy_installation_has_nothing_but_good_findings(installation: Terminal) -> None:
    told = findings(installation)
    assert (told["warn"], told["fail"]) == ([], [])
    parts = {each.partition(":")[0] for each in told["ok"]}
    assert parts == {"settings", "disk", "clock", "database", "keys", "clients", "audit log"}
    assert f"database: it responds, and is at revision {HEAD}" in told["ok"]


def test_audit_records_that_no_server_has_sealed_are_a_warning(installation: Terminal) -> None:
    assert (
        "audit log: a server will make its first seal within a minute"
        in findings(installation)["ok"]
    )
    old = f"INSERT INTO audit (at, event) VALUES ({time.time() - 7_300}, 'logout')"
    query(installation.folder / "worksgate.db", "DELETE FROM audit")
    query(installation.folder / "worksgate.db", old)
    (told,) = findings(installation)["warn"]
    assert told.startswith("audit log: 1 of its records, the first 2 hours old, have no seal yet")


def test_findings_are_lines_with_what_to_do_below(installation: Terminal) -> None:
    installation.environ["WORKSGATE_TRUSTED_PROXIES"] = ""
    lines = installation.ok("doctor").out.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("warn")]
    assert lines[number].startswith("warn  settings: trusted_proxies is empty")
    assert lines[number + 1].startswith("      what to do: add the proxy to trusted_proxies")


def test_every_problem_of_the_settings_is_a_finding(installation: Terminal) -> None:
    installation.environ["WORKSGATE_PORT"] = "0"
    installation.environ["WORKSGATE_LOG_LEVEL"] = "loud"
    told = findings(installation, code=1)
    assert len(told["fail"]) == 2
    assert told["fail"][0].startswith("settings: WORKSGATE_PORT: must be between")


def test_database_that_is_not_there_is_reported_and_not_made(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    told = findings(terminal_without_database, code=1)
    assert told["fail"] == [f"database: there is none at {tmp_path}/worksgate.db"]
    assert "settings: public_url is http://127.0.0.1:8080: only this machine" in told["warn"][0]
    assert list(tmp_path.iterdir()) == []
    assert "worksgate migrate creates one" in terminal_without_database.run("doctor").out


def test_where_there_is_no_installation_it_is_said_how_to_make_one(
    terminal_without_database: Terminal,
) -> None:
    terminal_without_database.has_database_url = False
    assert (
        "or create an installation with worksgate init"
        in terminal_without_database.run("doctor").out
    )


def change(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as database:
        database.execute(statement)
        database.commit()


def test_database_of_an_older_version_is_left_as_it_is(
    installation: Terminal, tmp_path: Path
) -> None:
    change(tmp_path, "UPDATE alembic_version SET version_num = '0001'")
    assert (
        f"database: it is at revision 0001; this version needs {HEAD}"
        in (findings(installation)["warn"])
    )
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


def test_database_of_a_newer_version_is_a_failure(installation: Terminal, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    (told,) = findings(installation, code=1)["fail"]
    assert told == "database: it is at revision 9999, which this version does not know"


@pytest.mark.parametrize(("oldest", "is_served"), [(HEAD, True), ("9998", False)])
def test_newer_database_is_well_where_it_says_that_this_version_can_use_it(
    installation: Terminal, tmp_path: Path, oldest: str, *, is_served: bool
) -> None:
    change(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    change(tmp_path, f"UPDATE compatibility SET revision = '9999', oldest = '{oldest}'")
    told = findings(installation, code=0 if is_served else 1)
    well = f"database: it responds, and is at the newer revision 9999, which supports {HEAD}"
    assert (well in told["ok"]) is is_served
    # What comes after is looked at, too.
    assert any(each.startswith("clients: ") for each in told["ok"]) is is_served


def test_r115_key_of_somebody_who_does_not_own_it_is_told(
    installation: Terminal, tmp_path: Path
) -> None:
    """As a server of the release before leaves it behind."""
    installation.ok("user", "add", "aoi", "--external-key", "E-1")
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as connection, connection:
        connection.execute("UPDATE key_owners SET subject_id = 'corp:taro'")
    (text,) = findings(installation)["warn"]
    assert text.startswith("user keys: directory:")
    assert text.endswith("has the external key E-1, which belongs to corp:taro")


def test_database_that_somebody_else_holds_is_a_failure(
    installation: Terminal, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "worksgate.db")) as database:
        database.execute("BEGIN IMMEDIATE")
        (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("database: it cannot be written to: ")


def test_file_that_is_no_database_is_a_failure(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").write_bytes(b"not a database\n" * 100)
    told = findings(terminal, code=1)["fail"]
    assert len(told) == 1
    assert told[0].startswith(f"database: the database does not respond: {tmp_path}/worksgate.db: ")


def test_database_that_others_can_read_is_reported(installation: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").chmod(0o644)
    (told,) = findings(installation)["warn"]
    assert told.startswith("disk: other users of this machine can read or write")


@pytest.mark.parametrize(("free", "severity", "code"), [(1e9, "warn", 0), (1e7, "fail", 1)])
def test_disk_that_is_nearly_full_is_reported(
    installation: Terminal, monkeypatch: pytest.MonkeyPatch, free: float, severity: str, code: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=int(free)))
    (told,) = findings(installation, code)[severity]
    assert told.startswith("disk: ")


def test_clock_that_went_back_is_reported(installation: Terminal, tmp_path: Path) -> None:
    later = time.time() + 3_600
    os.utime(tmp_path / "worksgate.db", (later, later))
    (told,) = findings(installation, code=1)["fail"]
    assert "seconds in the future: the clock went back" in told


def test_a_file_that_is_an_older_copy_is_reported(installation: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "worksgate.db"
    with closing(sqlite3.connect(file)) as connection:
        whose, newest, _ = Content.read(connection, 0)
    assert whose
    note_newest(file, whose, NewestRecord(newest, at=1.5))
    (told,) = (each for each in findings(installation)["warn"] if each.startswith("database:"))
    assert told.startswith("database: the file is a copy on which another server went on")
    Path(f"{file}{NOTE}").unlink()
    note_newest(file, whose, NewestRecord(newest))
    assert not any("audit records" in each for each in findings(installation)["warn"])
    note_newest(file, whose, NewestRecord(newest + 7))
    (told,) = (each for each in findings(installation)["warn"] if "audit records" in each)
    assert told.startswith("database: the file is an older copy, which lacks 7 audit records")
    Path(f"{file}{OVERWRITTEN}").touch()
    (told,) = (each for each in findings(installation)["warn"] if each.startswith("database:"))
    assert "was overwritten while a server ran" in told


def test_secret_in_a_settings_file_that_all_can_read_is_reported(
    installation: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "worksgate.toml"
    mail = 'mail_from = "a@b.example"\n'
    file.write_text(f'smtp_url = "smtp://sso:canary@127.0.0.1:9"\n{mail}')
    file.chmod(0o644)
    told = findings(installation)["warn"]
    assert told[0].startswith("settings: worksgate.toml holds a secret, and every user")
    file.chmod(0o640)
    assert not any("secret" in each for each in findings(installation)["warn"])
    file.write_text(
        f'database_url = "sqlite:///worksgate.db"\nsmtp_url = "smtp://127.0.0.1:9"\n{mail}'
    )
    file.chmod(0o644)
    assert not any("secret" in each for each in findings(installation)["warn"])


def test_files_of_secrets_that_all_can_read_are_reported(
    installation: Terminal, tmp_path: Path
) -> None:
    password, mail = tmp_path / "ldap-password", tmp_path / "smtp-url"
    password.write_text("hunter2-canary\n")
    mail.write_text("smtp://127.0.0.1:9\n")
    (tmp_path / "worksgate.toml").write_text(
        '[[source]]\ntype = "ldap"\nname = "company"\nservers = ["ldaps://127.0.0.1:9"]\n'
        'base_dn = "dc=example"\nbind_dn = "cn=x,dc=example"\n'
        f'bind_password_file = "{password}"\n'
    )
    installation.environ |= {
        "WORKSGATE_SMTP_URL_FILE": str(mail),
        "WORKSGATE_MAIL_FROM": "sso@example.com",
    }
    for mode, told in ((0o644, 2), (0o640, 0)):
        password.chmod(mode)
        mail.chmod(mode)
        warned = [each for each in findings(installation, code=1)["warn"] if "can read" in each]
        assert len(warned) == told
        assert all("hunter2" not in each for each in warned)
        if told:
            assert f"{mail}, the secret of WORKSGATE_SMTP_URL_FILE" in warned[0]
            assert f"{password}, the secret of bind_password_file of the source" in warned[1]


def test_mail_server_that_is_down_is_reported(installation: Terminal) -> None:
    installation.environ["WORKSGATE_SMTP_URL"] = "smtp://127.0.0.1:9"
    installation.environ["WORKSGATE_MAIL_FROM"] = "sso@example.com"
    (told,) = findings(installation)["warn"]
    assert told.startswith("mail: ")


def test_proxy_network_that_holds_half_the_internet_is_reported(installation: Terminal) -> None:
    installation.environ["WORKSGATE_TRUSTED_PROXIES"] = "8.0.0.0/6"
    (told,) = findings(installation)["warn"]
    assert told.startswith("settings: trusted_proxies includes 8.0.0.0/6")


def test_source_that_is_down_is_reported(installation: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.toml").write_text(
        '[[source]]\ntype = "python"\nname = "company"\nfunction = "no_such_company:ask"\n'
    )
    (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("source company: no_such_company:ask cannot be used")


def test_r129_app_passwords_that_never_lapse_are_reported_where_nobody_can_be_asked(
    installation: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "company_of_doctor.py").write_text(
        "def ask(username, password):\n    return None\n\n\n"
        "class Staff:\n    authenticate = find = staticmethod(lambda *_: None)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for function, lapse, is_told in (("ask", 0, True), ("ask", 60, False), ("Staff", 0, False)):
        (tmp_path / "worksgate.toml").write_text(
            f'app_password_lapse = {lapse}\n[[source]]\ntype = "python"\nname = "company"\n'
            f'function = "company_of_doctor:{function}"\n'
        )
        warned = findings(installation).get("warn", [])
        told = [each for each in warned if "app_password_lapse is 0" in each]
        assert [("people of company never expire" in each) for each in told] == [True] * is_told


def test_client_that_needs_what_is_not_there_is_reported(
    installation: Terminal, tmp_path: Path
) -> None:
    installation.ok("client", "set", "acme", "--source", "company", "--source", "directory")
    (told,) = findings(installation)["warn"]
    assert told.startswith(
        "clients: acme accepts people of company, which the settings do not define"
    )
    installation.ok("client", "set", "acme", "--source", "company")
    (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("clients: acme accepts people of company")
    installation.ok("client", "set", "acme", "--source", "")
    change(tmp_path, "UPDATE clients SET rules = '[\"dney\"]'")
    (told,) = findings(installation, code=1)["fail"]
    assert "nobody can sign in to acme, since a rule is invalid: rule 1: 'dney'" in told


def test_installation_without_a_client_that_is_enabled_is_reported(installation: Terminal) -> None:
    installation.ok("client", "disable", "acme")
    assert findings(installation)["warn"] == ["clients: there is no enabled client"]
    assert "worksgate client enable acme" in installation.run("doctor").out
    installation.ok("client", "remove", "acme", "--yes")
    assert "worksgate client add NAME" in installation.run("doctor").out


@pytest.mark.parametrize(
    ("names", "command"),
    [([], "add NAME"), (["Hikari & Co"], "enable 'Hikari & Co'"), (["a", "b"], "list")],
)
def test_r243_the_command_for_a_client_has_its_real_name(names: list[str], command: str) -> None:
    clients = [Client(client_id=name, name=name, enabled=False) for name in names]
    (found,) = examine_clients(clients, Settings(public_url="https://sso.example.com"))
    assert found.advice == f"worksgate client {command}"


def test_r243_names_and_keys_of_others_are_no_commands() -> None:
    client = Client(client_id="c", name="$(reboot)", rules=("dney",))
    (found,) = examine_clients([client], Settings(public_url="https://sso.example.com"))
    assert found.advice == "worksgate client set '$(reboot)' --rule RULE"
    disputed = _of_disputed(UserKey("external_key", "$(reboot)"), "one", "another")
    assert str(disputed.advice).endswith("worksgate user release-key '$(reboot)'")


# The store


@pytest.fixture
def valkey(installation: Terminal, tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of its own that the installation uses."""
    with running_valkey(tmp_path / "valkey") as server:
        installation.environ["WORKSGATE_STORE_URL"] = server.address
        yield server


def test_store_that_answers_is_reported(installation: Terminal, valkey: ValkeyServer) -> None:
    told = findings(installation)
    assert (told["warn"], told["fail"]) == ([], [])
    assert "store: it responds, and does not evict data" in told["ok"]


def test_store_that_would_forget_used_codes_is_a_failure(
    installation: Terminal, valkey: ValkeyServer
) -> None:
    valkey.config("maxmemory-policy", "allkeys-lru")
    (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("store: Valkey would forget used codes")


def test_store_that_is_a_replica_is_a_failure(installation: Terminal, valkey: ValkeyServer) -> None:
    valkey.command("REPLICAOF", "127.0.0.1", 1)
    (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("store: This Valkey is a replica")


def test_store_that_takes_another_password_is_a_failure_that_reveals_none(
    installation: Terminal, valkey: ValkeyServer
) -> None:
    valkey.config("requirepass", "another")
    installation.environ["WORKSGATE_STORE_URL"] = f"redis://:{SECRET}@127.0.0.1:{valkey.port}"
    (told,) = findings(installation, code=1)["fail"]
    assert told == f"store: the password in store_url is wrong (127.0.0.1:{valkey.port})"
    assert SECRET not in installation.run("doctor").out


def test_store_that_is_down_is_a_failure_and_what_needs_none_is_examined(
    installation: Terminal, valkey: ValkeyServer
) -> None:
    valkey.kill()
    told = findings(installation, code=1)
    (failed,) = told["fail"]
    assert failed.startswith(f"store: Valkey cannot be reached: 127.0.0.1:{valkey.port}: ")
    assert f"database: it responds, and is at revision {HEAD}" in told["ok"]
    assert "clients: acme can be used" in told["ok"]


def test_store_in_memory_is_reported(installation: Terminal) -> None:
    installation.environ["WORKSGATE_STORE_URL"] = "memory:"
    (told,) = findings(installation)["warn"]
    assert told.startswith("store: codes, tokens and sessions are in the memory of one process")


def test_store_on_postgresql_that_confirms_too_early_is_a_failure(
    installation: Terminal, database: str
) -> None:
    installation.environ["WORKSGATE_DATABASE_URL"] = database
    installation.ok("client", "add", "acme")
    assert "store: it responds, and does not evict data" in findings(installation)["ok"]
    installation.environ["WORKSGATE_DATABASE_URL"] = f"{database}?synchronous_commit=off"
    (told,) = findings(installation, code=1)["fail"]
    assert told.startswith("store: PostgreSQL confirms what is not on its disk")


def test_programs_for_backups_of_postgresql_that_are_missing_are_reported(
    installation: Terminal, database: str, tmp_path: Path
) -> None:
    installation.environ["WORKSGATE_DATABASE_URL"] = database
    installation.ok("client", "add", "acme")
    assert "backups: pg_dump and pg_restore are installed" in findings(installation)["ok"]
    installation.environ["PATH"] = str(tmp_path)
    told = findings(installation)["warn"]
    assert "backups: backups can neither be written nor restored here: pg_dump is missing" in told


def test_f07_the_connections_of_postgresql_are_reckoned(
    installation: Terminal, database: str
) -> None:
    installation.environ["WORKSGATE_DATABASE_URL"] = database
    assert any(
        each.startswith("connections: the server allows") for each in findings(installation)["ok"]
    )
    installation.environ["WORKSGATE_DATABASE_CONNECTIONS"] = "1000"
    assert any("needs up to 1005" in each for each in findings(installation)["warn"])


def test_r286_a_full_disk_of_postgresql_is_a_failure(installation: Terminal, database: str) -> None:
    installation.environ["WORKSGATE_DATABASE_URL"] = database
    assert "database: it is writable" in findings(installation)["ok"]
    name = database.rpartition("/")[2]
    shared_postgres().query(_FULL_FOR_NEW_TABLES, name)
    try:
        (told,) = findings(installation, code=1)["fail"]
    finally:
        shared_postgres().query("DROP FUNCTION no_room CASCADE", name)
    assert told.startswith("database: it cannot be written to: ")
    assert "No space left on device" in told


_FULL_FOR_NEW_TABLES = """
    CREATE FUNCTION no_room() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$;
    CREATE EVENT TRIGGER no_room ON ddl_command_start WHEN TAG IN ('CREATE TABLE AS')
        EXECUTE FUNCTION no_room();
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    with giving_back(tmp_path):
        yield url_for(tmp_path)
