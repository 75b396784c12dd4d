"""What an administrator can do; the command line and the console both call it.

Every change is committed together with its audit record (I-5). What it must end elsewhere, such
as a disabled person's sessions and tokens, ends right after the commit (R-30); if the store does
not answer then, ``Unfinished`` says so, and the same call can be made again.

A client that is disabled is refused at every call until it is enabled again; what was issued to
it before and has not expired works again then. A removed client is unknown, with all it held.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

from worksgate.audit import AuditEvent, Event
from worksgate.credentials import PasswordHashing, digest, new_id, new_secret
from worksgate.directory import Account, Conflict
from worksgate.directory.account_rules import check_account, check_password, generated_password
from worksgate.directory.client_rules import (
    LINE_WORKS_ORIGIN,
    PROFILE_DEFAULTS,
    check_client,
    read_changes,
)
from worksgate.directory.database import Directory
from worksgate.directory.import_file import ImportReport, ImportRow, Reader
from worksgate.directory.importing import (
    Importer,
    ImportOptions,
    changes_between,
    must_sign_in_again,
)
from worksgate.directory.occupancy import KEY_KINDS
from worksgate.directory.people import RememberedPerson
from worksgate.directory.queries import AuditFilter
from worksgate.directory.transaction import Transaction
from worksgate.oauth.model import Client, ClientSecret, Profile, UserKey
from worksgate.password_reset import ResetLinks
from worksgate.purging import remove_expired
from worksgate.settings import Settings
from worksgate.source_settings.common import BUILT_IN
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable

IMPORT_BATCH = 200
"""Rows to one transaction: the server's own writes get their turn in between."""

_LONGEST_OVERLAP = 365 * 86_400.0
_ACCOUNT_FIELDS = frozenset(
    ("username", "name", "external_key", "works_account", "email", "groups", "administrator")
)

T = TypeVar("T")


class NotFound(Exception):
    """There is no such client or person; one sentence."""


class Refused(ValueError):
    """Something about the request is wrong, and nothing was changed; one sentence."""


class Unfinished(Exception):
    """The change is kept, but what it should end may live on: make the call again."""


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client and its new secret, which is shown once and kept nowhere."""

    client: Client
    client_secret: str = field(repr=False)
    urls: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account, and its password where that was generated; it is kept nowhere."""

    account: Account
    password: str | None = field(default=None, repr=False)


