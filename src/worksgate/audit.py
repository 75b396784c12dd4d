"""What is worth remembering, and under which name (R-105).

One login is followed by its ``login_id`` from the authorization request to the user info. An
event never holds a secret (R-106): no password, code, token, secret, cookie or query string has a
field to be put into.
"""

from enum import StrEnum
from typing import Protocol

import msgspec


class Event(StrEnum):
    """The names of events, as they stand in the database and in the log."""

    LOGIN_REQUESTED = "login.requested"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_THROTTLED = "login.throttled"
    LOGIN_REFUSED = "login.refused"
    CODE_ISSUED = "code.issued"
    CODE_REDEEMED = "code.redeemed"
    CODE_REFUSED = "code.refused"
    CODE_REPLAYED = "code.replayed"
    TOKEN_REFRESHED = "token.refreshed"
    CLIENT_REFUSED = "client.refused"
    USER_INFO_RETURNED = "user_info.returned"
    USER_INFO_REFUSED = "user_info.refused"
    LOGOUT = "logout"
    SESSION_KEY_REFUSED = "session_key.refused"
    CLIENT_CHANGED = "client.changed"
    USER_CHANGED = "user.changed"
    SYSTEM = "system"
    IMAP_SUCCEEDED = "imap.succeeded"
    IMAP_FAILED = "imap.failed"
    IMAP_REFUSED = "imap.refused"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_USED = "factor.used"
    FACTOR_FAILED = "factor.failed"
    RECOVERY_CODES_RENEWED = "recovery_codes.renewed"
    APP_PASSWORD_ADDED = "app_password.added"
    APP_PASSWORD_REMOVED = "app_password.removed"
    APP_PASSWORD_LAPSING = "app_password.lapsing"
    PASSWORD_RESET_REQUESTED = "password_reset.requested"
    PASSWORD_CHANGED = "password.changed"
    RESET_LINK_ISSUED = "reset_link.issued"


def event_named(name: str) -> Event:
    """The event with this name; one that only a newer version knows is no member of ``Event``."""
    try:
        return Event(name)
    except ValueError:
        unknown = str.__new__(Event, name)
        unknown._name_ = unknown._value_ = name
        return unknown


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One fact; a struct, since each call of LINE WORKS makes one and a dataclass is six times as
    slow to make. ``at`` is in seconds since the epoch, ``address`` the peer's, as we trust it.

    ``actor`` is who did it where that is not the subject: an administrator, or
    ``cli:`` and the Unix name of who ran a command.
    ``detail`` is a short text of ours; what came from outside is encoded by the writer.
    """

    at: float
    event: Event
    login_id: str | None = None
    client_id: str | None = None
    subject_id: str | None = None
    username: str | None = None
    address: str | None = None
    actor: str | None = None
    detail: str | None = None


class AuditLog(Protocol):
    """Where events go that are about no change, or none that the store makes.

    What the store changes is recorded in the store's commit (``store.Store``).
    """

    def record(self, event: AuditEvent) -> None:
        """Returns at once and never raises."""
        ...

    async def room(self) -> None:
        """Return when there is room for what a request may record; asked before it does anything.

        Raises StoreUnavailable where there is none in time.
        """
        ...

    async def flush(self) -> None:
        """Return when all that was recorded before is durable."""
        ...
