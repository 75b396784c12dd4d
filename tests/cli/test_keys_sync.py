"""``worksgate line-works-api``, and ``worksgate keys sync`` and ``undo``: also when killed."""

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum, auto
from pathlib import Path

import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.administration.external_keys.line_works import LineWorks, member, registered, served
from tests.cli.forking import forking
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.administration.external_keys.findings import SyncFinding, SyncFound
from worksgate.administration.external_keys.plan import KeyPlan
from worksgate.administration.external_keys.sync import Outcome
from worksgate.cli.keys_sync import _Result
from worksgate.conformance.directory_api import Bot, DirectoryApiSimulator, Operation, SignIn
from worksgate.credentials.master_key import MasterKey
from worksgate.oauth.model import Client

HERE = {f"k{number:03}": f"K-{number:03}" for number in range(130)}
MASTER_KEY = MasterKey(bytes(32))


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
def office(terminal: Terminal, line_works: LineWorks) -> Terminal:
    """An installation with a client, a master key in force, and LINE WORKS's address."""
    line_works.holds(dict.fromkeys(HERE))
    terminal.environ |= {
        "WORKSGATE_MASTER_KEY": MASTER_KEY.text,
        "WORKSGATE_LINE_WORKS_API_URLS": f"line_works={line_works.hosts.api}",
        "WORKSGATE_LINE_WORKS_AUTH_URLS": f"line_works={line_works.hosts.auth}",
    }
    terminal.ok("key", "encrypt", "--yes")
    terminal.ok("client", "add", "Acme")
    return terminal


@pytest.fixture
def ready(office: Terminal) -> Terminal:
    """The same with an app and people."""
    employ(office, HERE)
    return office


