"""The values of a sign-in: who is there, how far they are, what comes next, why it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Self

from worksgate.credentials.secrets import new_secret
from worksgate.credentials.usernames import username_key
from worksgate.oauth.model import Session
from worksgate.provider.assurance import Assurance, Factor, kept_in
from worksgate.provider.factors import Enrolled
from worksgate.provider.factors.totp import NewTotp
from worksgate.provider.sign_in.transaction import LoginTransaction
from worksgate.sources import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Who is at the other end: the address as we trust it, and the secrets in its cookies.

    ``may_receive_code`` is False for anything but a top-level navigation (R-17). ``devices`` are
    pairs of id and signature from earlier sign-ins; ``trusted`` are secrets of who is not asked
    for a second factor here, ``upstream`` pairs of name and text of logins that are at another
    provider. ``name`` is what people call it, such as "Chrome on Windows".
    """

    address: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)
    devices: Sequence[tuple[str, str]] = field(default=(), repr=False)
    trusted: Sequence[str] = field(default=(), repr=False)
    upstream: Sequence[tuple[str, str]] = field(default=(), repr=False)
    name: str = ""
    may_receive_code: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProgress:
    """How far a login has come; ``challenge`` is this login's own for passkeys (base64url).

    ``assurance`` is what the person has given, ``known`` that of the session by which they were
    known, if ``from_session``; ``authenticated_at`` since when: what it learns of a second factor
    makes it no younger (R-29). ``sealed_totp`` is there while the person sets up an authenticator
    app, ``sealed_codes`` from then on: the recovery codes, until the person says that they have
    kept them. ``typed`` is the name that a password was typed for: its browser is known at the end
    (R-79). Times are in seconds since the epoch.
    """

    source: str
    person: Person
    typed: str | None = None
    assurance: Assurance = field(default_factory=Assurance)
    password_changed: bool = False
    from_session: bool = False
    known: Assurance = field(default_factory=Assurance)
    authenticated_at: float | None = None
    challenge: str = field(default_factory=new_secret, repr=False)
    sealed_totp: str | None = field(default=None, repr=False)
    sealed_codes: str | None = field(default=None, repr=False)

    @classmethod
    def of_session(cls, session: Session, person: Person) -> Self:
        """The login of somebody who is signed in already; ``person`` is as they are now."""
        assurance = kept_in(session)
        return cls(
            source=session.source,
            person=person,
            assurance=assurance,
            known=assurance,
            from_session=True,
            authenticated_at=session.authenticated_at,
        )

    def with_factor(self, factor: Factor, at: float) -> Self:
        """How far it is with one more factor; what was signed once is not taken twice (R-82)."""
        return replace(
            self, assurance=self.assurance.with_factor(factor, at), challenge=new_secret()
        )

    @property
    def adds_to_session(self) -> bool:
        """Whether it takes a new session: there is none, or it has ended or knows less."""
        is_enough = self.from_session and not self.password_changed
        return not is_enough or self.assurance != self.known

    @property
    def challenge_bytes(self) -> bytes:
        return self.challenge.encode()

    @property
    def needs_new_password(self) -> bool:
        """Whether the password is temporary and has not been replaced yet."""
        return self.person.must_change_password and not self.password_changed


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A login as one request finds it; ``now`` is in seconds since the epoch."""

    transaction: LoginTransaction
    progress: LoginProgress
    browser: Browser
    now: float

    @property
    def person(self) -> Person:
        return self.progress.person

    def advanced_to(self, progress: LoginProgress) -> Self:
        """The same attempt, which has come further."""
        return replace(self, progress=progress)


@dataclass(frozen=True, slots=True)
class Authorized:
    """Send the browser to ``location``: it holds a fresh code."""

    location: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn(Authorized):
    """As Authorized, and the browser has a new session.

    ``device`` is a pair for its cookie, where a password was typed; ``trusted`` a secret for the
    one that spares it the second factor.
    """

    session: str = field(repr=False)
    device: tuple[str, str] | None = field(default=None, repr=False)
    trusted: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """Show the login form."""

    transaction: LoginTransaction


@dataclass(frozen=True, slots=True)
class AccountChoiceNeeded:
    """Signed in as ``person``, but LINE WORKS was told of somebody else: ask which."""

    transaction: LoginTransaction
    person: Person


@dataclass(frozen=True, slots=True)
class WaysIn:
    """What the login page offers: a password, other providers (name, label), a passkey."""

    passwords: bool = True
    buttons: Sequence[tuple[str, str]] = ()
    passkey_options: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewPasswordNeeded:
    """The password is temporary: the person chooses their own first (R-85)."""

    transaction: LoginTransaction
    person: Person


class FactorWanted(StrEnum):
    """What a second factor is asked for."""

    ANY = auto()
    """To sign in: any will do, and a browser can be remembered for it."""
    ACCOUNT = auto()
    """To look after their own account: the best that they have."""
    BEFORE_PASSKEY = auto()
    """To set up a passkey afterwards, without which they cannot go on."""
    PASSKEY = auto()
    """A passkey is demanded, and nothing else will do."""


@dataclass(frozen=True, slots=True)
class SecondFactorNeeded:
    """Ask for one of these factors, which the person has; ``passkey_options`` is for WebAuthn.

    ``why`` says for what it is asked, where that decides which of theirs will do.
    """

    transaction: LoginTransaction
    person: Person
    enrolled: Enrolled
    passkey_options: str | None = field(default=None, repr=False)
    why: FactorWanted = FactorWanted.ANY


@dataclass(frozen=True, slots=True)
class EnrolmentNeeded:
    """The person has no second factor that will do, and needs one: offer to set one up.

    ``totp`` is None where it must be a passkey.
    """

    transaction: LoginTransaction
    person: Person
    totp: NewTotp | None = field(repr=False)
    passkey_options: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryCodesIssued:
    """A factor was set up: show the codes, once, and go on when the person has kept them."""

    transaction: LoginTransaction
    codes: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RedirectedUpstream:
    """Send the browser to another provider, which is called ``label``.

    ``along`` is a pair for its cookie of such logins, without which it cannot come back.
    """

    location: str = field(repr=False)
    label: str
    along: tuple[str, str] = field(repr=False)


NextStep = (
    Authorized
    | RedirectedUpstream
    | PasswordNeeded
    | AccountChoiceNeeded
    | NewPasswordNeeded
    | SecondFactorNeeded
    | EnrolmentNeeded
    | RecoveryCodesIssued
)
"""What a browser gets next: to LINE WORKS with a code, to another provider, or a page."""


class ProofKind(StrEnum):
    """What is shown as a second factor."""

    CODE = auto()
    RECOVERY_CODE = auto()
    PASSKEY = auto()


_FACTORS: Mapping[ProofKind, Factor] = {
    ProofKind.CODE: Factor.TOTP,
    ProofKind.RECOVERY_CODE: Factor.RECOVERY_CODE,
    ProofKind.PASSKEY: Factor.PASSKEY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a person shows as a second factor: one of the three."""

    code: str = field(default="", repr=False)
    recovery_code: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)

    @property
    def factor(self) -> Factor:
        """What it is, if it is right."""
        return _FACTORS[self.kind]

    @property
    def kind(self) -> ProofKind:
        if self.passkey:
            return ProofKind.PASSKEY
        return ProofKind.RECOVERY_CODE if self.recovery_code else ProofKind.CODE


