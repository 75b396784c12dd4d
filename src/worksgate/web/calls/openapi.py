"""The OpenAPI 3.1 description of the JSON endpoints, with the paths and address of this server."""

from collections.abc import Mapping
from typing import Any

from worksgate.oauth import errors
from worksgate.oauth.form import MAX_VALUE, MEDIA_TYPE
from worksgate.oauth.imap_login import MAX_EMAIL, MAX_PASSWORD
from worksgate.settings.options import Settings

Schema = Mapping[str, Any]

API_VERSION = "1"
"""Of the protocol; the version of Worksgate is not public (R-50)."""

_TOKEN_ERRORS: Mapping[int, tuple[type[errors.OAuthError], ...]] = {
    400: (errors.InvalidRequest, errors.UnsupportedGrantType, errors.InvalidAuthorization),
    401: (errors.UnauthorizedClient,),
    403: (errors.AccessDenied,),
    405: (errors.InvalidRequest,),
    408: (errors.InvalidRequest,),
    413: (errors.RequestTooLarge,),
    415: (errors.UnsupportedMediaType,),
    429: (errors.TooManyWrongSecrets,),
    503: (errors.TemporarilyUnavailable,),
}
_USER_INFO_ERRORS: Mapping[int, tuple[type[errors.OAuthError], ...]] = {
    **_TOKEN_ERRORS,
    400: (errors.InvalidRequest,),
    401: (errors.UnauthorizedClient, errors.InvalidAccess),
}
_IMAP_LOGIN_LIMITS = {"email": MAX_EMAIL, "password": MAX_PASSWORD}
_IMAP_LOGIN_ERRORS: Mapping[int, tuple[type[errors.OAuthError], ...]] = {
    400: (errors.InvalidRequest,),
    401: (errors.InvalidLogin,),
    404: (errors.InvalidRequest,),
    405: (errors.InvalidRequest,),
    429: (errors.TooManyLogins,),
    503: (errors.TemporarilyUnavailable,),
}


def describe_api(settings: Settings) -> Mapping[str, Any]:
    """The document, as a JSON object."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Worksgate",
            "version": API_VERSION,
            "summary": "The calls of LINE WORKS to the customer's single sign-on system.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": settings.public_url.rstrip("/")}],
        "paths": {
            settings.access_token_path: {"post": _access_token()},
            settings.user_info_path: {"post": _user_info()},
            f"{settings.imap_login_path}/{{client_id}}": {"get": _imap_login()},
            "/healthz": {"get": _health("Whether the process is alive.", 200)},
            "/readyz": {"get": _health("Whether the store responds.", 200, 503)},
        },
        "components": {"schemas": {"Error": _error_schema()}},
    }


def _access_token() -> Schema:
    return {
        "operationId": "accessToken",
        "summary": "Access Token Return API: exchanges a code, once, for an access token.",
        "requestBody": _form(
            {
                "grant_type": {"type": "string", "enum": ["authorization_code", "refresh_token"]},
                "client_id": _text(),
                "client_secret": _text(),
                "code": _text(),
                "refresh_token": _text(),
            },
            required=["grant_type", "client_id", "client_secret"],
        ),
        "responses": {
            "200": _json(
                "The access token.",
                {
                    "type": "object",
                    "required": ["access_token", "token_type"],
                    "properties": {
                        "access_token": {"type": "string"},
                        "token_type": {"const": "Bearer"},
                        "expires_in": {"type": "integer", "minimum": 1, "description": "seconds"},
                        "refresh_token": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
            ),
            **_refusals(_TOKEN_ERRORS),
        },
    }


def _user_info() -> Schema:
    return {
        "operationId": "userInfo",
        "summary": "User info return API: returns the person of an access token.",
        "requestBody": _form(
            {"client_id": _text(), "client_secret": _text(), "access_token": _text()},
            required=["client_id", "client_secret", "access_token"],
        ),
        "responses": {
            "200": _json(
                "The person's user key.",
                {
                    "type": "object",
                    "required": ["user_id"],
                    "properties": {"user_id": {"type": "string", "minLength": 1}},
                    "additionalProperties": False,
                },
            ),
            **_refusals(_USER_INFO_ERRORS),
        },
    }


def _imap_login() -> Schema:
    return {
        "operationId": "imapLogin",
        "summary": "IMAP/CalDAV Login API: exchanges a mail client's credentials for a code.",
        "parameters": [
            {
                "name": "client_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            },
            *(_base64_parameter(name, limit) for name, limit in _IMAP_LOGIN_LIMITS.items()),
        ],
        "responses": {
            "200": _json(
                "The code, which is exchanged for an access token like any other.",
                {
                    "type": "object",
                    "required": ["code"],
                    "properties": {"code": {"type": "string", "minLength": 1}},
                    "additionalProperties": False,
                },
            ),
            **_refusals(_IMAP_LOGIN_ERRORS),
        },
    }


def _base64_parameter(name: str, limit: int) -> Schema:
    """A text in UTF-8, then in Base64: four characters per three bytes."""
    return {
        "name": name,
        "in": "query",
        "required": True,
        "schema": {
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^[A-Za-z0-9+/]+={0,2}$",
            "minLength": 4,
            "maxLength": 4 * -(-limit // 3),
        },
    }


def _health(summary: str, *statuses: int) -> Schema:
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": ["ok", "unavailable"]}},
    }
    return {
        "summary": summary,
        "responses": {str(status): _json("The state.", schema) for status in statuses},
    }


def _text() -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": MAX_VALUE}


def _form(properties: Schema, *, required: list[str]) -> Schema:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusals(kinds: Mapping[int, tuple[type[errors.OAuthError], ...]]) -> Schema:
    return {
        str(status): _json(
            "; ".join(f"{kind.number} {kind.message}: {kind.description}" for kind in found),
            {"$ref": "#/components/schemas/Error"},
        )
        for status, found in kinds.items()
    }


def _error_schema() -> Schema:
    return {
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        "additionalProperties": False,
    }
