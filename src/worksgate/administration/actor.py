"""The acting user of the administration, and audit records of what they do."""

from collections.abc import Callable
from dataclasses import dataclass

from worksgate.administration.errors import Forbidden
from worksgate.administration.roles import Role, may_act_on
from worksgate.audit import AuditEvent, Event
from worksgate.directory import Account
from worksgate.directory.change_log import Author
from worksgate.sources import Person


@dataclass(frozen=True, slots=True)
class Actor:
    """The acting user, by name in the audit log; ``clock`` returns seconds since the epoch.

    ``subject_id`` and ``role`` are those of an administrator in the console, ``session`` and
    ``request_id`` name where it was done; the command line has none of them, and may do everything.
    """

    name: str
    clock: Callable[[], float]
    subject_id: str | None = None
    role: Role | None = None
    session: str | None = None
    request_id: str | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock()

    def author(self, *, undoes: int | None = None) -> Author:
        """Who changes something now, for the log of changes; perhaps to undo an earlier one."""
        role = None if self.role is None else self.role.value
        return Author(self.name, self.now(), role, undoes, self.session, self.request_id)

    def check_may_change(self, account: Account) -> None:
        """Raise Forbidden if this administrator may not act on this person."""
        self.check_may_act_on(account.username, account.role)

    def check_may_act_on(self, username: str, role: str | None) -> None:
        """Raise Forbidden if this administrator may not act on somebody with this role."""
        if self.role is not None and not may_act_on(self.role, role):
            raise Forbidden(
                f"{username} is an administrator, whom the role {self.role.value} cannot change"
            )

    def event(
        self,
        event: Event,
        detail: str,
        *,
        subject_id: str | None = None,
        username: str | None = None,
        client_id: str | None = None,
        at: float | None = None,
    ) -> AuditEvent:
        """The record of something done to this person or client, now or at a time."""
        return AuditEvent(
            event=event,
            at=self.now() if at is None else at,
            actor=self.name,
            detail=detail,
            subject_id=subject_id,
            username=username,
            client_id=client_id,
        )

    def person_event(
        self, person: Person, event: Event, detail: str, *, at: float | None = None
    ) -> AuditEvent:
        """The record of something done to a person."""
        return self.event(
            event, detail, subject_id=person.subject_id, username=person.username, at=at
        )

    def account_event(
        self, account: Account, detail: str, *, at: float | None = None
    ) -> AuditEvent:
        """The record of a change to an account of the built-in directory."""
        return self.person_event(account.person, Event.USER_CHANGED, detail, at=at)
