"""Access token request and response.

LINE WORKS posts here within seconds of the redirect and waits 3 s for the response.
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-token
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from worksgate.oauth.errors import InvalidRequest, UnsupportedGrantType
from worksgate.oauth.form import require
from worksgate.oauth.model import AuthorizationCode, Client, Redeemable, RefreshToken

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"


class TokenRequest(msgspec.Struct, frozen=True, gc=False):
    """A well-formed access token request, not authenticated yet.

    ``secret`` is the code or the refresh token, ``kind`` says which of them.
    """

    kind: type[Redeemable]
    client_id: str
    client_secret: str
    secret: str | None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"TokenRequest(kind={self.kind.kind}, client_id={self.client_id!r})"

    @classmethod
    def parse(cls, form: dict[str, str]) -> Self:
        """Parse the form: first its syntax (201), then the grant type (203).

        ``redirect_uri`` is not part of this dialect: it is ignored, as is every other unknown
        parameter. Raises InvalidRequest or UnsupportedGrantType.
        """
        grant_type = require(form, "grant_type")
        client_id = require(form, "client_id")
        client_secret = require(form, "client_secret")
        if grant_type == REFRESH_TOKEN:
            return cls(RefreshToken, client_id, client_secret, _refresh_token(form))
        code = require(form, "code")
        if grant_type != AUTHORIZATION_CODE:
            raise UnsupportedGrantType("grant_type is not authorization_code")
        return cls(AuthorizationCode, client_id, client_secret, code)


def check_grant(request: TokenRequest, client: Client) -> str:
    """Return the secret that an authenticated client may redeem.

    Raises UnsupportedGrantType if refresh tokens are disabled, and InvalidRequest if they are
    enabled but none was sent.
    """
    if request.kind is RefreshToken and not client.refresh_tokens:
        raise UnsupportedGrantType("refresh tokens are disabled for this client")
    if request.secret is None:
        raise InvalidRequest("refresh_token is missing or empty")
    return request.secret


class TokenResponse(msgspec.Struct, frozen=True, gc=False):
    """The response to a redeemed grant; ``expires_in`` is in seconds, None omits it."""

    access_token: str
    expires_in: int | None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"TokenResponse(expires_in={self.expires_in})"

    def as_json(self) -> Mapping[str, Any]:
        body: dict[str, Any] = {"access_token": self.access_token, "token_type": "Bearer"}
        if self.expires_in is not None:
            body["expires_in"] = self.expires_in
        if self.refresh_token is not None:
            body["refresh_token"] = self.refresh_token
        return body


def _refresh_token(form: dict[str, str]) -> str | None:
    """The refresh token, or None if there is a code instead: then the grant type is wrong."""
    if form.get("code") and not form.get("refresh_token"):
        return None
    return require(form, "refresh_token")
