"""An installation with two server processes on one SQLite file, as an administrator runs it."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.bad_inputs.company import Company, company
from tests.bad_inputs.outside import Outside, outside
from tests.bad_inputs.wire import Answer, Connection, NoAnswerError, request
from tests.databases import query, url_of
from tests.ports import free_port

from worksgate.administration import Administration, NewClient
from worksgate.audit import AuditEvent
from worksgate.bootstrap.administration import open_administration
from worksgate.credentials.secrets import new_id, new_ordered_secret, storage_key
from worksgate.directory import Account
from worksgate.oauth.model import (
    AccessToken,
    AuthorizationCode,
    ImapPasswords,
    LoginKind,
    SessionKeyCheck,
)
from worksgate.settings.options import Settings
from worksgate.store.sqlite.store import SqliteStore

T = TypeVar("T")

USERNAME = "user1@example.com"
PASSWORD = "correct horse battery"
EXTERNAL_KEY = "user1"
CALLBACK = "https://auth.worksmobile.com/cb"
SIGNED_OUT = "https://works.example.com/signed-out"

START = 120.0
"""Seconds in which a server process must answer."""
CLIENTS_KNOWN = 0.25
"""Seconds after which every process has read the clients anew."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Node:
    """One server process, and what it wrote."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self, source: str | None = None) -> Connection:
        return Connection(self.port, source=source)

    def resident(self) -> float:
        """MiB of memory that the process has in use (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status == 200
        except (OSError, NoAnswerError):
            return False

    def get(self, target: str, **headers: str) -> Answer:
        return self.send("GET", target, {name.title(): value for name, value in headers.items()})

    def post(
        self, target: str, form: dict[str, str], source: str | None = None, **headers: str
    ) -> Answer:
        extra = {name.title(): value for name, value in headers.items()}
        return self.send("POST", target, {**FORM, **extra}, urlencode(form).encode(), source)

    def send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        source: str | None = None,
    ) -> Answer:
        """An ordinary request, as a well-behaved caller makes it; from ``source`` if given."""
        message = request(method, target.encode(), headers, body, host=f"127.0.0.1:{self.port}")
        with self.connect(source) as connection:
            return connection.exchange(message)


@dataclass
class Site:
    """The installation. ``client`` is the tenant that entries speak of; ``apps`` is a second one,
    which has each app's sessionKey checked; ``other`` a third; ``mail`` lets mail clients in.

    Of the nodes, ``with_ldap`` knows nobody but those of ``company``, a directory; the address of
    ``behind_https`` is an https one.
    """

    database: Path
    nodes: list[Node]
    outside: Outside
    store: SqliteStore
    administration: Administration
    runner: asyncio.Runner
    client: NewClient
    apps: NewClient
    other: NewClient
    mail: NewClient
    owner: Account
    company: Company
    special_nodes: list[Node] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def with_ldap(self) -> Node:
        return self.special_nodes[0]

    @property
    def behind_https(self) -> Node:
        return self.special_nodes[1]

    # What a person or an administrator brings about

    def issue_code(
        self, client: NewClient, person: Account, *, expires_in: float = 60.0
    ) -> tuple[str, str]:
        """A code as a sign-in leaves it in the store, and its grant."""
        secret, grant_id = new_ordered_secret(), new_id()
        code = AuthorizationCode(
            key=storage_key(secret),
            grant_id=grant_id,
            subject_id=person.person.subject_id,
            client_id=client.client.client_id,
            expires_at=time.time() + expires_in,
            user_id=person.external_key or "",
            login_id=new_id(),
            login_kind=LoginKind.WEB,
            lifetime=86_400,
            expires_in=86_400,
        )
        self.run(self.store.save(code))
        self.secrets.add(secret)
        return secret, grant_id

    def issue_token(
        self, client: NewClient, person: Account, *, expires_in: float = 86_400.0
    ) -> str:
        """An access token as an exchange leaves it in the store."""
        secret = new_ordered_secret()
        token = AccessToken(
            key=storage_key(secret),
            grant_id=new_id(),
            subject_id=person.person.subject_id,
            client_id=client.client.client_id,
            expires_at=time.time() + expires_in,
            user_id=person.external_key or "",
            login_id=new_id(),
            login_kind=LoginKind.WEB,
        )
        self.run(self.store.save(token))
        self.secrets.add(secret)
        return secret

    def age(self, table: str, grant_id: str, seconds: float) -> None:
        """Let what a grant holds in a table be older than it is."""
        self.rows(
            f"UPDATE {table} SET expires_at = expires_at - ? WHERE grant_id = ?", seconds, grant_id
        )

    def new_person(self) -> Account:
        """Somebody whom only one entry knows."""
        key = new_id()
        made = self.run(
            self.administration.users.add(
                f"{key}@example.com".lower(), password=PASSWORD, external_key=key
            )
        )
        return made.account

    def new_client(self, **settings: Any) -> NewClient:
        """A tenant that only one entry knows; every process knows it when this returns."""
        made = self.run(self.administration.clients.add(f"Tenant {new_id()}", **settings))
        self.secrets.add(made.client_secret)
        time.sleep(CLIENTS_KNOWN)
        return made

    def forget_failures(self) -> None:
        """Set all counters of the throttle back: entries are not about each other."""
        self.rows("DELETE FROM counters")

    # What LINE WORKS does

    def exchange(self, client: NewClient, code: str, node: Node | None = None) -> Answer:
        form = {
            "grant_type": "authorization_code",
            "client_id": client.client.client_id,
            "client_secret": client.client_secret,
            "code": code,
        }
        return (node or self.node).post("/accessToken", form)

    def access_token(self, client: NewClient, code: str) -> str:
        """The access token that a good code buys."""
        answer = self.exchange(client, code)
        assert answer.status == 200, answer.text
        token = str(answer.json()["access_token"])
        self.secrets.add(token)
        return token

    def user_info(self, client: NewClient, access_token: str) -> Answer:
        form = {
            "client_id": client.client.client_id,
            "client_secret": client.client_secret,
            "access_token": access_token,
        }
        return self.node.post("/userInfo", form)

    # What is left of it

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        return query(self.database, sql, *parameters)

    def codes(self) -> int:
        """The number of codes that were ever issued; nothing is purged meanwhile."""
        return int(self.rows("SELECT count(*) FROM codes")[0][0])

    def written(self) -> bytes:
        """All that the servers wrote, into their logs and into the database.

        Another process reads the files: this one has the database open, and would lose its locks
        by closing the file.
        """
        files = [node.log for node in (*self.nodes, *self.special_nodes)]
        files += [self.database, self.database.with_name(f"{self.database.name}-wal")]
        return subprocess.run(["cat", *files], check=True, capture_output=True).stdout

    def records(self, beginning: str, *, since: float) -> list[AuditEvent]:
        """What was recorded so far of events that begin so."""
        found = self.run(self.administration.audit_log.search(since=since, limit=10_000))
        return [record for record in found if record.event.startswith(beginning)]

    def login_url(self, redirect_uri: str, **parameters: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client.client.client_id,
            "redirect_uri": redirect_uri,
            **parameters,
        }
        return f"/login?{urlencode(query, quote_via=quote, safe='')}"


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """Two servers on one database, until the end of the block."""
    ports = [free_port() for _ in range(4)]
    with ExitStack() as stack:
        world, people = stack.enter_context(outside()), stack.enter_context(company())
        settings = Settings(
            public_url=f"http://127.0.0.1:{ports[0]}",
            database_url=url_of(folder / "worksgate.db"),
            session_key_check_url=world.session_key_check_url,
            purge_interval=0,
        )
        runner = stack.enter_context(asyncio.Runner(loop_factory=asyncio.new_event_loop))
        opened = AsyncExitStack()
        stack.callback(lambda: runner.run(opened.aclose()))
        site = runner.run(
            _furnish(opened, settings, folder / "worksgate.db", world, people, runner)
        )
        site.nodes += [_start(stack, settings, port, folder, world) for port in ports[:2]]
        secure = replace(settings, public_url="https://sso.example.com")
        site.special_nodes += [
            _start(stack, settings, ports[2], _folder_with_ldap(folder, people), world),
            _start(stack, secure, ports[3], folder, world),
        ]
        for node in (*site.nodes, *site.special_nodes):
            _await(node)
        yield site


