"""Whose second factor it is, what goes wrong with it, and how often it may.

FactorRefused
├── TooMany
├── KnownPasskey
└── UntrustedAuthenticator
"""

from dataclasses import dataclass

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import digest
from worksgate.provider.throttle import ThrottlePolicy

MAX_FACTOR_FAILURES = 5
"""Wrong codes after which a login is over, and must be begun anew (R-80)."""

FACTOR_POLICY = ThrottlePolicy(
    free=MAX_FACTOR_FAILURES, first_delay=2.0, longest_delay=3_600.0, strangers=50
)
"""How wrong codes of one person slow the next one, over all logins.

Of a million codes two are right: whoever has the password and tries for a whole day from many
places has 1 chance in 10,000 (SP 800-63B-4 §3.2.2).
"""


def factor_account(subject_id: str) -> str:
    """The name under which a ``throttle.Throttle`` counts this person's codes."""
    return digest(f"second factor of {subject_id}")


def new_app_account(subject_id: str) -> str:
    """As ``factor_account``, of the first code of a new authenticator app.

    It is counted apart: a right one must not set back what somebody has guessed at a sign-in.
    """
    return digest(f"new authenticator app of {subject_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose factors these are, and what else belongs into the audit record.

    ``subject_id`` is empty where a passkey has to say who it is. ``actor`` is who does it where
    that is not the person.
    """

    subject_id: str
    username: str | None = None
    address: str | None = None
    login_id: str | None = None
    client_id: str | None = None
    actor: str | None = None

    def event(self, event: Event, at: float, detail: str) -> AuditEvent:
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
        )


class FactorRefused(Exception):
    """What came is no proof, or cannot be kept; the text is for the log."""


class TooMany(FactorRefused):
    """The person has as many as there may be, and must remove one first."""


class KnownPasskey(FactorRefused):
    """This passkey has already been added."""


class UntrustedAuthenticator(FactorRefused):
    """The authenticator is none of those that the company allows, or does not prove that it is."""
