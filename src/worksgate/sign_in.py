"""The values of a sign-in: who is there, what comes of it, and why it may be refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worksgate.login_transaction import LoginTransaction
from worksgate.sources import Person
from worksgate.throttle import account_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Who is at the other end: the address as we trust it, and the secrets in its cookies.

    ``may_receive_code`` is False for anything but a top-level navigation (R-17). ``devices`` are
    pairs of id and signature from earlier sign-ins.
    """

    address: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)
    devices: Sequence[tuple[str, str]] = field(default=(), repr=False)
    may_receive_code: bool = True


@dataclass(frozen=True, slots=True)
class Authorized:
    """Send the browser to ``location``: it holds a fresh code."""

    location: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn(Authorized):
    """As Authorized, and the browser has a new session; ``device`` is a pair for its cookie."""

    session: str = field(repr=False)
    device: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """Show the login form."""

    transaction: LoginTransaction


@dataclass(frozen=True, slots=True)
class AccountChoiceNeeded:
    """Signed in as ``person``, but LINE WORKS was told of somebody else: ask which."""

    transaction: LoginTransaction
    person: Person


class WrongPassword(Exception):
    """The name is unknown or the password wrong; never which."""


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
    hint, name = account_key(works_id), account_key(person.works_account or person.username)
    if "@" in hint and "@" in name:
        return hint == name
    return hint.partition("@")[0] == name.partition("@")[0]
