"""The values of a sign-in: the client, and what was granted (artifacts).

An artifact is short-lived and represented by a secret. The secret is sent once; what is stored is
``key``: its digest, for most kinds after the time in it (``credentials.storage_key``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import msgspec


class LoginKind(StrEnum):
    """Where the person signs in; LINE WORKS gives each its own session length."""

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
    """The content of ``user_id``: the console setting *SSO User Key*."""

    EXTERNAL_KEY = "external_key"
    WORKS_ACCOUNT = "works_account"


class ErrorStyle(StrEnum):
    """How ``error`` is spelt: the documented number, or the message."""

    CODE = "code"
    TEXT = "text"


class ErrorStatus(StrEnum):
    """The HTTP status of an error: its own, or always 200."""

    STANDARD = "standard"
    ALWAYS_200 = "always_200"


class SessionKeyCheck(StrEnum):
    """Whether an app's ``sessionKey`` is verified with LINE WORKS, and what no response means."""

    OFF = "off"
    FAIL_OPEN = "fail_open"
    FAIL_CLOSED = "fail_closed"


class SecondFactor(StrEnum):
    """When a second factor is required: never, from those who have one, or always."""

    OFF = "off"
    ALLOWED = "allowed"
    REQUIRED = "required"


class ImapPasswords(StrEnum):
    """Which passwords are valid for the IMAP/CalDAV login, if it is enabled."""

    APP_PASSWORDS = "app_passwords"
    ALL = "all"


HOUR = 3_600
DAY = 24 * HOUR
CLOCK_SKEW = 90.0
"""Seconds that another node's clock may be ahead (F-17)."""

DEFAULT_EXPIRES_IN: Mapping[LoginKind, int] = {
    LoginKind.WEB: DAY,
    LoginKind.APP: 30 * DAY,
    LoginKind.IMAP: DAY,
}


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A stored client secret: its SHA-256 digest (hex) and its expiry."""

    digest: str = field(repr=False)
    expires_at: float | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A LINE WORKS tenant, as registered in its Developer Console, with its settings.

    Lifetimes are in seconds. ``redirect_uris`` contains full addresses and origins;
    ``redirect_uri`` defines matching. ``allowed_addresses`` are networks in CIDR notation; empty
    allows all. ``sources`` are names of identity sources; empty means all. ``rules`` are lines in
    the syntax of ``access_rules``; ``second_factor`` applies if none of them matches. ``version``
    is that of its last change; clients that differ in nothing else are the same.
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
    sources: tuple[str, ...] = ()
    second_factor: SecondFactor = SecondFactor.ALLOWED
    rules: tuple[str, ...] = ()
    imap_login: bool = False
    imap_passwords: ImapPasswords = ImapPasswords.APP_PASSWORDS
    version: int = field(default=0, compare=False)

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
        """Lifetime of an access token in seconds: as announced, or shorter (R-54)."""
        announced = self.expires_in(login_kind)
        return min(announced, self.access_token_lifetime or announced)


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of every short-lived artifact; ``key`` is the stored form of its secret.

    ``grant_id`` links everything issued by one sign-in, ``subject_id`` everything one person holds.
    ``expires_at`` is in seconds since the epoch.

    Artifacts are structs, since each call of LINE WORKS creates one and a dataclass is nine times
    slower.
    """

    kind: ClassVar[str]

    key: str
    grant_id: str
    subject_id: str
    client_id: str
    expires_at: float

    def __repr__(self) -> str:
        """Without the key: it is the stored form of a secret."""
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__[1:]]
        return f"{type(self).__name__}({', '.join(shown)})"


class Redeemable(Artifact, frozen=True, kw_only=True):
    """An artifact that can be exchanged for an access token, once.

    ``user_id`` is the user key for LINE WORKS; ``lifetime`` is that of the access token in seconds;
    ``expires_in`` the announced seconds, or None to announce nothing; ``login_id`` runs through the
    audit records of one sign-in.
    """

    user_id: str
    login_id: str
    login_kind: LoginKind
    lifetime: int
    expires_in: int | None


class AuthorizationCode(Redeemable, frozen=True, kw_only=True):
    """The one-time code that travels through the browser (RFC 6749 §4.1.2)."""

    kind = "code"


class RefreshToken(Redeemable, frozen=True, kw_only=True):
    """Can be exchanged for the next access token; replaced at every use (RFC 6749 §6)."""

    kind = "refresh_token"


class AccessToken(Artifact, frozen=True, kw_only=True):
    """Identifies the person for the User info return API."""

    kind = "access_token"

    user_id: str
    login_id: str
    login_kind: LoginKind


class Session(Artifact, frozen=True, kw_only=True):
    """A browser that has signed in here; its ``client_id`` is empty, any client may use it.

    ``authenticated_at`` starts the absolute limit; the idle one moves ``expires_at`` at each use.
    The names are those at the sign-in, for sources that cannot look people up; ``person_groups`` is
    written by ``sessions``. ``assurance`` are the factors used and their times, in the format of
    ``worksgate.provider.assurance``; ``second_factor_at`` is the time of a second factor, if any;
    ``revision`` is that of the password (R-31).
    """

    kind = "session"

    source: str
    username: str
    name: str
    external_key: str | None
    works_account: str | None
    authenticated_at: float
    email: str | None = None
    person_groups: str = ""
    second_factor_at: float | None = None
    revision: str | None = None
    assurance: str = ""

    def is_live(self, now: float) -> bool:
        """Whether it has begun, perhaps on a node whose clock is ahead, and is not over."""
        return self.authenticated_at - CLOCK_SKEW <= now < self.expires_at


class SpentTransaction(Artifact, frozen=True, kw_only=True):
    """Remembers that a login transaction has issued its code, until it would have expired."""

    kind = "spent_transaction"


class Interim(Artifact, frozen=True, kw_only=True):
    """Data kept until the same person's next request, or the one after.

    ``purpose`` separates uses, so that no secret is valid for anything else; ``data`` is text of
    whoever stores it, and may be secret.
    """

    kind = "interim"

    purpose: str
    data: str

    def __repr__(self) -> str:
        return f"Interim(purpose={self.purpose!r}, subject_id={self.subject_id!r})"


ARTIFACT_KINDS: Mapping[str, type[Artifact]] = {
    kind.kind: kind
    for kind in (AuthorizationCode, RefreshToken, AccessToken, Session, SpentTransaction, Interim)
}