def employ(office: Terminal, keys: Mapping[str, str]) -> None:
    set_app(office)
    people = [(name, name, name, name, key, f"{name}@example.com") for name, key in keys.items()]
    with closing(sqlite3.connect(office.folder / "worksgate.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO accounts (id, username, username_key, name, external_key, works_account,"
            " enabled, administrator, created_at) VALUES (?, ?, ?, ?, ?, ?, 1, 0, 1.0)",
            people,
        )


def set_app(office: Terminal, scope: str = "directory") -> str:
    app = registered().app
    (office.folder / "private.key").write_text(registered().private_key)
    arguments = ("--app-id", app.client_id, "--service-account", app.service_account)
    return office.ok(
        *("line-works-api", "set", "Acme", *arguments, "--scope", scope),
        *("--private-key-file", "private.key", "--secret-stdin", "--domain-id", "1"),
        stdin=app.client_secret.encode() + b"\n",
    ).out


def test_r216_an_app_is_set_shown_without_secrets_tested_and_removed(office: Terminal) -> None:
    secret, key = registered().app.client_secret, registered().private_key.splitlines()[3]
    told = set_app(office)
    told += office.ok("line-works-api", "show", "Acme").out
    shown = office.json("line-works-api", "show", "Acme")
    assert (shown["scopes"], shown["domains"]) == (["directory"], [1])
    assert shown["scim"] == "https://www.worksapis.com/scim/v2"
    steps = office.json("line-works-api", "test", "Acme")
    assert [(each["step"], each["works"]) for each in steps] == [
        ("key", True),
        ("token", True),
        ("scope", True),
        ("listing", True),
    ]
    told += json.dumps([shown, steps]) + office.ok("line-works-api", "test").out
    told += office.ok("line-works-api", "remove", "Acme", "--yes").out
    assert secret not in told
    assert key not in told
    assert "has no app" in office.refused("line-works-api", "show", "Acme")
    assert "no client has an app" in office.refused("keys", "sync", "--yes")


def test_a_test_ends_with_the_step_that_does_not_work(
    office: Terminal, line_works: LineWorks
) -> None:
    set_app(office, scope="calendar")
    result = office.run("line-works-api", "test", "--json")
    assert result.code == 1
    assert [each["works"] for each in result.json] == [True, False]
    assert "invalid_scope" in result.json[-1]["text"]
    set_app(office, scope="user.read")
    result = office.run("line-works-api", "test")
    assert result.code == 1
    assert "the free plan has no directory" in result.out
    office.environ["WORKSGATE_LINE_WORKS_AUTH_URLS"] = "workbox=https://auth.example"
    assert "line_works_auth_urls" in office.refused("line-works-api", "test")


def test_a_test_message_is_sent_if_it_is_wished(office: Terminal, line_works: LineWorks) -> None:
    line_works.simulator = DirectoryApiSimulator(
        [member("aoi", None)], registered=registered(), bots=[Bot("7")]
    )
    set_app(office, scope="bot.message")
    office.environ["WORKSGATE_ALERT_BOT"] = "7"
    office.environ["WORKSGATE_ALERT_BOT_USERS"] = "aoi@example.com"
    assert [each["step"] for each in office.json("line-works-api", "test")] == [
        "key",
        "token",
        "scope",
    ]
    assert not line_works.simulator.state().messages
    told = office.ok("line-works-api", "test", "--message").out
    assert "LINE WORKS took 1 of 1 messages" in told
    assert len(line_works.simulator.state().messages) == 1
    office.environ["WORKSGATE_ALERT_BOT"] = "8"
    result = office.run("line-works-api", "test", "--message")
    assert (result.code, "took 0 of 1 messages: " in result.out) == (1, True)


def test_a_log_of_sign_ins_is_saved_and_compared(office: Terminal, line_works: LineWorks) -> None:
    line_works.simulator = DirectoryApiSimulator(
        sign_ins=[SignIn(time.time() - 900, "aoi@example.com", "Success")], registered=registered()
    )
    set_app(office, scope="audit.read")
    command = ("line-works-api", "audit-log", "auth.csv", "--since")
    assert "Saved auth.csv: 101 bytes." in office.ok(*command, "1h").out
    assert "aoi@example.com" in (office.folder / "auth.csv").read_text()
    assert "--force" in office.refused(*command, "1h")
    office.ok("user", "add", "ren", "--external-key", "R", "--works-account", "ren@example.com")
    with closing(sqlite3.connect(office.folder / "worksgate.db")) as database, database:
        (client,) = database.execute("SELECT client_id FROM clients").fetchone()
        (ren,) = database.execute("SELECT 'directory:' || id FROM accounts").fetchone()
        database.execute(
            "INSERT INTO audit (at, event, client_id, subject_id) VALUES (?, 'code.issued', ?, ?)",
            (time.time() - 600, client, ren),
        )
    result = office.run(*command, "1h", "--saved", "--json")
    assert result.code == 1
    assert result.json["only_there"] == 1
    assert [each["username"] for each in result.json["missing"]] == ["ren"]
    assert "ren@example.com" in office.run(*command, "1h", "--saved").out
    assert b"ren" in office.run(*command, "1h", "--saved", "--csv").out.encode()
    assert "log auth can" in office.run(*command, "1h", "--compare", "--service", "admin").err


@pytest.mark.parametrize("content", ["", "no key", "\u00e9"])
def test_what_is_no_private_key_is_refused(office: Terminal, content: str) -> None:
    (office.folder / "bad.key").write_text(content, "utf-8")
    line = office.refused(
        *("line-works-api", "set", "Acme", "--app-id", "a", "--service-account", "a@b"),
        *("--private-key-file", "bad.key", "--secret-stdin"),
        stdin=b"secret",
    )
    assert "key" in line
    assert not query(office.folder / "worksgate.db", "SELECT * FROM line_works_apps")


def test_r216_without_a_master_key_in_force_an_app_is_refused(terminal: Terminal) -> None:
    terminal.ok("client", "add", "Acme")
    (terminal.folder / "private.key").write_text(registered().private_key)
    (terminal.folder / "secret").write_text("secret\n")
    line = terminal.refused(
        *("line-works-api", "set", "Acme", "--app-id", "a", "--service-account", "a@b"),
        *("--private-key-file", "private.key", "--secret-file", "secret"),
    )
    assert "worksgate key encrypt" in line


def test_a_run_is_shown_first_and_then_written_and_taken_back(
    ready: Terminal, line_works: LineWorks
) -> None:
    line_works.holds({**dict.fromkeys(HERE), "k001": "K-001", "k002": "=old", "guest": "G"})
    result = ready.run("keys", "sync", "--dry-run", "--json")
    assert result.code == 1, "there are findings"
    assert (result.json["added"], result.json["replaced"], result.json["held"]) == (128, 0, None)
    assert sorted(each["finding"] for each in result.json["findings"]) == [
        "key_kept",
        "nobody_here",
    ]
    assert not line_works.simulator.calls_of(Operation.SET_KEYS)
    assert "pass --yes" in ready.run("keys", "sync").err
    result = ready.run("keys", "sync", "Acme", "--replace", "--yes", "--csv")
    assert result.out.splitlines() == [
        "finding,account,username,key_here,key_there,detail",
        "nobody_here,guest@example.com,,,G,",
    ]
    assert line_works.keys() == {**HERE, "guest": "G"}
    (undo_file,) = ready.folder.glob("*.undo.jsonl")
    own = ready.folder / "own.toml"
    own.touch()
    told = ready.ok("keys", "undo", str(undo_file), "--yes", "--config", str(own)).out
    assert f".undo.jsonl --config {own}\n" in told, "the printed command is complete"
    assert "LINE WORKS holds 129 of 129 keys of this run." in told
    assert line_works.keys() == {
        **dict.fromkeys(HERE),
        "k001": "K-001",
        "k002": "=old",
        "guest": "G",
    }
    # A second undo has nothing to do, and writes nothing.
    assert "had their key already" in ready.ok("keys", "undo", str(undo_file), "--yes").out
    assert len(list(ready.folder.glob("*.undo.jsonl"))) == 2


def test_everybody_has_theirs_already(ready: Terminal, line_works: LineWorks) -> None:
    line_works.holds(HERE)
    assert "130 of 130 members had their key already." in ready.ok("keys", "sync", "--yes").out
    assert not list(ready.folder.glob("worksgate-keys*"))


class Moment(StrEnum):
    """When a process is killed, as LINE WORKS sees it."""

    BEFORE = auto()
    """Its request has come, and nothing is done."""
    UNANSWERED = auto()
    """LINE WORKS has done it, and not said so."""
    ANSWERED = auto()


class Killing:
    """LINE WORKS, at whose n-th request the process that makes it is killed."""

    def __init__(self, app: ASGIApp, process: int, number: int, moment: Moment) -> None:
        self._app = app
        self._process = process
        self._left = number
        self._moment = moment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._left -= 1
        if self._left:
            await self._app(scope, receive, send)
            return
        if self._moment is Moment.ANSWERED:
            await self._app(scope, receive, send)
        if self._moment is Moment.UNANSWERED:
            await self._app(scope, receive, _nobody_listens)
        os.kill(self._process, signal.SIGKILL)
        if self._moment is not Moment.ANSWERED:
            await Response(status_code=503)(scope, receive, send)


async def _nobody_listens(_message: Message) -> None:
    """In place of ``send``."""


KILLED = 20
IMPORTED = (
    *("worksgate.bootstrap.administration", "worksgate.doctor.key_holders"),
    *("worksgate.administration.external_keys.sync", "worksgate.line_works_api.directory_api"),
    *("aiosqlite", "sqlalchemy.dialects.sqlite.aiosqlite", "joserfc.jwt", "httpx2"),
)
MANY = {f"m{number:03}": f"M-{number:03}" for number in range(330)}
"""People for a run of seven batches."""


def test_r218_a_run_that_is_killed_at_twenty_random_moments_goes_on(
    office: Terminal, line_works: LineWorks
) -> None:
    """``kill -9``, all over the run: a token, lists, batches in two rounds, the lists again."""
    employ(office, MANY)
    # Most have none yet; the keys of others move on by one, so that they are taken away first.
    chain = {f"m{number:03}": f"M-{number + 1:03}" for number in range(60)}
    before = {**dict.fromkeys(MANY), **chain, "m060": None}
    moments = random.Random(218)
    written: list[int] = []
    with forking(office._environ(), office.folder, IMPORTED) as commands:
        line_works.holds(before)
        while len(written) < KILLED:
            process = commands.begin("keys", "sync", "--replace", "--yes")
            simulator = line_works.simulator
            whole, moment = simulator.app, moments.choice(list(Moment))
            simulator.app = Killing(whole, process, moments.randint(1, 20), moment)
            code = commands.end()
            simulator.app = whole
            if code == -signal.SIGKILL:
                written.append(sum(line_works.keys()[name] == key for name, key in MANY.items()))
                continue
            assert (code, line_works.keys()) == (0, MANY)
            take_back(office, line_works, before)
    result = office.run("keys", "sync", "--replace", "--yes", "--json")
    assert (result.code, line_works.keys()) == (0, MANY), result.err
    assert not list(office.folder.glob("*.state.json"))
    take_back(office, line_works, before)
    assert {0, len(MANY)} < set(written), "before the first key, meanwhile, and after the last one"


def take_back(office: Terminal, line_works: LineWorks, before: Mapping[str, str | None]) -> None:
    """Undo what was written, latest first, as an administrator would."""
    for file in sorted(office.folder.glob("*.undo.jsonl"), reverse=True):
        office.ok("keys", "undo", str(file), "--yes")
    assert line_works.keys() == before
    for file in office.folder.glob("*.undo.jsonl"):
        file.unlink()


def test_an_interrupted_run_is_told_and_can_be_abandoned(
    ready: Terminal, line_works: LineWorks
) -> None:
    state = ready.folder / f"worksgate-keys-{client(ready).client_id}.state.json"
    state.write_text(json.dumps({"undo": str(ready.folder / "lost.undo.jsonl")}))
    result = ready.run("keys", "sync", "--yes")
    assert result.code == 1
    assert "An interrupted run goes on" in result.err
    assert "lost.undo.jsonl" in result.err.splitlines()[-1]
    assert ready.ok("keys", "sync", "--yes", "--abandon").out
    assert (line_works.keys(), state.exists()) == (HERE, False)


def client(office: Terminal) -> Client:
    ((client_id, name),) = query(
        office.folder / "worksgate.db", "SELECT client_id, name FROM clients"
    )
    return Client(client_id=client_id, name=name)


def test_both_forms_of_output_exclude_each_other(ready: Terminal) -> None:
    assert "exclude each other" in ready.misused("keys", "sync", "--csv", "--json")
    assert "exclude each other" in ready.misused(
        *("line-works-api", "set", "Acme", "--app-id", "a", "--service-account", "a@b"),
        *("--private-key-file", "x", "--secret-stdin", "--secret-file", "y"),
    )


def test_r217_an_undo_file_of_another_client_is_refused(ready: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_text(
        '{"kind": "worksgate external keys", "version": 1, "client_id": "x", "at": 1.0}\n'
        '{"members": 0}\n'
    )
    assert "there is no client 'x'" in ready.refused("keys", "undo", str(file))


def test_what_a_run_that_goes_on_finds_twice_is_told_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = SyncFound(finding=SyncFinding.CHANGED_SINCE, account="a@example.com")
    plan = KeyPlan(changes=[], found=[found], members=1, right=0)
    outcome = Outcome(planned=1, held=0, missing=[found], undo_file=tmp_path)
    with pytest.raises(SystemExit):
        _Result(plan, outcome).print(as_csv=False, as_json=True, is_dry_run=False)
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 1
