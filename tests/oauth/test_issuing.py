"""What a sign-in ends with: the key that the client is set to, and a code with its lifetimes."""

import pytest

from worksgate.oauth.issuing import authorization_code, user_key
from worksgate.oauth.model import AuthorizationCode, Client, LoginKind, UserKey

NOW = 1_000_000.0


def code_for(client: Client, login_kind: LoginKind) -> AuthorizationCode:
    return authorization_code(
        client,
        key="k",
        grant_id="g",
        subject_id="s",
        user_id="u",
        login_id="l",
        login_kind=login_kind,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("kind", "key"), [(UserKey.EXTERNAL_KEY, "E-7"), (UserKey.WORKS_ACCOUNT, "taro@example.jp")]
)
def test_a_person_is_known_by_the_key_that_the_client_is_set_to(kind: UserKey, key: str) -> None:
    client = _client(user_key=kind)
    assert user_key(client, "E-7", "taro@example.jp") == key
    missing = {
        UserKey.EXTERNAL_KEY: (None, "taro@example.jp"),
        UserKey.WORKS_ACCOUNT: ("E-7", None),
    }
    assert user_key(client, *missing[kind]) is None


def _client(**settings: object) -> Client:
    return Client(client_id="acme", name="Acme", **settings)  # type: ignore[arg-type]  # as named


@pytest.mark.parametrize("login_kind", list(LoginKind))
def test_r34_a_code_has_the_lifetimes_of_its_client(login_kind: LoginKind) -> None:
    client = _client(code_lifetime=45, access_token_lifetime=300)
    code = code_for(client, login_kind)
    assert code.expires_at == NOW + 45
    assert code.lifetime == client.token_lifetime(login_kind) == 300
    assert code.expires_in == client.expires_in(login_kind)
    assert (code.key, code.grant_id, code.subject_id, code.client_id) == ("k", "g", "s", "acme")
    assert (code.user_id, code.login_id, code.login_kind) == ("u", "l", login_kind)


def test_a_lifetime_is_announced_only_where_the_client_wants_it() -> None:
    assert code_for(_client(announce_expires_in=False), LoginKind.WEB).expires_in is None
