"""The IMAP/CalDAV login: by app password or, if allowed, the person's own password.

LINE WORKS calls on behalf of a mail client that we never see, so username and password are the only
credentials, and all failures get the same response. Mail clients retry old passwords again and
again: their failures are counted separately from the sign-in page, so they cannot block anybody
there (R-62). Nothing in this file knows HTTP.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from worksgate.audit import AuditEvent, AuditLog, Event, Reason, elapsed_ms
from worksgate.clients.access_rules import (
    Action,
    Situation,
    decide_by_texts,
    decide_without_person_by_texts,
)
from worksgate.clients.registry import ClientRegistry, check_admitted
from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.credentials.secrets import new_ordered_id
from worksgate.limits.background import BackgroundQueue
from worksgate.limits.networks import network_of
from worksgate.limits.outages import Unavailable
from worksgate.limits.rate_limit import RateLimit
from worksgate.oauth.errors import (
    AccessDenied,
    Cause,
    InvalidLogin,
    InvalidRequest,
    OAuthError,
    TemporarilyUnavailable,
    TooManyLogins,
)
from worksgate.oauth.imap_login import ImapLoginRequest, ImapLoginResponse
from worksgate.oauth.model import Client, ImapPasswords, LoginKind
from worksgate.oauth.user_key import is_refused, why_no_user_key
from worksgate.provider.code_issuing import (
    REVOKED,
    Admitted,
    NoLongerAdmitted,
    SignInCommit,
    issue,
    user_key_of,
)
from worksgate.provider.factors import AppPasswords, Factors
from worksgate.provider.password_refusals import why_disabled, why_wrong
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import (
    Admission,
    Attempt,
    Throttle,
    ThrottlePolicy,
    TooManyAttempts,
)
from worksgate.sources import Person, PersonDisabled, SourceUnavailable
from worksgate.store import Store

PURPOSE = "imap"
"""Purpose of the throttle's counters."""
PEOPLE_PER_ADDRESS = 10
"""LINE WORKS calls for all people from a few addresses: this multiple of the limit per address."""

CHECKS_PER_MINUTE = 30
"""Passwords per network that are examined afterwards, to give the administrator details."""

REFUSAL_TIME = 0.5
"""Seconds that a refusal takes at least where people's own passwords are accepted.

More follows a right password than a wrong one: the person's groups in their directory, what is kept
of them here, their factors. How much depends on the person, so it cannot be done for a wrong one.
"""

RESERVE = 0.5
"""Seconds of the deadline that are reserved for everything but the sources."""
_WAITING = 20


def imap_policy(policy: ThrottlePolicy) -> ThrottlePolicy:
    """Delays after failures of mail clients, derived from the ``policy`` for browsers."""
    return replace(policy, per_address=policy.per_address * PEOPLE_PER_ADDRESS)


@dataclass(frozen=True, slots=True)
class _Login:
    """One valid request, of a client that may make it."""

    id: str
    client: Client
    request: ImapLoginRequest
    address: str
    now: float
    began: float
    """By ``time.perf_counter``."""

    @property
    def attempt(self) -> Attempt:
        return Attempt(self.request.email, self.address)


@dataclass(frozen=True, slots=True)
class _Proven:
    """The owner of a password."""

    source: str
    person: Person
    by_app_password: bool


@dataclass(frozen=True, slots=True)
class _Trail:
    """The audit record."""

    audit: AuditLog
    strangers: StrangerRecords

    def stranger_refused(
        self, now: float, address: str, error: OAuthError, username: str | None = None
    ) -> None:
        """A call was refused before anything was checked; ``username`` is whose it was."""
        self.strangers.record(
            AuditEvent(
                event=Event.IMAP_REFUSED,
                at=now,
                login_id=new_ordered_id(),
                username=username,
                address=address,
                detail=error.detail,
                reason=Reason(error.cause),
            )
        )

    def throttled(self, login: _Login, too_many: TooManyAttempts) -> None:
        detail = "too many failures before"
        self.strangers.record(_event(Event.IMAP_REFUSED, login, None, detail, too_many.reason))

    def failed(self, login: _Login, detail: str, reason: Reason) -> None:
        self.strangers.record(_event(Event.IMAP_FAILED, login, None, detail, reason))

    def refused(self, login: _Login, person: Person | None, detail: str, reason: Reason) -> None:
        self.audit.record(_event(Event.IMAP_REFUSED, login, person, detail, reason))


