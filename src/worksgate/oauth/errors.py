"""All refusals of the protocol.

    OAuthError                      a response of the JSON endpoints
      AccessDenied             101  the client is disabled, or its address is not allowed
      InvalidRequest           201  something is missing, empty, repeated or malformed
        RequestTooLarge        201  the body is too large
        UnsupportedMediaType   201  the body is not a form
      UnsupportedGrantType     203
      UnauthorizedClient       301  unknown client or wrong secret; never which
        TooManyWrongSecrets    301  the same, far too often
      InvalidAuthorization     302  the code is unknown, expired, used or of another client
      InvalidAccess            303  the access token is unknown, expired, revoked or foreign
      InvalidLogin                  a mail client is refused; never why
        TooManyLogins               the same, too often
      TemporarilyUnavailable   503  overload, or the store does not respond

    AuthorizationError              a page of ours; never a redirect
      UnknownClient
      BadRedirectUri
      BadAuthorizationRequest

The numbers are those of https://developers.worksmobile.com/jp/docs/sso-sp-oauth-token; the HTTP
statuses are ours. ``description`` is sent, ``detail`` is logged; neither contains a secret.
"""

from typing import ClassVar


class OAuthError(Exception):
    """A refusal in the JSON of LINE WORKS: ``number`` and ``message`` identify it on the wire."""

    number: ClassVar[str]
    message: ClassVar[str]
    description: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.description)
        self.detail = detail


class AccessDenied(OAuthError):
    number = "101"
    message = "access_denied"
    description = "Request from unauthorized client"
    status = 403


class InvalidRequest(OAuthError):
    number = "201"
    message = "invalid_request"
    description = "Missing or invalid request"
    status = 400


class RequestTooLarge(InvalidRequest):
    status = 413


class UnsupportedMediaType(InvalidRequest):
    status = 415


class UnsupportedGrantType(OAuthError):
    number = "203"
    message = "unsupported_grant_type"
    description = "The grant_type is not supported"
    status = 400


class UnauthorizedClient(OAuthError):
    number = "301"
    message = "unauthorized_client"
    description = "Invalid client ID or secret"
    status = 401


class TooManyWrongSecrets(UnauthorizedClient):
    status = 429


class InvalidAuthorization(OAuthError):
    number = "302"
    message = "invalid_authorization"
    description = "Invalid authorization code"
    status = 400


class InvalidLogin(OAuthError):
    """LINE WORKS has no number for it; this is the code of RFC 6749."""

    number = "invalid_grant"
    message = "invalid_grant"
    description = "Invalid email address or password"
    status = 401


class TooManyLogins(InvalidLogin):
    status = 429


class InvalidAccess(OAuthError):
    number = "303"
    message = "invalid_access"
    description = "Access token verification failed"
    status = 401


class TemporarilyUnavailable(OAuthError):
    number = "server_error"
    message = "server_error"
    description = "Temporarily unavailable, please try again"
    status = 503


class AuthorizationError(Exception):
    """An authorization request that gets a page of ours instead of a redirect (R-01 to R-06).

    ``detail`` is the problem, for the log and the administrator; it quotes nothing of the request.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class UnknownClient(AuthorizationError):
    """``client_id`` is missing, unknown or disabled."""


class BadRedirectUri(AuthorizationError):
    """``redirect_uri`` is missing, malformed or not on the client's allowlist."""


class BadAuthorizationRequest(AuthorizationError):
    """Another part of the request is wrong: ``response_type``, or a repeated parameter."""
