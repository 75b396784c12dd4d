"""The results of a sign-in's steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from worksgate.provider.factors import Enrolled
from worksgate.provider.factors.totp import NewTotp
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.sources import Person


@dataclass(frozen=True, slots=True)
class Authorized:
    """Redirect the browser to ``location``, which contains a fresh code."""

    location: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn(Authorized):
    """Like Authorized, and the browser has a new session.

    ``device`` is a pair for its cookie, if a password was typed; ``trusted`` a secret for the
    cookie that replaces the second factor.
    """

    session: str = field(repr=False)
    device: tuple[str, str] | None = field(default=None, repr=False)
    trusted: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """Show the sign-in form."""

    transaction: SignInTransaction


@dataclass(frozen=True, slots=True)
class AccountChoiceNeeded:
    """Signed in as ``person``, but LINE WORKS asked for somebody else: let them choose."""

    transaction: SignInTransaction
    person: Person


@dataclass(frozen=True, slots=True)
class WaysIn:
    """The options of the sign-in page: a password, other providers (name, label), a passkey."""

    passwords: bool = True
    buttons: Sequence[tuple[str, str]] = ()
    passkey_options: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewPasswordNeeded:
    """The password is temporary: the person must choose a new one first (R-85)."""

    transaction: SignInTransaction
    person: Person


class FactorPurpose(StrEnum):
    """The purpose of a second factor."""

    ANY = auto()
    """To sign in: any is accepted, and a browser can be remembered."""
    ACCOUNT = auto()
    """To manage their own account: the best that they have."""
    BEFORE_PASSKEY = auto()
    """To set up a passkey afterwards, without which they cannot continue."""
    PASSKEY = auto()
    """A passkey is required, and nothing else is accepted."""


@dataclass(frozen=True, slots=True)
class SecondFactorNeeded:
    """Ask for one of these factors, which the person has; ``passkey_options`` is for WebAuthn.

    ``why`` is the purpose, if it decides which of their factors are accepted.
    """

    transaction: SignInTransaction
    person: Person
    enrolled: Enrolled
    passkey_options: str | None = field(default=None, repr=False)
    why: FactorPurpose = FactorPurpose.ANY


@dataclass(frozen=True, slots=True)
class EnrolmentNeeded:
    """The person has no acceptable second factor, and needs one: offer to set one up.

    ``totp`` is None if it must be a passkey.
    """

    transaction: SignInTransaction
    person: Person
    totp: NewTotp | None = field(repr=False)
    passkey_options: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryCodesIssued:
    """A factor was set up: show the codes, once, and continue when the person has stored them."""

    transaction: SignInTransaction
    codes: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RedirectedUpstream:
    """Redirect the browser to another provider, whose name is ``label``.

    ``along`` is a pair for its cookie of such sign-ins, without which it cannot come back.
    """

    location: str = field(repr=False)
    label: str
    along: tuple[str, str] = field(repr=False)
    transaction: SignInTransaction


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
"""The response for a browser: to LINE WORKS with a code, to another provider, or a page."""
