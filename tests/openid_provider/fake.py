"""A small OpenID provider that lies, hangs and goes down as a test tells it to."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from worksgate.sources import AuthorizationRedirect

CLIENT_ID = "worksgate"
CLIENT_SECRET = "the-secret-of-worksgate"
RETURN_URL = "http://127.0.0.1:8080/login/callback/company"
CODE = "the-code-of-hanako"
ACCESS_TOKEN = "the-access-token"
DISCOVERY, JWKS, TOKEN = "/.well-known/openid-configuration", "/jwks", "/token"
USERINFO = "/userinfo"

RSA = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass
class Reply:
    """One answer; ``body`` is sent as JSON unless it is bytes."""

    body: Any
    status: int = 200
    headers: tuple[str, ...] = ()


Answer = Callable[[Asked], Awaitable[Reply]]


class FakeProvider:
    """Answers as a good provider does until a test changes an attribute."""

    def __init__(self) -> None:
        self.issuer = ""
        self.asked: list[Asked] = []
        self.signing: Key = RSA
        self.header: dict[str, Any] = {"alg": "RS256"}
        self.published: list[Key] = [RSA]
        self.claims: dict[str, Any] = {}
        self.left_out: set[str] = set()
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.raw_token: Callable[[dict[str, Any]], Any] | None = None
        self.instead: dict[str, Answer] = {}
        self.begun: dict[str, str] = {}

    def count(self, path: str) -> int:
        """How often somebody asked for a path."""
        return sum(asked.path == path for asked in self.asked)

    def come_back(self, redirect: AuthorizationRedirect, **more: str) -> dict[str, str]:
        """The person signs in; the query that the browser comes back with."""
        self.begun = dict(parse_qsl(urlsplit(redirect.url).query))
        return {"code": CODE, "state": self.begun["state"], **more}

    def all_claims(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "hanako-4711",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": self.begun.get("nonce"),
            "name": "Hanako Yamada",
            "preferred_username": "hanako",
            "email": "hanako@company.example",
            "email_verified": True,
            "groups": ["staff"],
            "employee": "E1001",
            **self.claims,
        }
        return {name: value for name, value in claims.items() if name not in self.left_out}

    def id_token(self) -> Any:
        if self.raw_token is not None:
            return self.raw_token(self.all_claims())
        header = {"kid": self.signing.kid, **self.header}
        return sign(header, self.all_claims(), self.signing)

    async def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if asked.path in self.instead:
            return await self.instead[asked.path](asked)
        if asked.path == DISCOVERY:
            return Reply(self._discovery())
        if asked.path == JWKS:
            return Reply(KeySet(self.published).as_dict(private=False))
        if asked.path == USERINFO:
            assert asked.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
            return Reply({"sub": self.all_claims()["sub"], **self.userinfo})
        return self._tokens(asked)

    def _discovery(self) -> dict[str, Any]:
        at = self.issuer
        return {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": at + TOKEN,
            "jwks_uri": at + JWKS,
            "userinfo_endpoint": at + USERINFO,
            "end_session_endpoint": f"{at}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.metadata,
        }

    def _tokens(self, asked: Asked) -> Reply:
        form = asked.form
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = _base64(verifier)
        good = (
            form.get("grant_type") == "authorization_code"
            and form.get("code") == CODE
            and form.get("redirect_uri") == RETURN_URL == self.begun.get("redirect_uri")
            and self.begun.get("code_challenge_method") == "S256"
            and self.begun.get("code_challenge") == challenge
        )
        if not good:
            return Reply({"error": "invalid_grant", "error_description": str(dict(form))}, 400)
        tokens = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": self.id_token()}
        return Reply(tokens)


def sign(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """A token, whatever its header says of algorithm and keys."""
    from joserfc.jws import JWSRegistry

    class AnyAlgorithm(JWSRegistry):
        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]

    return jwt.encode(header, claims, key, registry=AnyAlgorithm(strict_check_header=False))


def sign_with_secret(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token under HS256, by hand: no library lends itself to a public key as the secret."""
    signed = f"{segment(header)}.{segment(claims)}"
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def segment(value: object) -> str:
    """A value as it stands between the dots of a token."""
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def hang(_: Asked) -> Reply:
    await asyncio.sleep(30)
    raise AssertionError("nobody waits so long")


def replying(body: Any, status: int = 200, *headers: str) -> Answer:
    async def answer(_: Asked) -> Reply:
        return Reply(body, status, headers)

    return answer


@asynccontextmanager
async def fake_provider() -> AsyncIterator[FakeProvider]:
    """A provider on a free port of this machine."""
    provider = FakeProvider()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await _serve(provider, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


async def _serve(
    provider: FakeProvider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    asked_with = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(asked_with.get("content-length", 0)))
    asked = Asked(first.split(" ")[1], asked_with, dict(parse_qsl(body.decode())))
    reply = await provider.answer(asked)
    data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = reply.headers
    if not any(each.startswith("Content-Type:") for each in headers):
        headers = ("Content-Type: application/json", *headers)
    answer = [f"HTTP/1.1 {reply.status} Answer", *headers]
    answer += [f"Content-Length: {len(data)}", "Connection: close", "", ""]
    writer.write("\r\n".join(answer).encode() + data)
    await writer.drain()
