"""How the settings of a client are typed and compared; no request is needed for that."""

from dataclasses import replace

import pytest

from worksgate.clients.validation import CHANGEABLE
from worksgate.oauth.model import Client, Profile, SecondFactor
from worksgate.web.console.client_fields import FIELDS, PARTS, FieldKind, read_typed, texts_of

CLIENT = Client(client_id="c1", name="Acme", redirect_uris=("https://a.example",))
OTHER = replace(
    CLIENT,
    name="Beta",
    profile=Profile.WORKBOX,
    domain="example.com",
    require_state=False,
    second_factor=SecondFactor.REQUIRED,
    access_token_lifetime=90,
    expires_in_web=7_200,
    rules=("deny kind=app", 'allow group="Sales, Tokyo"'),
    allowed_addresses=("192.0.2.0/24", "2001:db8::/32"),
)


def test_every_setting_of_a_client_is_in_one_part() -> None:
    names = [each.name for part in PARTS for each in part.fields]
    assert sorted(names) == sorted(CHANGEABLE - {"enabled"})
    for each in FIELDS.values():
        assert bool(each.choices) is (each.kind is FieldKind.CHOICE), each.name


@pytest.mark.parametrize("client", [CLIENT, OTHER])
def test_what_stands_in_a_form_is_read_as_the_same_value(client: Client) -> None:
    texts = texts_of(client, FIELDS.values())
    typed = read_typed(
        {name: text.replace("\n", "\r\n") for name, text in texts.items()}, FIELDS.values()
    )
    assert not typed.problems
    assert replace(CLIENT, **typed.values) == client


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("expires_in_web", " 12h ", 43_200),
        ("expires_in_web", "90", 90),
        ("access_token_lifetime", "", None),
        ("allowed_addresses", "\r\n192.0.2.0/24 \r\n\r\n", ("192.0.2.0/24",)),
        ("name", " Acme ", "Acme"),
        ("require_state", "on", True),
    ],
)
def test_what_is_typed_is_read(name: str, typed: str, expected: object) -> None:
    assert read_typed({name: typed}, FIELDS.values()).values == {name: expected}


@pytest.mark.parametrize(
    ("name", "typed"),
    [("expires_in_web", "soon"), ("expires_in_web", ""), ("code_lifetime", "1.5")],
)
def test_what_is_no_time_is_a_problem(name: str, typed: str) -> None:
    assert read_typed({name: typed}, FIELDS.values()).problems.keys() == {name}
