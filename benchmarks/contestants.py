"""Who takes part: each can issue codes and tokens beforehand, serve, and be checked afterwards."""

import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import provision
from load import Failed, Template
from process import Server, _clean_environment, free_port, worksgate

from worksgate.credentials.secrets import digest, new_ordered_id, new_ordered_secret, storage_key
from worksgate.oauth.model import AccessToken, Artifact, AuthorizationCode, LoginKind
from worksgate.store.sqlite import statements as sqlite_statements

HERE = Path(__file__).parent
CALLBACK = "https://auth.worksmobile.com/cb"
HOUR = 3_600
DAY = 24 * HOUR
PEOPLE = 5_000
"""So many persons hold the codes and tokens."""


class Contestant(Protocol):
    """A server that is measured."""

    name: str
    server: Server

    def start(self, core: int | None) -> None: ...

    def codes(self, count: int) -> Sequence[str]:
        """Issue codes; nothing of that is measured."""
        ...

    def tokens(self, count: int) -> Sequence[str]: ...

    def token_call(self, values: Sequence[str]) -> Template: ...

    def user_info_call(self, values: Sequence[str]) -> Template: ...

    def check_tokens(self, answers: int) -> None:
        """Raise Failed unless so many tokens were bought since the codes were issued."""
        ...

    def check_audit(self, call: str, answers: int) -> None:
        """Raise Failed unless each answer to these calls left its audit record, if any does."""
        ...


class _WithoutAudit:
    """A contestant that remembers nothing of its answers."""

    def check_audit(self, call: str, answers: int) -> None:
        """There is nothing to check."""


class Worksgate:
    """``worksgate serve`` as it is: SQLite, durable, audit in the database, JSON log in a file."""

    name = "worksgate"

    def __init__(self, folder: Path, **settings: str) -> None:
        """``settings`` are variables of the environment, beside those that are needed here."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self.database = folder / "worksgate.db"
        self.environment = {
            "WORKSGATE_DATABASE_URL": f"sqlite:///{self.database}",
            "WORKSGATE_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "WORKSGATE_PORT": str(self.port),
            **settings,
        }
        self.command("migrate")
        added = self.command("client", "add", "Benchmark", "--redirect-uri", CALLBACK, "--json")
        client = json.loads(added)
        self.client_id: str = client["client_id"]
        self.client_secret: str = client["client_secret"]
        self._used_before: set[str] = set()
        self._tokens_before = 0
        self._audited: dict[str, int] = {}

    def program(self, *arguments: str) -> list[str]:
        """The command line of a command of Worksgate."""
        return worksgate(*arguments)

    def command(self, *arguments: str, text: str | None = None) -> str:
        """What a command of Worksgate prints. Raises Failed."""
        done = subprocess.run(
            self.program(*arguments),
            cwd=self.folder,
            env={**_clean_environment(), **self.environment},
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"worksgate {arguments[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def start(self, core: int | None) -> None:
        self.server = Server(
            self.program("serve"),
            self.port,
            self.folder,
            core=core,
            environment=self.environment,
            ready="/readyz",
        )
        self.server.wait()

    def codes(self, count: int) -> Sequence[str]:
        values = [new_ordered_secret() for _ in range(count)]
        self.save([self._code(position, value) for position, value in enumerate(values)])
        self.expect_tokens()
        return values

    def tokens(self, count: int) -> Sequence[str]:
        values = [new_ordered_secret() for _ in range(count)]
        self.save([self._token(position, value) for position, value in enumerate(values)])
        return values

    def token_call(self, values: Sequence[str]) -> Template:
        fields = {"grant_type": "authorization_code", **self._credentials()}
        return Template.form("/accessToken", fields, "code", len(values[0]))

    def user_info_call(self, values: Sequence[str]) -> Template:
        length = len(values[0])
        return Template.form("/userInfo", self._credentials(), "access_token", length)

    def expect_tokens(self) -> None:
        """Count the tokens for ``check_tokens`` from here on."""
        self._used_before, self._tokens_before = self._used(), self._tokens()

    def check_tokens(self, answers: int, ignore_records: int = 0) -> None:
        """As the contract says; of ``ignore_records`` calls it is not known what became of them."""
        # Those of earlier rounds may have been purged by now, so it is not their number that tells.
        used = len(self._used() - self._used_before)
        tokens = self._tokens() - self._tokens_before
        if used != tokens or not answers <= used <= answers + ignore_records:
            raise Failed(f"{answers} answers, but {used} used codes and {tokens} tokens")

    def check_audit(self, call: str, answers: int) -> None:
        event = {"token": "code.redeemed", "userinfo": "user_info.returned"}[call]
        before = self._audited.get(event, 0)
        self._audited[event] = before + answers
        self.check_records(event, before, answers)

    def check_records(self, event: str, before: int, answers: int) -> None:
        """Raise Failed unless there are so many more records of an event than ``before``."""
        until = time.monotonic() + 10  # the records come a moment after the answers
        while (found := self.records(event) - before) < answers and time.monotonic() < until:
            time.sleep(0.1)
        if found != answers:
            raise Failed(f"{answers} answers, but {found} audit records of {event}")

    def only_account(self) -> dict[str, Any]:
        """The row of the one person there is, by column."""
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute("SELECT * FROM accounts")
            return dict(
                zip((column[0] for column in rows.description), rows.fetchone(), strict=True)
            )

    def add_accounts(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add people; nothing of that is measured."""
        columns = ", ".join(rows[0])
        marks = ", ".join(f":{name}" for name in rows[0])
        with closing(sqlite3.connect(self.database)) as db, db:
            db.executemany(f"INSERT INTO accounts ({columns}) VALUES ({marks})", rows)

    def records(self, event: str) -> int:
        """How many audit records there are of an event."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            query = "SELECT count(*) FROM audit WHERE event = ?"
            return int(db.execute(query, (event,)).fetchone()[0])

    def code_keys(self) -> set[str]:
        """The keys of all codes that are kept."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            return {key for (key,) in db.execute("SELECT key FROM codes")}

    def _credentials(self) -> dict[str, str]:
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    def save(self, artifacts: Sequence[Artifact]) -> None:
        """Keep codes, tokens or sessions; nothing of that is measured."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            with db:
                sqlite_statements.save(db, artifacts)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _used(self) -> set[str]:
        """The keys of the codes that have been used and are still remembered."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            return {key for (key,) in db.execute("SELECT key FROM codes WHERE used = 1")}

    def _tokens(self) -> int:
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            # The digest's own index is the smallest that counts every token.
            return int(db.execute("SELECT count(*) FROM access_tokens").fetchone()[0])

    def _code(self, position: int, value: str) -> AuthorizationCode:
        return AuthorizationCode(
            key=storage_key(value),
            grant_id=new_ordered_id(),
            subject_id=f"subject-{position % PEOPLE:06}-------",
            client_id=self.client_id,
            expires_at=time.time() + HOUR,
            user_id=f"E-{position % PEOPLE:06}",
            login_id=new_ordered_id(),
            login_kind=LoginKind.WEB,
            lifetime=DAY,
            expires_in=DAY,
        )

    def _token(self, position: int, value: str) -> AccessToken:
        return AccessToken(
            key=storage_key(value),
            grant_id=new_ordered_id(),
            subject_id=f"subject-{position % PEOPLE:06}-------",
            client_id=self.client_id,
            expires_at=time.time() + DAY,
            user_id=f"E-{position % PEOPLE:06}",
            login_id=new_ordered_id(),
            login_kind=LoginKind.WEB,
        )


