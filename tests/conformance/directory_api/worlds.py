"""The simulated API with a client that knows nothing of ours: raw requests and raw responses."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx2
from joserfc import jwt
from joserfc.jwk import RSAKey

from worksgate.conformance.directory_api import (
    DirectoryApiSimulator,
    Member,
    Registered,
    Rules,
    SettableClock,
    made_up_members,
    register,
)

NOON = 1_796_000_000.0
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
REGISTERED = register()
"""One key pair for all: making one takes a while."""

Answer = httpx2.Response


@dataclass
class World:
    """A simulator with a clock that stands still, and a token of each scope that was wanted."""

    simulator: DirectoryApiSimulator
    clock: SettableClock
    http: httpx2.AsyncClient
    tokens: dict[tuple[str, float], str] = field(default_factory=dict)

    def claims(self, **changes: Any) -> dict[str, Any]:
        app = self.simulator.registered.app
        usual = {
            "iss": app.client_id,
            "sub": app.service_account,
            "iat": int(self.clock.now),
            "exp": int(self.clock.now) + 3600,
        }
        return {k: v for k, v in (usual | changes).items() if v is not None}

    def assertion(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        head = {"alg": "RS256", "typ": "JWT", **(header or {})}
        key = _key(self.simulator.registered.private_key)
        return jwt.encode(head, self.claims(**changes), key, default_type=None)

    def form(self, **changes: str | None) -> dict[str, str]:
        app = self.simulator.registered.app
        usual: dict[str, str | None] = {
            "grant_type": GRANT,
            "assertion": self.assertion(),
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "scope": "directory",
        }
        return {k: v for k, v in (usual | changes).items() if v is not None}

    async def grant(self, **changes: str | None) -> Answer:
        return await self.http.post("/oauth2/v2.0/token", data=self.form(**changes))

    async def token(self, scope: str = "directory") -> str:
        granted = (await self.grant(scope=scope)).json()
        return str(granted["access_token"])

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        scope: str = "directory",
    ) -> Answer:
        """Call the API below its base path, with a token of that scope unless one is given."""
        known = (scope, self.clock.now)
        if token is None and known not in self.tokens:
            self.tokens[known] = await self.token(scope)
        bearer = self.tokens[known] if token is None else token
        return await self.http.request(
            method, f"/v1.0{path}", json=body, headers={"Authorization": f"Bearer {bearer}"}
        )

    async def set_keys(self, *changes: tuple[str, str | None]) -> Answer:
        users = [{"id": person, "externalKey": key} for person, key in changes]
        return await self.call("POST", "/users/external-keys", body={"users": users})

    async def pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """All pages of a list; `path` has a query already."""
        token, cursor = await self.token(), ""
        while True:
            more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            page = (await self.call("GET", path + more, token=token)).json()
            yield page
            cursor = page["responseMetaData"].get("nextCursor") or ""
            if not cursor:
                return

    def id_of(self, email: str) -> str:
        return self.simulator.state().person(email).user_id

    def key_of(self, email: str) -> str | None:
        return self.simulator.state().person(email).external_key


def simulator_of(
    people: Iterable[Member] | None = None,
    *,
    rules: Rules | None = None,
    registered: Registered = REGISTERED,
    clock: SettableClock | None = None,
    **more: Any,
) -> DirectoryApiSimulator:
    return DirectoryApiSimulator(
        made_up_members(5) if people is None else people,
        rules=rules or Rules(),
        registered=registered,
        clock=clock or SettableClock(NOON),
        **more,
    )


@contextmanager
def world_of(
    people: Iterable[Member] | None = None, rules: Rules | None = None, **more: Any
) -> Iterator[World]:
    """A world without sockets."""
    clock = SettableClock(NOON)
    simulator = simulator_of(people, rules=rules, clock=clock, **more)
    transport = httpx2.ASGITransport(simulator.app)
    yield World(
        simulator, clock, httpx2.AsyncClient(transport=transport, base_url="http://line.works")
    )


def unsigned(claims: Mapping[str, Any], algorithm: str = "none") -> str:
    """An assertion without a signature."""
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    return ".".join([*(_base64url(json.dumps(each).encode()) for each in parts), ""])


def with_public_key_as_secret(claims: dict[str, Any]) -> str:
    """An assertion signed with HS256, with the public key as its secret; joserfc makes none."""
    signed = unsigned(claims, "HS256").removesuffix(".")
    public = REGISTERED.app.public_key.as_pem(private=False)
    return f"{signed}.{_base64url(hmac.digest(public, signed.encode(), 'sha256'))}"


@cache
def _key(private_key: str) -> RSAKey:
    return RSAKey.import_key(private_key)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
