"""Administrators' sign-ins to the console, and their sessions.

A password and a second factor, always both, or a passkey, which counts as both. Failures count as
at people's own sign-ins, by the same counters, and a refusal takes as long as there. A sign-in of
LINE WORKS never opens the console, and the other way round. A session ends after half an hour
without use, after eight hours, and with the role, the password, the second factor or the account
(R-152, R-156); a page that loads itself again is no use (R-225). Passwords of people of other
sources are checked by these, which also vouch for them while a session is used (R-191), and for a
role that they have by a group there (R-226).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

from worksgate.administration.console_factors import ConsoleFactors
from worksgate.administration.console_passkeys import (
    Challenges,
    ConsolePasskeys,
    StaleChallenge,
)
from worksgate.administration.console_places import places_of
from worksgate.administration.console_providers import ConsoleProviders, NotSentThere, SentThere
from worksgate.administration.console_rights import right_of
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.credentials.usernames import username_key
from worksgate.directory.administrators import AdministratorAccount, ConsoleSession
from worksgate.directory.audit.writer import log_events
from worksgate.directory.credential_changes import Origin, coming_from
from worksgate.directory.database import Directory
from worksgate.provider.factors import FactorRefused, Holder, factor_account
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Admission, Attempt, Throttle, TooManyAttempts
from worksgate.sources import PersonDisabled, RedirectSource, RefusedUpstream, SourceUnavailable
from worksgate.store import Store

IDLE: Final = 1_800.0
"""Seconds without use after which a session ends."""
ABSOLUTE: Final = 8 * 3_600.0
"""Seconds after which it ends in any case."""
TOUCHED: Final = 60.0
"""Seconds between two notes of its use."""
PROVED_FOR: Final = 300.0
"""Seconds for which a second factor counts for what needs a fresh one."""
BETWEEN: Final = 300.0
"""Seconds between the password and the second factor."""
SESSIONS: Final = 10
"""Open sessions of one administrator; a further one ends the least recently used."""


SourcesOf = Callable[[frozenset[str]], Awaitable[SourcesInUse]]
"""Gives the built-in directory, and the named sources.

Others are not asked: what is down must not keep anybody out, nor see a password, unless an
administrator is there."""


@dataclass(frozen=True, slots=True)
class _AllOfThem:
    """What the console restricts of the sources that it has: nothing."""

    sources: tuple[str, ...] = ()


_CONSOLE: Final = _AllOfThem()


@dataclass(frozen=True, slots=True)
class ConsoleBrowser:
    """Where a request comes from; ``secret`` binds the two steps of a sign-in to one browser.

    ``device`` is an ID and its signature, if somebody has signed in here before: failures of others
    do not slow them down (R-79).
    """

    address: str
    name: str
    secret: str = field(repr=False)
    device: tuple[str, str] | None = field(default=None, repr=False)
    language: str = ""

    def origin(self) -> Origin:
        """What a notice says of it."""
        return Origin(address=self.address, browser=self.name, language=self.language)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session, by its secret; and what makes the browser known to this administrator."""

    secret: str = field(repr=False)
    device: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An administrator at one request."""

    session: ConsoleSession
    account: AdministratorAccount
    role: Role

    def is_proved(self, now: float) -> bool:
        """Whether the second factor was used a moment ago, as step-up requires."""
        proved_at = self.session.proved_at
        return proved_at is not None and 0 <= now - proved_at <= PROVED_FOR


class WrongPassword(Exception):
    """No such administrator, or not their password."""


class NoAdministrator(Exception):
    """Another provider has signed in nobody with a role here."""


class ProviderFirst(Exception):
    """Their right hangs on a group of their provider, which has vouched for them too long ago."""


class NoSecondFactor(Exception):
    """They must first set up a second factor, or a lasting password, at their own account page."""


class WrongCode(Exception):
    """The code is wrong, or was used before."""


class UnknownPasskey(Exception):
    """It is no administrator's passkey for this console, or its answer is not valid."""


class SignInOver(Exception):
    """The first step is too old, or of another browser."""


