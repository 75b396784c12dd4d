"""Another company's OpenID provider, which asks for no password: for demonstrations only.

It implements the authorization code flow with PKCE for one client, and keeps everything in memory.
A code is valid once and for a minute. It refuses any address but loopback, since anyone who reaches
it can be whoever they like.
https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from worksgate.cli.demo.page_templates import page_templates
from worksgate.cli.demo.people import PARTNER, Colleague
from worksgate.cli.demo.wording import TEXTS
from worksgate.conformance.line_works import with_parameters
from worksgate.conformance.simulator.headers import SecurityHeaders
from worksgate.conformance.simulator.memory import Memory
from worksgate.conformance.simulator.settings import origin_of
from worksgate.conformance.simulator.texts import choose_language
from worksgate.settings.checks import LOOPBACK_HOSTS

CODE_LIFETIME: Final = 60.0
TOKEN_LIFETIME: Final = 300

_HERE: Final = Path(__file__).parent
_LARGEST_FORM: Final = 16_384
_KEPT: Final = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method", "login_hint", "prompt"),
)
"""Parameters that the page with the people passes on."""

Clock = Callable[[], float]
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The one client, and the issuer that it expects. ``redirect_uri`` is matched byte for byte."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


class UnknownClient(Exception):
    """Unknown client, redirect_uri or requesting page: redirecting is not safe."""


class Refused(Exception):
    """An OAuth 2.0 error for the client, returned by redirect.

    ``state`` is the client's own.
    """

    def __init__(self, error: str, description: str, state: str = "") -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.state = state


class TokenRefused(Refused):
    """The same at the token endpoint, returned as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """The parameters of a browser's request, all of them checked."""

    state: str
    nonce: str
    code_challenge: str
    login_hint: str

    @classmethod
    def parse(cls, form: Form) -> Self:
        """Read a request of the registered client. Raises Refused."""
        state = form.get("state", "")
        if (problem := _problem(form)) is not None:
            raise Refused(*problem, state)
        return cls(
            state=state,
            nonce=form.get("nonce", ""),
            code_challenge=form["code_challenge"],
            login_hint=form.get("login_hint", ""),
        )