class Administration:
    """Clients, people and the audit log of one installation.

    Every call may raise DirectoryUnavailable; those that end sessions, Unfinished. ``actor`` is
    who does it, for the audit log.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Store,
        hashing: PasswordHashing,
        *,
        actor: str = "cli",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._hashing = hashing
        self._actor = actor
        self._clock = clock

    # Clients

    def urls(self, client_id: str) -> dict[str, str]:
        """The addresses for the Developer Console; ``imap_login`` is off until it is wanted."""
        settings, base = self._settings, self._settings.public_url.rstrip("/")
        return {
            "web_login": base + settings.web_login_path,
            "app_login": base + settings.web_login_path,
            "access_token": base + settings.access_token_path,
            "user_info": base + settings.user_info_path,
            "imap_login": f"{base}{settings.imap_login_path}/{client_id}",
            "logout": base + settings.logout_path,
        }

    async def add_client(
        self,
        name: str,
        *,
        profile: Profile = Profile.LINE_WORKS,
        redirect_uris: Iterable[str] = (),
        user_key: UserKey | None = None,
        **changes: Any,
    ) -> NewClient:
        """Register a LINE WORKS tenant, with the defaults of its profile.

        Without ``redirect_uris`` codes may be sent to LINE WORKS' own address. The id and the
        secret are made here, never chosen (R-46). Raises Refused or Conflict.
        """
        wanted: dict[str, Any] = {**changes, "name": name, "profile": profile}
        wanted["redirect_uris"] = tuple(redirect_uris) or (LINE_WORKS_ORIGIN,)
        if user_key is not None:
            wanted["user_key"] = user_key
        secret = new_secret()
        with _refusals():
            values = read_changes(wanted)
            client = self._checked(
                Client(
                    client_id=_new_client_id(),
                    secrets=(ClientSecret(digest(secret), created_at=self._clock()),),
                    **{**PROFILE_DEFAULTS[values["profile"]], **values},
                )
            )
        event = self._client_event(client, "added")
        async with self._directory.changing() as transaction:
            await transaction.add_client(client)
            await transaction.record(event)
        return NewClient(client, secret, self.urls(client.client_id))

    async def clients(self) -> tuple[Client, ...]:
        """All clients, by name."""
        return await self._directory.clients()

    async def client(self, name_or_id: str) -> Client:
        """The client with this id or name. Raises NotFound."""
        return _found(await self._directory.client(name_or_id), "client", name_or_id)

    async def change_client(self, name_or_id: str, /, **changes: Any) -> Client:
        """Change settings of a client: any but ids and secrets.

        Raises NotFound, Refused or Conflict.
        """
        with _refusals():
            values = read_changes(changes)
        detail = f"set {', '.join(sorted(values))}"
        return await self._change_client(
            name_or_id, detail, lambda client: replace(client, **values)
        )

    async def rotate_secret(self, name_or_id: str, *, overlap: float) -> NewClient:
        """Give a client a new secret; the one before stays valid for ``overlap`` seconds.

        At most two are valid at once (R-47): one that was left from a rotation before ends now.
        Raises NotFound or Refused.
        """
        if not (math.isfinite(overlap) and 0 <= overlap <= _LONGEST_OVERLAP):
            raise Refused("the overlap must be a number of seconds, at most a year")
        secret, now = new_secret(), self._clock()

        def rotated(client: Client) -> Client:
            kept = _outgoing(client.secrets, now, now + overlap) if overlap else ()
            return replace(client, secrets=(*kept, ClientSecret(digest(secret), created_at=now)))

        client = await self._change_client(name_or_id, "secret rotated", rotated)
        return NewClient(client, secret, self.urls(client.client_id))

    async def disable_client(self, name_or_id: str) -> Client:
        """Refuse a client's calls and sign-ins from now on. Raises NotFound."""
        return await self._change_client(
            name_or_id, "disabled", lambda client: replace(client, enabled=False)
        )

    async def enable_client(self, name_or_id: str) -> Client:
        """Let a client in again. Raises NotFound."""
        return await self._change_client(
            name_or_id, "enabled", lambda client: replace(client, enabled=True)
        )

    async def remove_client(self, name_or_id: str) -> Client:
        """Forget a client; its id is never given again. Raises NotFound."""
        async with self._directory.changing() as transaction:
            client = _found(await transaction.client(name_or_id), "client", name_or_id)
            event = self._client_event(client, "removed")
            await transaction.remove_client(client)
            await transaction.record(event)
        return client

    # People

    async def add_user(
        self,
        username: str,
        *,
        password: str | None = None,
        name: str = "",
        external_key: str | None = None,
        works_account: str | None = None,
        email: str | None = None,
        groups: Iterable[str] = (),
        administrator: bool = False,
        temporary: bool = False,
        reuse_retired_keys: bool = False,
    ) -> NewUser:
        """Add a person; without a password one is generated.

        A ``temporary`` password must be changed at the first sign-in, and soon (R-85).
        ``reuse_retired_keys`` gives them a user key that was somebody else's before, and with it
        that person's place in LINE WORKS. Raises Refused or Conflict.
        """
        generated = generated_password() if password is None else None
        now = self._clock()
        account = Account(
            id=new_id(),
            username=username,
            name=name,
            external_key=external_key or None,
            works_account=works_account or None,
            email=email or None,
            groups=tuple(groups),
            administrator=administrator,
            created_at=now,
            password_changed_at=now,
            must_change_password=temporary,
        )
        with _refusals():
            check_account(account)
        hashed = await self._hashed(password or generated or "", account)
        account = replace(account, password_hash=hashed)
        event = self._user_event(account, "added")
        async with self._directory.changing() as transaction:
            await _check_free(transaction, account, reuse_retired_keys=reuse_retired_keys)
            await transaction.add_accounts([account])
            await transaction.record(event)
        return NewUser(account, generated)

    def users(self) -> AsyncIterator[Account]:
        """All people, by username."""
        return self._directory.accounts()

    async def user(self, username: str) -> Account:
        """The person with this username in any spelling. Raises NotFound."""
        return _found(await self._directory.account_by_username(username), "person", username)

    async def change_user(
        self, username: str, /, *, reuse_retired_keys: bool = False, **changes: Any
    ) -> Account:
        """Change username, name, external_key, works_account, email, groups or administrator.

        A user key that is given up is retired. Raises NotFound, Refused or Conflict.
        """
        unknown = sorted(changes.keys() - _ACCOUNT_FIELDS)
        if unknown:
            raise Refused(f"a person has no setting {', '.join(unknown)} that could be changed")
        with _refusals():
            values = {name: _read_account_field(name, value) for name, value in changes.items()}
        return await self._change_user(
            username,
            lambda account: replace(account, **values),
            reuse_retired_keys=reuse_retired_keys,
        )

    async def set_password(
        self, username: str, password: str | None = None, *, temporary: bool = False
    ) -> NewUser:
        """Give a person a new password, generated if none is given; all their sessions end.

        A ``temporary`` one must be changed at the next sign-in (R-85). Raises NotFound or Refused.
        """
        generated = generated_password() if password is None else None
        account = await self.user(username)
        hashed = await self._hashed(password or generated or "", account)
        now = self._clock()
        changed = await self._change_user(
            username,
            lambda account: replace(
                account,
                password_hash=hashed,
                password_changed_at=now,
                must_change_password=temporary,
            ),
        )
        return NewUser(changed, generated)

    async def disable_user(self, username: str) -> Account:
        """Let a person sign in no more, and end all they hold (R-30). Raises NotFound."""
        return await self._change_user(username, lambda account: replace(account, enabled=False))

    async def enable_user(self, username: str) -> Account:
        """Let a person sign in again. Raises NotFound."""
        return await self._change_user(username, lambda account: replace(account, enabled=True))

    async def remove_user(self, username: str) -> Account:
        """Remove a person and end all they hold; their user keys are retired (R-56).

        Raises NotFound.
        """
        async with self._directory.changing() as transaction:
            account = _found(await transaction.account(username), "person", username)
            event = self._user_event(account, "removed")
            await transaction.remove_account(account, self._clock())
            await transaction.record(event)
        await self._forget(account.person)
        return account

    async def sign_out(self, username: str) -> int:
        """End all that a person holds: sessions, codes and tokens; how many they were.

        They can sign in again. Raises NotFound.
        """
        async with self._directory.changing() as transaction:
            account = _found(await transaction.account(username), "person", username)
            event = self._user_event(account, "signed out")
            await transaction.record(event)
        return await self._forget(account.person)

    async def issue_reset_link(self, username: str, *, lifetime: float | None = None) -> str:
        """An address by which a person chooses a new password, once and soon; nobody else knows it.

        ``lifetime`` is in seconds; without it, ``reset_link_lifetime``. Raises NotFound or
        Refused.
        """
        if self._settings.store_url == "memory:":
            raise Refused("with store_url = memory: the server would not know the link")
        account = await self.user(username)
        links = ResetLinks(self._settings, self._directory, self._store)
        with _refusals():
            return await links.issue(
                account, actor=self._actor, now=self._clock(), lifetime=lifetime
            )

    async def reset_factors(self, username: str, source: str | None = None) -> bool:
        """Remove all second factors of a person, and end what they hold; False: there were none.

        Raises NotFound, or Refused where several people have this name.
        """
        person = await self._person(username, source)
        event = self._person_event(person, Event.FACTOR_REMOVED, "all second factors")
        removed = await self._directory.factors.remove_all(
            person.subject_id, event, app_passwords=False
        )
        await self._forget(person)
        return removed

    async def release_key(self, value: str) -> int:
        """Let a user key that somebody had go to whoever signs in, or is added, with it next.

        How many had had it: removed people, and people of other sources, who lose it. With the key
        goes their place in LINE WORKS. Raises Refused where somebody of the built-in directory has
        it.
        """
        event = AuditEvent(
            event=Event.USER_CHANGED,
            at=self._clock(),
            actor=self._actor,
            detail=f"user key {value} released",
        )
        async with self._directory.changing() as transaction:
            probe = [
                Account(id="", username="", external_key=value),
                Account(id="", username="", works_account=value),
            ]
            holders = (await transaction.occupancy(probe)).holders
        if holders:
            names = ", ".join(sorted({each.username for each in holders.values()}))
            raise Refused(f"{names} has it; give it up there first, with worksgate user set")
        return await self._directory.people.release_key(value, event)

    # People of other sources, remembered from their last sign-in

    async def people(self, source: str | None = None) -> list[RememberedPerson]:
        """Those who have signed in by another source, or by this one; at most ten thousand."""
        everybody = await self._directory.people.listed()
        return [each for each in everybody if source in (None, each.source)]

    async def set_person_enabled(self, name: str, source: str, *, enabled: bool) -> Person:
        """Let a person of another source in no more, or again, whatever the source says.

        ``name`` is their username, works account, external key or subject. Raises NotFound, or
        Refused where several have it.
        """
        person = await self._person(name, source)
        what = "enabled" if enabled else "disabled"
        event = self._person_event(person, Event.USER_CHANGED, what)
        await self._directory.people.set_enabled(person.subject_id, enabled, event)
        if not enabled:
            await self._forget(person)
        return person

    async def sign_out_person(self, name: str, source: str) -> int:
        """As ``sign_out``, for a person of another source."""
        person = await self._person(name, source)
        await self._directory.record([self._person_event(person, Event.USER_CHANGED, "signed out")])
        return await self._forget(person)

    async def import_users(
        self,
        rows: Iterable[Mapping[Any, Any]],
        *,
        dry_run: bool,
        update: bool = False,
        reuse_retired_keys: bool = False,
        temporary: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Add people, and with ``update`` change those who are there; the report is row by row.

        ``rows`` are a CSV file's, as ``csv.DictReader`` reads them (``directory.import_file`` names
        the columns). A row that is refused stops no other. ``temporary`` is for the passwords of
        the file, not for hashes. ``progress`` is told after each batch how many rows are done.
        Raises Refused where the columns are wrong; nothing has happened then. After any other
        exception the batches before it are kept: import the file again.
        """
        options = ImportOptions(
            dry_run=dry_run,
            update=update,
            reuse_retired_keys=reuse_retired_keys,
            temporary=temporary,
            company=self._settings.company_name,
        )
        importer = Importer(self._directory, self._hashing, options, self._user_event, self._clock)
        report: list[ImportRow] = []
        for batch in _batches(Reader().read(rows), IMPORT_BATCH):
            imported = await importer.run(batch)
            report += imported.rows
            if not dry_run:
                for account in imported.must_sign_in:
                    await self._forget(account.person)
            if progress is not None:
                progress(len(report))
        return ImportReport(tuple(report), dry_run)

    # The installation

    async def purge(self, progress: Callable[[int], None] | None = None) -> int:
        """Remove what has expired: artifacts, old secrets, and audit records past their time.

        ``progress`` is told how many are gone so far; the number of all is returned.
        Raises StoreUnavailable.
        """
        removed = 0
        async for step in remove_expired(
            self._store,
            self._directory,
            self._clock(),
            audit_retention=self._settings.audit_retention,
            actor=self._actor,
        ):
            removed += step
            if progress is not None:
                progress(removed)
        return removed

    async def audit(
        self,
        *,
        login_id: str | None = None,
        username: str | None = None,
        client: str | None = None,
        event: Event | str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> list[AuditEvent]:
        """The newest audit records that fit, at most ``limit``, the oldest of them first.

        ``client`` is a name or an id, ``since`` and ``until`` are seconds since the epoch. Raises
        NotFound for a client that neither the clients nor the records know, or Refused.
        """
        account = await self._directory.account_by_username(username) if username else None
        client_id = await self._recorded_client_id(client) if client else None
        with _refusals():
            wanted = AuditFilter(
                login_id=login_id,
                username=account.username if account else username,
                subject_id=account.person.subject_id if account else None,
                client_id=client_id,
                event=None if event is None else _read_event(event),
                since=since,
                until=until,
                limit=max(0, limit),
            )
        return await self._directory.audit(wanted)

    async def usernames(self, subject_ids: Iterable[str]) -> dict[str, str]:
        """Today's usernames of these subjects; those who are not known are left out."""
        return await self._directory.usernames(set(subject_ids))

    async def _recorded_client_id(self, name_or_id: str) -> str:
        known = await self._directory.client(name_or_id)
        if known is not None:
            return known.client_id
        if await self._directory.audit(AuditFilter(client_id=name_or_id, limit=1)):
            return name_or_id
        raise NotFound(f"there is no client {name_or_id!r}; a removed one is found by its ID")

    # What the above share

    async def _change_client(
        self, name_or_id: str, detail: str, change: Callable[[Client], Client]
    ) -> Client:
        async with self._directory.changing() as transaction:
            before = _found(await transaction.client(name_or_id), "client", name_or_id)
            with _refusals():
                after = self._checked(change(before))
            if after == before:
                return before
            event = self._client_event(after, detail)
            await transaction.change_client(after)
            await transaction.record(event)
        return after

    async def _change_user(
        self,
        username: str,
        change: Callable[[Account], Account],
        *,
        reuse_retired_keys: bool = False,
    ) -> Account:
        async with self._directory.changing() as transaction:
            before = _found(await transaction.account(username), "person", username)
            with _refusals():
                after = check_account(change(before))
            if after != before:
                await _check_free(transaction, after, reuse_retired_keys=reuse_retired_keys)
                await transaction.change_account(before, after, self._clock())
                await transaction.record(self._user_event(after, changes_between(before, after)))
        if must_sign_in_again(before, after):
            await self._forget(after.person)
        return after

    async def _person(self, name: str, source: str | None) -> Person:
        """A person of the built-in directory, or of the source that is named."""
        if source in (None, BUILT_IN):
            return (await self.user(name)).person
        found = [each for each in await self._directory.people.named(name) if each.source == source]
        if len(found) > 1:
            subjects = ", ".join(each.person.subject_id for each in found)
            raise Refused(f"several people have this name; give one of {subjects}")
        if not found:
            raise NotFound(f"nobody called {name} has signed in by {source}")
        return found[0].person

    def _person_event(self, person: Person, event: Event, detail: str) -> AuditEvent:
        return self._event(event, detail, subject_id=person.subject_id, username=person.username)

    async def _forget(self, person: Person) -> int:
        try:
            return await self._store.forget(person.subject_id)
        except StoreUnavailable as error:
            raise Unfinished(
                f"the change is kept, but the sessions of {person.username} could not be ended; "
                f"run the same command again to end them: {error}"
            ) from error

    async def _hashed(self, password: str, account: Account) -> str:
        with _refusals():
            check_password(password, account, self._settings.company_name)
            return await self._hashing.hash(password)

    def _checked(self, client: Client) -> Client:
        return check_client(client, loopback=self._settings.is_loopback)

    def _client_event(self, client: Client, detail: str) -> AuditEvent:
        return self._event(
            Event.CLIENT_CHANGED, f"{client.name}: {detail}", client_id=client.client_id
        )

    def _user_event(self, account: Account, detail: str) -> AuditEvent:
        return self._person_event(account.person, Event.USER_CHANGED, detail)

    def _event(self, event: Event, detail: str, **about: str) -> AuditEvent:
        return AuditEvent(event=event, at=self._clock(), actor=self._actor, detail=detail, **about)


