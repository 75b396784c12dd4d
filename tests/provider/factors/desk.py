"""What the tests of second factors use: the facade, its database, its failures, two people."""

from dataclasses import dataclass, field

from worksgate.audit import AuditEvent, Event
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.provider.factors import AppPasswords, Factors, Holder
from worksgate.sources import Person

ORIGIN = "https://sso.example.com"
HANAKO = Holder(
    subject_id="directory:a1", username="hanako", address="192.0.2.1", login_id="l1", client_id="c1"
)
TARO = Holder(subject_id="directory:a2", username="taro", address="192.0.2.2")
STRANGER = Holder(subject_id="", address="192.0.2.3")
HANAKO_PERSON = Person(subject_id=HANAKO.subject_id, username="hanako", name="山田花子")
TARO_PERSON = Person(subject_id=TARO.subject_id, username="taro", name="")


@dataclass(slots=True)
class Audit:
    """An audit log that keeps what it is told."""

    events: list[AuditEvent] = field(default_factory=list)

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None:
        """There always is."""

    async def flush(self) -> None:
        """Nothing waits."""

    @property
    def details(self) -> list[str | None]:
        return [event.detail for event in self.events]


@dataclass(frozen=True, slots=True)
class Desk:
    """The facade, and what it writes to; ``audit`` holds failures, the database successes."""

    directory: Directory
    factors: Factors
    app_passwords: AppPasswords
    audit: Audit

    async def recorded(self) -> list[tuple[Event, str | None]]:
        """What stands in the audit log of the database."""
        found = await self.directory.audit(AuditFilter())
        return [(event.event, event.detail) for event in found]
