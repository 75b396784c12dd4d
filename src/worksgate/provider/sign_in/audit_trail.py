"""Audit records of sign-ins.

Records of changes in the store are made by ``of_login`` and ``of_logout``, and passed to the method
that makes the change (``store.Store``). The others are written here.

Records that unauthenticated callers cause go through ``StrangerRecords``, so that a flood neither
fills the disk nor displaces real records. An opened sign-in page is only counted, and recorded when
the sign-in is completed.
"""

from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec.structs import replace

from worksgate.audit import AuditEvent, AuditLog, Event, Reason, elapsed_ms
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.credentials.secrets import new_ordered_id
from worksgate.database import DatabaseUnavailable
from worksgate.limits.networks import network_of
from worksgate.oauth.errors import AuthorizationError
from worksgate.oauth.model import Session
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.session_key import SessionKeyRefused
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import Person, SourceUnavailable
from worksgate.store import StoreUnavailable


class AuditTrail:
    """Writes the audit records of the provider; ``at`` is in seconds since the epoch."""

    def __init__(self, audit: AuditLog, strangers: StrangerRecords | None = None) -> None:
        self._audit = audit
        self._strangers = strangers or StrangerRecords(audit)

    def requested(self, at: float, browser: Browser) -> None:
        """A valid authorization request has arrived; ``of_request`` records it later."""
        self._strangers.count(Event.LOGIN_REQUESTED, network_of(browser.address), at)

    def not_authorized(self, at: float, error: AuthorizationError, browser: Browser) -> None:
        """An authorization request was refused."""
        unconfirmed = isinstance(error, SessionKeyRefused)
        event = Event.SESSION_KEY_REFUSED if unconfirmed else Event.LOGIN_REFUSED
        error.login_id = new_ordered_id()
        self._strangers.record(
            AuditEvent(
                event=event,
                at=at,
                login_id=error.login_id,
                client_id=error.client_id,
                address=browser.address,
                detail=error.detail,
                reason=Reason(error.cause),
                elapsed_ms=elapsed_ms(browser.arrived),
            )
        )

    def unusable(
        self,
        at: float,
        browser: Browser,
        detail: str,
        reason: Reason,
        transaction: SignInTransaction | None = None,
    ) -> str:
        """A form could not be used; its ``transaction`` is known if we did sign that.

        Returns the ID of the sign-in in the audit log.
        """
        event = Event.LOGIN_REFUSED
        if transaction is None:
            refused = AuditEvent(
                event=event,
                at=at,
                login_id=new_ordered_id(),
                address=browser.address,
                detail=detail,
                reason=reason,
            )
        else:
            refused = of_login(event, at, transaction, browser, detail=detail, reason=reason)
        self._strangers.record(refused)
        return refused.login_id or ""

    def interrupted(
        self,
        at: float,
        browser: Browser,
        outage: Exception,
        transaction: SignInTransaction | None = None,
        username: str | None = None,
    ) -> None:
        """A sign-in met an outage: neither a yes nor a no.

        It is recorded when the database responds again. Anybody can cause it while something is
        down, so its number is limited.
        """
        event, reason = Event.LOGIN_INTERRUPTED, _reason_of(outage)
        detail = str(outage) or "no response in time"
        if transaction is None:
            interrupted = AuditEvent(
                event=event, at=at, address=browser.address, detail=detail, reason=reason
            )
        else:
            interrupted = of_login(
                event, at, transaction, browser, username=username, detail=detail, reason=reason
            )
        self._strangers.record(interrupted)

    def throttled(
        self,
        at: float,
        transaction: SignInTransaction,
        browser: Browser,
        username: str,
        too_many: TooManyAttempts,
    ) -> None:
        """A password was not even checked."""
        event = Event.LOGIN_THROTTLED
        self._strangers.record(
            of_login(
                event,
                at,
                transaction,
                browser,
                username=username,
                detail=str(too_many),
                reason=too_many.reason,
            )
        )

    def failed(
        self,
        at: float,
        transaction: SignInTransaction,
        browser: Browser,
        username: str,
        detail: str,
        reason: Reason,
        *,
        is_known: bool,
    ) -> None:
        """A password was wrong; ``is_known`` is whether this person has signed in there before."""
        event = of_login(
            Event.LOGIN_FAILED,
            at,
            transaction,
            browser,
            username=username,
            detail=detail,
            reason=reason,
        )
        if is_known:
            self._audit.record(event)
        else:
            self._strangers.record(event)

    def failed_upstream(
        self,
        at: float,
        transaction: SignInTransaction,
        browser: Browser,
        detail: str,
        reason: Reason,
    ) -> None:
        """A sign-in at another provider failed: anybody can come back from there."""
        event = Event.LOGIN_FAILED
        self._strangers.record(
            of_login(event, at, transaction, browser, detail=detail, reason=reason)
        )

    def denied(
        self, at: float, transaction: SignInTransaction, browser: Browser, detail: str
    ) -> None:
        """A rule refused a sign-in before the person was known."""
        event, reason = Event.LOGIN_REFUSED, Reason.RULE
        self._strangers.record(
            of_login(event, at, transaction, browser, detail=detail, reason=reason)
        )

    def room(self) -> Coroutine[Any, Any, None]:
        """Return when there is room for all records of a request. Raises StoreUnavailable."""
        return self._audit.room()

    def login(
        self,
        event: Event,
        at: float,
        transaction: SignInTransaction,
        browser: Browser,
        person: Person | None = None,
        *,
        detail: str | None = None,
        reason: Reason | None = None,
    ) -> None:
        """An event of a sign-in in progress."""
        self._audit.record(
            of_login(event, at, transaction, browser, person, detail=detail, reason=reason)
        )


