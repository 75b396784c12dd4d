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

    A hint is a whole LINE WORKS account or its local part; a person's works account may be kept
    either way, and a username may be the same address.
    """
    if works_id is None:
        return True
    hint = account_key(works_id)
    names = {account_key(name) for name in (person.works_account, person.username) if name}
    local_parts = {name.partition("@")[0] for name in names if "@" not in name or "@" not in hint}
    return hint in names or hint.partition("@")[0] in local_parts
