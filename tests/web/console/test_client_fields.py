"""How the settings of a client are typed and compared; no request is needed for that."""

from dataclasses import replace

import pytest

from worksgate.clients.validation import CHANGEABLE
from worksgate.oauth.model import Client, Profile, SecondFactor
from worksgate.web.console.client_fields import FIELDS, PARTS, FieldKind, read_typed, texts_of
from worksgate.web.console.conflicts import Compared, compare
from worksgate.web.console.rules import rules_on_page

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


@pytest.mark.parametrize(
    ("was", "theirs", "mine", "merged", "is_disputed"),
    [
        ("a", "a", "a", "a", False),
        ("a", "b", "a", "b", False),
        ("a", "a", "c", "c", False),
        ("a", "b", "b", "b", False),
        ("a", "b", "c", "c", True),
        ("a", "", "c", "c", True),
    ],
)
def test_r163_where_one_has_changed_a_field_that_is_taken(
    was: str, theirs: str, mine: str, merged: str, *, is_disputed: bool
) -> None:
    row = Compared(FIELDS["domain"], was, theirs, mine)
    assert (row.merged, row.is_disputed) == (merged, is_disputed)


def test_r163_both_lists_can_be_taken_but_not_both_orders_of_rules() -> None:
    lists = Compared(FIELDS["allowed_addresses"], "a", "a\nb", "a\nc")
    assert lists.both == "a\nb\nc"
    assert Compared(FIELDS["allowed_addresses"], "a", "a\nb", "a").both == ""
    assert Compared(FIELDS["rules"], "a", "a\nb", "a\nc").both == ""


def test_r163_a_field_that_a_form_does_not_have_is_not_changed_by_it() -> None:
    fields = (FIELDS["domain"], FIELDS["name"])
    domain, name = compare(
        fields, {"domain": "was"}, {"domain": "theirs", "name": "Acme"}, {"name": "Acme"}
    )
    assert (domain.is_mine, domain.merged) == (False, "theirs")
    assert not name.is_mine


def test_a_rule_that_cannot_be_read_is_shown_as_such() -> None:
    readable, broken = rules_on_page(["deny days=sat-sun timezone=Asia/Tokyo", "maybe"])
    assert [each.name for each in readable.conditions] == ["days"]
    assert readable.timezone == "Asia/Tokyo"
    assert (broken.rule, broken.conditions, broken.timezone) == (None, (), "")