def of_login(
    event: Event,
    at: float,
    transaction: SignInTransaction,
    browser: Browser,
    person: Person | None = None,
    *,
    username: str | None = None,
    detail: str | None = None,
    reason: Reason | None = None,
) -> AuditEvent:
    """An event of a sign-in in progress; ``username`` is what was typed, if nobody is known.

    Its milliseconds are those of the request until now.
    """
    return AuditEvent(
        event=event,
        at=at,
        login_id=transaction.login_id,
        client_id=transaction.client_id,
        subject_id=person.subject_id if person else None,
        username=person.username if person else username,
        address=browser.address,
        detail=detail,
        reason=reason,
        elapsed_ms=elapsed_ms(browser.arrived),
    )


def of_request(transaction: SignInTransaction, browser: Browser) -> AuditEvent:
    """The authorization request with which a sign-in began, recorded at its end."""
    event = of_login(Event.LOGIN_REQUESTED, transaction.began_at, transaction, browser)
    return replace(event, elapsed_ms=transaction.admitted_ms)


def of_logout(at: float, session: Session, browser: Browser) -> AuditEvent:
    """A session was ended by its person."""
    return AuditEvent(
        event=Event.LOGOUT,
        at=at,
        subject_id=session.subject_id,
        username=session.username,
        address=browser.address,
    )


_OUTAGES: Mapping[type[Exception], Reason] = {
    HashingBusy: Reason.BUSY,
    StoreUnavailable: Reason.STORE_UNAVAILABLE,
    DatabaseUnavailable: Reason.DATABASE_UNAVAILABLE,
    SourceUnavailable: Reason.SOURCE_UNAVAILABLE,
}


def _reason_of(outage: Exception) -> Reason:
    """What was down; the built-in directory is down with the database."""
    cause = outage.__cause__
    if isinstance(outage, SourceUnavailable) and isinstance(cause, DatabaseUnavailable):
        return Reason.DATABASE_UNAVAILABLE
    found = (reason for kind, reason in _OUTAGES.items() if isinstance(outage, kind))
    return next(found, Reason.TOO_SLOW)
