"""The owner of second factors, errors, and limits of failures.

FactorRefused
├── TooMany
├── KnownPasskey
└── UntrustedAuthenticator
"""

from dataclasses import dataclass

from worksgate.audit import AuditEvent, Event, Reason, elapsed_ms
from worksgate.credentials.secrets import digest
from worksgate.provider.throttle import ThrottlePolicy

MAX_FACTOR_FAILURES = 5
"""Wrong codes after which a sign-in is aborted, and must be started again (R-80)."""

FACTOR_POLICY = ThrottlePolicy(
    free=MAX_FACTOR_FAILURES, first_delay=2.0, longest_delay=3_600.0, strangers=50
)
"""Delays after wrong codes of one person, across all sign-ins.

Of a million codes two are valid: an attacker with the password who tries for a whole day from many
places has a chance of 1 in 10,000 (SP 800-63B-4 §3.2.2)."""


def factor_account(subject_id: str) -> str:
    """The name under which a ``throttle.Throttle`` counts this person's codes."""
    return digest(f"second factor of {subject_id}")


def new_app_account(subject_id: str) -> str:
    """Like ``factor_account``, for the first code of a new authenticator app.

    It is counted separately: a right one must not reset the guesses made at a sign-in.
    """
    return digest(f"new authenticator app of {subject_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The owner of factors, with details for audit records.

    ``subject_id`` is empty if a passkey has yet to identify the person. ``actor`` is who does it,
    if not the person. ``began`` is when the request arrived, by ``time.perf_counter``, if its
    duration is to be recorded.
    """

    subject_id: str
    username: str | None = None
    address: str | None = None
    login_id: str | None = None
    client_id: str | None = None
    actor: str | None = None
    began: float | None = None

    def event(
        self, event: Event, at: float, detail: str, reason: Reason | None = None
    ) -> AuditEvent:
        """An audit record about this person."""
        return AuditEvent(
            event=event,
            at=at,
            login_id=self.login_id,
            client_id=self.client_id,
            subject_id=self.subject_id or None,
            username=self.username,
            address=self.address,
            actor=self.actor,
            detail=detail,
            reason=reason,
            elapsed_ms=None if self.began is None else elapsed_ms(self.began),
        )


class FactorRefused(Exception):
    """The proof is invalid, or the factor cannot be stored; text and reason are for the log."""

    def __init__(self, text: str, reason: Reason = Reason.PASSKEY_INVALID) -> None:
        super().__init__(text)
        self.reason = reason


class TooMany(FactorRefused):
    """The person has reached the limit, and must remove one first."""


class KnownPasskey(FactorRefused):
    """This passkey has already been added."""


class UntrustedAuthenticator(FactorRefused):
    """The authenticator is not one that the company allows, or cannot prove that it is."""
