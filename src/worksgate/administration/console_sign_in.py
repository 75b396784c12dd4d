"""Administrators' sign-ins to the console, and their sessions.

A password and a second factor, always both; failures are counted as at people's own sign-ins, by
the same counters. A sign-in of LINE WORKS never opens the console, and the other way round. A
session ends after half an hour without use, after eight hours, and with the role, the password or
the account (R-152).
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from worksgate.administration.roles import Role, role_named
from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.secrets import digest, new_secret
from worksgate.directory import Account
from worksgate.directory.administrators import ConsoleSession
from worksgate.directory.audit.writer import log_events
from worksgate.directory.database import Directory
from worksgate.directory.source import DirectorySource
from worksgate.provider.factors import Holder, factor_account
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.throttle import Admission, Attempt, Throttle
from worksgate.sources import Person, PersonDisabled

IDLE: Final = 1_800.0
"""Seconds without use after which a session ends."""
ABSOLUTE: Final = 8 * 3_600.0
"""Seconds after which it ends in any case."""
TOUCHED: Final = 60.0
"""Seconds between two notes of its use."""
PROVED_FOR: Final = 300.0
"""Seconds for which a second factor counts for what needs a fresh one."""
BETWEEN: Final = 300
"""Seconds between the password and the second factor."""
SESSIONS: Final = 10
"""Open sessions of one administrator; a further one ends the least recently used."""


@dataclass(frozen=True, slots=True)
class ConsoleBrowser:
    """Where a request comes from; ``secret`` binds the two steps of a sign-in to one browser."""

    address: str
    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An administrator at one request."""

    session: ConsoleSession
    account: Account
    role: Role

    def is_proved(self, now: float) -> bool:
        """Whether the second factor was used a moment ago, as step-up requires."""
        proved_at = self.session.proved_at
        return proved_at is not None and 0 <= now - proved_at <= PROVED_FOR


class WrongPassword(Exception):
    """No such administrator, or not their password."""


class NoSecondFactor(Exception):
    """The administrator must first set up a second factor at their own account page."""


class WrongCode(Exception):
    """The code is wrong, or was used before."""


class SignInOver(Exception):
    """The first step is too old, or of another browser."""