def _event(
    event: Event,
    login: _Login,
    person: Person | None,
    detail: str | None = None,
    reason: Reason | None = None,
) -> AuditEvent:
    return AuditEvent(
        event=event,
        at=login.now,
        login_id=login.id,
        client_id=login.client.client_id,
        subject_id=person.subject_id if person else None,
        username=person.username if person else login.request.email,
        address=login.address,
        detail=detail,
        reason=reason,
        elapsed_ms=elapsed_ms(login.began),
    )


class ImapLogin:
    """Exchanges a username and a password for a code.

    ``throttle`` counts for ``PURPOSE``; ``deadline`` is the response deadline in seconds.
    """

    def __init__(
        self,
        *,
        clients: ClientRegistry,
        store: Store,
        sources: SourcesInUse,
        app_passwords: AppPasswords,
        second_factors: Factors,
        throttle: Throttle,
        audit: AuditLog,
        strangers: StrangerRecords,
        deadline: float,
        app_password_lapse: float,
        refusal_time: float = REFUSAL_TIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clients = clients
        self._store = store
        self._sources = sources
        self._app_passwords = app_passwords
        self._second_factors = second_factors
        self._throttle = throttle
        self._trail = _Trail(audit, strangers)
        self._patience = max(deadline - RESERVE, deadline / 2)
        self._refusal_time = min(refusal_time, deadline / 2)
        self._lapse = app_password_lapse or math.inf
        self._looked_at = RateLimit(CHECKS_PER_MINUTE)
        self._backlog = BackgroundQueue("imap_login", at_once=1, waiting=_WAITING)
        self._clock = clock

    async def close(self) -> None:
        """Finish work in progress."""
        await self._backlog.close()

    async def log_in(self, client_id: str | None, query: bytes, address: str) -> ImapLoginResponse:
        """Answer the call of LINE WORKS; without a ``client_id`` it is for the only client.

        Raises OAuthError: InvalidRequest, InvalidLogin for everything that must be
        indistinguishable, TooManyLogins, or TemporarilyUnavailable.
        """
        now, began = self._clock(), time.perf_counter()
        try:
            await self._trail.audit.room()
            request = ImapLoginRequest.parse(query)
            client = await self._admitted(client_id, address, request.email)
            login = _Login(new_ordered_id(), client, request, address, now, began)
            return await self._log_in(login)
        except InvalidRequest as error:
            self._trail.stranger_refused(now, address, error)
            raise
        except Unavailable as outage:
            raise TemporarilyUnavailable(str(outage)) from outage

    async def _admitted(self, client_id: str | None, address: str, email: str) -> Client:
        """The client, if the IMAP login is allowed from there. Raises InvalidLogin."""
        try:
            client = await self._open_one(client_id)
            check_admitted(client, address)
            self._check_open(client, address)
        except (AccessDenied, InvalidLogin) as error:
            self._trail.stranger_refused(self._clock(), address, error, email)
            raise InvalidLogin(error.detail, error.cause) from None
        return client

    async def _open_one(self, client_id: str | None) -> Client:
        """The client with this ID, or the only one, with the IMAP login enabled."""
        if client_id is None:
            found = (await self._clients.together()).mail_clients
            client = found[0] if len(found) == 1 else None
        else:
            client = (await self._clients.snapshot()).get(client_id)
        if client is None or not (client.enabled and client.imap_login):
            raise InvalidLogin(
                "the client is unknown, disabled, or has imap_login disabled", Cause.IMAP_OFF
            )
        return client

    def _check_open(self, client: Client, address: str) -> None:
        """Refuse, before the password is checked, what no person could change (R-125).

        Raises InvalidLogin.
        """
        here = Situation(kind=LoginKind.IMAP, address=address, at=self._clock())
        decision = decide_without_person_by_texts(client.rules, client.second_factor, here)
        if decision is not None and decision.action is Action.DENY:
            raise InvalidLogin("a rule denies it for everybody", Cause.RULE)

    async def _log_in(self, login: _Login) -> ImapLoginResponse:
        """A right password that is not allowed counts as wrong; else the count tells (R-62).

        An app password cannot be guessed, so it is checked before the count: nobody can lock a mail
        client out with wrong passwords (R-79).
        """
        if (proven := await self._by_app_password(login)) is not None:
            return await self._issue(login, proven, await self._checked(login, proven))
        try:
            async with self._throttle.attempt(login.attempt, login.now) as admission:
                proven, user_id = await self._admitted_by_password(login, admission)
        except TooManyAttempts as too_many:
            self._trail.throttled(login, too_many)
            raise TooManyLogins("too many failures before") from None
        return await self._issue(login, proven, user_id)

    async def _admitted_by_password(
        self, login: _Login, admission: Admission
    ) -> tuple[_Proven, str]:
        """A person with their own password, and their user key. Raises InvalidLogin."""
        try:
            async with self._like_a_wrong_one(login, admission):
                proven = await self._verified(login, admission)
                user_id = await self._checked(login, proven)
        except InvalidLogin:
            admission.refused()
            raise
        admission.succeeded()
        return proven, user_id

    @asynccontextmanager
    async def _like_a_wrong_one(self, login: _Login, admission: Admission) -> AsyncIterator[None]:
        """Around the check of a password: nothing of a refusal tells that it was right (R-284)."""
        if login.client.imap_passwords is not ImapPasswords.ALL:
            yield
            return
        began, request = time.monotonic(), login.request
        try:
            try:
                yield
            except InvalidLogin:
                await self._sources.refuse(
                    login.client,
                    request.email,
                    request.password,
                    admission,
                    began=began,
                    within=self._patience,
                )
                raise
        except (InvalidLogin, BusyRefusal, SourceUnavailable):
            await asyncio.sleep(began + self._refusal_time - time.monotonic())
            raise

    # The owner of the password

    async def _verified(self, login: _Login, admission: Admission) -> _Proven:
        found = None
        if login.client.imap_passwords is ImapPasswords.ALL:
            found = await self._by_password(login, admission)
        if found is None:
            self._trail.failed(login, *why_wrong(admission))
            self._look_afterwards(login)
            raise InvalidLogin("wrong name or password")
        return found

    def _look_afterwards(self, login: _Login) -> None:
        """Record the use of a person's own password if only app passwords are allowed.

        People usually try that first, and the administrator must know to help. The response has
        already been sent, so neither its content nor its timing reveals anything.
        """
        if login.client.imap_passwords is ImapPasswords.ALL:
            return
        if not self._looked_at.exceeded(network_of(login.address), login.now):
            self._backlog.add(partial(self._record_own_password, login))

    async def _record_own_password(self, login: _Login) -> None:
        request = login.request
        with suppress(Unavailable):
            if await self._sources.is_password_kept_here(
                login.client, request.email, request.password
            ):
                detail = "their own password is right, but only app passwords are allowed"
                self._trail.refused(login, None, detail, Reason.OWN_PASSWORD)

    async def _by_app_password(self, login: _Login) -> _Proven | None:
        request = login.request
        subject_id = await self._app_passwords.verify(request.email, request.password, login.now)
        if subject_id is None:
            return None
        found = await self._sources.by_subject(subject_id, trusted_for=self._lapse)
        if found is None:
            detail = "the person is gone, disabled, or has not signed in for app_password_lapse"
            self._refuse(login, detail, Reason.LAPSED)
        return _Proven(*found, by_app_password=True)

    async def _by_password(self, login: _Login, admission: Admission) -> _Proven | None:
        """Ask one source after the other; an outage or a hang does not affect the others."""
        request = login.request
        try:
            found = await self._sources.check_password(
                login.client, request.email, request.password, admission, within=self._patience
            )
        except BusyRefusal as refusal:
            self._trail.failed(login, str(refusal), Reason.NOT_CHECKED)
            raise
        except PersonDisabled as refusal:
            self._refuse(login, *why_disabled(refusal))
        return None if found is None else _Proven(*found, by_app_password=False)

    # Authorization

    async def _checked(self, login: _Login, proven: _Proven) -> str:
        """The user key of an authenticated person. Raises InvalidLogin."""
        person, client = proven.person, login.client
        if client.sources and proven.source not in client.sources:
            detail = "the client does not allow the person's source"
            self._refuse(login, detail, Reason.SOURCE_NOT_ALLOWED, person)
        if person.must_change_password:
            detail = "the password must be changed first"
            self._refuse(login, detail, Reason.MUST_CHANGE_PASSWORD, person)
        await self._check_rules(login, proven)
        user_id = user_key_of(client, person)
        if user_id is None:
            is_anothers = is_refused(client, person.refused_keys)
            reason = Reason.KEY_OF_ANOTHER if is_anothers else Reason.NO_USER_KEY
            self._refuse(login, why_no_user_key(client, person.refused_keys), reason, person)
        return user_id

    async def _check_rules(self, login: _Login, proven: _Proven) -> None:
        """An app password counts as both factors; nothing else does (R-63)."""
        person, client = proven.person, login.client
        situation = Situation(
            kind=LoginKind.IMAP,
            address=login.address,
            at=login.now,
            groups=person.groups,
            source=proven.source,
        )
        action = decide_by_texts(client.rules, client.second_factor, situation).action
        if action is Action.DENY:
            self._refuse(login, "a rule denies it", Reason.RULE, person)
        if proven.by_app_password:
            return
        if action in (Action.REQUIRE, Action.REQUIRE_PASSKEY):
            detail = "a second factor is required: an app password is needed"
            self._refuse(login, detail, Reason.APP_PASSWORD_NEEDED, person)
        if await self._second_factors.has_second_factor(person.subject_id):
            detail = "the person has a second factor: an app password is needed"
            self._refuse(login, detail, Reason.APP_PASSWORD_NEEDED, person)

    # The result

    async def _issue(self, login: _Login, proven: _Proven, user_id: str) -> ImapLoginResponse:
        person = proven.person
        admitted = Admitted(
            client=login.client,
            person=person,
            user_id=user_id,
            login_id=login.id,
            login_kind=LoginKind.IMAP,
        )
        way = "by app password" if proven.by_app_password else "by password"
        let_in = _event(Event.IMAP_SUCCEEDED, login, person, way)
        try:
            code = await issue(
                self._store,
                admitted,
                partial(self._sources.find, proven.source, person),
                self._clock(),
                SignInCommit(records=(let_in, _event(Event.CODE_ISSUED, login, person))),
                revoked=_event(Event.IMAP_REFUSED, login, person, REVOKED, Reason.REVOKED),
            )
        except NoLongerAdmitted as refusal:
            raise InvalidLogin(str(refusal)) from None
        if not proven.by_app_password:
            self._sources.note_login(person.subject_id)
        return ImapLoginResponse(code)

    def _refuse(
        self, login: _Login, detail: str, reason: Reason, person: Person | None = None
    ) -> NoReturn:
        """Record why a right password does not grant access, and raise InvalidLogin."""
        self._trail.refused(login, person, detail, reason)
        raise InvalidLogin(detail)
