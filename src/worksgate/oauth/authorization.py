"""The authorization request: parameters of LINE WORKS for our sign-in page.

The browser sends it as ``GET /login``. It is validated in the order that keeps mistakes harmless:
the client first, then ``redirect_uri``, then the rest, and no mistake is ever answered with a
redirect (R-01 to R-06).
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-login-web
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-login-app
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

from worksgate.oauth.errors import (
    AuthorizationError,
    BadAuthorizationRequest,
    BadRedirectUri,
    Cause,
    UnknownClient,
)
from worksgate.oauth.model import Client, LoginKind
from worksgate.oauth.redirect_uri import check_redirect_uri

TRANSACTION_LIFETIME = 30 * 60
"""Seconds from the request to the redirect, after which LINE WORKS rejects the login."""

MAX_QUERY = 8 * 1024
"""Maximum length of the query string in bytes."""
MAX_HINT = 200

KNOWN = ("response_type", "client_id", "redirect_uri", "worksId", "userAgent", "sessionKey")

_SESSION_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated authorization request; ``redirect_uri`` is unchanged, byte for byte.

    ``works_id`` is a hint and proves nothing. ``session_key`` is None unless it has the only form
    that may be put into a URL of LINE WORKS (R-16).
    """

    client_id: str
    redirect_uri: str
    login_kind: LoginKind = LoginKind.WEB
    works_id: str | None = None
    session_key: str | None = field(default=None, repr=False)

    @classmethod
    def parse(
        cls, query: str, find_client: Callable[[str], Client | None], *, loopback: bool = False
    ) -> Self:
        """Parse a raw query string.

        ``find_client`` returns a registered client or None; ``loopback`` is as in
        ``check_redirect_uri``. Unknown parameters are ignored (RFC 6749 §3.1).
        Raises UnknownClient, BadRedirectUri or BadAuthorizationRequest.
        """
        values = _read(query)
        client = find_client(_only(values, "client_id", UnknownClient))
        if client is None:
            raise UnknownClient("client_id is unknown or disabled")
        try:
            return cls._of_client(client, values, loopback=loopback)
        except AuthorizationError as refusal:
            refusal.client_id = client.client_id
            raise

    @classmethod
    def _of_client(cls, client: Client, values: Mapping[str, list[str]], *, loopback: bool) -> Self:
        if not client.enabled:
            raise UnknownClient("client_id is unknown or disabled")
        redirect_uri = check_redirect_uri(
            _only(values, "redirect_uri", BadRedirectUri),
            client.redirect_uris,
            require_state=client.require_state,
            loopback=loopback,
        )
        for name in KNOWN:
            if len(values.get(name, ())) > 1:
                raise BadAuthorizationRequest(f"{name} is sent twice", Cause.SENT_TWICE)
        if values.get("response_type") != ["code"]:
            raise BadAuthorizationRequest("response_type is not code", Cause.RESPONSE_TYPE)
        return cls(
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            login_kind=_login_kind(values),
            works_id=_hint(values),
            session_key=_session_key(values),
        )


def _read(query: str) -> dict[str, list[str]]:
    """Decode the query once; bytes that are not UTF-8 become surrogates, which match nothing."""
    if len(query) > MAX_QUERY:
        raise BadRedirectUri("the query is too long", Cause.TOO_LONG)
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        values.setdefault(name, []).append(value)
    return values


def _only(
    values: Mapping[str, Sequence[str]],
    name: str,
    refusal: type[UnknownClient | BadRedirectUri],
) -> str:
    found = values.get(name, ())
    if len(found) != 1 or not found[0]:
        cause = Cause.SENT_TWICE if len(found) > 1 else Cause.PARAMETER_MISSING
        raise refusal(f"{name} is missing, empty or sent twice", cause)
    return found[0]


def _login_kind(values: Mapping[str, Sequence[str]]) -> LoginKind:
    return LoginKind.APP if values.get("userAgent") == ["LineWorks"] else LoginKind.WEB


def _hint(values: Mapping[str, Sequence[str]]) -> str | None:
    hint = values.get("worksId", [""])[0].strip()
    return hint if hint.isprintable() and 0 < len(hint) <= MAX_HINT else None


def _session_key(values: Mapping[str, Sequence[str]]) -> str | None:
    key = values.get("sessionKey", [""])[0]
    return key if _SESSION_KEY.fullmatch(key) else None
