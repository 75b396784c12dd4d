"""User info, and the rules for user keys, as in docs/protocol.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.errors import InvalidAccess, InvalidRequest
from worksgate.oauth.model import AccessToken, Client, LoginKind
from worksgate.oauth.user_info import (
    UserInfoRequest,
    UserInfoResponse,
    check_access_token,
    check_external_key,
    check_works_account,
)

FORM = {"client_id": "acme", "client_secret": "the-client-secret", "access_token": "the-token"}
ACME = Client(client_id="acme", name="Acme")
OTHER = Client(client_id="other", name="Other")
TOKEN = AccessToken(
    key="digest-of-the-token",
    grant_id="g",
    subject_id="directory:1",
    client_id="acme",
    expires_at=1000.0,
    user_id="E-0001",
    login_id="l",
    login_kind=LoginKind.WEB,
)


def test_request_is_read() -> None:
    assert UserInfoRequest.parse({**FORM, "more": "x"}) == UserInfoRequest(
        client_id="acme", client_secret="the-client-secret", access_token="the-token"
    )


@pytest.mark.parametrize("name", FORM)
@pytest.mark.parametrize("value", [None, ""])
def test_r45_missing_or_empty_parameter_is_201(name: str, value: str | None) -> None:
    form = {key: text for key, text in FORM.items() if key != name}
    with pytest.raises(InvalidRequest, match=f"^{name} is missing"):
        UserInfoRequest.parse(form if value is None else {**form, name: value})


def test_r106_representation_hides_the_secrets() -> None:
    shown = repr(UserInfoRequest.parse(FORM)) + repr(TOKEN)
    for secret in ("the-client-secret", "the-token", "digest-of-the-token"):
        assert secret not in shown


def test_response_is_the_user_key_alone() -> None:
    assert UserInfoResponse("E-0001").as_json() == {"user_id": "E-0001"}


def test_token_is_accepted_until_the_second_it_expires() -> None:
    assert check_access_token(TOKEN, ACME, 999.9) is TOKEN


@pytest.mark.parametrize(
    ("token", "client", "now"),
    [(None, ACME, 0.0), (TOKEN, OTHER, 0.0), (TOKEN, ACME, 1000.0), (TOKEN, ACME, 9e9)],
)
def test_r55_unknown_foreign_or_expired_token_is_303(
    token: AccessToken | None, client: Client, now: float
) -> None:
    with pytest.raises(InvalidAccess):
        check_access_token(token, client, now)


@pytest.mark.parametrize(
    "key",
    ["1", "E-0001", "Sato.Hanako@acme.example", "佐藤 花子", "x" * 100, "𠮷" * 100, "a&b=c+d"],
)
def test_external_key_is_kept_as_it_is(key: str) -> None:
    assert check_external_key(key) == key


@pytest.mark.parametrize("character", "%\\#/?\0\n\t\x7f\u200b\u202e\xa0")
def test_external_key_with_a_forbidden_character_is_refused(character: str) -> None:
    for key in (f"a{character}b", character, f"a{character}"):
        with pytest.raises(ValueError, match="external key"):
            check_external_key(key)


@pytest.mark.parametrize("key", ["", " ", "x" * 101, " E-0001", "E-0001 ", "\u3000E-0001"])
def test_external_key_of_the_wrong_length_or_with_outer_blanks_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="external key"):
        check_external_key(key)


@pytest.mark.parametrize(
    "account",
    [
        "sato",
        "ab",
        "x" * 40,
        "a.b-c_d",
        "sato@acme",
        "sato@acme.example",
        "12@3.example",
        f"{'x' * 40}@{'y' * 49}",
    ],
)
def test_works_account_is_kept_as_it_is(account: str) -> None:
    assert check_works_account(account) == account


@pytest.mark.parametrize(
    "account",
    [
        "",
        "a",
        "a@acme",
        "x" * 41,
        f"{'x' * 40}@{'y' * 50}",
        "Sato@acme",
        "sato@Acme",
        "sato@",
        "@acme",
        "sato@@acme",
        "sato@acme@acme",
        "sato acme",
        "sato@acme.",
        "sato@.acme",
        "sato@acme..example",
        "sato@-acme",
        "sato@acme-",
        "sato@acme_x",
        "sato+x@acme",
        "sato@acme\n",
        "sato\n",
        "さとう@acme",
        "sato@佐藤",
        "１２@acme",
    ],
)
def test_works_account_against_the_rules_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match=r"LINE WORKS account|the part (before|after) @"):
        check_works_account(account)


@pytest.mark.parametrize("account", ["Sato", "sato@Acme"])
def test_capitals_are_what_is_said_to_be_wrong(account: str) -> None:
    with pytest.raises(ValueError, match="in lower case"):
        check_works_account(account)


@pytest.mark.parametrize("unseen", "\u034f\u115f\u2800\u3164\ufe0f\uffa0\U000e0100\u200b")
def test_r268_an_external_key_that_looks_like_another_is_refused(unseen: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        check_external_key(f"E-{unseen}42")


@examples(300)
@given(st.text(max_size=110))
def test_any_external_key_is_kept_or_refused(key: str) -> None:
    try:
        kept = check_external_key(key)
    except ValueError:
        return
    assert kept == key
    assert 1 <= len(key) <= 100
    assert not set("%\\#/?") & set(key)
    key.encode()  # a key that cannot be sent must not get here


@examples(300)
@given(st.text("ab1.-_@AÅ", max_size=95) | st.text())
def test_any_works_account_is_kept_or_refused(account: str) -> None:
    try:
        kept = check_works_account(account)
    except ValueError:
        return
    assert kept == account == account.lower()
    assert 2 <= len(account.partition("@")[0]) <= 40
    assert account.isascii()
    assert len(account) <= 90
