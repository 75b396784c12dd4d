"""What people may read in the audit log: their own sign-ins and changes.

An administrator's queries are in ``queries``; this one is for the person, so it is bounded: a few
kinds of records, of some months.
"""

from typing import Any, Final

from sqlalchemy import Select

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.audit.sign_in_records import by_name, by_subject
from worksgate.directory.rows import event_from

PERIOD: Final = 90 * 86_400.0
"""Seconds that a person can look back."""

EVENTS: Final = (
    Event.LOGIN_SUCCEEDED,
    Event.LOGIN_FAILED,
    Event.LOGIN_REFUSED,
    Event.LOGOUT,
    Event.IMAP_SUCCEEDED,
    Event.IMAP_FAILED,
    Event.FACTOR_ADDED,
    Event.FACTOR_REMOVED,
    Event.FACTOR_RENAMED,
    Event.FACTOR_FAILED,
    Event.RECOVERY_CODES_RENEWED,
    Event.APP_PASSWORD_ADDED,
    Event.APP_PASSWORD_REMOVED,
    Event.PASSWORD_CHANGED,
    Event.RESET_LINK_ISSUED,
)
"""Events that people see: what somebody did, or tried to do, in their name."""


class OwnHistory(Repository[Connections]):
    """Reads the records of one person."""

    @run_to_completion
    async def of(
        self, subject_id: str, username: str, now: float, limit: int = 50
    ) -> list[AuditEvent]:
        """The newest records of a person, the newest first. Raises DatabaseUnavailable.

        Records without a known person are theirs if their name was typed.
        """
        found: dict[int, AuditEvent] = {}
        async with self._connections.reading() as connection:
            for query in own_records(subject_id, username, now - PERIOD):
                rows = await connection.execute(query.limit(limit))
                found.update((row["id"], event_from(row)) for row in rows.mappings())
        return [found[number] for number in sorted(found, reverse=True)[:limit]]


def own_records(subject_id: str, username: str, since: float) -> list[Select[Any]]:
    """The records about a person, and those in which nobody but their name is known.

    Each query is answered by an index of its own; none would be, if it were one.
    """
    columns = schema.audit.c
    queries = [by_subject(subject_id)]
    if subject_id.startswith(SUBJECT_PREFIX):  # names are unique in the built-in directory only
        queries.append(by_name(username).where(columns.subject_id.is_(None)))
    wanted = (columns.at >= since, columns.event.in_([event.value for event in EVENTS]))
    return [query.where(*wanted) for query in queries]