@contextmanager
def _refusals() -> Iterator[None]:
    """What a rule refuses becomes Refused."""
    try:
        yield
    except (Conflict, Refused):
        raise
    except ValueError as error:
        raise Refused(str(error)) from None


async def _check_free(
    transaction: Transaction, account: Account, *, reuse_retired_keys: bool
) -> None:
    occupancy = await transaction.occupancy([account])
    occupancy.check(account, reuse_retired_keys=reuse_retired_keys)


def _found(value: T | None, what: str, name: str) -> T:
    if value is None:
        raise NotFound(f"there is no {what} {name!r}")
    return value


def _read_account_field(name: str, value: Any) -> Any:
    if name == "administrator":
        if not isinstance(value, bool):
            raise Refused("administrator is either on or off")
        return value
    if name == "groups":
        if isinstance(value, str) or not all(isinstance(group, str) for group in value):
            raise Refused("groups must be a list of names")
        return tuple(value)
    if (name in KEY_KINDS or name == "email") and not value:
        return None
    if not isinstance(value, str):
        raise Refused(f"{name} must be text")
    return value


def _read_event(name: str) -> Event:
    if name not in [event.value for event in Event]:
        raise Refused(f"there is no event {name!r}; known are {', '.join(Event)}")
    return Event(name)


def _new_client_id() -> str:
    """An id that no command line takes for an option."""
    while not (client_id := new_id())[0].isalnum():
        pass
    return client_id


def _outgoing(
    secrets: tuple[ClientSecret, ...], now: float, until: float
) -> tuple[ClientSecret, ...]:
    """The newest secret that is still valid, ending no later than ``until``."""
    valid = [secret for secret in secrets if secret.expires_at is None or secret.expires_at > now]
    if not valid:
        return ()
    newest = max(valid, key=lambda secret: secret.created_at)
    return (replace(newest, expires_at=min(newest.expires_at or until, until)),)


def _batches(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    """Rows in lists of at most ``size``. What is wrong with the columns is Refused."""
    while True:
        with _refusals():
            batch = list(islice(rows, size))
        if not batch:
            return
        yield batch
