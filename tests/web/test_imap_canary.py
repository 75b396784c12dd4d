"""R-59: passwords sent to ``worksgate serve`` by mail clients, and a search for them.

They are sent right, wrong, malformed, too long, in wrong places, while the database is stuck and
into a crash. They are looked for in all that the server wrote: its two output streams and every
file beside its database, audit records and counters included, and in what it answers.
"""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from tests.installation import prepared
from tests.ports import free_port
from tests.served import read_all, wait_until

from worksgate.bootstrap.administration import open_administration
from worksgate.settings.options import Settings

pytestmark = pytest.mark.programs

EMAIL = "hana@example.com"
RIGHT = "canary right mare ~~>>?? 5d1c"
WRONG = "canary wrong mule ~~>>?? 8f3a"
MALFORMED = "canary malformed pony 27be"
LONG = "canary long donkey 41aa " * 800
CRASHING = "canary crashing zebra 93fd"
STUCK = "canary stuck stallion 06c1"
ELSEWHERE = "canary-elsewhere-foal-77e0"
CANARIES = (RIGHT, WRONG, MALFORMED, LONG[:23], CRASHING, STUCK, ELSEWHERE)

SERVE = """
import sys
from worksgate.cli import main
from worksgate.directory.source import DirectorySource

honest = DirectorySource.verify

async def verify(self, identified, password, *, admitted):
    if identified.username == "crash@example.com":
        raise RuntimeError(f"the password is {password}", {"password": password})
    return await honest(self, identified, password, admitted=admitted)

DirectorySource.verify = verify
sys.argv = ["worksgate", "serve"]
main()
"""
"""``worksgate serve`` with a mistake in it, whose words tell the password."""


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@dataclass
class MailClient:
    """What LINE WORKS sends for it, and every answer that came."""

    http: httpx2.Client
    client_id: str
    answers: list[httpx2.Response] = field(default_factory=list)

    @property
    def port(self) -> int:
        port = self.http.base_url.port
        assert port is not None
        return port

    def send(self, target: str, method: str = "GET", **request: object) -> httpx2.Response:
        answer = self.http.request(method, target, **request)  # type: ignore[arg-type]  # passed on
        self.answers.append(answer)
        return answer

    def log_in(self, password: str, email: str = EMAIL, method: str = "GET") -> httpx2.Response:
        return self.send(self.target(quote(encoded(password), safe=""), email), method)

    def target(self, value: str, email: str = EMAIL) -> str:
        escaped = quote(encoded(email), safe="")
        return f"/apiLogin/{self.client_id}?email={escaped}&password={value}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[MailClient, dict[str, bytes]]:
    """The mail client that tried it all, and the content of each file that there is then."""
    folder = tmp_path_factory.mktemp("canary")
    url = f"http://127.0.0.1:{free_port()}"
    settings, client = asyncio.run(prepared(folder, public_url=url))
    asyncio.run(set_up(settings))
    with serving(settings, folder) as http:
        mail_client = MailClient(http, client.client.client_id)
        try_it_all(mail_client, folder / "worksgate.db")
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
    files |= {f"{file.name} at the end": file.read_bytes() for file in folder.iterdir()}
    return mail_client, files


async def set_up(settings: Settings) -> None:
    async with open_administration(settings) as administration:
        await administration.clients.change("Acme", imap_login=True, imap_passwords="all")
        await administration.users.add(EMAIL, password=RIGHT, external_key="hana")


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[httpx2.Client]:
    environment = {
        **{name: value for name, value in os.environ.items() if "WORKSGATE" not in name},
        "WORKSGATE_PUBLIC_URL": settings.public_url,
        "WORKSGATE_DATABASE_URL": settings.database_url,
        "WORKSGATE_PORT": settings.public_url.rpartition(":")[2],
        "WORKSGATE_LOG_LEVEL": "debug",
        "WORKSGATE_LOG_FORMAT": "json",
        "PYTHONASYNCIODEBUG": "1",
    }
    with (folder / "log").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE], cwd=folder, env=environment, stdout=out, stderr=err
        )
        try:
            with httpx2.Client(base_url=settings.public_url, timeout=60) as http:
                wait_until(lambda: process.poll() is not None or is_ready(http))
                assert process.poll() is None, (folder / "err").read_text()
                yield http
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)


def is_ready(http: httpx2.Client) -> bool:
    with suppress(httpx2.TransportError):
        return http.get("/readyz").status_code == 200
    return False


