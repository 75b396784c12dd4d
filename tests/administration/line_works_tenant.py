"""An administration with the API of a LINE WORKS that is simulated on a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.administration.external_keys.line_works import (
    KEYRING,
    LineWorks,
    api_app,
)
from tests.administration.installation import PASSWORD, FailingStore, Office, opened
from tests.databases import Clock, directory_in

from worksgate.administration import Administration
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory import Account
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings

TENANT = "Acme"


@dataclass
class Tenant(Office):
    """Where an administrator works, with LINE WORKS beside it."""

    line_works: LineWorks | None = None

    async def add(self, name: str, key: str | None, works_account: str | None = None) -> Account:
        """Somebody here, who is signed in."""
        added = await self.administration.users.add(
            name, password=PASSWORD, external_key=key, works_account=works_account
        )
        await self.sign_in(added.account)
        return added.account

    async def is_enabled(self, name: str) -> bool:
        return (await self.administration.users.get(name)).enabled


@asynccontextmanager
async def tenant_in(
    file: Path, hashing: PasswordHashing, line_works: LineWorks
) -> AsyncIterator[Tenant]:
    """With a client whose API is set up."""
    settings = Settings(
        public_url="https://sso.example.com/gate/",
        line_works_api_urls=(f"line_works={line_works.hosts.api}",),
        line_works_auth_urls=(f"line_works={line_works.hosts.auth}",),
    )
    store, clock = FailingStore(), Clock()
    async with directory_in(file, KEYRING) as directory:
        await directory.signing_key()
        async with directory.changing() as transaction:
            await transaction.add_client(Client(client_id="tenant", name=TENANT))
        administration = Administration(
            settings, directory, opened(store), hashing, actor="tester", clock=clock
        )
        await administration.line_works_api.set(TENANT, api_app())
        yield Tenant(administration, directory, store, file, clock, line_works=line_works)
