"""Requests for reset links, which anybody may make.

A person asks by name or e-mail address and gets the same response, at the same speed, whether or
not there is such an account (R-79): the lookup happens afterwards, and e-mail is sent later still.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog

from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.secrets import digest
from worksgate.credentials.usernames import username_key
from worksgate.directory import Account
from worksgate.limits.background import BackgroundQueue
from worksgate.limits.networks import network_of
from worksgate.limits.outages import Unavailable
from worksgate.limits.rate_limit import DAY, DailyBudget
from worksgate.mail import Mailer, MailMessage
from worksgate.provider.account.reset_links import Accounts, ResetLinks
from worksgate.provider.account.values import Languages
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store

WINDOW: Final = 3_600.0
PER_ACCOUNT: Final = 3
"""Links that are sent to one account within ``WINDOW`` seconds: so many that strangers ask for, and
as many that are asked for in browsers in which its person has signed in before."""
PER_NETWORK: Final = 20
"""Requests from one network within ``WINDOW`` seconds that are processed."""
MOST_ACCOUNTS: Final = 3
"""Accounts that one request reaches, if they share an e-mail address."""

REQUESTS_A_DAY: Final = 20_000
"""Requests of all networks that are processed per day: each costs a counter and lookups."""
MAILS_A_DAY: Final = 2_000
"""Links that are sent to all people per day: a limit on the e-mail that others can trigger."""
PORTION: Final = 500
"""Requests that a process takes from the day's budget at a time."""

_AT_ONCE: Final = 2
WAITING: Final = 200
"""Requests that may wait."""
KEPT_FOR_KNOWN: Final = 50
"""Places among these, and among waiting e-mails, that unauthenticated callers leave to browsers in
which people have signed in before."""
_LONGEST_NAME: Final = 254
_SENT: Final = "a link was sent"

_log = structlog.get_logger("worksgate.provider.account.reset_requests")


KnowsDevice = Callable[[str, str, str], bool]
"""Whether the ID and signature of a device cookie are of this account (``TransactionSigner``)."""


def no_known_device(account: str, device_id: str, signature: str) -> bool:
    """Knows no browsers."""
    return False


class MailTexts(Protocol):
    """Writes the messages; returns None for a person that cannot get e-mail."""

    def reset_link(
        self, person: Person, link: str, lifetime: float, language: str, company: str = ""
    ) -> MailMessage | None: ...


@dataclass(frozen=True, slots=True)
class ResetOrigin:
    """The client whose sign-in page a request began at, if it has a branding.

    ``query`` is what the address in the e-mail adds, ``company`` the name that the client shows.
    Anybody may ask for both: only the look of the e-mail and of the page behind its link depends on
    them.
    """

    query: str = ""
    company: str = ""


NOWHERE: Final = ResetOrigin()


@dataclass(frozen=True, slots=True)
class _Request:
    """A request: what was typed, in which language, from which address.

    ``is_known`` is whether somebody has signed in with that name in this browser before.
    """

    typed: str = field(repr=False)
    language: str
    address: str
    at: float
    is_known: bool
    origin: ResetOrigin = NOWHERE

    @property
    def kept_free(self) -> int:
        """Places that it leaves to others in every queue."""
        return 0 if self.is_known else KEPT_FOR_KNOWN


