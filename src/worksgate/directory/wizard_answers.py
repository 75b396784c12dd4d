"""What was answered, found or noted on the way to going live: one answer under each name.

``set_up`` and ``going_live`` share the table; the names of the latter begin with ``go_live.``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.recording import write_events

_ANSWERS = schema.wizard_answers


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or the result of a check; ``at`` is in seconds since the epoch."""

    value: Mapping[str, Any]
    at: float
    actor: str | None = None


async def replace_answer(
    connection: AsyncConnection, name: str, answer: Answer, event: AuditEvent
) -> None:
    """Write an answer in place of any earlier one, with its audit record, in the transaction."""
    await connection.execute(delete(_ANSWERS).where(_ANSWERS.c.name == name))
    await connection.execute(
        insert(_ANSWERS).values(
            name=name, value=dict(answer.value), at=answer.at, actor=answer.actor
        )
    )
    await write_events(connection, event)
