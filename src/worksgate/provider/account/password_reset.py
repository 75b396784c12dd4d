"""Password reset: a one-time link, sent by e-mail or made by an administrator, or a code.

A person asks by name or e-mail address (``PasswordReset.request``) and gets the same response, at
the same speed, whether or not there is such an account (R-79): the lookup happens afterwards, and
e-mail is sent later still. The link (``one_time_links``) belongs to one account, is valid for half
an hour, works once (R-84), and becomes void when the password, the e-mail address or the role in
the console changes.

A code is a shorter link, to be read out on the phone (R-233): the person types it on a page, which
leads to that of the link with this secret. Nobody has to type a name beside it: 60 random bits for
15 minutes cannot be guessed.

A link lets its holder choose the password, but does not sign them in: a second factor is still
required at the next sign-in. Everything the person held is revoked (R-30).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog

from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import digest
from worksgate.credentials.usernames import username_key
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.database.verbs import run_to_completion
from worksgate.directory import Account
from worksgate.directory.account_rules import password_context
from worksgate.directory.audit.writer import log_events
from worksgate.directory.credential_changes import Change
from worksgate.directory.transaction import Transaction
from worksgate.limits.background import BackgroundQueue
from worksgate.limits.networks import network_of
from worksgate.limits.outages import Unavailable
from worksgate.limits.rate_limit import DAY, DailyBudget
from worksgate.mail import Mailer, MailMessage
from worksgate.provider.account.one_time_links import LinkNotValid, OneTimeLink, OneTimeLinks
from worksgate.provider.account.values import Languages
from worksgate.provider.factors.codes import grouped, new_code, read_code
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable

RESET_PATH: Final = "/reset"
"""Path of the page of a link, under ``account_path``."""

CODE_PATH: Final = "/code"
"""Path of the page on which people type a code, under ``account_path``."""
CODE_LENGTH: Final = 12
"""Characters of a code, five random bits each."""
CODE_LIFETIME: Final = 900.0
"""Seconds: for the time of one phone call."""

PURPOSE: Final = "password_reset"
WINDOW: Final = 3_600.0
PER_ACCOUNT: Final = 3
"""Links that are sent to one account within ``WINDOW`` seconds."""
PER_NETWORK: Final = 20
"""Requests from one network within ``WINDOW`` seconds that are processed."""
MOST_ACCOUNTS: Final = 3
"""Accounts that one request reaches, if they share an e-mail address."""

REQUESTS_A_DAY: Final = 20_000
"""Requests of all networks that are processed per day: each costs a counter and lookups."""
MAILS_A_DAY: Final = 2_000
"""Links that are sent to all people per day: a limit on the e-mail that others can trigger."""
PORTION: Final = 500
"""Requests that a process takes from the day's budget at a time."""

_AT_ONCE: Final = 2
WAITING: Final = 200
"""Requests that may wait."""
KEPT_FOR_KNOWN: Final = 50
"""Places among these, and among waiting e-mails, that unauthenticated callers leave to browsers in
which people have signed in before."""
_LONGEST_NAME: Final = 254
_SENT: Final = "a link was sent"

_log = structlog.get_logger("worksgate.provider.account.password_reset")


KnowsDevice = Callable[[str, str, str], bool]
"""Whether the ID and signature of a device cookie are of this account (``TransactionSigner``)."""


def no_known_device(account: str, device_id: str, signature: str) -> bool:
    """Knows no browsers."""
    return False