class LoginDenied(Exception):
    """A rule of the client says no; the text is the rule."""


class NoPasskey(Exception):
    """A passkey is demanded, and the person neither has one nor can set one up here."""


class UpstreamLoginFailed(Exception):
    """A login at another provider came to nothing: ``why``, and the login that can go on here."""

    def __init__(self, transaction: LoginTransaction, why: Exception) -> None:
        super().__init__(type(why).__name__)
        self.transaction = transaction
        self.why = why


class LoginLost(Exception):
    """Nothing is known of this login any more: it must begin again with the password."""


class WrongFactor(Exception):
    """The second factor that was ``given`` is wrong; ``left`` more tries."""

    def __init__(self, given: ProofKind, left: int) -> None:
        super().__init__(f"{left} tries are left")
        self.given = given
        self.left = left


class TooManyWrongFactors(Exception):
    """The second factor was wrong too often: this login is over."""


class WrongPassword(Exception):
    """The name is unknown or the password wrong; never which."""


class UnknownPasskey(WrongPassword):
    """The passkey is not known here, or what it signed is wrong."""


class AlreadySignedIn(Exception):
    """This transaction has issued its code: the form was sent twice."""


class NoUserKey(Exception):
    """The person may sign in, but has no user key of the kind that the client is set to."""


def is_meant(works_id: str | None, person: Person) -> bool:
    """Whether LINE WORKS' hint can mean this person; no hint means anybody.

    A hint is a whole LINE WORKS account or its local part; so may a works account be kept. A
    username counts only for somebody whose works account is not known.
    """
    if works_id is None:
        return True
    hint, name = username_key(works_id), username_key(person.works_account or person.username)
    if "@" in hint and "@" in name:
        return hint == name
    return hint.partition("@")[0] == name.partition("@")[0]
