"""LINE WORKS gets the key that the client is configured for."""

import pytest

from worksgate.oauth.model import Client, UserKey
from worksgate.oauth.user_key import user_key


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