async def _furnish(
    opened: AsyncExitStack,
    settings: Settings,
    database: Path,
    world: Outside,
    people: Company,
    runner: asyncio.Runner,
) -> Site:
    administration = await opened.enter_async_context(open_administration(settings, actor="test"))
    store = await SqliteStore.open(database)
    opened.push_async_callback(store.close)
    client = await administration.clients.add("Acme", logout_redirect_uris=(SIGNED_OUT,))
    apps = await administration.clients.add("Apps", session_key_check=SessionKeyCheck.FAIL_OPEN)
    other = await administration.clients.add("Other")
    mail = await administration.clients.add(
        "Mail", imap_login=True, imap_passwords=ImapPasswords.ALL
    )
    owner = await administration.users.add(
        USERNAME,
        password=PASSWORD,
        name="User One",
        external_key=EXTERNAL_KEY,
        works_account=USERNAME,
    )
    site = Site(
        database=database,
        nodes=[],
        outside=world,
        store=store,
        administration=administration,
        runner=runner,
        client=client,
        apps=apps,
        other=other,
        mail=mail,
        owner=owner.account,
        company=people,
    )
    site.secrets |= {each.client_secret for each in (client, apps, other, mail)}
    return site


def _folder_with_ldap(folder: Path, people: Company) -> Path:
    """Where a server starts that is set up to know nobody but these people."""
    inner = folder / "with_ldap"
    inner.mkdir()
    (inner / "worksgate.toml").write_text(people.configuration)
    return inner


def _start(stack: ExitStack, settings: Settings, port: int, folder: Path, world: Outside) -> Node:
    log = folder / f"node-{port}.log"
    environment = {
        "WORKSGATE_PUBLIC_URL": settings.public_url,
        "WORKSGATE_DATABASE_URL": settings.database_url,
        "WORKSGATE_SESSION_KEY_CHECK_URL": settings.session_key_check_url,
        "WORKSGATE_PURGE_INTERVAL": "0",
        "WORKSGATE_LOG_FORMAT": "json",
        "WORKSGATE_LOG_LEVEL": "debug",
        "WORKSGATE_PORT": str(port),
    }
    kept = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [sys.executable, "-m", "worksgate", "serve"],
        cwd=folder,
        env={**kept, **world.environment, **environment},
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    stack.callback(_stop, process)
    return Node(process, port, log)


def _await(node: Node) -> None:
    until = time.monotonic() + START
    while not node.is_ready():
        assert node.process.poll() is None, node.log.read_text()
        assert time.monotonic() < until, node.log.read_text()
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
