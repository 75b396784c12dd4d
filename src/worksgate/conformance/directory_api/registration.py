"""A client app, as an administrator registers it in the Developer Console.

https://developers.worksmobile.com/en/docs/auth-jwt
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from joserfc.jwk import RSAKey

DAY: Final = 86_400
SCOPES: Final = frozenset(
    {
        *("directory", "directory.read", "user", "user.read"),
        *("bot", "bot.message", "audit.read"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientApp:
    """What LINE WORKS knows of an app. Its private key is not in it.

    `token_life` is 3600 or 86400 seconds. `scopes` are those ticked in the console.
    """

    client_id: str
    client_secret: str = field(repr=False)
    service_account: str
    public_key: RSAKey = field(repr=False)
    old_keys: tuple[RSAKey, ...] = field(default=(), repr=False)
    scopes: frozenset[str] = SCOPES
    domain_id: int = 1
    token_life: int = DAY
    rotates_refresh_tokens: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """An app with the private key that its administrator downloads (PEM, PKCS#8)."""

    app: ClientApp
    private_key: str = field(repr=False)


def register(
    name: str = "worksgate",
    *,
    scopes: Iterable[str] = SCOPES,
    domain: str = "example.com",
    domain_id: int = 1,
    token_life: int = DAY,
    rotates_refresh_tokens: bool = False,
) -> Registered:
    """A new app with a new key pair and a new secret. The same name has the same IDs each time.

    The secret holds characters that a form has to escape: a client that does not is found out.
    """
    key = RSAKey.generate_key(2048)
    app = ClientApp(
        client_id=f"{name}-client",
        client_secret=f"{secrets.token_urlsafe(12)}+/&=",
        service_account=f"{name}.serviceaccount@{domain}",
        public_key=RSAKey.import_key(key.as_pem(private=False)),
        scopes=frozenset(scopes),
        domain_id=domain_id,
        token_life=token_life,
        rotates_refresh_tokens=rotates_refresh_tokens,
    )
    return Registered(app, key.as_pem(private=True).decode())


def with_new_key(registered: Registered, *, bits: int = 2048) -> Registered:
    """The same app after its administrator has had another private key issued."""
    key, app = RSAKey.generate_key(bits), registered.app
    changed = replace(
        app,
        public_key=RSAKey.import_key(key.as_pem(private=False)),
        old_keys=(app.public_key, *app.old_keys),
    )
    return Registered(changed, key.as_pem(private=True).decode())
