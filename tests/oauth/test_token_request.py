"""Access token request and response, as in docs/protocol.md, as far as they need no store."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.errors import InvalidRequest, OAuthError, UnsupportedGrantType
from worksgate.oauth.model import AuthorizationCode, Client, RefreshToken
from worksgate.oauth.token import TokenRequest, TokenResponse, check_grant
from worksgate.oauth.user_info import UserInfoRequest, UserInfoResponse

CODE = {
    "grant_type": "authorization_code",
    "client_id": "acme",
    "client_secret": "the-client-secret",
    "code": "the-code",
}
REFRESH = {
    "grant_type": "refresh_token",
    "client_id": "acme",
    "client_secret": "the-client-secret",
    "refresh_token": "the-refresh-token",
}
WITHOUT_REFRESH = Client(client_id="acme", name="Acme")
WITH_REFRESH = Client(client_id="acme", name="Acme", refresh_tokens=True)


def parse(form: Mapping[str, str], **changes: str) -> TokenRequest:
    return TokenRequest.parse({**form, **changes})


def test_code_request_is_read() -> None:
    request = parse(CODE)
    assert request == TokenRequest(AuthorizationCode, "acme", "the-client-secret", "the-code")
    assert check_grant(request, WITHOUT_REFRESH) == "the-code"


def test_refresh_request_is_read() -> None:
    request = parse(REFRESH)
    assert request == TokenRequest(RefreshToken, "acme", "the-client-secret", "the-refresh-token")
    assert check_grant(request, WITH_REFRESH) == "the-refresh-token"


def test_redirect_uri_and_unknown_parameters_are_ignored() -> None:
    assert parse(CODE, redirect_uri="https://evil.example", scope="all") == parse(CODE)


def test_values_are_taken_as_they_are() -> None:
    assert parse(CODE, code=" the-code\n").secret == " the-code\n"
    assert parse(CODE, client_id="ACME ").client_id == "ACME "


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("value", [None, ""])
def test_r45_missing_or_empty_parameter_is_201(name: str, value: str | None) -> None:
    form = {key: text for key, text in CODE.items() if key != name}
    with pytest.raises(InvalidRequest, match=f"^{name} is missing"):
        TokenRequest.parse(form if value is None else {**form, name: value})


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token"])
@pytest.mark.parametrize("value", [None, ""])
def test_r45_missing_or_empty_parameter_of_a_refresh_is_201(name: str, value: str | None) -> None:
    form = {key: text for key, text in REFRESH.items() if key != name}
    with pytest.raises(InvalidRequest, match=f"^{name} is missing"):
        TokenRequest.parse(form if value is None else {**form, name: value})


@pytest.mark.parametrize(
    "grant_type",
    [
        *("password", "client_credentials", "implicit", "authorization-code", "code"),
        *(
            "AUTHORIZATION_CODE",
            "Authorization_code",
            "authorization_code ",
            "authorization_code\0",
        ),
        *("authorization_code,refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ],
)
def test_any_other_grant_type_is_203(grant_type: str) -> None:
    with pytest.raises(UnsupportedGrantType):
        parse(CODE, grant_type=grant_type)


@pytest.mark.parametrize("missing", ["client_id", "client_secret", "code"])
def test_shape_is_checked_before_the_grant_type(missing: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(CODE, grant_type="password", **{missing: ""})


def test_refresh_where_it_is_off_is_203() -> None:
    with pytest.raises(UnsupportedGrantType):
        check_grant(parse(REFRESH), WITHOUT_REFRESH)
    with pytest.raises(UnsupportedGrantType):
        check_grant(parse(CODE, grant_type="refresh_token"), WITHOUT_REFRESH)


def test_refresh_with_a_code_in_place_of_the_refresh_token_is_201_where_it_is_on() -> None:
    with pytest.raises(InvalidRequest):
        check_grant(parse(CODE, grant_type="refresh_token"), WITH_REFRESH)


def test_code_in_a_refresh_is_never_redeemed() -> None:
    request = parse(REFRESH, code="the-code")
    assert (request.kind, request.secret) == (RefreshToken, "the-refresh-token")


def test_r106_representation_hides_the_secrets() -> None:
    shown = repr(parse(CODE)) + repr(parse(REFRESH)) + repr(TokenResponse("the-token", 1, "the-rt"))
    for secret in ("the-client-secret", "the-code", "the-refresh-token", "the-token", "the-rt"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (
            TokenResponse("t", 86400),
            {"access_token": "t", "token_type": "Bearer", "expires_in": 86400},
        ),
        (TokenResponse("t", None), {"access_token": "t", "token_type": "Bearer"}),
        (
            TokenResponse("t", 60, "r"),
            {"access_token": "t", "token_type": "Bearer", "expires_in": 60, "refresh_token": "r"},
        ),
    ],
)
def test_response_has_what_was_granted_and_nothing_else(
    response: TokenResponse, body: dict[str, object]
) -> None:
    assert response.as_json() == body


parameters = st.sampled_from([*CODE, "refresh_token", "redirect_uri"]) | st.text(max_size=4)
texts = st.sampled_from([*CODE.values(), "refresh_token", ""]) | st.text(max_size=8)


@examples(400)
@given(st.dictionaries(parameters, texts, max_size=8))
def test_any_form_is_read_or_refused_by_an_oauth_error(form: dict[str, str]) -> None:
    for client in (WITH_REFRESH, WITHOUT_REFRESH):
        try:
            request = TokenRequest.parse(form)
            secret = check_grant(request, client)
        except OAuthError as refusal:
            if refusal.number not in ("201", "203"):
                raise
            continue
        source = "code" if request.kind is AuthorizationCode else "refresh_token"
        assert secret == form[source] != ""
        assert request.client_id == form["client_id"]
        assert client.refresh_tokens or request.kind is AuthorizationCode


@pytest.mark.parametrize("kind", [TokenRequest, TokenResponse, UserInfoRequest, UserInfoResponse])
def test_a_checked_request_and_its_answer_never_change(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