class ConsoleSignIn:
    """Signs administrators in and out. Every method may raise an outage or TooManyAttempts."""

    def __init__(
        self,
        directory: Directory,
        sources: SourcesOf,
        *,
        throttle: Throttle,
        factor_throttle: Throttle,
        factors: Factors,
        audit: AuditLog,
        strangers: StrangerRecords,
        address: str,
        store: Store,
        signing_key: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._rows = directory.administrators
        self._people = directory.people
        self._sign_ins = directory.sign_ins
        self._preferences = directory.preferences
        self._groups = directory.console_groups
        self._sources = sources
        self._throttle = throttle
        self._factor_throttle = factor_throttle
        self._factors = factors
        self._audit = audit
        self._strangers = strangers
        self._clock = clock
        self._providers = ConsoleProviders(address, signing_key, store, clock)
        self.passkeys = ConsolePasskeys(factors, Challenges(signing_key, store, clock), clock)
        self.own_factors = ConsoleFactors(factors, factor_throttle, store, clock)
        self._signer = TransactionSigner(signing_key)
        self._steps = URLSafeSerializer(
            derived_key(signing_key, "console sign-in"),
            salt="",
            signer_kwargs={"digest_method": sha256},
        )

    async def check_password(self, username: str, password: str, browser: ConsoleBrowser) -> str:
        """The first step; returns what the second one needs.

        Raises WrongPassword, NoSecondFactor or HashingBusy. Whoever has no role is refused like
        after a wrong password, whatever theirs is.
        """
        account = await self._administrator(username, password, browser)
        return await self._first_step(account, browser)

    async def _sources_of_administrators(self) -> SourcesInUse:
        """Those that have one, or may have by a group."""
        return await self._sources(await self._rows.sources() | self._groups.sources)

    async def providers(self) -> list[RedirectSource]:
        """Other providers with which an administrator signs in."""
        sources = await self._sources_of_administrators()
        return list(sources.redirects.values())

    async def begin_at_provider(self, name: str, browser: ConsoleBrowser) -> SentThere:
        """Send a browser to another provider. Raises NoAdministrator or SourceUnavailable."""
        sources = await self._sources_of_administrators()
        source = sources.redirects.get(name)
        if source is None:
            raise NoAdministrator
        return await self._providers.begin(source, browser.secret)

    async def finish_at_provider(
        self, kept: str, query: Mapping[str, str], browser: ConsoleBrowser
    ) -> str:
        """The first step by another provider; returns what the second one needs.

        Raises NoAdministrator, NoSecondFactor, SignInOver or SourceUnavailable.
        """
        sources = await self._sources_of_administrators()
        try:
            person = await self._providers.finish(sources.redirects, kept, query, browser.secret)
        except NotSentThere:
            raise SignInOver from None
        except (RefusedUpstream, PersonDisabled) as refusal:
            self._refused(browser, "", f"another provider: {str(refusal)[:200]}")
            raise NoAdministrator from None
        account = await self._with_role(person.subject_id)
        if account is None:
            self._refused(browser, person.username, "another provider: no administrator")
            raise NoAdministrator
        return await self._first_step(account, browser)

    async def _first_step(self, account: AdministratorAccount, browser: ConsoleBrowser) -> str:
        """What the second step needs, if they have one. Raises NoSecondFactor."""
        if account.must_change_password:
            self._record(Event.CONSOLE_REFUSED, browser, account, "the password is temporary")
            raise NoSecondFactor
        if not (await self._factors.of(account.subject_id)).any:
            self._record(Event.CONSOLE_REFUSED, browser, account, "no second factor")
            raise NoSecondFactor
        bound = digest(browser.secret)
        return self._steps.dumps(
            [account.subject_id, account.person.revision, bound, self._clock()]
        )

    async def check_code(
        self, step: str, code: str, browser: ConsoleBrowser, *, is_recovery: bool = False
    ) -> Opened:
        """The second step: a new session. Raises WrongCode, or SignInOver."""
        account = await self._account_of(step, browser)
        await self._check_factor(account, code, browser, is_recovery=is_recovery)
        return await self.begin(account, browser, "recovery code" if is_recovery else "code")

    async def check_passkey(self, asked: str, answer: str, browser: ConsoleBrowser) -> Opened:
        """A new session by a passkey alone, whose device has verified its person (R-190).

        Raises UnknownPasskey, NoSecondFactor, ProviderFirst, SignInOver or HashingBusy.
        """
        attempt = Attempt(f"passkey {digest(asked)}", browser.address)
        async with self._throttle.attempt(attempt, self._clock()) as admission:
            try:
                account = await self._account_of_passkey(asked, answer, browser)
            except SignInOver:  # made up or sent again: it must not be free to try
                admission.refused()
                raise
            if account is None:
                admission.refused()
                self._refused(browser, "", "unknown passkey")
                raise UnknownPasskey
            admission.succeeded()
        if not self._counts(account, self._clock(), self._clock()):
            self._record(Event.CONSOLE_REFUSED, browser, account, "the provider first")
            raise ProviderFirst
        if account.must_change_password:
            self._record(Event.CONSOLE_REFUSED, browser, account, "the password is temporary")
            raise NoSecondFactor
        return await self.begin(account, browser, "passkey")

    async def begin(
        self, account: AdministratorAccount, browser: ConsoleBrowser, how: str
    ) -> Opened:
        """A new session of an administrator who has just used a second factor.

        They get a mail if they have not signed in from there lately (R-246).
        Raises SignInOver if their role or password has changed since.
        """
        secret, now = new_secret(), self._clock()
        session = ConsoleSession(
            key=digest(secret),
            subject_id=account.subject_id,
            created_at=now,
            used_at=now,
            expires_at=now + IDLE,
            proved_at=now,
            assurance=how,
            address=browser.address or None,
            browser=browser.name or None,
            asked_at=now,
        )
        by = right_of(account, self._groups).described(account)
        places = await places_of(self._sign_ins, session.subject_id, now)
        where = "; from a new place" if places.is_new(session.address) else ""
        detail = f"{how}{by}{where}; session {session.name}"
        event = self._event_of(account, Event.CONSOLE_SIGNED_IN, browser, detail)
        for idle in (await self._rows.of(session.subject_id, now))[SESSIONS - 1 :]:
            await self._rows.end(session.subject_id, idle.key, self._ended(account, browser))
        is_told = places.is_worth_a_mail(session.address)
        with coming_from(browser.origin):
            if not await self._rows.begin(session, account, event, is_told=is_told):
                raise SignInOver
        log_events([event])
        return Opened(secret, self._device_of(account.username, browser))

    async def find(self, secret: str | None, *, is_used: bool = True) -> SignedIn | None:
        """The administrator of a session, as they are now; its use is noted, if it is one."""
        if secret is None:
            return None
        now = self._clock()
        found = await self._rows.find(digest(secret), now)
        if found is None:
            return None
        session, account = found
        role = right_of(account, self._groups).role
        if role is None or now >= session.created_at + ABSOLUTE:
            return None
        later = _used(session, now) if is_used else replace(session, asked_at=now)
        if _is_to_be_noted(session, later):
            kept = await self._still(session, later, account)
            if kept is None:
                return None
            session = kept
        if not self._counts(account, session.asked_at, now):
            return None
        return SignedIn(session, account, role)

    async def prove(self, signed_in: SignedIn, code: str, browser: ConsoleBrowser) -> None:
        """A second factor for what needs a fresh one. Raises WrongCode."""
        await self._check_factor(signed_in.account, code, browser)
        await self._rows.prove(signed_in.session.key, self._clock())

    async def prove_by_passkey(
        self, signed_in: SignedIn, asked: str, answer: str, browser: ConsoleBrowser
    ) -> None:
        """The same by a passkey. Raises UnknownPasskey or HashingBusy."""
        key = signed_in.session.key

        async def is_right(holder: Holder) -> bool:
            try:
                await self.passkeys.check_again(asked, answer, key, holder)
            except (FactorRefused, StaleChallenge):
                return False
            return True

        if not await self._counted(signed_in.account, browser, is_right):
            raise UnknownPasskey
        await self._rows.prove(key, self._clock())

    async def sessions(self, signed_in: SignedIn) -> list[ConsoleSession]:
        """The administrator's open sessions, the last used first."""
        return await self._rows.of(signed_in.session.subject_id, self._clock())

    async def choose_language(self, signed_in: SignedIn, language: str) -> None:
        """Keep the language of an administrator's pages and mails."""
        await self._preferences.choose_language(signed_in.session.subject_id, language)

    async def end(self, signed_in: SignedIn, key: str | None, browser: ConsoleBrowser) -> int:
        """End one of the administrator's own sessions, or all with None; return how many."""
        event = self._ended(signed_in.account, browser)
        return await self._rows.end(signed_in.session.subject_id, key, event)

    async def _still(
        self, session: ConsoleSession, later: ConsoleSession, account: AdministratorAccount
    ) -> ConsoleSession | None:
        """The session from now on; it ends if its source no longer knows the administrator.

        While their source is down it is not extended: it ends half an hour after the source last
        vouched for them (R-191).
        """
        try:
            present = await self._present(account)
        except SourceUnavailable:
            return session
        right = right_of(account, self._groups)
        if present is not None and right_of(present, self._groups).role == right.role:
            if present.person.groups != account.person.groups:
                await self._people.note_groups(account.source, present.person)
            await self._rows.use(later)
            return later
        nobody = ConsoleBrowser(session.address or "", "", "")
        event = partial(self._event_of, account, Event.CONSOLE_SIGNED_OUT, nobody)
        if present is None:
            detail = f"{account.source} no longer knows them"
            await self._rows.end(account.subject_id, None, event(detail))
        else:
            lost = event(f"no longer in the group {right.group} of {account.source}")
            await self._people.note_groups(account.source, present.person, lost)
        return None

    async def ask_source(self, account: AdministratorAccount) -> AdministratorAccount | None:
        """Somebody as their source has them now, whose groups are kept; None if it has not.

        Raises SourceUnavailable.
        """
        present = await self._present(account)
        if present is not None and present.person.groups != account.person.groups:
            await self._people.note_groups(account.source, present.person)
        return present

    async def _present(self, account: AdministratorAccount) -> AdministratorAccount | None:
        """Somebody with the groups that their source names now; None if it does not know them.

        One that cannot say is trusted for a while, with those of the last sign-in there. Raises
        SourceUnavailable.
        """
        if account.is_built_in:
            return account
        sources = await self._sources(frozenset({account.source}))
        found = await sources.by_subject(account.subject_id)
        if found is None:
            return None
        return replace(account, person=replace(account.person, groups=found[1].groups))

    def _counts(self, account: AdministratorAccount, asked_at: float | None, now: float) -> bool:
        """Whether somebody's right counts still, without another word of their source (R-226)."""
        if account.is_built_in or account.role is not None:
            return True
        return now < self._groups.counts_until(account.source, asked_at, account.vouched_at)

    async def _administrator(
        self, username: str, password: str, browser: ConsoleBrowser
    ) -> AdministratorAccount:
        """Whoever has a role, and this password in their source.

        Raises WrongPassword, HashingBusy, or SourceUnavailable.
        """
        began, device = time.monotonic(), self._known_device(username, browser)
        sources = await self._sources_of_administrators()
        sources.check_capacity(_CONSOLE, username, is_known=device is not None)
        attempt = Attempt(username, browser.address, device)
        try:
            async with self._throttle.attempt(attempt, self._clock()) as admission:
                account = await self._verified(sources, username, password, admission)
        except TooManyAttempts:
            self._refused(browser, username, "too many attempts")
            raise
        except BusyRefusal:
            self._refused(browser, username, "wrong name or password")
            raise
        if account is not None:
            return account
        self._refused(browser, username, "wrong name or password")
        # Neither its time nor its words may tell a wrong password from one without a role.
        await sources.wait_for_refusal(
            _CONSOLE, username, began, must_answer_busy=admission.must_answer_busy
        )
        raise WrongPassword

    async def _verified(
        self, sources: SourcesInUse, username: str, password: str, admission: Admission
    ) -> AdministratorAccount | None:
        """The administrator whose password this is; a disabled one is as unknown as any other."""
        try:
            found = await sources.check_password(_CONSOLE, username, password, admission)
        except PersonDisabled:
            admission.succeeded()
            return None
        if found is None:
            return None
        admission.succeeded()
        return await self._with_role(found[1].subject_id)

    async def _with_role(self, subject_id: str) -> AdministratorAccount | None:
        """Somebody who may sign in here at this moment."""
        account = await self._rows.by_subject(subject_id)
        if account is None or not account.enabled:
            return None
        return None if right_of(account, self._groups).role is None else account

    def _known_device(self, username: str, browser: ConsoleBrowser) -> str | None:
        """The ID of this browser, if this administrator has signed in in it before."""
        if browser.device is None:
            return None
        device_id, signature = browser.device
        is_known = self._signer.knows_device(username_key(username), device_id, signature)
        return device_id if is_known else None

    def _device_of(self, username: str, browser: ConsoleBrowser) -> tuple[str, str]:
        """What makes a browser known to this administrator."""
        device_id = self._known_device(username, browser) or new_id()
        return device_id, self._signer.sign_device(username_key(username), device_id)

    async def _account_of(self, step: str, browser: ConsoleBrowser) -> AdministratorAccount:
        """Raises SignInOver."""
        try:
            subject_id, revision, bound, began = self._steps.loads(step)
        except BadSignature:
            raise SignInOver from None
        if not 0 <= self._clock() - began <= BETWEEN:
            raise SignInOver
        account = await self._with_role(subject_id)
        if account is None or bound != digest(browser.secret):
            raise SignInOver
        if account.person.revision != revision:
            raise SignInOver
        return account

    async def _check_factor(
        self,
        account: AdministratorAccount,
        code: str,
        browser: ConsoleBrowser,
        *,
        is_recovery: bool = False,
    ) -> None:
        """Raises WrongCode."""
        check = self._factors.check_recovery_code if is_recovery else self._factors.check_totp

        async def is_right(holder: Holder) -> bool:
            return await check(holder, code, self._clock())

        if not await self._counted(account, browser, is_right):
            raise WrongCode

    async def _counted(
        self,
        account: AdministratorAccount,
        browser: ConsoleBrowser,
        is_right: Callable[[Holder], Awaitable[bool]],
    ) -> bool:
        """Whether a second factor is right; a wrong one is counted for this person."""
        person = account.person
        device = self._known_device(person.username, browser)
        attempt = Attempt(factor_account(person.subject_id), browser.address, device)
        async with self._factor_throttle.attempt(attempt, self._clock()) as admission:
            if not await is_right(holder_of(account, browser)):
                admission.refused()
                return False
            admission.succeeded()
        return True

    async def _account_of_passkey(
        self, asked: str, answer: str, browser: ConsoleBrowser
    ) -> AdministratorAccount | None:
        """The administrator whose passkey this is; None for anybody else. Raises SignInOver."""
        nobody = Holder(subject_id="", address=browser.address)
        try:
            subject_id = await self.passkeys.check_anybody(asked, answer, browser.secret, nobody)
        except StaleChallenge:
            raise SignInOver from None
        except FactorRefused:
            return None
        account = await self._rows.by_subject(subject_id)
        if account is None or not (
            account.effective_role or account.source in self._groups.sources
        ):
            return None
        if not account.enabled or await self.ask_source(account) is None:
            return None
        return await self._with_role(subject_id)

    def _record(
        self, event: Event, browser: ConsoleBrowser, account: AdministratorAccount, detail: str
    ) -> None:
        self._audit.record(self._event_of(account, event, browser, detail))

    def _refused(self, browser: ConsoleBrowser, username: str, detail: str) -> None:
        """Anybody can cause these: a flood of them is counted, not written."""
        event = AuditEvent(
            event=Event.CONSOLE_REFUSED,
            at=self._clock(),
            username=username,
            address=browser.address or None,
            detail=detail,
        )
        self._strangers.record(event)

    def _event_of(
        self, account: AdministratorAccount, event: Event, browser: ConsoleBrowser, detail: str
    ) -> AuditEvent:
        """By the subject: an alert compares the addresses from which somebody signs in."""
        return AuditEvent(
            event=event,
            at=self._clock(),
            subject_id=account.subject_id,
            username=account.username,
            address=browser.address or None,
            detail=detail,
        )

    def _ended(self, account: AdministratorAccount, browser: ConsoleBrowser) -> AuditEvent:
        return self._event_of(account, Event.CONSOLE_SIGNED_OUT, browser, "signed out")


def _used(session: ConsoleSession, now: float) -> ConsoleSession:
    until = min(now + IDLE, session.created_at + ABSOLUTE)
    return replace(session, used_at=now, expires_at=until, asked_at=now)


def _is_to_be_noted(session: ConsoleSession, later: ConsoleSession) -> bool:
    """Whether the source is to be asked, or the use to be noted: once a minute is enough."""
    asked, now = session.asked_at or session.used_at, later.asked_at or later.used_at
    return now - asked >= TOUCHED or later.used_at - session.used_at >= TOUCHED


def holder_of(account: AdministratorAccount, browser: ConsoleBrowser) -> Holder:
    """The owner of second factors, for their records."""
    person = account.person
    return Holder(subject_id=person.subject_id, username=person.username, address=browser.address)