class Accounts(Protocol):
    """The part of the directory that this module needs."""

    async def account_by_username(self, username: str) -> Account | None: ...

    async def account_by_id(self, id: str) -> Account | None: ...  # noqa: A002  # as there

    async def accounts_by_email(self, email: str, limit: int) -> Sequence[Account]: ...

    def changing(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def record(self, events: Sequence[AuditEvent]) -> None: ...


class MailTexts(Protocol):
    """Writes the messages; returns None for a person that cannot get e-mail."""

    def reset_link(
        self, person: Person, link: str, lifetime: float, language: str, company: str = ""
    ) -> MailMessage | None: ...


@dataclass(frozen=True, slots=True)
class ResetOrigin:
    """The client whose sign-in page a request began at, if it has a branding.

    ``query`` is what the address in the e-mail adds, ``company`` the name that the client shows.
    Anybody may ask for both: only the look of the e-mail and of the page behind its link depends on
    them.
    """

    query: str = ""
    company: str = ""


NOWHERE: Final = ResetOrigin()


@dataclass(frozen=True, slots=True)
class ResetTicket:
    """A valid link, and whose password it can change; ``expires_at`` in seconds since the epoch."""

    person: Person
    expires_at: float


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a link was made for; it is void for an account that has changed since."""

    account_id: str
    revision: str | None
    email: str | None
    role: str | None = None
    """In the console: whoever made a link for a person may not for an administrator (R-158)."""


@dataclass(frozen=True, slots=True)
class _Link:
    """A valid link, and the account as it is now."""

    found: OneTimeLink[_Bound]
    account: Account


class ResetLinks:
    """Makes links and resolves them."""

    def __init__(self, settings: Settings, accounts: Accounts, store: Store) -> None:
        self._url = settings.account_url + RESET_PATH
        self._lifetime = settings.reset_link_lifetime
        self._accounts = accounts
        self._links = OneTimeLinks(store, PURPOSE, _Bound)

    async def issue(
        self,
        account: Account,
        *,
        actor: str,
        now: float,
        lifetime: float | None = None,
        mailed: bool = False,
    ) -> str:
        """A link that an administrator gives or sends to the person, valid for so many seconds.

        It is never made without its audit record. Raises ValueError if the person is disabled,
        DatabaseUnavailable or StoreUnavailable.
        """
        detail = "to be sent by e-mail" if mailed else None
        await self._record_issue(account, actor, now, detail)
        return await self.make(account, now, lifetime, mailed=mailed)

    async def issue_code(self, account: Account, *, actor: str, identified: str, now: float) -> str:
        """A code that somebody reads out to the person; ``identified`` is how they know who it is.

        It is never made without its audit record. Raises as ``issue``.
        """
        await self._record_issue(account, actor, now, f"a code to read out; {identified}")
        code = new_code(CODE_LENGTH)
        await self._links.keep(
            code,
            _bound(account),
            owner=account.person.subject_id,
            expires_at=now + CODE_LIFETIME,
        )
        return grouped(code)

    async def _record_issue(
        self, account: Account, actor: str, now: float, detail: str | None
    ) -> None:
        if not account.enabled:
            raise ValueError(f"{account.username} is disabled; a link would not work")
        person = account.person
        event = AuditEvent(
            event=Event.RESET_LINK_ISSUED,
            at=now,
            subject_id=person.subject_id,
            username=person.username,
            actor=actor,
            detail=detail,
        )
        await self._accounts.record([event])

    async def make(
        self, account: Account, now: float, lifetime: float | None = None, *, mailed: bool = False
    ) -> str:
        """A new link; one that is ``mailed`` is void once the account's address changes.

        Raises StoreUnavailable.
        """
        expires_at = now + (self._lifetime if lifetime is None else lifetime)
        owner = account.person.subject_id
        bound = _bound(account, mailed=mailed)
        return await self._links.make(self._url, bound, owner=owner, expires_at=expires_at)

    async def find(self, secret: str, now: float) -> _Link:
        """What a link stands for; it is not used up.

        Raises LinkNotValid, DatabaseUnavailable or StoreUnavailable.
        """
        found = await self._links.find(secret, now)
        account = await self._accounts.account_by_id(found.bound.account_id)
        if account is None or not account.enabled or not _is_as_bound(account, found.bound):
            raise LinkNotValid
        return _Link(found, account)

    async def use_up(self, link: _Link) -> None:
        """Use a link up; of several callers exactly one succeeds.

        The others get LinkNotValid. Raises StoreUnavailable.
        """
        await self._links.use_up(link.found)

    async def restore(self, link: _Link) -> None:
        """Restore a link whose use failed. Raises StoreUnavailable."""
        await self._links.restore(link.found)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request: what was typed, in which language, from which address.

    ``is_known`` is whether somebody has signed in with that name in this browser before.
    """

    typed: str = field(repr=False)
    language: str
    address: str
    at: float
    is_known: bool
    origin: ResetOrigin = NOWHERE

    @property
    def kept_free(self) -> int:
        """Places that it leaves to others in every queue."""
        return 0 if self.is_known else KEPT_FOR_KNOWN


class PasswordReset:
    """Sends links on request, and changes passwords with them.

    ``mail`` and ``texts`` are None if no e-mail can be sent: then only administrators make links.
    A link is in the language that its person has chosen, or else that of the request.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        store: Store,
        hashing: PasswordHashing,
        audit: AuditLog,
        strangers: StrangerRecords,
        *,
        mail: Mailer | None = None,
        texts: MailTexts | None = None,
        languages: Languages | None = None,
        knows_device: KnowsDevice = no_known_device,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._store = store
        self._hashing = hashing
        self._audit = audit
        self._strangers = strangers
        self._requests = DailyBudget("reset requests", REQUESTS_A_DAY, store.bump, portion=PORTION)
        self._mail = mail
        self._texts = texts
        self._languages = languages
        self._knows_device = knows_device
        self.links = ResetLinks(settings, accounts, store)
        self.unfinished: set[asyncio.Task[Any]] = set()
        self._backlog = BackgroundQueue("password_reset", at_once=_AT_ONCE, waiting=WAITING)

    async def request(
        self,
        typed: str,
        language: str,
        address: str,
        now: float,
        devices: Sequence[tuple[str, str]] = (),
        origin: ResetOrigin = NOWHERE,
    ) -> None:
        """Have links sent to the owners of this name or e-mail address.

        A browser with a device cookie of this name uses neither the daily budget of all callers nor
        that of its network, and places in the queue are reserved for it: unauthenticated callers
        cannot use these up for people who have signed in there before.

        Returns before anything is looked up, and reveals nothing of the result. More than
        ``PER_NETWORK`` requests an hour are ignored, and beyond ``REQUESTS_A_DAY`` of all networks
        the others too. Raises StoreUnavailable.
        """
        account = username_key(typed)
        known = next(
            (each for each, mac in devices if self._knows_device(account, each, mac)), None
        )
        is_known = known is not None
        if self._mail is None or not (is_known or self._requests.take(now)):
            self._strangers.count(Event.PASSWORD_RESET_REQUESTED, network_of(address), now)
            return
        place = network_of(address) if known is None else f"device {known}"
        requests = await self._store.bump(f"reset network {digest(place)[:32]}", WINDOW, now)
        if requests <= PER_NETWORK:
            request = _Request(typed, language, address, now, is_known, origin)
            if not self._backlog.add(partial(self._answer, request), kept_free=request.kept_free):
                self._strangers.count(Event.PASSWORD_RESET_REQUESTED, network_of(address), now)

    async def open(self, secret: str, now: float) -> ResetTicket | None:
        """Whose password a link can change, or None; the link stays valid.

        Raises DatabaseUnavailable or StoreUnavailable.
        """
        try:
            link = await self.links.find(secret, now)
        except LinkNotValid:
            return None
        return ResetTicket(link.account.person, link.found.kept.expires_at)

    async def open_code(self, typed: str, now: float) -> str | None:
        """The secret of the link that a code stands for, or None; the code stays valid.

        Raises DatabaseUnavailable or StoreUnavailable.
        """
        code = read_code(typed, CODE_LENGTH)
        return code if code is not None and await self.open(code, now) is not None else None

    async def finish(
        self,
        secret: str,
        new_password: str,
        now: float,
        *,
        address: str | None = None,
    ) -> Person:
        """Change the password, revoke everything the person holds, and return the person.

        Their app passwords are revoked, too.

        Raises WeakPassword if the password is not accepted, and HashingBusy, DatabaseUnavailable or
        StoreUnavailable: the link is still valid then. Raises LinkNotValid if it is not, and for
        all but one of concurrent callers.
        """
        link = await self.links.find(secret, now)
        context = password_context(link.account, self._settings.company_name)
        await self._hashing.check_new(new_password, context, whose=link.account.person.subject_id)
        hashed = await self._hashing.hash(new_password)
        return await self._use(link, hashed, now, address)

    async def close(self, within: float = 5.0) -> None:
        """Finish work in progress and answer waiting requests, for at most ``within`` seconds."""
        await asyncio.gather(*self.unfinished, return_exceptions=True)
        await self._backlog.close(within)

    # Processing of a request

    async def _answer(self, request: _Request) -> None:
        try:
            accounts = await self._reachable(request.typed)
            for account in accounts:
                await self._send_link(account, request)
        except Unavailable as error:
            _log.warning("password_reset.not_sent", reason=str(error))
            return
        if not accounts:
            self._record_request(request, None, "nobody with this name can get e-mail")

    async def _reachable(self, typed: str) -> list[Account]:
        """The accounts that match, if their people can get e-mail and sign in."""
        name = typed.strip()
        if not name or len(name) > _LONGEST_NAME:
            return []
        by_name = await self._accounts.account_by_username(name)
        by_email = await self._accounts.accounts_by_email(name, MOST_ACCOUNTS)
        found = {account.id: account for account in (by_name, *by_email) if account is not None}
        reachable = [each for each in found.values() if each.enabled and each.email]
        return reachable[:MOST_ACCOUNTS]

    async def _send_link(self, account: Account, request: _Request) -> None:
        links = await self._store.bump(f"reset account {account.id}", WINDOW, request.at)
        if links > PER_ACCOUNT:
            detail = "no link was sent: the limit per hour is reached"
        elif not (request.is_known or await self._is_within_the_day(request.at)):
            detail = "no link was sent: the limit of all people per day is reached"
        elif await self._queue_link(account, request):
            detail = _SENT
        else:
            detail = "no link was sent: the address is not valid, or too many e-mails are waiting"
        self._record_request(request, account, detail)

    async def _is_within_the_day(self, now: float) -> bool:
        return await self._store.bump("reset mails", DAY, now) <= MAILS_A_DAY

    async def _queue_link(self, account: Account, request: _Request) -> bool:
        if self._mail is None or self._texts is None:
            return False
        subject_id = account.person.subject_id
        link, origin = await self.links.make(account, request.at, mailed=True), request.origin
        if origin.query:
            link += f"&{origin.query}"
        chosen = "" if self._languages is None else await self._languages.language(subject_id)
        message = self._texts.reset_link(
            account.person,
            link,
            self._settings.reset_link_lifetime,
            chosen or request.language,
            origin.company,
        )
        return message is not None and self._mail.queue(message, kept_free=request.kept_free)

    def _record_request(self, request: _Request, account: Account | None, detail: str) -> None:
        event = AuditEvent(
            event=Event.PASSWORD_RESET_REQUESTED,
            at=request.at,
            subject_id=account.person.subject_id if account else None,
            username=account.username if account else request.typed,
            address=request.address,
            detail=detail,
        )
        if detail == _SENT:
            self._audit.record(event)
        else:
            self._strangers.record(event)

    # Use of a link

    @run_to_completion  # closing the browser must not leave a used link and no change
    async def _use(self, link: _Link, hashed: str, now: float, address: str | None) -> Person:
        await self.links.use_up(link)
        try:
            # Before the change: a session that outlived it would be a way in for an attacker.
            await self._store.forget(link.account.person.subject_id)
            person = await self._change(link.account, hashed, now, address)
        except Unavailable:
            await self._restore(link)
            raise
        await self._forget_again(person)
        return person

    async def _change(self, seen: Account, hashed: str, now: float, address: str | None) -> Person:
        """Store the new password together with its audit record, unless it has changed."""
        try:
            async with self._accounts.changing() as transaction:
                before = await transaction.account(seen.username)
                if before is None or not before.enabled or not _is_same(before, seen):
                    raise LinkNotValid
                after = replace(
                    before,
                    password_hash=hashed,
                    password_changed_at=now,
                    must_change_password=False,
                )
                await transaction.change_account(before, after, now, Change.PASSWORD_RESET)
                event = _changed(after.person, now, address)
                await transaction.record(event)
        except Conflict as conflict:
            raise DatabaseUnavailable(str(conflict)) from conflict
        log_events([event])
        return after.person

    async def _restore(self, link: _Link) -> None:
        try:
            await self.links.restore(link)
        except StoreUnavailable as error:
            _log.warning("password_reset.link_lost", reason=str(error))

    async def _forget_again(self, person: Person) -> None:
        """Revoke what was begun with the old password while it was being changed."""
        try:
            await self._store.forget(person.subject_id)
        except StoreUnavailable as error:
            _log.error(
                "password_reset.not_forgotten", subject_id=person.subject_id, reason=str(error)
            )


def _bound(account: Account, *, mailed: bool = False) -> _Bound:
    return _Bound(
        account_id=account.id,
        revision=account.person.revision,
        email=account.email if mailed else None,
        role=account.role,
    )


def _is_as_bound(account: Account, bound: _Bound) -> bool:
    is_same_address = bound.email is None or bound.email == account.email
    is_same_password = account.person.revision == bound.revision
    return is_same_address and is_same_password and account.role == bound.role


def _is_same(account: Account, seen: Account) -> bool:
    """Whether neither password nor role has changed since; a stronger hash counts as a change."""
    return _state_of(account) == _state_of(seen)


def _state_of(account: Account) -> tuple[object, ...]:
    return account.id, account.password_hash, account.password_changed_at, account.role


def _changed(person: Person, now: float, address: str | None) -> AuditEvent:
    return AuditEvent(
        event=Event.PASSWORD_CHANGED,
        at=now,
        subject_id=person.subject_id,
        username=person.username,
        address=address,
        detail="chosen by a reset link",
    )
