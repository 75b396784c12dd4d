"""Audit records of the calls of LINE WORKS.

Records that unauthenticated callers cause go through ``StrangerRecords``. A client ID is recorded
only if it can be one of ours: a secret may be in the wrong field of a form (R-106).
"""

import re
from collections.abc import Coroutine
from typing import Any

from worksgate.audit import AuditEvent, AuditLog, Event, Reason
from worksgate.oauth.errors import (
    InvalidAccess,
    InvalidAuthorization,
    OAuthError,
    TemporarilyUnavailable,
)
from worksgate.oauth.model import AccessToken
from worksgate.provider.stranger_records import StrangerRecords

_AUTHENTICATED = (InvalidAuthorization, InvalidAccess, TemporarilyUnavailable)
"""Refusals that only an authenticated client can get."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class CallAuditTrail:
    """Writes the audit records of the calls; ``at`` is in seconds since the epoch."""

    def __init__(self, audit: AuditLog, strangers: StrangerRecords | None = None) -> None:
        self._audit = audit
        self._strangers = strangers or StrangerRecords(audit)

    def room(self) -> Coroutine[Any, Any, None]:
        """Return when there is room for all records of a request. Raises StoreUnavailable."""
        return self._audit.room()

    def user_info(self, at: float, token: AccessToken, address: str, elapsed_ms: float) -> None:
        """An access token was resolved to its person, within so many milliseconds."""
        self._audit.record(
            AuditEvent(
                event=Event.USER_INFO_RETURNED,
                at=at,
                login_id=token.login_id,
                client_id=token.client_id,
                subject_id=token.subject_id,
                address=address,
                elapsed_ms=elapsed_ms,
            )
        )

    def refused(
        self, event: Event, at: float, error: OAuthError, client_id: str, address: str
    ) -> None:
        """A call was refused: an ``event`` for an invalid code or token, else a CLIENT_REFUSED.

        The latter is rate-limited, since the caller may be unauthenticated.
        """
        if not isinstance(error, _AUTHENTICATED):
            event = Event.CLIENT_REFUSED
        refused = AuditEvent(
            event=event,
            at=at,
            client_id=client_id if _CLIENT_ID.fullmatch(client_id) else None,
            address=address,
            detail=f"{error.number} {error.message}: {error.detail}",
            reason=Reason(error.cause),
        )
        if event is Event.CLIENT_REFUSED:
            self._strangers.record(refused)
        else:
            self._audit.record(refused)
