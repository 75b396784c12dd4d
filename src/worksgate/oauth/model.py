"""The values of a sign-in: who asks (client), what was granted (artifacts).

An artifact is something short-lived that a secret stands for. The secret goes out once; what is
kept is its digest, ``key``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class LoginKind(StrEnum):
    """Where the person signs in from; LINE WORKS gives each its own session length."""

    WEB = "web"
    APP = "app"
    IMAP = "imap"


class Profile(StrEnum):
    """The products that speak this protocol; a profile sets a new client's defaults."""

    LINE_WORKS = "line_works"
    NAVER_WORKS = "naver_works"
    NAVER_WORKS_PUBLIC = "naver_works_public"
    WORKBOX = "workbox"


class UserKey(StrEnum):
    """What ``user_id`` holds: the console setting *SSO User Key*."""

    EXTERNAL_KEY = "external_key"
    WORKS_ACCOUNT = "works_account"


class ErrorStyle(StrEnum):
    """How ``error`` is spelt: the documented number, or the message."""

    CODE = "code"
    TEXT = "text"


class ErrorStatus(StrEnum):
    """Which HTTP status an error has: its own, or 200 always."""

    STANDARD = "standard"
    ALWAYS_200 = "always_200"


class SessionKeyCheck(StrEnum):
    """Whether an app's ``sessionKey`` is asked for at LINE WORKS, and what silence means."""

    OFF = "off"
    FAIL_OPEN = "fail_open"
    FAIL_CLOSED = "fail_closed"


HOUR = 3_600
DAY = 24 * HOUR

DEFAULT_EXPIRES_IN: Mapping[LoginKind, int] = {
    LoginKind.WEB: DAY,
    LoginKind.APP: 30 * DAY,
    LoginKind.IMAP: DAY,
}


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret as it is kept: its SHA-256 digest (hex) and when it stops to count."""

    digest: str = field(repr=False)
    expires_at: float | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A LINE WORKS tenant, as registered in its Developer Console, with its settings.

    Lifetimes are seconds. ``redirect_uris`` holds full addresses and origins; ``redirect_uri``
    says how they match. ``allowed_addresses`` are networks in CIDR notation; empty allows all.
    """

    client_id: str
    name: str
    profile: Profile = Profile.LINE_WORKS
    enabled: bool = True
    redirect_uris: tuple[str, ...] = ()
    logout_redirect_uris: tuple[str, ...] = ()
    secrets: tuple[ClientSecret, ...] = ()
    user_key: UserKey = UserKey.EXTERNAL_KEY
    domain: str | None = None
    require_state: bool = True
    logout_queries: bool = False
    redirect_denials: bool = False
    session_key_check: SessionKeyCheck = SessionKeyCheck.OFF
    error_style: ErrorStyle = ErrorStyle.CODE
    error_status: ErrorStatus = ErrorStatus.STANDARD
    expires_in_web: int = DEFAULT_EXPIRES_IN[LoginKind.WEB]
    expires_in_app: int = DEFAULT_EXPIRES_IN[LoginKind.APP]
    expires_in_imap: int = DEFAULT_EXPIRES_IN[LoginKind.IMAP]
    announce_expires_in: bool = True
    access_token_lifetime: int | None = None
    code_lifetime: int = 60
    refresh_tokens: bool = False
    refresh_token_lifetime: int = 30 * DAY
    allowed_addresses: tuple[str, ...] = ()

    def expires_in(self, login_kind: LoginKind) -> int:
        """Seconds that LINE WORKS may keep the person signed in."""
        match login_kind:
            case LoginKind.WEB:
                return self.expires_in_web
            case LoginKind.APP:
                return self.expires_in_app
            case LoginKind.IMAP:
                return self.expires_in_imap

    def token_lifetime(self, login_kind: LoginKind) -> int:
        """Seconds that an access token is good for: the announced ones, or fewer (R-54)."""
        announced = self.expires_in(login_kind)
        return min(announced, self.access_token_lifetime or announced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What every short-lived artifact has; ``key`` is the SHA-256 digest (hex) of its secret.

    ``grant_id`` ties together all that one login bought, ``subject_id`` all that one person
    holds. ``expires_at`` is in seconds since the epoch.
    """

    kind: ClassVar[str]

    key: str = field(repr=False)
    grant_id: str
    subject_id: str
    client_id: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemable(Artifact):
    """An artifact that buys an access token, once.

    ``user_id`` is the user key for LINE WORKS; ``lifetime`` the seconds that the bought access
    token lives; ``expires_in`` the seconds that are announced, or None to announce nothing;
    ``login_id`` runs through the audit records of one login.
    """

    user_id: str
    login_id: str
    login_kind: LoginKind
    lifetime: int
    expires_in: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode(Redeemable):
    """The one-time code that travels through the browser (RFC 6749 §4.1.2)."""

    kind = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken(Redeemable):
    """Buys the next access token; replaced at every use (RFC 6749 §6)."""

    kind = "refresh_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken(Artifact):
    """Says to the User Info Return API for whom it was issued."""

    kind = "access_token"

    user_id: str
    login_id: str
    login_kind: LoginKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Artifact):
    """A browser that has signed in here; its ``client_id`` is empty, any client may use it.

    ``authenticated_at`` starts the absolute limit; the idle one moves ``expires_at`` at each use.
    The names are those of the person at the sign-in, for sources that cannot be asked again.
    """

    kind = "session"

    source: str
    username: str
    name: str
    external_key: str | None
    works_account: str | None
    authenticated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentTransaction(Artifact):
    """Remembers that a login transaction has issued its code, until it would have died."""

    kind = "spent_transaction"


ARTIFACT_KINDS: Mapping[str, type[Artifact]] = {
    kind.kind: kind
    for kind in (AuthorizationCode, RefreshToken, AccessToken, Session, SpentTransaction)
}