class LightHashes:
    """Beside a Worksgate: its passwords cost next to nothing (``light_hashes.py``)."""

    def program(self, *arguments: str) -> list[str]:
        return [sys.executable, str(HERE / "light_hashes.py"), *arguments]


class WorksgateWithLightHashes(LightHashes, Worksgate):
    """For what a form costs beside its hash, and for nothing else."""

    name = "light"


class WorksgateWithClients(Worksgate):
    """The same, with ten thousand clients more."""

    name = "clients"
    number = 10_000

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        with closing(sqlite3.connect(self.database)) as db, db:
            db.row_factory = sqlite3.Row
            model = dict(db.execute("SELECT * FROM clients").fetchone())
            columns = ", ".join(model)
            places = ", ".join(f":{name}" for name in model)
            for number in range(self.number):
                name = f"tenant-{number:05}"
                row = {**model, "client_id": name, "name": name, "name_key": name}
                db.execute(f"INSERT INTO clients ({columns}) VALUES ({places})", row)
                db.execute(
                    "INSERT INTO client_secrets (digest, client_id, created_at) VALUES (?, ?, 0)",
                    (f"digest of {name}", name),
                )


class Bare(_WithoutAudit, Worksgate):
    """The least that does the same: ``bare.py`` on the same server, tables and commits."""

    name = "bare"

    def start(self, core: int | None) -> None:
        self.server = bare_server(self, "bare.py", self.database, core)
        self.server.wait()


