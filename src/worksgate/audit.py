"""Events of the audit log, and their names (R-105).

One sign-in can be followed by its ``login_id`` from the authorization request to the user info. An
event never contains a secret (R-106): it has no field for a password, code, token, secret, cookie
or query string.
"""

from enum import StrEnum
from typing import Protocol

import msgspec


class Event(StrEnum):
    """Names of events, as in the database and in the log."""

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
    CONSOLE_SIGNED_IN = "console.signed_in"
    CONSOLE_SIGNED_OUT = "console.signed_out"
    CONSOLE_REFUSED = "console.refused"


def event_named(name: str) -> Event:
    """The event with this name; a name of a newer version is not a member of ``Event``."""
    try:
        return Event(name)
    except ValueError:
        unknown = str.__new__(Event, name)
        unknown._name_ = unknown._value_ = name
        return unknown


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One event. ``at`` is in seconds since the epoch, ``address`` the client's, as far as trusted.

    A struct, since each call of LINE WORKS creates one and a dataclass is six times slower.

    ``actor`` is who did it, if not the subject: an administrator, or ``cli:`` and the Unix name of
    the user who ran a command. ``detail`` is a short text of ours; external values are encoded by
    the writer. ``reason`` says the same in one word, for programs; ``elapsed_ms`` is how long the
    step took, in milliseconds.
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
    reason: str | None = None
    elapsed_ms: float | None = None


class AuditLog(Protocol):
    """Records events that belong to no change of data, or to none that the store makes.

    Events of the store's own changes are part of its commits (``store.Store``).
    """

    def record(self, event: AuditEvent) -> None:
        """Returns at once and never raises."""
        ...

    async def room(self) -> None:
        """Return when there is room for all records of a request; called before it does anything.

        Raises StoreUnavailable if there is none in time.
        """
        ...

    async def flush(self) -> None:
        """Return when everything recorded before is durable."""
        ...
