"""Browsers of administrators: where a request comes from, and whether they are known."""

from dataclasses import dataclass, field

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.usernames import username_key
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.credential_changes import Origin
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.throttle import is_device_of, new_device_id
from worksgate.sources import Person


@dataclass(frozen=True, slots=True)
class ConsoleBrowser:
    """Where a request comes from; ``secret`` binds the two steps of a sign-in to one browser.

    ``device`` is an ID and its signature, if somebody has signed in here before: failures of others
    do not slow them down (R-79).
    """

    address: str
    name: str
    secret: str = field(repr=False)
    device: tuple[str, str] | None = field(default=None, repr=False)
    language: str = ""

    def origin(self) -> Origin:
        """What a notice says of it."""
        return Origin(address=self.address, browser=self.name, language=self.language)


class KnownDevices:
    """Makes a browser known to an administrator who has signed in in it, by a signature."""

    def __init__(self, signing_key: bytes) -> None:
        self._signer = TransactionSigner(signing_key)

    def known(self, username: str, browser: ConsoleBrowser) -> str | None:
        """The ID of this browser, if this administrator has signed in in it before."""
        if browser.device is None:
            return None
        device_id, signature = browser.device
        is_known = self._signer.knows_device(username_key(username), device_id, signature)
        return device_id if is_known else None

    def known_to(self, person: Person, browser: ConsoleBrowser) -> str | None:
        """The ID of this browser, if it is this person's, and not that of another of their name."""
        device_id = self.known(person.username, browser)
        if device_id is None or not is_device_of(device_id, person.subject_id):
            return None
        return device_id

    def remember(self, person: Person, browser: ConsoleBrowser) -> tuple[str, str]:
        """What makes a browser known to this administrator."""
        device_id = self.known_to(person, browser) or new_device_id(person.subject_id)
        return device_id, self._signer.sign_device(username_key(person.username), device_id)


def event_of(
    account: AdministratorAccount, event: Event, browser: ConsoleBrowser, detail: str, at: float
) -> AuditEvent:
    """A record by the subject: an alert compares the addresses from which somebody signs in."""
    return AuditEvent(
        event=event,
        at=at,
        subject_id=account.subject_id,
        username=account.username,
        address=browser.address or None,
        detail=detail,
    )
