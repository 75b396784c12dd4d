"""What Authlib is told of codes, tokens and the client.

Authlib is a server for RFC 6749. Each comment that names it is a place at which LINE WORKS differs.
"""

import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, grants

CODE_LIFETIME, TOKEN_LIFETIME = 60, 24 * 3600
ORIGIN = re.escape(os.environ.get("SSO_REDIRECT_ORIGIN", "https://auth.worksmobile.com"))
REDIRECT_URI = re.compile(
    rf"{ORIGIN}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?(\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass(frozen=True)
class Grant(AuthorizationCodeMixin):
    """What a code and its token stand for; ``expires_at`` is in seconds since the epoch."""

    code: str
    user_key: str
    expires_at: float

    def get_redirect_uri(self) -> None:
        """None: LINE WORKS' call has no redirect_uri, for which Authlib would refuse it."""

    def get_scope(self) -> str:
        return ""


codes: dict[str, Grant] = {}
tokens: dict[str, Grant] = {}


def new_code(user_key: str) -> str:
    now, code = time.time(), secrets.token_urlsafe(32)
    for kept in (codes, tokens):
        for key in [key for key, grant in list(kept.items()) if grant.expires_at < now]:
            kept.pop(key, None)
    codes[code] = Grant(code, user_key, now + CODE_LIFETIME)
    return code


class Client(ClientMixin):
    """The one client: what the Developer Console of LINE WORKS has been told."""

    client_id = os.environ["SSO_CLIENT_ID"]
    _secret = os.environ["SSO_CLIENT_SECRET"]

    def check_client_secret(self, client_secret: str) -> bool:
        return same(client_secret, self._secret)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # With Authlib one compares whole addresses. LINE WORKS' state is in it: no two are alike.
        return REDIRECT_URI.fullmatch(redirect_uri) is not None

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, _scope: str | None) -> str:
        return ""

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_post"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_post",)

    def create_authorization_response(self, redirect_uri: str, grant_user: str) -> Any:
        # Authlib would read and write the query anew, and LINE WORKS not find its state in it.
        separator = "&" if "?" in redirect_uri else "?"
        location = f"{redirect_uri}{separator}code={new_code(grant_user)}"
        return 303, "", [("Location", location)]

    def query_authorization_code(self, code: str, _client: Client) -> Grant | None:
        # Authlib deletes a code after the token is saved; until then others could use it, too.
        grant = codes.pop(code, None)
        if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
            for key in [key for key, other in list(tokens.items()) if other.code == code]:
                tokens.pop(key, None)
        return grant if grant is not None and grant.expires_at > time.time() else None

    def authenticate_user(self, grant: Grant) -> str:
        return grant.user_key

    def delete_authorization_code(self, _grant: Grant) -> None:
        """It is gone already."""


CLIENT = Client()


def save_token(token: dict[str, Any], asked: Any) -> None:
    grant, expires_at = asked.authorization_code, time.time() + token["expires_in"]
    tokens[token["access_token"]] = Grant(grant.code, grant.user_key, expires_at)


def user_key_of(token: str) -> str | None:
    grant = tokens.get(token)
    return None if grant is None or grant.expires_at < time.time() else grant.user_key
