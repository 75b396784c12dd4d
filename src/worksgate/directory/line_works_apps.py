"""The app with which Worksgate calls the LINE WORKS API of each client; always encrypted.

All of it is in one ciphertext, so whoever can write to the database can neither read a secret nor
put another app, or another scope, in the place of one.
"""

from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, insert, select

from worksgate.audit import AuditEvent
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.database.secrets_at_rest import SecretsAtRest, app_place
from worksgate.line_works_api.app import ApiApp

_APPS = schema.line_works_apps


@dataclass(frozen=True, slots=True)
class KeptApp:
    """An app; ``set_at`` is in seconds since the epoch."""

    app: ApiApp
    set_at: float
    actor: str | None


class LineWorksApps(Repository[Connections]):
    """Reads and writes them; every method may raise DatabaseUnavailable."""

    def __init__(self, connections: Connections, secrets: SecretsAtRest) -> None:
        super().__init__(connections)
        self._secrets = secrets

    @run_to_completion
    async def keep(self, client_id: str, app: ApiApp, event: AuditEvent) -> None:
        """Keep the app of a client in place of an earlier one, with the audit record.

        Raises MasterKeyMissing, also if no master key is in force.
        """
        content = msgspec.json.encode(app)
        async with self._connections.writing() as connection:
            sealed = await self._secrets.seal_always(connection, content, app_place(client_id))
            await connection.execute(delete(_APPS).where(_APPS.c.client_id == client_id))
            await connection.execute(
                insert(_APPS).values(
                    client_id=client_id, secret=sealed, set_at=event.at, actor=event.actor
                )
            )
            await write_events(connection, event)

    @run_to_completion
    async def find(self, client_id: str) -> KeptApp | None:
        """The app of a client. Raises MasterKeyMissing."""
        async with self._connections.reading() as connection:
            query = select(_APPS).where(_APPS.c.client_id == client_id)
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        content = self._secrets.unseal_always(row.secret, app_place(client_id))
        try:
            app = msgspec.json.decode(content, type=ApiApp)
        except msgspec.DecodeError:
            raise DatabaseUnavailable(
                "the app of the LINE WORKS API is of another version: set it again"
            ) from None
        return KeptApp(app, row.set_at, row.actor)

    @run_to_completion
    async def client_ids(self) -> frozenset[str]:
        """The clients that have one; none is decrypted."""
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(select(_APPS.c.client_id)))

    @run_to_completion
    async def remove(self, client_id: str, event: AuditEvent) -> bool:
        """Delete the app of a client, with the audit record; False if there is none."""
        async with self._connections.writing() as connection:
            removed = await connection.execute(delete(_APPS).where(_APPS.c.client_id == client_id))
            if not removed.rowcount:
                return False
            await write_events(connection, event)
            return True
