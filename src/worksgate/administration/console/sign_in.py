"""Administrators' sign-ins to the console.

A password and a second factor, always both, or a passkey, which counts as both. Failures count as
at people's own sign-ins, by the same counters, and a refusal takes as long as there. A sign-in of
LINE WORKS never opens the console, and the other way round. People of other sources give the
password of their source (``sources``); what follows a sign-in is in ``sessions``.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

from worksgate.administration.console.browsers import ConsoleBrowser, KnownDevices, event_of
from worksgate.administration.console.factors import ConsoleFactors
from worksgate.administration.console.passkeys import (
    Challenges,
    ConsolePasskeys,
    StaleChallenge,
)
from worksgate.administration.console.providers import ConsoleProviders, NotSentThere, SentThere
from worksgate.administration.console.sessions import (
    ConsoleSessions,
    Opened,
    SignedIn,
    SignInOver,
)
from worksgate.administration.console.sources import AdministratorSources, SourcesOf
from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.credentials.secrets import digest
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.database import Directory
from worksgate.provider.factors import FactorRefused, Holder, factor_account
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Admission, Attempt, Throttle, TooManyAttempts
from worksgate.sources import PersonDisabled, RedirectSource, RefusedUpstream
from worksgate.store import Store

BETWEEN: Final = 300.0
"""Seconds between the password and the second factor."""


@dataclass(frozen=True, slots=True)
class _Unrestricted:
    """What the console restricts of the sources that it has: nothing."""

    sources: tuple[str, ...] = ()


_CONSOLE: Final = _Unrestricted()


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
        self._preferences = directory.preferences
        self._groups = directory.console_groups
        self._devices = KnownDevices(signing_key)
        self.sources = AdministratorSources(directory, sources)
        self.sessions = ConsoleSessions(directory, self.sources, self._devices, clock)
        self._throttle = throttle
        self._factor_throttle = factor_throttle
        self._factors = factors
        self._audit = audit
        self._strangers = strangers
        self._clock = clock
        self._providers = ConsoleProviders(address, signing_key, store, clock)
        self.passkeys = ConsolePasskeys(factors, Challenges(signing_key, store, clock), clock)
        self.own_factors = ConsoleFactors(factors, factor_throttle, store, clock)
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

    async def providers(self) -> list[RedirectSource]:
        """Other providers with which an administrator signs in."""
        sources = await self.sources.in_use()
        return list(sources.redirects.values())

    async def begin_at_provider(self, name: str, browser: ConsoleBrowser) -> SentThere:
        """Send a browser to another provider. Raises NoAdministrator or SourceUnavailable."""
        sources = await self.sources.in_use()
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
        sources = await self.sources.in_use()
        try:
            person = await self._providers.finish(sources.redirects, kept, query, browser.secret)
        except NotSentThere:
            raise SignInOver from None
        except (RefusedUpstream, PersonDisabled) as refusal:
            self._refused(browser, "", f"another provider: {str(refusal)[:200]}")
            raise NoAdministrator from None
        account = await self.sources.with_role(person.subject_id)
        if account is None:
            self._refused(browser, person.username, "another provider: no administrator")
            raise NoAdministrator
        return await self._first_step(account, browser)

    async def _first_step(self, account: AdministratorAccount, browser: ConsoleBrowser) -> str:
        """What the second step needs, if they have one. Raises NoSecondFactor."""
        if account.must_change_password:
            self._record(Event.CONSOLE_REFUSED, browser, account, "the password is temporary")
            raise NoSecondFactor
        factors = await self._factors.of(account.subject_id)
        if not factors.any:
            self._record(Event.CONSOLE_REFUSED, browser, account, "no second factor")
            raise NoSecondFactor
        bound, has_app = digest(browser.secret), factors.totp
        return self._steps.dumps(
            [account.subject_id, account.person.revision, bound, self._clock(), has_app]
        )

    def has_app(self, step: str) -> bool:
        """Whether the second step can be a code of an app, for how its page looks alone."""
        try:
            return bool(self._steps.loads(step)[4])
        except (BadSignature, IndexError):  # IndexError: of the previous version
            return True

    async def check_code(
        self, step: str, code: str, browser: ConsoleBrowser, *, is_recovery: bool = False
    ) -> Opened:
        """The second step: a new session. Raises WrongCode, or SignInOver."""
        account = await self._account_of(step, browser)
        await self._check_factor(account, code, browser, is_recovery=is_recovery)
        return await self.sessions.begin(
            account, browser, "recovery code" if is_recovery else "code"
        )

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
        if not self.sources.counts(account, self._clock(), self._clock()):
            self._record(Event.CONSOLE_REFUSED, browser, account, "the provider first")
            raise ProviderFirst
        if account.must_change_password:
            self._record(Event.CONSOLE_REFUSED, browser, account, "the password is temporary")
            raise NoSecondFactor
        return await self.sessions.begin(account, browser, "passkey")

    async def has_app_of(self, signed_in: SignedIn) -> bool:
        """Whether a fresh second factor can be a code of an app."""
        return (await self._factors.of(signed_in.session.subject_id)).totp

    async def prove(self, signed_in: SignedIn, code: str, browser: ConsoleBrowser) -> None:
        """A second factor for what needs a fresh one. Raises WrongCode."""
        await self._check_factor(signed_in.account, code, browser)
        await self.sessions.note_proof(signed_in)

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
        await self.sessions.note_proof(signed_in)

    async def choose_language(self, signed_in: SignedIn, language: str) -> None:
        """Keep the language of an administrator's pages and mails."""
        await self._preferences.choose_language(signed_in.session.subject_id, language)

    async def _administrator(
        self, username: str, password: str, browser: ConsoleBrowser
    ) -> AdministratorAccount:
        """Whoever has a role, and this password in their source.

        Raises WrongPassword, HashingBusy, or SourceUnavailable.
        """
        began, device = time.monotonic(), self._devices.known(username, browser)
        sources = await self.sources.in_use()
        sources.check_capacity(_CONSOLE, username, is_known=device is not None)
        attempt = Attempt(username, browser.address, device)
        try:
            async with self._throttle.attempt(attempt, self._clock()) as admission:
                account = await self._verified(sources, username, password, admission, began)
        except TooManyAttempts:
            self._refused(browser, username, "too many attempts")
            raise
        except BusyRefusal:
            self._refused(browser, username, "wrong name or password")
            raise
        if account is not None:
            return account
        self._refused(browser, username, "wrong name or password")
        raise WrongPassword

    async def _verified(
        self,
        sources: SourcesInUse,
        username: str,
        password: str,
        admission: Admission,
        began: float,
    ) -> AdministratorAccount | None:
        """The administrator whose password this is; a disabled one is as unknown as any other.

        A right password without a role counts as a wrong one: if it set anything back, the next
        guess would tell that it was right (R-277).
        """
        account = None
        with suppress(PersonDisabled):
            found = await sources.check_password(_CONSOLE, username, password, admission)
            account = found and await self.sources.with_role(found[1].subject_id)
        if account is None:
            # Neither its time nor its words may tell a wrong password from one without a role.
            await sources.refuse(_CONSOLE, username, password, admission, began=began)
        else:
            admission.succeeded()
        return account

    async def _account_of(self, step: str, browser: ConsoleBrowser) -> AdministratorAccount:
        """Raises SignInOver."""
        try:
            subject_id, revision, bound, began, *_ = self._steps.loads(step)
        except BadSignature:
            raise SignInOver from None
        if not 0 <= self._clock() - began <= BETWEEN:
            raise SignInOver
        account = await self.sources.with_role(subject_id)
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
        device = self._devices.known_to(person, browser)
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
        if not account.enabled or await self.sources.ask(account) is None:
            return None
        return await self.sources.with_role(subject_id)

    def _record(
        self, event: Event, browser: ConsoleBrowser, account: AdministratorAccount, detail: str
    ) -> None:
        self._audit.record(event_of(account, event, browser, detail, self._clock()))

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


def holder_of(account: AdministratorAccount, browser: ConsoleBrowser) -> Holder:
    """The owner of second factors, for their records."""
    person = account.person
    return Holder(subject_id=person.subject_id, username=person.username, address=browser.address)
