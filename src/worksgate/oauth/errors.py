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
``cause`` says in one word what ``detail`` says in a sentence, for programs.
"""

from enum import StrEnum
from typing import ClassVar


class Cause(StrEnum):
    """Why a request was refused; the audit log has the same names (``audit.Reason``)."""

    UNKNOWN_CLIENT = "unknown_client"
    PARAMETER_MISSING = "parameter_missing"
    REDIRECT_NOT_LISTED = "redirect_not_listed"
    REDIRECT_MALFORMED = "redirect_malformed"
    NO_STATE = "no_state"
    RESPONSE_TYPE = "response_type"
    SENT_TWICE = "sent_twice"
    TOO_LONG = "too_long"
    NOT_CONFIRMED = "not_confirmed"
    BAD_REQUEST = "bad_request"
    GRANT_TYPE = "grant_type"
    CLIENT_DISABLED = "client_disabled"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    WRONG_SECRET = "wrong_secret"
    TOO_MANY_WRONG_SECRETS = "too_many_wrong_secrets"
    CODE_UNKNOWN = "code_unknown"
    CODE_FOREIGN = "code_foreign"
    CODE_EXPIRED = "code_expired"
    CODE_REPLAYED = "code_replayed"
    TOKEN_UNKNOWN = "token_unknown"
    TOKEN_FOREIGN = "token_foreign"
    TOKEN_EXPIRED = "token_expired"
    WRONG_PASSWORD = "wrong_password"
    RULE = "rule"
    IMAP_OFF = "imap_off"
    NO_ANSWER = "no_answer"


class OAuthError(Exception):
    """A refusal in the JSON of LINE WORKS: ``number`` and ``message`` identify it on the wire."""

    number: ClassVar[str]
    message: ClassVar[str]
    description: ClassVar[str]
    status: ClassVar[int]
    usual_cause: ClassVar[Cause]

    def __init__(self, detail: str = "", cause: Cause | None = None) -> None:
        super().__init__(detail or self.description)
        self.detail = detail
        self.cause = self.usual_cause if cause is None else cause


class AccessDenied(OAuthError):
    number = "101"
    message = "access_denied"
    description = "Request from unauthorized client"
    status = 403
    usual_cause = Cause.CLIENT_DISABLED


class InvalidRequest(OAuthError):
    number = "201"
    message = "invalid_request"
    description = "Missing or invalid request"
    status = 400
    usual_cause = Cause.BAD_REQUEST


class RequestTooLarge(InvalidRequest):
    status = 413


class UnsupportedMediaType(InvalidRequest):
    status = 415


class UnsupportedGrantType(OAuthError):
    number = "203"
    message = "unsupported_grant_type"
    description = "The grant_type is not supported"
    status = 400
    usual_cause = Cause.GRANT_TYPE


class UnauthorizedClient(OAuthError):
    number = "301"
    message = "unauthorized_client"
    description = "Invalid client ID or secret"
    status = 401
    usual_cause = Cause.WRONG_SECRET


class TooManyWrongSecrets(UnauthorizedClient):
    status = 429
    usual_cause = Cause.TOO_MANY_WRONG_SECRETS


class InvalidAuthorization(OAuthError):
    number = "302"
    message = "invalid_authorization"
    description = "Invalid authorization code"
    status = 400
    usual_cause = Cause.CODE_UNKNOWN


class InvalidLogin(OAuthError):
    """LINE WORKS has no number for it; this is the code of RFC 6749."""

    number = "invalid_grant"
    message = "invalid_grant"
    description = "Invalid email address or password"
    status = 401
    usual_cause = Cause.WRONG_PASSWORD


class TooManyLogins(InvalidLogin):
    status = 429


class InvalidAccess(OAuthError):
    number = "303"
    message = "invalid_access"
    description = "Access token verification failed"
    status = 401
    usual_cause = Cause.TOKEN_UNKNOWN


class TemporarilyUnavailable(OAuthError):
    number = "server_error"
    message = "server_error"
    description = "Temporarily unavailable, please try again"
    status = 503
    usual_cause = Cause.NO_ANSWER


class AuthorizationError(Exception):
    """An authorization request that gets a page of ours instead of a redirect (R-01 to R-06).

    ``detail`` is the problem, for the log and the administrator; of the request it quotes nothing
    but what is on the client's list. ``client_id`` is the client, if it is known. ``login_id`` is
    its name in the audit log, once it is recorded there.
    """

    usual_cause: ClassVar[Cause]

    def __init__(self, detail: str, cause: Cause | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cause = self.usual_cause if cause is None else cause
        self.login_id: str | None = None
        self.client_id: str | None = None


class UnknownClient(AuthorizationError):
    """``client_id`` is missing, unknown or disabled."""

    usual_cause = Cause.UNKNOWN_CLIENT


class BadRedirectUri(AuthorizationError):
    """``redirect_uri`` is missing, malformed or not on the client's allowlist."""

    usual_cause = Cause.REDIRECT_MALFORMED


class BadAuthorizationRequest(AuthorizationError):
    """Another part of the request is wrong: ``response_type``, or a repeated parameter."""

    usual_cause = Cause.BAD_REQUEST
