"""Events of the audit log, and their names (R-105).

One sign-in can be followed by its ``login_id`` from the authorization request to the user info. An
event never contains a secret (R-106): it has no field for a password, code, token, secret, cookie
or query string.
"""

from enum import StrEnum
from time import perf_counter
from typing import Protocol, TypeVar

import msgspec


class Event(StrEnum):
    """Names of events, as in the database and in the log."""

    LOGIN_REQUESTED = "login.requested"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_THROTTLED = "login.throttled"
    LOGIN_REFUSED = "login.refused"
    LOGIN_INTERRUPTED = "login.interrupted"
    LOGIN_STEP_DUE = "login.step_due"
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
    FACTOR_RENAMED = "factor.renamed"
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


class Reason(StrEnum):
    """Why something was refused, failed or interrupted: one word for what ``detail`` says in prose.

    With its event, a reason says what to tell the person and what to do next. A name is never
    given another meaning: records are kept for more than a year.
    """

    # The link of LINE WORKS; these are names of ``oauth.errors.Cause`` as well.
    UNKNOWN_CLIENT = "unknown_client"
    PARAMETER_MISSING = "parameter_missing"
    REDIRECT_NOT_LISTED = "redirect_not_listed"
    REDIRECT_MALFORMED = "redirect_malformed"
    NO_STATE = "no_state"
    RESPONSE_TYPE = "response_type"
    SENT_TWICE = "sent_twice"
    TOO_LONG = "too_long"
    NOT_CONFIRMED = "not_confirmed"
    # The form, or the way back from another provider
    FORM_EXPIRED = "form_expired"
    FORM_FORGED = "form_forged"
    OTHER_BROWSER = "other_browser"
    COOKIES_OFF = "cookies_off"
    STATE_UNKNOWN = "state_unknown"
    STATE_USED = "state_used"
    SIGN_IN_LOST = "sign_in_lost"
    # The password, or who vouches for the person instead
    WRONG_PASSWORD = "wrong_password"
    GUESSES_USED_UP = "guesses_used_up"
    NOT_CHECKED = "not_checked"
    TEMPORARY_EXPIRED = "temporary_expired"
    PASSWORD_EXPIRED = "password_expired"
    DISABLED = "disabled"
    NOT_ALLOWED = "not_allowed"
    REFUSED_UPSTREAM = "refused_upstream"
    # Too many attempts
    WAITING = "waiting"
    WAITING_NETWORK = "waiting_network"
    WAITING_STRANGERS = "waiting_strangers"
    # The second factor
    WRONG_CODE = "wrong_code"
    CODE_USED = "code_used"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"
    WRONG_RECOVERY_CODE = "wrong_recovery_code"
    PASSKEY_UNKNOWN = "passkey_unknown"
    PASSKEY_FOREIGN = "passkey_foreign"
    PASSKEY_COUNTER = "passkey_counter"
    PASSKEY_INVALID = "passkey_invalid"
    FACTOR_NOT_ADDED = "factor_not_added"
    TOO_MANY_TRIES = "too_many_tries"
    # What the client requires
    RULE = "rule"
    PASSKEY_REQUIRED = "passkey_required"
    NO_USER_KEY = "no_user_key"
    KEY_OF_ANOTHER = "key_of_another"
    REVOKED = "revoked"
    # Outages
    SOURCE_UNAVAILABLE = "source_unavailable"
    BUSY = "busy"
    STORE_UNAVAILABLE = "store_unavailable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    TOO_SLOW = "too_slow"
    # What is due after the password
    SECOND_FACTOR_DUE = "second_factor_due"
    ENROLMENT_DUE = "enrolment_due"
    NEW_PASSWORD_DUE = "new_password_due"
    # Calls of LINE WORKS
    BAD_REQUEST = "bad_request"
    GRANT_TYPE = "grant_type"
    CLIENT_DISABLED = "client_disabled"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    WRONG_SECRET = "wrong_secret"
    TOO_MANY_WRONG_SECRETS = "too_many_wrong_secrets"
    CODE_UNKNOWN = "code_unknown"
    CODE_FOREIGN = "code_foreign"
    CODE_EXPIRED = "code_expired"
    CODE_REPLAYED = "code_replayed"
    TOKEN_UNKNOWN = "token_unknown"
    TOKEN_FOREIGN = "token_foreign"
    TOKEN_EXPIRED = "token_expired"
    NO_ANSWER = "no_answer"
    # Mail programs
    IMAP_OFF = "imap_off"
    OWN_PASSWORD = "own_password"
    APP_PASSWORD_NEEDED = "app_password_needed"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    MUST_CHANGE_PASSWORD = "must_change_password"
    LAPSED = "lapsed"
    # Not a record of one event: how many were not recorded one by one
    COUNTED = "counted"


N = TypeVar("N", bound=StrEnum)


def event_named(name: str) -> Event:
    """The event with this name; a name of a newer version is not a member of ``Event``."""
    return _named(Event, name)


def reason_named(name: str) -> Reason:
    """The reason with this name; a name of a newer version is not a member of ``Reason``."""
    return _named(Reason, name)


def _named(names: type[N], name: str) -> N:
    try:
        return names(name)
    except ValueError:
        unknown = str.__new__(names, name)
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
    reason: Reason | None = None
    elapsed_ms: float | None = None


def elapsed_ms(began: float) -> float:
    """Milliseconds since ``began``, by ``time.perf_counter``, for the field of this name."""
    return round((perf_counter() - began) * 1_000, 1)


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