class ResetRequests:
    """Sends links to those who ask for one.

    A link is in the language that its person has chosen, or else that of the request. Without
    ``mail`` and ``texts`` no e-mail can be sent, and requests are only counted.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        store: Store,
        audit: AuditLog,
        strangers: StrangerRecords,
        *,
        mail: Mailer | None = None,
        texts: MailTexts | None = None,
        languages: Languages | None = None,
        knows_device: KnowsDevice = no_known_device,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._store = store
        self.links = ResetLinks(settings, accounts, store)
        self._audit = audit
        self._strangers = strangers
        self._requests = DailyBudget("reset requests", REQUESTS_A_DAY, store.bump, portion=PORTION)
        self._mail = mail
        self._texts = texts
        self._languages = languages
        self._knows_device = knows_device
        self._backlog = BackgroundQueue("password_reset", at_once=_AT_ONCE, waiting=WAITING)

    async def receive(
        self,
        typed: str,
        language: str,
        address: str,
        now: float,
        devices: Sequence[tuple[str, str]] = (),
        origin: ResetOrigin = NOWHERE,
    ) -> None:
        """Have links sent to the owners of this name or e-mail address.

        A browser with a device cookie of this name uses neither the daily budget of all callers nor
        that of its network, and places in the queue are reserved for it: unauthenticated callers
        cannot use these up for people who have signed in there before.

        Returns before anything is looked up, and reveals nothing of the result. More than
        ``PER_NETWORK`` requests an hour are ignored, and beyond ``REQUESTS_A_DAY`` of all networks
        the others too. Raises StoreUnavailable.
        """
        account = username_key(typed)
        known = next(
            (each for each, mac in devices if self._knows_device(account, each, mac)), None
        )
        is_known = known is not None
        if self._mail is None or not (is_known or self._requests.take(now)):
            self._strangers.count(Event.PASSWORD_RESET_REQUESTED, network_of(address), now)
            return
        place = network_of(address) if known is None else f"device {known}"
        requests = await self._store.bump(f"reset network {digest(place)[:32]}", WINDOW, now)
        if requests <= PER_NETWORK:
            request = _Request(typed, language, address, now, is_known, origin)
            if not self._backlog.add(partial(self._answer, request), kept_free=request.kept_free):
                self._strangers.count(Event.PASSWORD_RESET_REQUESTED, network_of(address), now)

    async def close(self, within: float) -> None:
        """Answer waiting requests, for at most ``within`` seconds."""
        await self._backlog.close(within)

    async def _answer(self, request: _Request) -> None:
        try:
            accounts = await self._reachable(request.typed)
            for account in accounts:
                await self._send_link(account, request)
        except Unavailable as error:
            _log.warning("password_reset.not_sent", reason=str(error))
            return
        if not accounts:
            self._record_request(request, None, "nobody with this name can get e-mail")

    async def _reachable(self, typed: str) -> list[Account]:
        """The accounts that match, if their people can get e-mail and sign in."""
        name = typed.strip()
        if not name or len(name) > _LONGEST_NAME:
            return []
        by_name = await self._accounts.account_by_username(name)
        by_email = await self._accounts.accounts_by_email(name, MOST_ACCOUNTS)
        found = {account.id: account for account in (by_name, *by_email) if account is not None}
        reachable = [each for each in found.values() if each.enabled and each.email]
        return reachable[:MOST_ACCOUNTS]

    async def _send_link(self, account: Account, request: _Request) -> None:
        place = " known" if request.is_known else ""
        links = await self._store.bump(f"reset account {account.id}{place}", WINDOW, request.at)
        if links > PER_ACCOUNT:
            detail = "no link was sent: the limit per hour is reached"
        elif not (request.is_known or await self._is_within_the_day(request.at)):
            detail = "no link was sent: the limit of all people per day is reached"
        elif await self._queue_link(account, request):
            detail = _SENT
        else:
            detail = "no link was sent: the address is not valid, or too many e-mails are waiting"
        self._record_request(request, account, detail)

    async def _is_within_the_day(self, now: float) -> bool:
        return await self._store.bump("reset mails", DAY, now) <= MAILS_A_DAY

    async def _queue_link(self, account: Account, request: _Request) -> bool:
        if self._mail is None or self._texts is None:
            return False
        subject_id = account.person.subject_id
        link, origin = await self.links.make(account, request.at, mailed=True), request.origin
        if origin.query:
            link += f"&{origin.query}"
        chosen = "" if self._languages is None else await self._languages.language(subject_id)
        message = self._texts.reset_link(
            account.person,
            link,
            self._settings.reset_link_lifetime,
            chosen or request.language,
            origin.company,
        )
        return message is not None and self._mail.queue(message, kept_free=request.kept_free)

    def _record_request(self, request: _Request, account: Account | None, detail: str) -> None:
        event = AuditEvent(
            event=Event.PASSWORD_RESET_REQUESTED,
            at=request.at,
            subject_id=account.person.subject_id if account else None,
            username=account.username if account else request.typed,
            address=request.address,
            detail=detail,
        )
        if detail == _SENT:
            self._audit.record(event)
        else:
            self._strangers.record(event)
