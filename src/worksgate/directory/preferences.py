"""What administrators have chosen for themselves: the language of the console and of mails."""

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion

_TABLE = schema.preferences


class Preferences(Repository[Connections]):
    """Reads and writes them; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def language(self, subject_id: str) -> str:
        """The language that somebody has chosen; empty if none."""
        async with self._connections.reading() as connection:
            return await language_of(connection, subject_id)

    @run_to_completion
    async def choose_language(self, subject_id: str, language: str) -> None:
        """Keep a language; an empty one leaves it to the browser."""
        async with self._connections.writing() as connection:
            await connection.execute(delete(_TABLE).where(_TABLE.c.subject_id == subject_id))
            if language:
                values = {"subject_id": subject_id, "language": language}
                await connection.execute(insert(_TABLE).values(values))


async def language_of(connection: AsyncConnection, subject_id: str) -> str:
    """The same within a transaction."""
    query = select(_TABLE.c.language).where(_TABLE.c.subject_id == subject_id)
    return await connection.scalar(query) or ""