class ConsoleSignIn:
    """Signs administrators in and out. Every method may raise an outage or TooManyAttempts."""

    def __init__(
        self,
        directory: Directory,
        source: DirectorySource,
        *,
        throttle: Throttle,
        factor_throttle: Throttle,
        factors: Factors,
        audit: AuditLog,
        signing_key: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._rows = directory.administrators
        self._source = source
        self._throttle = throttle
        self._factor_throttle = factor_throttle
        self._factors = factors
        self._audit = audit
        self._clock = clock
        self._steps = URLSafeTimedSerializer(
            derived_key(signing_key, "console sign-in"),
            salt="",
            signer_kwargs={"digest_method": sha256},
        )

    async def check_password(self, username: str, password: str, browser: ConsoleBrowser) -> str:
        """The first step; returns what the second one needs.

        Raises WrongPassword, NoSecondFactor or HashingBusy.
        """
        now = self._clock()
        async with self._throttle.attempt(Attempt(username, browser.address), now) as admission:
            person = await self._verified(username, password, admission)
        account = None
        if person is not None:
            account = await self._directory.account_by_username(username)
        if account is None or role_named(account.role) is None:
            self._record(Event.CONSOLE_REFUSED, browser, username, "wrong name or password")
            raise WrongPassword
        if account.must_change_password:
            self._record(Event.CONSOLE_REFUSED, browser, username, "the password is temporary")
            raise NoSecondFactor
        if not (await self._factors.of(account.person.subject_id)).totp:
            self._record(Event.CONSOLE_REFUSED, browser, username, "no second factor")
            raise NoSecondFactor
        return self._steps.dumps([account.id, account.person.revision, digest(browser.secret)])

    async def check_code(
        self, step: str, code: str, browser: ConsoleBrowser, *, is_recovery: bool = False
    ) -> tuple[str, ConsoleSession]:
        """The second step: the secret of a new session, and the session.

        Raises WrongCode, or SignInOver.
        """
        account = await self._account_of(step, browser)
        await self._check_factor(account, code, browser, is_recovery=is_recovery)
        return await self.begin(account, browser, "recovery code" if is_recovery else "code")

    async def begin(
        self, account: Account, browser: ConsoleBrowser, how: str
    ) -> tuple[str, ConsoleSession]:
        """A new session of an administrator who has just used a second factor."""
        secret, now = new_secret(), self._clock()
        session = ConsoleSession(
            key=digest(secret),
            subject_id=account.person.subject_id,
            created_at=now,
            used_at=now,
            expires_at=now + IDLE,
            proved_at=now,
            assurance=how,
            address=browser.address or None,
            browser=browser.name or None,
        )
        event = self._event(Event.CONSOLE_SIGNED_IN, browser, account.username, how)
        for idle in (await self._rows.of(session.subject_id, now))[SESSIONS - 1 :]:
            await self._rows.end(session.subject_id, idle.key, self._ended(account, browser))
        await self._rows.begin(session, event)
        log_events([event])
        return secret, session

    async def find(self, secret: str | None) -> SignedIn | None:
        """The administrator of a session, as they are now; its use is noted."""
        if secret is None:
            return None
        now = self._clock()
        found = await self._rows.find(digest(secret), now)
        if found is None:
            return None
        session, account = found
        role = role_named(account.role)
        if role is None or now >= session.created_at + ABSOLUTE:
            return None
        if now - session.used_at >= TOUCHED:
            until = min(now + IDLE, session.created_at + ABSOLUTE)
            await self._rows.use(session.key, now, until)
        return SignedIn(session, account, role)

    async def prove(self, signed_in: SignedIn, code: str, browser: ConsoleBrowser) -> None:
        """A second factor for what needs a fresh one. Raises WrongCode."""
        await self._check_factor(signed_in.account, code, browser)
        await self._rows.prove(signed_in.session.key, self._clock())

    async def sessions(self, signed_in: SignedIn) -> list[ConsoleSession]:
        """The administrator's open sessions, the last used first."""
        return await self._rows.of(signed_in.session.subject_id, self._clock())

    async def end(self, signed_in: SignedIn, key: str | None, browser: ConsoleBrowser) -> int:
        """End one of the administrator's own sessions, or all with None; return how many."""
        event = self._ended(signed_in.account, browser)
        return await self._rows.end(signed_in.session.subject_id, key, event)

    async def _verified(self, username: str, password: str, admission: Admission) -> Person | None:
        """The person whose password this is; a disabled one is as unknown as any other."""
        identified = await self._source.identify(username)
        try:
            person = await self._source.verify(identified, password, admitted=True)
        except PersonDisabled:
            admission.succeeded()
            return None
        if person is None:
            admission.refused()
        else:
            admission.succeeded()
        return person

    async def _account_of(self, step: str, browser: ConsoleBrowser) -> Account:
        """Raises SignInOver."""
        try:
            account_id, revision, bound = self._steps.loads(step, max_age=BETWEEN)
        except BadSignature:
            raise SignInOver from None
        account = await self._directory.account_by_id(account_id)
        if account is None or bound != digest(browser.secret):
            raise SignInOver
        is_same = account.person.revision == revision
        if not (is_same and account.enabled and role_named(account.role)):
            raise SignInOver
        return account

    async def _check_factor(
        self, account: Account, code: str, browser: ConsoleBrowser, *, is_recovery: bool = False
    ) -> None:
        """Raises WrongCode."""
        now = self._clock()
        person = account.person
        holder = Holder(
            subject_id=person.subject_id, username=person.username, address=browser.address
        )
        attempt = Attempt(factor_account(person.subject_id), browser.address)
        async with self._factor_throttle.attempt(attempt, now) as admission:
            check = self._factors.check_recovery_code if is_recovery else self._factors.check_totp
            if not await check(holder, code, now):
                admission.refused()
                raise WrongCode
            admission.succeeded()

    def _record(self, event: Event, browser: ConsoleBrowser, username: str, detail: str) -> None:
        self._audit.record(self._event(event, browser, username, detail))

    def _event(
        self, event: Event, browser: ConsoleBrowser, username: str, detail: str
    ) -> AuditEvent:
        return AuditEvent(
            event=event,
            at=self._clock(),
            username=username,
            address=browser.address or None,
            detail=detail,
        )

    def _ended(self, account: Account, browser: ConsoleBrowser) -> AuditEvent:
        return self._event(Event.CONSOLE_SIGNED_OUT, browser, account.username, "signed out")
