"""The ID of the installation, stored in the database; see ``identity`` for its purpose."""

import secrets

from sqlalchemy import Connection, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import schema, sqlite_file
from worksgate.database.engines import driver_url, open_engines, outages
from worksgate.database.identity import DatabaseIdentity, place_of
from worksgate.database.migrations import check_usable
from worksgate.database.reachability import reachability_of

INSTALLATION_BYTES = 16

_ID = select(schema.installation.c.id)


async def identify(database_url: str) -> DatabaseIdentity:
    """Identify this database, if a server of this version can use it as it is.

    Nothing is changed. Raises SchemaTooNew, DatabaseUnavailable, or ValueError for an unusable
    address.
    """
    is_file = driver_url(database_url).get_backend_name() == "sqlite"
    place = place_of(sqlite_file.file_of(database_url)) if is_file else None
    engines = open_engines(database_url)
    reachability = reachability_of(database_url, engines)
    connect = engines.read.connect
    try:
        with outages():
            opened = connect() if reachability is None else reachability.watching(connect)
            async with opened as connection:
                await connection.run_sync(check_usable)
                found = str(await connection.scalar(_ID))
    finally:
        if reachability is not None:
            await reachability.close()
        await engines.close()
    return DatabaseIdentity(found, place)


async def renew(connection: AsyncConnection) -> None:
    """Give a new ID to a database that has just been filled from elsewhere."""
    await connection.run_sync(_renew)


def _renew(connection: Connection) -> None:
    newest = select(func.coalesce(func.max(schema.clients.c.version), 0)).scalar_subquery()
    fresh = secrets.token_hex(INSTALLATION_BYTES)
    connection.execute(update(schema.installation).values(id=fresh, clients_version=newest))
