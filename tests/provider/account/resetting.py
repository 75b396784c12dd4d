"""Password resets on a real database and a real store, for tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.databases import NOW, Clock, directory_in

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory import Account
from worksgate.directory.audit.writer import AuditWriter
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.directory.source import DirectorySource
from worksgate.mail import Mailer
from worksgate.oauth.model import Session
from worksgate.provider.account.disavowal import DisavowalLinks
from worksgate.provider.account.notices import Notices
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.reset_links import Accounts
from worksgate.provider.account.reset_requests import KnowsDevice, ResetRequests, no_known_device
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store
from worksgate.store.sqlite.store import SqliteStore
from worksgate.web.pages.mails import Mails

OLD_PASSWORD = "correct horse battery"
NEW_PASSWORD = "purple elephant orbit 9"
ADDRESS = "203.0.113.7"
SETTINGS = Settings(
    public_url="https://sso.example.com/w", product_name="LINE WORKS", company_name="Example K.K."
)


@dataclass
class Resetting:
    """All that a reset moves."""

    directory: Directory
    store: SqliteStore
    hashing: PasswordHashing
    audit: AuditWriter
    mailer: Mailer
    reset: PasswordReset
    clock: Clock = field(default_factory=Clock)

    async def ask(self, typed: str, *, address: str = ADDRESS, language: str = "en") -> None:
        await self.reset.requests.receive(typed, language, address, self.clock())

    async def answered(self) -> None:
        """Return when what was asked has been answered and all mail is out."""
        await self.reset.close()
        await self.mailer.close()

    async def account(self, username: str) -> Account:
        account = await self.directory.account_by_username(username)
        assert account is not None
        return account

    async def change(self, username: str, /, **values: object) -> None:
        """What an administrator does meanwhile."""
        async with self.directory.changing() as transaction:
            before = await transaction.account(username)
            assert before is not None
            after = replace(before, **values)  # type: ignore[arg-type]  # fields of Account
            await transaction.change_account(before, after, self.clock())

    async def secret(self, username: str = "aoi") -> str:
        """The secret of a link that an administrator has made."""
        account = await self.account(username)
        return secret_of(await self.reset.links.issue(account, actor="test", now=self.clock()))

    async def finish(self, secret: str, password: str = NEW_PASSWORD) -> Person:
        return await self.reset.finish(secret, password, self.clock(), address=ADDRESS)

    async def sign_in(self, username: str, password: str) -> Person | None:
        source = DirectorySource(self.directory, self.hashing, clock=self.clock)
        return await source.authenticate(username, password)

    async def open_session(self, username: str) -> str:
        """The key of a session of this person."""
        person = (await self.account(username)).person
        session = Session(
            key=f"{username:x<64}",
            grant_id="g",
            subject_id=person.subject_id,
            client_id="",
            expires_at=NOW + 3_600,
            source="directory",
            username=username,
            name="",
            external_key=None,
            works_account=None,
            authenticated_at=NOW,
        )
        await self.store.save(session)
        return session.key

    async def events(self, *kinds: Event) -> list[AuditEvent]:
        await self.audit.flush()
        found = await self.directory.audit(AuditFilter())
        return [event for event in found if event.event in kinds]

    def on(
        self,
        *,
        accounts: Accounts | None = None,
        store: Store | None = None,
        hashing: PasswordHashing | None = None,
        knows_device: KnowsDevice = no_known_device,
    ) -> PasswordReset:
        """The same reset on something that behaves otherwise."""
        accounts, store = accounts or self.directory, store or self.store
        requests = ResetRequests(
            SETTINGS,
            accounts,
            store,
            self.audit,
            StrangerRecords(self.audit, self.store.bump),
            mail=self.mailer,
            texts=Mails(SETTINGS),
            languages=self.directory.preferences,
            knows_device=knows_device,
        )
        return PasswordReset(SETTINGS, accounts, store, hashing or self.hashing, requests)


def secret_of(link: str) -> str:
    (secret,) = parse_qs(urlsplit(link).query)["token"]
    return secret


@asynccontextmanager
async def resetting(
    database: Path, hashing: PasswordHashing, smtp_url: str
) -> AsyncIterator[Resetting]:
    async with AsyncExitStack() as stack:
        directory = await stack.enter_async_context(directory_in(database))
        store = await SqliteStore.open(str(database), spare=0)
        stack.push_async_callback(store.close)
        audit = AuditWriter(directory, Clock())
        stack.push_async_callback(audit.close)
        mailer = Mailer(smtp_url, "sso@example.com", name=SETTINGS.company_name)
        stack.push_async_callback(mailer.close, 0.1)
        texts = Mails(SETTINGS)
        strangers = StrangerRecords(audit, store.bump)
        requests = ResetRequests(
            SETTINGS,
            directory,
            store,
            audit,
            strangers,
            mail=mailer,
            texts=texts,
            languages=directory.preferences,
        )
        reset = PasswordReset(SETTINGS, directory, store, hashing, requests)
        stack.push_async_callback(reset.close, 0.1)
        notices = Notices(directory, mailer, texts, DisavowalLinks(SETTINGS, store))
        stack.push_async_callback(notices.close, 0.1)
        directory.announce = notices.notify
        await _add_people(directory, await hashing.hash(OLD_PASSWORD))
        yield Resetting(directory, store, hashing, audit, mailer, reset)


async def _add_people(directory: Directory, password_hash: str) -> None:
    people = (
        Account(id="1", username="aoi", name="青井 葵", email="aoi@example.com"),
        Account(id="2", username="min", name="", email="shared@example.com"),
        Account(id="3", username="jun", name="<b>Jun</b>", email="Shared@Example.com"),
        Account(id="4", username="nomail", name=""),
        Account(id="5", username="gone", email="gone@example.com", enabled=False),
    )
    async with directory.changing() as transaction:
        await transaction.add_accounts(
            [
                replace(
                    each,
                    password_hash=password_hash,
                    password_changed_at=NOW - 60,
                    must_change_password=True,
                )
                for each in people
            ]
        )
