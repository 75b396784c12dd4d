"""The values of the account pages: who is there, what is shown, why something is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import Session
from worksgate.provider.factors import AppPassword, Enrolled, Holder
from worksgate.provider.sign_in.attempt import Browser
from worksgate.sources import Person


class NotSignedIn(Exception):
    """There is no live session: who this is has to be found out first."""


class LoginTooOld(Exception):
    """The sign-in lies too far back, or was not a full one, for what is wanted (R-83)."""


class WrongCode(Exception):
    """The code is not that of the app that is being set up."""


class EnrolmentLost(Exception):
    """Nothing is known of this setting up (any more): it must begin again."""


class NotOffered(Exception):
    """This installation, or this person's source, does not have that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The person of a live session, at one moment; ``language`` is that of mails to them."""

    session: Session
    person: Person
    browser: Browser
    language: str
    at: float

    @property
    def holder(self) -> Holder:
        """As whom they hold their factors."""
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
    """Somewhere that the person is signed in; times are seconds since the epoch.

    ``id`` names it and opens nothing. ``address`` is where the sign-in came from, and ``browser``
    by which ("Chrome on Windows"), if the history still tells.
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
    """A line of the person's own history; ``client`` is the name of a client, if one is known.

    ``browser`` is that of a sign-in. ``by_administrator`` says that somebody else did it.
    """

    event: Event
    at: float
    address: str | None
    client: str | None
    browser: str | None
    by_administrator: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that is shown to a person of their account.

    ``app_passwords`` is None where no client takes them; they work until ``app_passwords_until``,
    unless the person signs in at their source before, or without end. ``provider`` is what the
    other provider is called who signs them in, if one does.
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

    ``codes`` are the person's recovery codes, where they had none before. ``cuts_off_mail`` says
    that mail programs with the person's own password are refused from now on.
    """

    session: str | None = field(repr=False)
    codes: Sequence[str] = field(repr=False)
    cuts_off_mail: bool = False
