"""LINE WORKS gets the key that the client is configured for."""

import pytest

from worksgate.oauth.model import Client, UserKey
from worksgate.oauth.user_key import KeyProblem, is_refused, user_key, why_no_user_key

OF_KEY = KeyProblem(UserKey.EXTERNAL_KEY, "E-7 is Taro's")
OF_ACCOUNT = KeyProblem(UserKey.WORKS_ACCOUNT, "the account is Taro's")


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


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ((), "no user key: there is no external key"),
        ((OF_ACCOUNT,), "no user key: there is no external key"),
        ((OF_ACCOUNT, OF_KEY), "no user key: E-7 is Taro's"),
        ((OF_KEY, OF_KEY), "no user key: E-7 is Taro's; E-7 is Taro's"),
    ],
)
def test_why_there_is_no_key_is_said_of_the_kind_that_counts(
    refused: tuple[KeyProblem, ...], why: str
) -> None:
    client = _client(user_key=UserKey.EXTERNAL_KEY)
    assert why_no_user_key(client, refused) == why
    assert is_refused(client, refused) is (OF_KEY in refused)
    assert [str(each) for each in refused] == [each.text for each in refused]


def _client(**settings: object) -> Client:
    return Client(client_id="acme", name="Acme", **settings)  # type: ignore[arg-type]  # as named
