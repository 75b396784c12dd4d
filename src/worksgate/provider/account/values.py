"""The values of the account pages: the visitor, what is shown, and refusals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import structs

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import new_ordered_id, storage_key
from worksgate.oauth.model import Session
from worksgate.provider.factors import AppPassword, Enrolled, Holder
from worksgate.provider.sign_in.attempt import Browser
from worksgate.sources import Person


class NotSignedIn(Exception):
    """There is no live session: the person has to sign in first."""


class SignInTooOld(Exception):
    """The sign-in is too old, or was not a full one, for this action (R-83)."""


class WrongCode(Exception):
    """The code does not match the app that is being set up."""


class EnrolmentLost(Exception):
    """This enrolment is unknown or has expired: it must begin again."""


class NotOffered(Exception):
    """This installation, or this person's source, does not offer that."""


class Languages(Protocol):
    """Which language a person has chosen for their mails; empty for none."""

    async def language(self, subject_id: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The person of a live session, at one moment; ``language`` is for e-mails to them."""

    session: Session
    person: Person
    browser: Browser
    language: str
    at: float

    @property
    def holder(self) -> Holder:
        """The owner of their factors."""
        return Holder(
            subject_id=self.person.subject_id,
            username=self.person.username,
            address=self.browser.address,
        )

    def event(self, event: Event, detail: str) -> AuditEvent:
        """An audit record of what they did."""
        return self.holder.event(event, self.at, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A place where the person is signed in; times are in seconds since the epoch.

    ``id`` identifies it and grants nothing. ``address`` is where the sign-in came from, and
    ``browser`` its browser ("Chrome on Windows"), if the history still has it.
    """

    id: str
    since: float
    ends_at: float
    second_factor: bool
    is_this: bool
    address: str | None = None
    browser: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """A line of the person's own history; ``client`` is the name of a client, if known.

    ``browser`` is that of a sign-in. ``by_administrator`` is true if somebody else did it.
    """

    event: Event
    at: float
    address: str | None
    client: str | None
    browser: str | None
    by_administrator: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that a person sees of their account.

    ``app_passwords`` is None if no client accepts them; they work until ``app_passwords_until``,
    unless the person signs in at their source before, or indefinitely. ``provider`` is the label of
    the other provider that signs them in, if any.
    """

    person: Person
    enrolled: Enrolled
    app_passwords: tuple[AppPassword, ...] | None
    app_passwords_until: float | None = None
    sessions: Sequence[OpenSession]
    history: Sequence[AccountEvent]
    can_change_password: bool
    provider: str | None
    passkeys_usable: bool
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class FactorAdded:
    """A factor was set up. ``session`` is the new secret of the session, if it has one.

    ``codes`` are the person's recovery codes, if they had none before. ``cuts_off_mail`` is true if
    mail programs with the person's own password are refused from now on.
    """

    session: str | None = field(repr=False)
    codes: Sequence[str] = field(repr=False)
    cuts_off_mail: bool = False


def renewed_session(session: Session, secret: str) -> Session:
    """The same session with another secret and another name."""
    return structs.replace(session, key=storage_key(secret), grant_id=new_ordered_id())
