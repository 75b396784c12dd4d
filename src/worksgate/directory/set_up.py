"""What was answered in the set-up wizard, and when LINE WORKS last did what for a client."""

from collections.abc import Sequence

from sqlalchemy import func, select

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.wizard_answers import Answer, replace_answer

RECORDS_LOOKED_AT = 20_000
"""The newest audit records: what is older was long before, and a page must not read all of them."""

_ANSWERS, _AUDIT = schema.wizard_answers, schema.audit


class SetUpRows(Repository[Connections]):
    """The answers; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def answers(self) -> dict[str, Answer]:
        """All answers, by name."""
        async with self._connections.reading() as connection:
            rows = await connection.execute(select(_ANSWERS))
            return {row.name: Answer(row.value, row.at, row.actor) for row in rows}

    @run_to_completion
    async def keep(self, name: str, answer: Answer, event: AuditEvent) -> None:
        """Store an answer in place of any earlier one, together with its record."""
        async with self._connections.writing() as connection:
            await replace_answer(connection, name, answer, event)

    @run_to_completion
    async def last_events(
        self, client_id: str, without: Sequence[tuple[float, float]] = ()
    ) -> dict[str, float]:
        """When each event last happened to a client, by name, among the newest records.

        Those ``without`` are left out: from a time to a time.
        """
        newest = select(_AUDIT.c.client_id, _AUDIT.c.event, _AUDIT.c.reason, _AUDIT.c.at)
        some = newest.order_by(_AUDIT.c.id.desc()).limit(RECORDS_LOOKED_AT).subquery()
        query = (
            select(some.c.event, some.c.reason, func.max(some.c.at))
            .where(some.c.client_id == client_id, *(~some.c.at.between(*each) for each in without))
            .group_by(some.c.event, some.c.reason)
        )
        found: dict[str, float] = {}
        async with self._connections.reading() as connection:
            for event, reason, at in await connection.execute(query):
                for name in (event, f"{event} {reason}"):
                    found[name] = max(at, found.get(name, at))
        return found
