"""The values of a sign-in: who is there, how far they are, what comes next, why it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from worksgate.provider.factors import Enrolled
from worksgate.provider.factors.totp import NewTotp
from worksgate.provider.sign_in.transaction import LoginTransaction
from worksgate.sources import Person


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
