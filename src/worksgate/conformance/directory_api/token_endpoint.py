"""The authorization server: a signed assertion, or a refresh token, becomes an access token.

https://developers.worksmobile.com/en/docs/auth-jwt
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from starlette.responses import HTMLResponse, JSONResponse, Response

from worksgate.conformance.directory_api.registration import ClientApp
from worksgate.conformance.directory_api.rules import Rules, TokenErrors

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE: Final = 3600
REFRESH_LIFE: Final = 90 * 86_400

Form = Mapping[str, str]


class TokenRefused(Exception):
    """A refusal of RFC 6749 §5.2. `status` is 400 or 401."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Token:
    """An access token: of an app's service account, or of the person `user_id`."""

    client_id: str
    domain_id: int
    scopes: frozenset[str]
    expires_at: float
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Refresh:
    app: ClientApp
    scopes: frozenset[str]
    expires_at: float


class TokenEndpoint:
    """The apps and their tokens, which are kept as digests."""

    def __init__(
        self, apps: Mapping[str, ClientApp], rules: Callable[[], Rules], clock: Callable[[], float]
    ) -> None:
        self._apps = apps
        self._rules = rules
        self._clock = clock
        self._tokens: dict[bytes, Token] = {}
        self._refresh: dict[bytes, _Refresh] = {}

    def find(self, access_token: str) -> Token | None:
        """What a token stands for, expired or not."""
        return self._tokens.get(_digest(access_token))

    def forget(self, access_token: str | None = None) -> None:
        """End a token, or all of them, as if LINE WORKS had."""
        if access_token is None:
            self._tokens.clear()
        else:
            self._tokens.pop(_digest(access_token), None)

    def forget_person(self, user_id: str) -> None:
        """End the tokens of a person. Those of service accounts stay."""
        ended = [key for key, token in self._tokens.items() if token.user_id == user_id]
        for key in ended:
            del self._tokens[key]

    def sign_in(self, client_id: str, user_id: str, scopes: frozenset[str]) -> str:
        """A token of an ordinary person, who reaches their own data only."""
        app = self._apps[client_id]
        token = Token(client_id, app.domain_id, scopes, self._clock() + app.token_life, user_id)
        return self._keep(token)

    def count(self) -> int:
        """The number of tokens that have not expired."""
        now = self._clock()
        return sum(token.expires_at > now for token in self._tokens.values())

    def grant(self, form: Form) -> dict[str, Any]:
        """The response to a token request. Raises TokenRefused."""
        grant_type = _required(form, "grant_type")
        app = self._app(form)
        if grant_type == JWT_BEARER:
            return self._by_assertion(app, form)
        if grant_type == "refresh_token":
            return self._by_refresh_token(app, form)
        raise TokenRefused("unsupported_grant_type", "The grant_type is not supported")

    def _app(self, form: Form) -> ClientApp:
        app = self._apps.get(_required(form, "client_id"))
        secret = _required(form, "client_secret")
        if app is None or not hmac.compare_digest(secret.encode(), app.client_secret.encode()):
            raise TokenRefused("invalid_client", "Invalid client ID or secret", 401)
        return app

    def _by_assertion(self, app: ClientApp, form: Form) -> dict[str, Any]:
        self._check_assertion(app, _required(form, "assertion"))
        scopes = self._scopes(app, _required(form, "scope"))
        return self._granted(app, scopes) | {"refresh_token": self._new_refresh(app, scopes)}

    def _by_refresh_token(self, app: ClientApp, form: Form) -> dict[str, Any]:
        key = _digest(_required(form, "refresh_token"))
        known = self._refresh.get(key)
        if known is None or known.app != app or known.expires_at <= self._clock():
            raise TokenRefused("invalid_grant", "The refresh token is unknown or expired")
        granted = self._granted(app, known.scopes)
        if app.rotates_refresh_tokens:
            del self._refresh[key]
            granted["refresh_token"] = self._new_refresh(app, known.scopes)
        return granted

    def _check_assertion(self, app: ClientApp, assertion: str) -> None:
        """Check signature, header and claims. Raises TokenRefused."""
        token = self._verified(app, assertion)
        if token.header.get("typ") != "JWT":
            raise TokenRefused("invalid_grant", "The typ of the assertion is not JWT")
        if (token.claims.get("iss"), token.claims.get("sub")) != (
            app.client_id,
            app.service_account,
        ):
            raise TokenRefused("invalid_grant", "iss or sub of the assertion is wrong")
        self._check_times(token.claims)

    def _verified(self, app: ClientApp, assertion: str) -> jwt.Token:
        """An assertion that was signed with a key of the app. Raises TokenRefused."""
        rules = self._rules()
        keys = (app.public_key, *(app.old_keys if rules.takes_old_keys else ()))
        for key in keys:
            if key.raw_value.key_size < rules.fewest_key_bits:
                continue
            # The list of algorithms keeps out "none" and HS256 with the public key as secret.
            with suppress(JoseError, ValueError):
                return jwt.decode(assertion, key, algorithms=["RS256"])
        raise TokenRefused("invalid_grant", "The assertion cannot be verified")

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        issued, expires = claims.get("iat"), claims.get("exp")
        if type(issued) is not int or type(expires) is not int:  # JSON's true is an int, too
            raise TokenRefused("invalid_grant", "iat and exp must be whole numbers")
        rules, now = self._rules(), self._clock()
        if issued > now + rules.clock_tolerance:
            raise TokenRefused("invalid_grant", "The assertion is from the future")
        if expires <= now - rules.clock_tolerance:
            raise TokenRefused("invalid_grant", "The assertion has expired")
        life = expires - issued
        if life > ASSERTION_LIFE or (life < ASSERTION_LIFE and not rules.takes_shorter_assertions):
            raise TokenRefused("invalid_grant", "exp must be 3600 seconds after iat")

    def _scopes(self, app: ClientApp, sent: str) -> frozenset[str]:
        text = sent.replace(",", " ") if self._rules().takes_commas_in_scope else sent
        scopes = frozenset(text.split(" "))
        if not scopes <= app.scopes - set(self._rules().plan_lacks):
            raise TokenRefused("invalid_scope", "Request scope is not valid")
        return scopes

    def _granted(self, app: ClientApp, scopes: frozenset[str]) -> dict[str, Any]:
        expires_at = self._clock() + app.token_life
        return {
            "access_token": self._keep(Token(app.client_id, app.domain_id, scopes, expires_at)),
            "token_type": "Bearer",
            "expires_in": app.token_life,
            "scope": " ".join(sorted(scopes)),
        }

    def _keep(self, token: Token) -> str:
        access_token = _new_token()
        self._tokens[_digest(access_token)] = token
        return access_token

    def _new_refresh(self, app: ClientApp, scopes: frozenset[str]) -> str:
        refresh_token = _new_token()
        known = _Refresh(app, scopes, self._clock() + REFRESH_LIFE)
        self._refresh[_digest(refresh_token)] = known
        return refresh_token


def refusal(refused: TokenRefused, form: TokenErrors) -> Response:
    """The refusal on the wire, in the form of the rules."""
    unexpected = {"returnCode": "99", "returnMessage": "UnexpectedError"}
    match form:
        case TokenErrors.RETURN_CODE:
            return JSONResponse(unexpected, 400)
        case TokenErrors.RETURN_CODE_200:
            return JSONResponse(unexpected, 200)
        case TokenErrors.HTML_502:
            return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", 502)
        case _:
            body = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(body, refused.status)


def with_text_lifetime(granted: Mapping[str, Any]) -> dict[str, Any]:
    """The same response with `expires_in` as a string."""
    return {**granted, "expires_in": str(granted["expires_in"])}


def requested_scopes(form: Form) -> frozenset[str]:
    """The scopes that a request names, for the record."""
    return frozenset(form.get("scope", "").split())


def _required(form: Form, name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise TokenRefused("invalid_request", f"{name} is missing")
    return value


def _new_token() -> str:
    """A token with characters that a form or a query has to escape."""
    return f"lw1+{base64.b64encode(secrets.token_bytes(33)).decode()}/=="


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
