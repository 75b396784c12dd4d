"""A real ``worksgate serve`` with the operator's own port, and what LINE WORKS sends to it."""

import asyncio
import os
import signal
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from tests import forking
from tests.installation import prepared
from tests.ports import free_port
from tests.served import wait_until

from worksgate.bootstrap.administration import open_administration

EMAIL = "hana@example.com"
PASSWORD = "canary right mare ~~>>?? 5d1c"
WRONG = "canary wrong mule ~~>>?? 8f3a"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Metrics:
    """One page of metrics, read by the parser of the Prometheus client."""

    text: str

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        found = self.all(name, **labels)
        assert found, f"no {name} {labels}"
        return sum(value for _, value in found)

    def all(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    @property
    def names(self) -> set[str]:
        """The names of the samples."""
        families = text_string_to_metric_families(self.text)
        return {sample.name for family in families for sample in family.samples}


@dataclass
class Site:
    """Where it listens, and what was registered there."""

    folder: Path
    http: httpx2.Client
    operations: httpx2.Client
    client_id: str
    client_secret: str
    process: forking.Process

    def metrics(self) -> Metrics:
        response = self.operations.get("/metrics")
        assert response.status_code == 200, response.text
        return Metrics(response.text)

    def exchange(self, code: str, **more: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": code,
            **more,
        }
        return self.http.post("/accessToken", data=form)

    def user_info(self, token: str) -> httpx2.Response:
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "access_token": token,
        }
        return self.http.post("/userInfo", data=form)

    def mail_client(self, password: str) -> httpx2.Response:
        email, secret = (quote(b64encode(x.encode()).decode(), safe="") for x in (EMAIL, password))
        return self.http.get(f"/apiLogin/{self.client_id}?email={email}&password={secret}")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")


@contextmanager
def site(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Site]:
    """Serve until the end of the block; ``settings`` are added to the settings file."""
    port, admin_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    chosen, client = asyncio.run(prepared(folder, public_url=url))

    async def set_up() -> None:
        async with open_administration(chosen) as administration:
            await administration.clients.change("Acme", imap_login=True, imap_passwords="all")
            await administration.users.add(EMAIL, password=PASSWORD, external_key="hana")

    asyncio.run(set_up())
    write_settings(
        folder,
        public_url=url,
        port=port,
        answer_deadline=settings.pop("answer_deadline", LONGEST),
        database_url=chosen.database_url,
        admin_port=admin_port,
        log_format="json",
        hashing_threads=1,
        **settings,
    )
    with (
        serving(folder, arguments, environment or {}) as process,
        httpx2.Client(base_url=url, timeout=60, trust_env=False) as http,
        httpx2.Client(
            base_url=f"http://127.0.0.1:{admin_port}", timeout=60, trust_env=False
        ) as operations,
    ):
        wait_until(lambda: process.poll() is not None or is_ready(operations))
        assert process.poll() is None, (folder / "log").read_text()
        yield Site(folder, http, operations, client.client.client_id, client.client_secret, process)


LONGEST = 2.9
"""Seconds: the longest ``answer_deadline`` that there may be; the machine may be busy."""


def write_settings(folder: Path, **settings: object) -> None:
    lines = (f"{name} = {_toml(value)}\n" for name, value in settings.items())
    (folder / "worksgate.toml").write_text("".join(lines), "utf-8")


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int | float) else f'"{value}"'


@contextmanager
def serving(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> Iterator[forking.Process]:
    inherited = {name: value for name, value in os.environ.items() if "WORKSGATE" not in name}
    with (folder / "log").open("wb") as out:
        process = forking.start(
            *("serve", *arguments),
            cwd=folder,
            env={**inherited, **environment},
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)


def is_ready(operations: httpx2.Client) -> bool:
    with suppress(httpx2.TransportError):
        return operations.get("/readyz").status_code == 200
    return False
