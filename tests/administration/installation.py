"""An administration on a real database, and everything that a person may hold in its store."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import NOW, Clock

from worksgate.administration import Administration
from worksgate.audit import AuditEvent
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.oauth.model import AccessToken, LoginKind, Session
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable
from worksgate.store.memory import MemoryStore

PASSWORD = "correct horse battery"


class FailingStore(MemoryStore):
    """A store that can be away."""

    away = False

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return await super().forget(subject_id, records=records)


@dataclass
class Office:
    """Where an administrator works in these tests."""

    administration: Administration
    directory: Directory
    store: FailingStore
    file: Path
    clock: Clock = field(default_factory=Clock)

    async def sign_in(self, account: Account, person: Person | None = None) -> None:
        """Give a person, by default that of the account, a session and an access token."""
        subject_id = (person or account.person).subject_id
        await self.store.save(_session(account, subject_id), _access_token(account, subject_id))

    async def holds_nothing(self, account: Account) -> bool:
        session = await self.store.find(Session, f"session of {account.id}")
        token = await self.store.find(AccessToken, f"token of {account.id}")
        assert (session is None) == (token is None)
        return session is None


def opened(store: Store) -> Callable[[], Awaitable[Store]]:
    """What gives an administration a store that is open already."""

    async def give() -> Store:
        return store

    return give


def office(directory: Directory, file: Path, hashing: PasswordHashing) -> Office:
    store, clock = FailingStore(), Clock()
    administration = Administration(
        Settings(public_url="https://sso.example.com/gate/", company_name="Example Corp"),
        directory,
        opened(store),
        hashing,
        actor="tester",
        clock=clock,
    )
    return Office(administration, directory, store, file, clock)


def _session(account: Account, subject_id: str) -> Session:
    return Session(
        key=f"session of {account.id}",
        grant_id="g1",
        subject_id=subject_id,
        client_id="",
        expires_at=NOW + 3_600,
        source="directory",
        username=account.username,
        name=account.name,
        external_key=account.external_key,
        works_account=account.works_account,
        authenticated_at=NOW,
    )


def _access_token(account: Account, subject_id: str) -> AccessToken:
    return AccessToken(
        key=f"token of {account.id}",
        grant_id="g2",
        subject_id=subject_id,
        client_id="c1",
        expires_at=NOW + 3_600,
        user_id=account.external_key or "",
        login_id="l1",
        login_kind=LoginKind.WEB,
    )
