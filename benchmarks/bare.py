"""The yardstick: a bare ASGI handler that does the same SQL with the same group commit.

python bare.py DATABASE PORT CLIENT_ID SECRET_DIGEST [CERTIFICATE KEY]

Its server, statements, keys, connections and commits are Worksgate's own, so that they cannot
differ. What it leaves out is all the rest: no checks of the form, no audit, no log, no deadline,
no security headers, rows that stay tuples. Its answers are the two messages that ASGI knows, as
those of any other handler.
"""

import hashlib
import hmac
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

from worksgate.credentials.secrets import new_ordered_secret, storage_key
from worksgate.oauth.model import AccessToken, AuthorizationCode
from worksgate.server.tls import Certificate, CertificateFiles
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings
from worksgate.store.sqlite import statements as sqlite_statements
from worksgate.store.sqlite import store as sqlite
from worksgate.store.sqlite.group_commit import GroupCommit

FIND_CODE = sqlite_statements._REDEEMING[AuthorizationCode].find
USE_CODE = sqlite_statements._REDEEMING[AuthorizationCode].use
SAVE_TOKEN = sqlite_statements._SQL[AccessToken].save
FIND_TOKEN = sqlite_statements._SQL[AccessToken].find


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def redeem(
    db: sqlite3.Connection, key: str, client_id: str, token_key: str, now: float
) -> int | None:
    """Use a code and keep the token that it buys; the token's expires_in, or None."""
    row = db.execute(FIND_CODE, (key,)).fetchone()
    if row is None:
        return None
    _, grant, subject, client, expires, user, login, kind, lifetime, expires_in, used = row
    if client != client_id or used or expires <= now:
        return None
    db.execute(USE_CODE, (key,))
    db.execute(SAVE_TOKEN, (token_key, grant, subject, client, now + lifetime, user, login, kind))
    return int(expires_in)


class Bare:
    """The application."""

    def __init__(self, database: Path, client_id: str, secret_digest: str) -> None:
        self._database = database
        self._client_id = client_id
        self._secret_digest = secret_digest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        if path == "/readyz":
            await answer(send, {"status": "ok"})
            return
        form = dict(parse_qsl((await body_of(receive)).decode()))
        right = hmac.compare_digest(digest(form["client_secret"]), self._secret_digest)
        if form["client_id"] != self._client_id or not right:
            await answer(send, {"error": "301"}, 401)
        elif path == "/accessToken":
            await self._token(form, send)
        else:
            await self._user_info(form, send)

    async def _token(self, form: dict[str, str], send: Any) -> None:
        token = new_ordered_secret()
        expires_in = await self._commit.run(
            redeem, storage_key(form["code"]), self._client_id, storage_key(token), time.time()
        )
        if expires_in is None:
            await answer(send, {"error": "302"}, 400)
            return
        content = {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}
        await answer(send, content)

    async def _user_info(self, form: dict[str, str], send: Any) -> None:
        row = self._reader.execute(FIND_TOKEN, (storage_key(form["access_token"]),)).fetchone()
        if row is None or row[3] != self._client_id or row[4] <= time.time():
            await answer(send, {"error": "303"}, 401)
        else:
            await answer(send, {"user_id": row[5]})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._commit = GroupCommit(self._connect, waiting=2_000)
        self._reader = self._connect()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._commit.close()
        self._reader.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _connect(self) -> sqlite3.Connection:
        return sqlite._connect(self._database, create=False, guard=None)


async def body_of(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send: Any, content: dict[str, Any], status: int = 200) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(database: str, port: str, client_id: str, secret_digest: str, *tls: str) -> None:
    application = Bare(Path(database).absolute(), client_id, secret_digest)
    certificate = Certificate(CertificateFiles(*map(Path, tls))) if tls else None
    config = server_config(lambda: application, Settings(port=int(port)), certificate=certificate)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