def _problem(form: Form) -> tuple[str, str] | None:
    """What is wrong with an authorization request: the error and its description, or None."""
    unsupported = [name for name in ("request", "request_uri") if name in form]
    if unsupported:
        return f"{unsupported[0]}_not_supported", "send plain parameters"
    if form.get("response_type") != "code":
        return "unsupported_response_type", "only code is supported"
    if "openid" not in form.get("scope", "").split():
        return "invalid_scope", "openid is missing"
    if form.get("code_challenge_method") != "S256" or len(form.get("code_challenge", "")) != 43:
        return "invalid_request", "a code challenge with S256 is required"
    if "none" in form.get("prompt", "").split():
        return "login_required", "there are no sessions"
    return None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code stands for."""

    person: Colleague
    request: AuthorizationRequest
    authenticated_at: float


def create_openid_provider(
    registration: Registration, people: Sequence[Colleague], *, clock: Clock = time.time
) -> Starlette:
    """The provider as an ASGI application, below the path of its issuer.

    ``clock`` gives seconds since the epoch. Raises ValueError unless issuer and client are on
    this machine.
    """
    for url in (registration.issuer, registration.redirect_uri):
        if urlsplit(url).hostname not in LOOPBACK_HOSTS:
            raise ValueError(f"the demo provider is for this machine only, not {url}")
    return _Provider(registration, people, clock).application()


class _Provider:
    def __init__(
        self, registration: Registration, people: Sequence[Colleague], clock: Clock
    ) -> None:
        self._client = registration
        self._people = {person.subject: person for person in people}
        self._clock = clock
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._grants: Memory[Grant] = Memory(clock, seconds=CODE_LIFETIME)
        self._pages = page_templates()

    def application(self) -> Starlette:
        path = urlsplit(self._client.issuer).path
        app = Starlette(
            routes=[
                Route(f"{path}/.well-known/openid-configuration", self.discovery),
                Route(f"{path}/jwks", self.jwks),
                Route(f"{path}/authorize", self.authorize),
                Route(f"{path}/authorize", self.choose, methods=["POST"]),
                Route(f"{path}/token", self.token, methods=["POST"]),
                Route(f"{path}/static/worksgate.css", _shared_style),
                Mount(f"{path}/static", StaticFiles(directory=_HERE / "static")),
            ],
            exception_handlers={
                UnknownClient: self.unknown,
                TokenRefused: _refusal,
                Refused: self.refused,
            },
        )
        # Browsers apply this to redirects after a form as well: to Worksgate, and back to us.
        app.add_middleware(SecurityHeaders, form_targets=[origin_of(self._client.redirect_uri)])
        return app

    # Discovery

    async def discovery(self, _: Request) -> Response:
        issuer = self._client.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks",
                "scopes_supported": ["openid", "profile", "email"],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "request_parameter_supported": False,
                "request_uri_parameter_supported": False,
            }
        )

    async def jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    # In the browser

    async def authorize(self, request: Request) -> Response:
        """The page on which people choose who they are."""
        form = _single(request.url.query)
        wanted = self._wanted(form)
        return self._page(request, "choose.html", form=form, wanted=wanted)

    async def choose(self, request: Request) -> Response:
        """The choice of a person, or cancellation."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise UnknownClient
        form = await _form(request)
        wanted = self._wanted(form)
        person = self._people.get(form.get("person", ""))
        if person is None:
            raise Refused("access_denied", "nobody was chosen", wanted.state)
        code = secrets.token_urlsafe(32)
        self._grants.keep(_digest(code), Grant(person, wanted, self._clock()))
        return self._send_back([("code", code), ("state", wanted.state)])

    async def unknown(self, request: Request, _: Exception) -> Response:
        return self._page(request, "unknown.html", status=400)

    async def refused(self, _: Request, refused: Exception) -> Response:
        if not isinstance(refused, Refused):
            raise refused
        answer = [("error", refused.error), ("error_description", refused.description)]
        return self._send_back([*answer, ("state", refused.state)])

    def _wanted(self, form: Form) -> AuthorizationRequest:
        """The checked request. Raises UnknownClient or Refused."""
        registered = (self._client.client_id, self._client.redirect_uri)
        if (form.get("client_id"), form.get("redirect_uri")) != registered:
            raise UnknownClient
        return AuthorizationRequest.parse(form)

    def _send_back(self, answer: Sequence[tuple[str, str]]) -> Response:
        """Redirect to the client, with its state and our issuer (RFC 9207)."""
        sent = [(name, value) for name, value in answer if value]
        sent.append(("iss", self._client.issuer))
        return RedirectResponse(with_parameters(self._client.redirect_uri, sent), 303)

    def _page(
        self, request: Request, template: str, *, status: int = 200, **values: Any
    ) -> Response:
        language = choose_language(None, None, request.headers.get("accept-language", ""))
        html = self._pages.get_template(template).render(
            language=language,
            t=TEXTS[language],
            path=urlsplit(self._client.issuer).path,
            name=PARTNER,
            people=self._people.values(),
            kept=_KEPT,
            **values,
        )
        return HTMLResponse(html, status)

    # From server to server

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        self._check_secret(request, form)
        if form.get("grant_type") != "authorization_code":
            raise TokenRefused("unsupported_grant_type", "only authorization_code is supported")
        return JSONResponse(self._tokens(self._redeem(form)))

    def _check_secret(self, request: Request, form: Form) -> None:
        """Verify the client's secret, from header or form. Raises TokenRefused."""
        given = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        ours = (self._client.client_id, self._client.client_secret)
        right = [
            hmac.compare_digest(_digest(a), _digest(b)) for a, b in zip(given, ours, strict=True)
        ]
        if not all(right):
            raise TokenRefused("invalid_client", "the client or its secret is wrong")

    def _redeem(self, form: Form) -> Grant:
        """What a code stands for; the code is used up in any case. Raises TokenRefused."""
        grant = self._grants.take(_digest(form.get("code", "")))
        if grant is None:
            raise TokenRefused("invalid_grant", "the code is unknown, used or expired")
        if form.get("redirect_uri") != self._client.redirect_uri:
            raise TokenRefused("invalid_grant", "the redirect_uri does not match")
        challenge = _base64url(sha256(form.get("code_verifier", "").encode()).digest())
        if not hmac.compare_digest(challenge, grant.request.code_challenge.encode()):
            raise TokenRefused("invalid_grant", "the code verifier does not match the challenge")
        return grant

    def _tokens(self, grant: Grant) -> dict[str, Any]:
        access_token = secrets.token_urlsafe(32)
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME,
            "id_token": self._id_token(grant, access_token),
        }

    def _id_token(self, grant: Grant, access_token: str) -> str:
        person, now = grant.person, int(self._clock())
        half = sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self._client.issuer,
            "sub": person.subject,
            "aud": self._client.client_id,
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
            "auth_time": int(grant.authenticated_at),
            "at_hash": _base64url(half).decode(),
            "name": person.name,
            "preferred_username": person.email,
            "email": person.email,
            "email_verified": True,
            "employee_number": person.employee_number,
            "groups": ["staff"],
        }
        if grant.request.nonce:
            claims["nonce"] = grant.request.nonce
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)


def _single(text: str) -> dict[str, str]:
    """Parameters by name. A repeated one counts as missing: it must not occur (RFC 6749 §3.1)."""
    pairs = parse_qsl(text, errors="replace")
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


async def _form(request: Request) -> dict[str, str]:
    """The parameters of a form; none if it is far too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return {}
    return _single(body.decode("utf-8", "replace"))


def _basic(request: Request) -> tuple[str, str] | None:
    """Client and secret of a Basic header (RFC 6749 §2.3.1), or None where there is none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


async def _refusal(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, TokenRefused):
        raise refused
    body = {"error": refused.error, "error_description": refused.description}
    if refused.error != "invalid_client":
        return JSONResponse(body, 400)
    headers = {"WWW-Authenticate": "Basic"} if "authorization" in request.headers else None
    return JSONResponse(body, 401, headers)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


async def _shared_style(_: Request) -> Response:
    style = files("worksgate").joinpath("web/pages/static/worksgate.css").read_bytes()
    return Response(style, media_type="text/css")
