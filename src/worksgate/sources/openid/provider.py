"""Another OpenID provider, from our side: its metadata, and its claims about a person.

Authlib makes the requests and parses the responses; ``outgoing`` guards the requests (R-93),
``id_token`` validates tokens (R-91), ``circuit_breaker`` spares a provider that is down (F-19).
https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from urllib.parse import quote

import httpx2
from authlib.common.urls import add_params_to_uri  # type: ignore[import-untyped]  # has no types
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # same
from authlib.oauth2.auth import encode_client_secret_basic  # type: ignore[import-untyped]  # same
from joserfc.jwk import KeySet

from worksgate.catalogues import Quoted, sentence_of
from worksgate.limits.outgoing import Unusable
from worksgate.settings.sources.openid import OidcSettings, is_on_this_machine, is_protected
from worksgate.sources import RefusedUpstream, SourceUnavailable
from worksgate.sources.circuit_breaker import Circuit
from worksgate.sources.openid.id_token import (
    BadToken,
    Expected,
    UnknownKey,
    read_keys,
    read_token,
    read_userinfo,
)
from worksgate.sources.openid.outgoing import AllowlistTransport, CachedDocument, Clock
from worksgate.sources.sentences import said

METADATA_LIFETIME = 3_600.0
KEYS_LIFETIME = 3_600.0
OUTAGES_IN_A_ROW = 2
OPEN_SECONDS = 3.0
"""Seconds after the last of several outages before the provider is called again."""

_SHARE_OF_ONE_CALL = 0.9  # of the total timeout: a hung call is detected before everything ends
_SHARE_OF_A_RENEWAL = 0.25
_OUR_FAULT = ("invalid_client", "unauthorized_client", "temporarily_unavailable", "server_error")
_UNSUPPORTED = ("require_pushed_authorization_requests", "require_signed_request_object")
_MAX_SHOWN = 200
_ANY_USERINFO = {"Accept": "application/json, application/jwt"}
"""Whether userinfo is signed was decided when the client was registered there."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The provider's metadata, as far as it is used here."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    client_authentications: tuple[str, ...]
    challenge_methods: tuple[str, ...] | None
    algorithms: tuple[str, ...] | None
    sends_issuer: bool
    """Whether it identifies itself in every authorization response (RFC 9207)."""
    demands: tuple[str, ...]
    """What it requires of every authorization request and is not supported here, by its names."""

    @classmethod
    def parse(cls, document: Mapping[str, Any], issuer: str) -> Self:
        """Parse a discovery document. Raises Unusable."""
        stated = document.get("issuer")
        if stated != issuer:
            raise Unusable(said("the document is of the issuer %(issuer)s", issuer=shown(stated)))
        return cls(
            authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
            token_endpoint=_endpoint(document, "token_endpoint", issuer),
            jwks_uri=_endpoint(document, "jwks_uri", issuer),
            userinfo_endpoint=_optional_endpoint(document, "userinfo_endpoint", issuer),
            end_session_endpoint=_optional_endpoint(document, "end_session_endpoint", issuer),
            client_authentications=_names(document, "token_endpoint_auth_methods_supported")
            or ("client_secret_basic",),
            challenge_methods=_names(document, "code_challenge_methods_supported"),
            algorithms=_names(document, "id_token_signing_alg_values_supported"),
            sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            demands=tuple(each for each in _UNSUPPORTED if document.get(each) is True),
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """The provider's claims: those of the ID token, and of the userinfo if requested."""

    id_token: Mapping[str, Any]
    userinfo: Mapping[str, Any]


class OpenIDProvider:
    """A client of one provider. ``now`` is in seconds since the epoch, ``clock`` is monotonic.

    Raises ValueError for an unusable certificate file or proxy.
    """

    def __init__(self, name: str, settings: OidcSettings, *, now: Clock, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._now = now
        limit = settings.total_timeout
        self.discovery_url = f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        self._door = AllowlistTransport(_open_door(settings), {self.discovery_url})
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}
        patience = limit * _SHARE_OF_A_RENEWAL
        self._metadata = CachedDocument(self._discover, METADATA_LIFETIME, patience, clock)
        self._keys = CachedDocument(self._fetch_keys, KEYS_LIFETIME, patience, clock)

    @property
    def circuits(self) -> Sequence[Circuit]:
        """Spares the provider while it is down, one circuit for each kind of request."""
        return tuple(self._circuits.values())

    async def metadata(self) -> Metadata:
        """Its metadata. Raises SourceUnavailable."""
        return await self._metadata.get()

    async def keys(self) -> KeySet:
        """Its public signing keys. Raises SourceUnavailable."""
        return await self._keys.get()

    async def authorization_url(
        self,
        return_url: str,
        *,
        state: str,
        nonce: str,
        code_verifier: str,
        login_hint: str | None,
        reauthenticate: bool = False,
    ) -> str:
        """The authorization URL. Raises SourceUnavailable."""
        settings = self._settings
        metadata = await self.metadata()
        anew = {"max_age": "0"} if reauthenticate else {}
        url, _ = self._client(metadata).create_authorization_url(
            metadata.authorization_endpoint,
            redirect_uri=return_url,
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
            login_hint=login_hint,
            prompt="login" if reauthenticate else settings.prompt or None,
            acr_values=" ".join(settings.acr_values) or None,
            **{**settings.parameters, **anew},
        )
        return str(url)

    async def exchange(
        self,
        code: str,
        return_url: str,
        *,
        nonce: str,
        code_verifier: str,
        suffices: Callable[[Mapping[str, Any]], bool],
    ) -> Claims:
        """The claims of the person with this authorization code.

        The userinfo endpoint is queried too unless the claims of the ID token suffice. Raises
        RefusedUpstream or SourceUnavailable.
        """
        metadata = await self.metadata()
        tokens = await self._fetch_tokens(metadata, code, return_url, code_verifier)
        found = tokens.get("access_token")
        access_token = found if isinstance(found, str) else None
        claims = await self._believed(tokens.get("id_token"), access_token, nonce)
        if not self._settings.use_userinfo or suffices(claims):
            return Claims(claims, {})
        return Claims(claims, await self._userinfo(metadata, access_token, claims["sub"]))

    async def logout_url(self, return_url: str) -> str | None:
        """The sign-out URL, if there is one. Raises SourceUnavailable."""
        endpoint = (await self.metadata()).end_session_endpoint
        if endpoint is None:
            return None
        client_id = self._settings.client_id
        parameters = [("client_id", client_id), ("post_logout_redirect_uri", return_url)]
        return str(add_params_to_uri(endpoint, parameters))

    async def close(self) -> None:
        await self._door.aclose()

    async def _discover(self) -> Metadata:
        async with self._calling("discovery"):
            document = await self._get_json(self.discovery_url)
            metadata = Metadata.parse(document, self._settings.issuer)
        endpoints = (metadata.token_endpoint, metadata.jwks_uri, metadata.userinfo_endpoint)
        self._door.allow({self.discovery_url, *filter(None, endpoints)})
        return metadata

    async def _fetch_keys(self) -> KeySet:
        metadata = await self.metadata()
        async with self._calling("keys"):
            document = await self._get_json(metadata.jwks_uri)
            try:
                return read_keys(document)
            except ValueError as error:
                raise Unusable(sentence_of(error)) from None

    async def _fetch_tokens(
        self, metadata: Metadata, code: str, return_url: str, code_verifier: str
    ) -> Mapping[str, Any]:
        async with self._calling("token", of_one_person=True):
            response = await self._client(metadata).fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=return_url,
                code_verifier=code_verifier,
            )
            tokens = _token_response(response)
        if "error" in tokens:
            raise self._refused(tokens, (code, code_verifier, self._settings.client_secret))
        return tokens

    def _refused(self, answer: Mapping[str, Any], secrets: tuple[str, ...]) -> Exception:
        """A bad code concerns this sign-in only; a bad client, or a busy provider, is an outage."""
        error, description = answer["error"], answer.get("error_description")
        texts = (_without_secrets(each, secrets) for each in (error, description))
        explanation = " ".join(texts).strip()
        outcome = SourceUnavailable if error in _OUR_FAULT else RefusedUpstream
        return outcome(f"{self._name}: the token endpoint said {explanation}")

    async def _believed(
        self, token: object, access_token: str | None, nonce: str
    ) -> Mapping[str, Any]:
        """The claims of an ID token, validated; the keys are renewed once if its key is unknown."""
        if not isinstance(token, str):
            raise RefusedUpstream(f"{self._name}: there is no ID token")
        settings = self._settings
        expected = Expected(
            issuer=settings.issuer,
            client_id=settings.client_id,
            nonce=nonce,
            access_token=access_token,
            acr_values=settings.acr_values,
            skew=settings.clock_skew,
        )
        keys = await self.keys()
        try:
            try:
                return read_token(token, keys, expected, self._now())
            except UnknownKey:
                newer = await self._keys.newer_than(keys)
                return read_token(token, newer, expected, self._now())
        except BadToken as error:
            raise RefusedUpstream(f"{self._name}: the ID token: {shown(error)}") from None

    async def _userinfo(
        self, metadata: Metadata, access_token: str | None, subject: str
    ) -> Mapping[str, Any]:
        endpoint = metadata.userinfo_endpoint
        if endpoint is None or access_token is None or not _is_visible(access_token):
            return {}
        async with self._calling("userinfo", of_one_person=True):
            bearer = {"Authorization": f"Bearer {access_token}"}
            response = await self._get(endpoint, {**_ANY_USERINFO, **bearer})
            signed = _is_signed(response)
            answer = {} if signed else _object(response)
        if signed:
            answer = await self._verified_userinfo(response.text)
        if answer.get("sub") != subject:
            raise RefusedUpstream(f"{self._name}: the userinfo is for another person")
        return answer

    async def _verified_userinfo(self, token: str) -> Mapping[str, Any]:
        """The claims of a signed userinfo; the keys are renewed once if its key is unknown."""
        settings, keys = self._settings, await self.keys()
        read = partial(read_userinfo, issuer=settings.issuer, client_id=settings.client_id)
        try:
            try:
                return read(token.strip(), keys)
            except UnknownKey:
                return read(token.strip(), await self._keys.newer_than(keys))
        except BadToken as error:
            raise RefusedUpstream(f"{self._name}: the userinfo: {shown(error)}") from None

    async def _get_json(self, url: str) -> Mapping[str, Any]:
        return _object(await self._get(url))

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        client = self._client(None)
        answer: httpx2.Response = await client.request(
            "GET", url, withhold_token=True, headers=headers
        )
        if answer.status_code != 200:
            raise _bad_status(answer)
        return answer

    def _client(self, metadata: Metadata | None) -> Any:
        """A client for one call: the next one must not send this one's cookies or tokens."""
        settings = self._settings
        client = _Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret or None,
            token_endpoint_auth_method=_client_authentication(settings, metadata),
            scope=" ".join(settings.scopes),
            code_challenge_method="S256",
            transport=self._door,
            timeout=httpx2.Timeout(settings.total_timeout, connect=settings.connect_timeout),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )
        client.register_client_auth_method(("client_secret_basic", _basic))
        return client

    @asynccontextmanager
    async def _calling(self, what: str, *, of_one_person: bool = False) -> AsyncIterator[None]:
        """One request to the provider. Raises SourceUnavailable if it fails or takes too long.

        If it is ``of_one_person``, Declined keeps nobody else from asking: anybody may send codes
        that a firewall there takes for an attack.
        """
        circuit = self._circuits.get(what)
        if circuit is None:
            name = f"{self._name}: {what}"
            circuit = self._circuits[what] = Circuit(
                name, failures=OUTAGES_IN_A_ROW, seconds=OPEN_SECONDS, clock=self._clock
            )
        declined: Declined | None = None
        with circuit.attempt():
            try:
                async with asyncio.timeout(self._settings.total_timeout * _SHARE_OF_ONE_CALL):
                    yield
            except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                if not (of_one_person and isinstance(error, Declined)):
                    raise self._outage(what, error) from None
                declined = error
        if declined is not None:
            raise self._outage(what, declined)

    def _outage(self, what: str, error: Exception) -> SourceUnavailable:
        why = sentence_of(error) if isinstance(error, Unusable) else Quoted(type(error).__name__)
        problem = said("%(call)s: %(problem)s", call=what, problem=why)
        return SourceUnavailable(
            said("%(source)s: %(problem)s", source=self._name, problem=problem)
        )


