"""The yardstick on PostgreSQL: a bare ASGI handler that sends the same statement.

python bare_postgres.py DATABASE_URL PORT CLIENT_ID SECRET_DIGEST

Its statements and its driver are Worksgate's own, and as many connections. It leaves out what
``bare.py`` leaves out, and of a connection's care as well: no queue, no deadline, no second look.
"""

import sys
import time
from typing import Any

import asyncpg
import uvicorn
from bare import Bare, answer

from worksgate.credentials.secrets import new_ordered_secret, storage_key
from worksgate.oauth.model import AccessToken, AuthorizationCode
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings
from worksgate.store.postgres import statements as postgres_statements

USE_CODE = postgres_statements._REDEEMING[AuthorizationCode].use
EXPIRES_IN = AuthorizationCode.__struct_fields__.index("expires_in")
FIND_TOKEN = postgres_statements._SQL[AccessToken].find
CONNECTIONS = 10
PATIENCE = 2.0
"""Seconds until which the statement may begin to work."""


class BareOnPostgres(Bare):
    """The application."""

    def __init__(self, database_url: str, client_id: str, secret_digest: str) -> None:
        self._database_url = database_url
        self._client_id = client_id
        self._secret_digest = secret_digest

    async def _token(self, form: dict[str, str], send: Any) -> None:
        token, now = new_ordered_secret(), time.time()
        code, kept = storage_key(form["code"]), storage_key(token)
        due, unrecorded = now + PATIENCE, (None, None)
        row = await self._pool.fetchrow(
            USE_CODE, code, self._client_id, now, due, kept, *unrecorded
        )
        if row is None:
            await answer(send, {"error": "302"}, 400)
            return
        content = {"access_token": token, "token_type": "Bearer", "expires_in": row[EXPIRES_IN]}
        await answer(send, content)

    async def _user_info(self, form: dict[str, str], send: Any) -> None:
        row = await self._pool.fetchrow(FIND_TOKEN, storage_key(form["access_token"]))
        if row is None or row[3] != self._client_id or row[4] <= time.time():
            await answer(send, {"error": "303"}, 401)
        else:
            await answer(send, {"user_id": row[5]})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            self._database_url,
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            # Else each request would cost a second round trip, which ours does not.
            reset=_leave_as_it_is,
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _leave_as_it_is(_: Any) -> None:
    """No session state is ever changed here, so there is none to undo."""


def main(database_url: str, port: str, client_id: str, secret_digest: str) -> None:
    application = BareOnPostgres(database_url, client_id, secret_digest)
    uvicorn.Server(server_config(lambda: application, Settings(port=int(port)))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
