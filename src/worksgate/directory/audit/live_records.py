"""The records of sign-ins as they come, for the live view of going live.

They are read in the order of their time, by its index, each once or twice; only what the view
counts is read of them.
"""

from typing import Final, NamedTuple

from sqlalchemy import select

from worksgate.audit import Event, Reason, event_named, reason_named
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion

MOST: Final = 20_000
"""Records that one read returns at most: less than a tenth of a second."""
FAILURES: Final = frozenset(
    {
        *(Event.LOGIN_FAILED, Event.LOGIN_THROTTLED, Event.LOGIN_REFUSED),
        *(Event.LOGIN_INTERRUPTED, Event.LOGIN_STEP_DUE, Event.SESSION_KEY_REFUSED),
        *(Event.FACTOR_FAILED, Event.CLIENT_REFUSED, Event.CODE_REFUSED),
        *(Event.CODE_REPLAYED, Event.USER_INFO_REFUSED),
    }
)
"""What keeps somebody out, or may."""
PASSED: Final = frozenset(
    {
        *(Event.LOGIN_REQUESTED, Event.LOGIN_SUCCEEDED, Event.IMAP_SUCCEEDED),
        *(Event.CODE_ISSUED, Event.CODE_REDEEMED, Event.USER_INFO_RETURNED),
    }
)
"""What shows that somebody came."""
_EVENTS: Final = [event.value for event in (*FAILURES, *PASSED)]
_COLUMNS = schema.audit.c


class LiveRecord(NamedTuple):
    """Part of an audit record; ``at`` is in seconds since the epoch."""

    at: float
    event: Event
    login_id: str | None
    client_id: str | None
    subject_id: str | None
    username: str | None
    reason: Reason | None


class LiveRecords(Repository[Connections]):
    """Reads them. Raises DatabaseUnavailable."""

    @run_to_completion
    async def since(self, at: float) -> list[LiveRecord]:
        """The first ``MOST`` records at or after a time, the oldest first."""
        wanted = [getattr(_COLUMNS, name) for name in LiveRecord._fields]
        query = select(*wanted).where(_COLUMNS.at >= at, _COLUMNS.event.in_(_EVENTS))
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(_COLUMNS.at).limit(MOST))
            return [
                LiveRecord(
                    row.at,
                    event_named(row.event),
                    row.login_id,
                    row.client_id,
                    row.subject_id,
                    row.username,
                    None if row.reason is None else reason_named(row.reason),
                )
                for row in rows
            ]