class Declined(Unusable):
    """The provider works, and has refused this one request (4xx)."""


class _Client(AsyncOAuth2Client):  # type: ignore[misc]  # it has no types
    """Leaves the reading of the token response to us."""

    def parse_response_token(self, resp: httpx2.Response) -> httpx2.Response:
        return resp


def _bad_status(response: httpx2.Response) -> Unusable:
    kind = Declined if 400 <= response.status_code < 500 else Unusable
    return kind(said("the response has the status %(status)s", status=response.status_code))


def _token_response(response: httpx2.Response) -> Mapping[str, Any]:
    """The tokens, or an ``error`` of the provider's; nothing else in it is used.

    Raises Unusable, and Declined for 4xx without an ``error``: it is of something before it.
    """
    if response.is_success:
        return _object(response)
    if response.is_server_error:
        raise _bad_status(response)
    try:
        answer = _object(response)
    except Unusable:
        answer = {}
    if "error" not in answer:
        raise _bad_status(response)
    return answer


def _is_signed(response: httpx2.Response) -> bool:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/jwt"


def _object(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unusable(said("the response is not JSON")) from None
    if not isinstance(document, dict):
        raise Unusable(said("the response is not an object"))
    return document


def shown(value: object) -> str:
    """An external value, for the log and the audit log: printable, and not long."""
    return "".join(each if each.isprintable() else "�" for each in str(value)[:_MAX_SHOWN])


def _without_secrets(value: object, secrets: tuple[str, ...]) -> str:
    """The provider's text, without our secrets, should it quote them."""
    text = str(value or "")
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return shown(text)


def _open_door(settings: OidcSettings) -> httpx2.AsyncHTTPTransport:
    try:
        trust = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True
    except OSError as error:
        raise ValueError(f"ca_file: cannot be used: {error.strerror or error}") from None
    limits = httpx2.Limits(max_connections=50, max_keepalive_connections=5)
    try:
        return httpx2.AsyncHTTPTransport(verify=trust, proxy=settings.proxy or None, limits=limits)
    except (ValueError, httpx2.InvalidURL):
        raise ValueError("proxy: is not an http: address") from None


def _client_authentication(settings: OidcSettings, metadata: Metadata | None) -> str:
    if not settings.client_secret:
        return "none"
    if settings.client_authentication != "auto":
        return settings.client_authentication
    listed = metadata.client_authentications if metadata else ()
    known = ("client_secret_basic", "client_secret_post")
    return next((method for method in listed if method in known), known[0])


def _basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> Any:
    """Client ID and secret as in RFC 6749 §2.3.1: first escaped, then joined."""
    escaped = _Credentials(quote(client.client_id, safe=""), quote(client.client_secret, safe=""))
    return encode_client_secret_basic(escaped, method, uri, headers, body)


@dataclass(frozen=True, slots=True, repr=False)
class _Credentials:
    client_id: str
    client_secret: str


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if isinstance(url, str) and not _is_readable(url):
        url = None
    # Only a provider on this machine may send us to this machine without TLS.
    if not isinstance(url, str) or not is_protected(url, loopback_too=is_on_this_machine(issuer)):
        raise Unusable(said("its %(name)s is not an https: address", name=name))
    return url


def _is_readable(url: str) -> bool:
    try:
        return bool(httpx2.URL(url))
    except httpx2.InvalidURL:
        return False


def _optional_endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str | None:
    return None if document.get(name) is None else _endpoint(document, name, issuer)


def _names(document: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    listed = document.get(name)
    if not isinstance(listed, list):
        return None
    return tuple(entry for entry in listed if isinstance(entry, str))


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
