"""The format of each error: the table of docs/protocol.md, word for word."""

import pytest

from worksgate.oauth import errors
from worksgate.oauth.errors import AuthorizationError, Cause, OAuthError

TABLE = [
    (errors.AccessDenied, "101", "access_denied", "Request from unauthorized client", 403),
    (errors.InvalidRequest, "201", "invalid_request", "Missing or invalid request", 400),
    (errors.RequestTooLarge, "201", "invalid_request", "Missing or invalid request", 413),
    (errors.UnsupportedMediaType, "201", "invalid_request", "Missing or invalid request", 415),
    (
        errors.UnsupportedGrantType,
        "203",
        "unsupported_grant_type",
        "The grant_type is not supported",
        400,
    ),
    (errors.UnauthorizedClient, "301", "unauthorized_client", "Invalid client ID or secret", 401),
    (errors.TooManyWrongSecrets, "301", "unauthorized_client", "Invalid client ID or secret", 429),
    (
        errors.InvalidAuthorization,
        "302",
        "invalid_authorization",
        "Invalid authorization code",
        400,
    ),
    (
        errors.InvalidLogin,
        "invalid_grant",
        "invalid_grant",
        "Invalid email address or password",
        401,
    ),
    (
        errors.TooManyLogins,
        "invalid_grant",
        "invalid_grant",
        "Invalid email address or password",
        429,
    ),
    (errors.InvalidAccess, "303", "invalid_access", "Access token verification failed", 401),
    (
        errors.TemporarilyUnavailable,
        "server_error",
        "server_error",
        "Temporarily unavailable, please try again",
        503,
    ),
]


def family(root: type[Exception]) -> set[type[Exception]]:
    """The refusals of the protocol itself; the web edge has some more of its own."""
    return {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, root)
    }


@pytest.mark.parametrize(("error", "number", "message", "description", "status"), TABLE)
def test_error_is_the_one_of_the_contract(
    error: type[OAuthError], number: str, message: str, description: str, status: int
) -> None:
    assert (error.number, error.message, error.description, error.status) == (
        number,
        message,
        description,
        status,
    )


def test_every_error_is_in_the_table() -> None:
    assert family(OAuthError) - {OAuthError} == {row[0] for row in TABLE}


def test_detail_is_for_the_log_and_changes_nothing_that_goes_out() -> None:
    refusal = errors.InvalidAuthorization("the code has expired")
    assert (refusal.detail, str(refusal)) == ("the code has expired", "the code has expired")
    assert refusal.description == "Invalid authorization code"
    assert str(errors.InvalidAuthorization()) == "Invalid authorization code"
    assert errors.InvalidAuthorization().detail == ""


@pytest.mark.parametrize("error", [errors.InvalidAuthorization, errors.BadRedirectUri])
def test_a_cause_that_is_known_replaces_the_usual_one(
    error: type[OAuthError] | type[AuthorizationError],
) -> None:
    assert error("detail").cause is error.usual_cause
    assert error("detail", Cause.NO_ANSWER).cause is Cause.NO_ANSWER


def test_no_error_of_the_login_page_is_one_of_the_json_endpoints() -> None:
    assert not family(AuthorizationError) & family(OAuthError)
    assert {error.__name__ for error in family(AuthorizationError)} == {
        *("AuthorizationError", "UnknownClient", "BadRedirectUri", "BadAuthorizationRequest")
    }