def bare_server(
    of: Worksgate, script: str, database: str | Path, core: int | None, *tls: str
) -> Server:
    """A handler of ours that does the least, on the database of a contestant.

    ``tls`` are a certificate and its key; with them there is no way to ask whether it is ready.
    """
    command: list[str | Path] = [sys.executable, HERE / script, database, str(of.port)]
    return Server(
        [*command, of.client_id, digest(of.client_secret), *tls],
        of.port,
        of.folder,
        core=core,
        ready=None if tls else "/readyz",
    )


class Node(_WithoutAudit):
    """node-oidc-provider with everything in memory, as plain OAuth: no ID token is signed."""

    name = "node"
    codes_are = "codes"
    options: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._script = provision.node_peer() / "server.mjs"
        self._port = free_port()

    def start(self, core: int | None) -> None:
        self.server = Server(
            ["node", self._script, str(self._port), *self.options],
            self._port,
            self._folder,
            core=core,
            environment={"NODE_ENV": "production"},
            talks=True,
        )
        self.server.wait()

    def codes(self, count: int) -> Sequence[str]:
        return self._issue(self.codes_are, count)

    def tokens(self, count: int) -> Sequence[str]:
        return self._issue("tokens", count)

    def token_call(self, values: Sequence[str]) -> Template:
        return _standard_token_call("/token", values)

    def user_info_call(self, values: Sequence[str]) -> Template:
        return Template.bearer("/me")

    def check_tokens(self, answers: int) -> None:
        """Its memory cannot be looked into; every answer was a good one."""

    def _issue(self, what: str, count: int) -> Sequence[str]:
        file = self._folder / what
        self.server.ask(f"{what} {count} {file}")
        return file.read_text().split()


class NodeOpenId(Node):
    """The same as OpenID Connect wants it: an ID token is signed for each access token."""

    name = "node_openid"
    codes_are = "openid_codes"


class Django(_WithoutAudit):
    """django-oauth-toolkit under gunicorn, on SQLite that is as durable as ours.

    It hashes the client's secret as it does passwords, and checks it so in every call.
    """

    name = "django"
    secret = "hashed"
    under_way = 32
    """So many calls may be on their way when the load ends: each takes a good part of a second."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._python = provision.django_peer()
        self._port = free_port()
        self._environment = {"BENCHMARK_DATABASE": str(folder / "django.db")}
        self._before = 0
        self._command("prepare", self.secret)

    def start(self, core: int | None) -> None:
        command: list[str | Path] = [
            self._python.with_name("gunicorn"),
            "--chdir",
            provision.DJANGO,
        ]
        command += ["--workers", "1", "--worker-class", "gthread", "--threads", "4"]
        command += ["--keep-alive", "60", "--worker-tmp-dir", self._folder]
        self.server = Server(
            [*command, "--bind", f"127.0.0.1:{self._port}", "provider:application"],
            self._port,
            self._folder,
            core=core,
            environment=self._environment,
        )
        self.server.wait()

    def codes(self, count: int) -> Sequence[str]:
        values = self._issue("codes", count)
        self._before = self._count()
        return values

    def tokens(self, count: int) -> Sequence[str]:
        return self._issue("tokens", count)

    def token_call(self, values: Sequence[str]) -> Template:
        return _standard_token_call("/o/token/", values)

    def user_info_call(self, values: Sequence[str]) -> Template:
        return Template.bearer("/o/userinfo/")

    def check_tokens(self, answers: int) -> None:
        tokens = self._count() - self._before
        if not answers <= tokens <= answers + self.under_way:
            raise Failed(f"{answers} answers, but {tokens} tokens")

    def _issue(self, what: str, count: int) -> Sequence[str]:
        values = [secrets.token_urlsafe(32) for _ in range(count)]
        file = self._folder / what
        file.write_text("\n".join(values))
        self._command(what, str(file))
        return values

    def _count(self) -> int:
        with closing(sqlite3.connect(self._folder / "django.db", timeout=30)) as db:
            query = "SELECT count(*) FROM oauth2_provider_accesstoken"
            return int(db.execute(query).fetchone()[0])

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            [self._python, provision.DJANGO / "provider.py", *arguments],
            env={**_clean_environment(), **self._environment},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"the Django peer: {done.stderr.strip()[-300:]}")


class DjangoInClear(Django):
    """The same with its secret kept in clear, which is faster than it comes."""

    name = "django_in_clear"
    secret = "in_clear"
    under_way = 0


def _standard_token_call(path: str, values: Sequence[str]) -> Template:
    """The token call of the RFC, which has the redirect_uri that LINE WORKS leaves out."""
    fields = {
        "grant_type": "authorization_code",
        "client_id": "benchmark",
        "client_secret": "benchmark-secret",
        "redirect_uri": CALLBACK,
    }
    return Template.form(path, fields, "code", len(values[0]))