def try_it_all(mail_client: MailClient, database: Path) -> None:
    assert mail_client.log_in(RIGHT).status_code == 200
    assert mail_client.log_in(WRONG).status_code == 401
    assert mail_client.log_in(WRONG, "nobody@example.com").status_code == 401
    for method in ("HEAD", "OPTIONS", "POST"):
        assert mail_client.log_in(WRONG, method=method).status_code == 405
    send_malformed(mail_client)
    send_elsewhere(mail_client)
    assert mail_client.log_in(CRASHING, "crash@example.com").status_code == 500
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert mail_client.log_in(STUCK).status_code == 503
        connection.execute("ROLLBACK")
    # The first waits are short: a busy machine may sit them out.
    assert any(mail_client.log_in(WRONG).status_code == 429 for _ in range(30))
    mail_client.send("/openapi.json")


def send_malformed(mail_client: MailClient) -> None:
    for value in (
        quote(MALFORMED),
        quote_plus(MALFORMED),
        f"*{encoded(MALFORMED)}",
        f"%20{encoded(MALFORMED)}",
        f"{encoded(MALFORMED)}&password={encoded(WRONG)}",
        quote(encoded(encoded(MALFORMED))) + "%00",
        MALFORMED.encode().hex() + "%FF",
    ):
        assert mail_client.send(mail_client.target(value)).status_code == 400
    assert mail_client.log_in(LONG).status_code == 400
    target = mail_client.target(encoded(LONG * 4))
    with socket.create_connection((mail_client.http.base_url.host, mail_client.port)) as wire:
        wire.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert read_all(wire).split()[1] in (b"400", b"431")


def send_elsewhere(mail_client: MailClient) -> None:
    """The address was put together wrongly, or is another path's."""
    own = f"/apiLogin/{mail_client.client_id}"
    secret = f"email=eA%3D%3D&password={ELSEWHERE}"
    for target in (
        *(f"{own}/{ELSEWHERE}", f"/apiLogin/{ELSEWHERE}", f"/apiLogin/?{secret}"),
        *(f"/apiLogin?{secret}", f"/apilogin/x?{secret}", f"/login?{secret}", f"/nothing?{secret}"),
        *(f"/accessToken?{secret}", f"/healthz?{secret}", f"/readyz?{secret}"),
    ):
        mail_client.send(target)
    mail_client.send(own, headers={"Authorization": f"Basic {encoded(f'x:{ELSEWHERE}')}"})
    mail_client.send(own, "POST", content=secret, headers={"Connection": "close"})


def hiding_places(secret: str) -> set[bytes]:
    raw = secret.encode()
    texts = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), secret[::-1]}
    texts |= {raw.hex(), raw.hex().upper(), encoded(encoded(secret))[:-4]}
    # Base64 of something longer holds one of three forms, by where the secret begins in it.
    for shift in range(3):
        form = b64encode(b"x" * shift + raw).decode()[4:-4]
        texts |= {form, quote(form, safe=""), form.replace("+", " "), form.replace("/", "\\/")}
    return {text.encode() for text in texts}


def test_r59_no_file_and_no_stream_holds_a_password(
    written: tuple[MailClient, dict[str, bytes]],
) -> None:
    _, files = written
    assert {"log", "err", "worksgate.db at the end"} <= set(files)
    found = [
        f"{canary!r} in {name}"
        for canary in CANARIES
        for name, content in files.items()
        if any(place in content for place in hiding_places(canary))
    ]
    assert found == []


def test_r59_no_answer_to_line_works_holds_a_password(
    written: tuple[MailClient, dict[str, bytes]],
) -> None:
    """A page for browsers may: each of its languages is a link to where the browser is."""
    mail_client, _ = written
    calls = [answer for answer in mail_client.answers if "json" in answer.headers["content-type"]]
    assert len(calls) > 35
    for answer in calls:
        told = answer.content + repr(answer.headers.raw).encode()
        for canary in CANARIES:
            assert not any(place in told for place in hiding_places(canary)), answer.status_code


def test_r59_what_happened_is_reported_all_the_same(
    written: tuple[MailClient, dict[str, bytes]],
) -> None:
    """The search would be worth nothing if nothing had been written."""
    _, files = written
    log = files["log at the end"].decode()
    for event in (
        *("imap.succeeded", "imap.failed", "imap.refused", "code.issued"),
        *("request.crashed", "request.unavailable"),
    ):
        assert f'"event":"{event}"' in log, event
    assert "RuntimeError" in log
    assert EMAIL.encode() in files["worksgate.db at the end"]


def test_r59_the_search_finds_what_is_there() -> None:
    query = MailClient(httpx2.Client(), "acme").target(quote(encoded(RIGHT), safe=""))
    for content in (query, RIGHT, quote(RIGHT), encoded(f"x{RIGHT}y"), RIGHT.encode().hex()):
        assert any(place in content.encode() for place in hiding_places(RIGHT))
    assert {"+", "/"} <= set(encoded(RIGHT))
