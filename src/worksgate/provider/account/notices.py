"""Notices: an e-mail to the person for each change of their credentials.

The directory announces what it has committed (``credential_changes``), and ``Notices`` listens:
every kind of change has a text or is deliberately silent (``SILENT``). E-mails are written and sent
in the background, ``AT_ONCE`` at a time. Each has a link with which the person can disavow the
change (``disavowal``).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

import structlog

from worksgate.database import DatabaseUnavailable
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.limits.background import BackgroundQueue
from worksgate.mail import Mailer, MailMessage, MailUnavailable
from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.account.values import Languages
from worksgate.sources import Person
from worksgate.store import StoreUnavailable

SILENT: Final = frozenset(
    {
        Change.RECOVERY_CODES_MADE,  # they come with a factor, which has a notice of its own
        Change.PASSWORD_VOIDED,  # part of DISAVOWED
        Change.ACCOUNT_CLOSED,  # an administrator has disabled or removed the person
    }
)
"""Changes without an e-mail of their own."""

WITHOUT_LINK: Final = frozenset({Change.DISAVOWED, Change.APP_PASSWORDS_LAPSE})
"""Changes after which a link has nothing to revoke, or nothing to disavow."""

AT_ONCE: Final = 2
WAITING: Final = 200
"""Notices that may wait; beyond that they are dropped and logged."""
OF_ONE_PERSON: Final = 20
"""How many of them may be one person's: one person's changes must not displace others' notices."""

_log = structlog.get_logger("worksgate.provider.account.notices")
_dropped = RateLimitedWarning("notice.dropped")


class Outcome(StrEnum):
    """The outcome of a notice."""

    SENT = "sent"
    NO_ADDRESS = "no address"
    NOT_SENT = "not sent"
    NO_MAIL = "no mail"
    """No mail server is configured."""


class People(Protocol):
    """Looks up addresses: the directory."""

    async def person(self, subject_id: str) -> Person | None: ...


class Texts(Protocol):
    """Writes the messages; returns None for a person that cannot get e-mail."""

    def notice(
        self, person: Person, change: CredentialChange, link: str, company: str = ""
    ) -> MailMessage | None: ...


class CompanyNames(Protocol):
    """What a person's company is called, if their client's pages have a name of their own."""

    async def of(self, subject_id: str) -> str: ...


class Links(Protocol):
    """Makes the links with which a person disavows a change. Raises StoreUnavailable."""

    async def make(self, change: CredentialChange) -> str: ...


Report = Callable[[Outcome], None]


def ignore_outcome(_: Outcome) -> None:
    """Ignore the outcome of a notice: it is logged."""


class Notices:
    """Sends notices; ``links`` is None if links would not work, as with a store in memory.

    ``companies`` gives each the name of the company that its person knows, ``languages`` the
    language that they have chosen.
    """

    def __init__(
        self,
        people: People,
        mail: Mailer,
        texts: Texts,
        links: Links | None,
        report: Report = ignore_outcome,
        companies: CompanyNames | None = None,
        languages: Languages | None = None,
    ) -> None:
        self._people = people
        self._mail = mail
        self._texts = texts
        self._links = links
        self._report = report
        self._companies = companies
        self._languages = languages
        self._backlog = BackgroundQueue("notices", at_once=AT_ONCE, waiting=WAITING)
        self._waiting: Counter[str] = Counter()

    def notify(self, change: CredentialChange) -> None:
        """Queue a notice of a change; returns at once and never raises."""
        if change.change in SILENT:
            return
        whose = change.event.subject_id or ""
        if self._waiting[whose] >= OF_ONE_PERSON:
            _dropped.log("", f"{OF_ONE_PERSON} notices of one person are waiting")
            self._report(Outcome.NOT_SENT)
        elif self._backlog.add(partial(self._notify, change)):
            self._waiting[whose] += 1
        else:
            self._report(Outcome.NOT_SENT)

    async def close(self, within: float = 10.0) -> None:
        """Send the waiting notices, for at most ``within`` seconds; the rest is dropped."""
        await self._backlog.close(within)

    async def _notify(self, change: CredentialChange) -> None:
        self._waiting -= Counter([change.event.subject_id or ""])
        try:
            self._report(await self._send(change))
        except (DatabaseUnavailable, MailUnavailable) as error:
            _log.warning("notice.not_sent", change=change.change.value, reason=str(error))
            self._report(Outcome.NOT_SENT)

    async def _send(self, change: CredentialChange) -> Outcome:
        person = await self._people.person(change.event.subject_id or "")
        if person is None or not person.email:
            return Outcome.NO_ADDRESS
        link = await self._link(change)
        change = await self._in_their_language(change, person)
        message = self._texts.notice(person, change, link, await self._company(person))
        if message is None:
            return Outcome.NO_ADDRESS
        await self._mail.send(message)
        return Outcome.SENT

    async def _in_their_language(
        self, change: CredentialChange, person: Person
    ) -> CredentialChange:
        """The change as from a browser in the language that its person has chosen, if any."""
        if self._languages is None:
            return change
        language = await self._languages.language(person.subject_id)
        origin = change.origin
        return replace(change, origin=replace(origin, language=language or origin.language))

    async def _company(self, person: Person) -> str:
        return "" if self._companies is None else await self._companies.of(person.subject_id)

    async def _link(self, change: CredentialChange) -> str:
        """A link, or an empty text if it cannot be made: the notice matters more."""
        if self._links is None or change.change in WITHOUT_LINK:
            return ""
        try:
            return await self._links.make(change)
        except StoreUnavailable as error:
            _log.warning("notice.without_link", change=change.change.value, reason=str(error))
            return ""
