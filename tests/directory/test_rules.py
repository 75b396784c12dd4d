"""Limits of accounts, clients and import files, as tables."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from worksgate.administration.people_import.columns import BadColumns, Entry, Reader, Unreadable
from worksgate.clients.validation import CHANGEABLE, PROFILE_DEFAULTS, check_client, read_changes
from worksgate.directory import Account
from worksgate.directory.account_rules import (
    check_account,
    check_password,
    generated_password,
    presentable,
)
from worksgate.oauth.model import Client, ErrorStyle, Profile
from worksgate.sources import Person

ACCOUNT = Account(id="a1", username="hanako@example.com", name="Hanako Yamada")
CLIENT = Client(client_id="c1", name="Acme", redirect_uris=("https://auth.worksmobile.com",))


UNSEEN = "\u034f\u115f\u1160\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"
"""Shown as nothing, or as a blank."""


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "h"},
        {"username": "x" * 190},
        {"username": "山田花子"},
        {"username": "EXAMPLE\\hanako"},
        {"username": "Hanako Yamada"},
        {"name": ""},
        {"name": "山田 花子"},
        {"external_key": "Ä-1 b"},
        {"works_account": "hanako"},
        {"works_account": "hanako@example.com"},
        {"email": "hanako@example.com"},
        {"email": "h.a-n_a+ko..@xn--eckwd4c7c.jp"},
        {"email": "root@localhost"},
        {"groups": ("sales", "東京 営業", "CN=Admins,DC=example")},
        {"groups": ("x" * 100,)},
    ],
)
def test_an_account_may_look_like_this(changes: Mapping[str, Any]) -> None:
    assert check_account(replace(ACCOUNT, **changes))


def test_r250_nobody_gets_a_name_that_looks_like_another_and_who_has_one_can_be_disabled() -> None:
    old = replace(ACCOUNT, username="hanako\u3164")
    with pytest.raises(ValueError, match="invisible"):
        check_account(old)
    with pytest.raises(ValueError, match="invisible"):
        check_account(old, ACCOUNT)
    assert not check_account(replace(old, enabled=False), old).enabled


def test_r268_nobody_gets_a_key_that_looks_like_another_and_who_has_one_can_be_disabled() -> None:
    old = replace(ACCOUNT, external_key="E-1\u3164")
    with pytest.raises(ValueError, match="invisible"):
        check_account(old, ACCOUNT)
    assert not check_account(replace(old, enabled=False), old).enabled


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": ""}, "1 to 190"),
        ({"username": "x" * 191}, "1 to 190"),
        ({"username": " hanako"}, "space"),
        ({"username": "hanako "}, "space"),
        ({"username": "hana\nko"}, "control"),
        ({"username": "hana\u202eko"}, "control"),
        ({"username": "\ud800"}, "control"),
        ({"username": "\u3000"}, "control"),
        *(({"username": f"hanako{each}"}, "invisible") for each in UNSEEN),
        ({"name": "x" * 201}, "at most 200"),
        ({"name": "a\x1bb"}, "control"),
        ({"external_key": "a/b"}, "must not contain"),
        *(({"external_key": f"E-1{each}"}, "invisible") for each in UNSEEN),
        ({"external_key": ""}, "1 to 100"),
        ({"works_account": "Hanako@example.com"}, "lower case"),
        ({"works_account": "h@example.com"}, "2 to 40"),
        *(
            ({"email": email}, "looks like name@example.com")
            for email in (
                *("", "hanako", "@example.com", "hanako@", "a b@example.com", "a@b@example.com"),
                *("a@example..com", "a@-example.com", "a@example.com\n", "a@example.com\r\nBcc: x"),
                *("Hanako <a@example.com>", "a,b@example.com", "é@example.com", "a@例え.jp"),
                "a@" + "example." * 32 + "com",
            )
        ),
        ({"groups": ("",)}, "1 to 100"),
        ({"groups": ("x" * 101,)}, "1 to 100"),
        ({"groups": (" sales",)}, "no space at its ends"),
        ({"groups": ("sa\nles",)}, "control"),
        ({"groups": ("sales;admins",)}, "must not contain ;"),
        ({"groups": ("sales", "sales")}, "twice"),
        ({"groups": tuple(map(str, range(101)))}, "at most 100 groups"),
    ],
)
def test_an_account_may_not_look_like_this(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_account(replace(ACCOUNT, **changes))


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("correct horse battery", True),
        ("x" * 14, False),
        ("abcdefghijklmn", False),
        ("山は高く海は深くて空が青いです", True),
        ("hanako@example.com", False),
        ("hanakoyamadahanako", False),
        ("examplecorpexamplecorp", False),
        ("aaaaaaaaaaaaaaaaaaaa", False),
    ],
)
def test_r70_r72_new_passwords_are_long_and_not_the_persons_own_words(
    password: str,
    accepted: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    if accepted:
        assert check_password(password, ACCOUNT, "Example Corp") == password
        return
    with pytest.raises(ValueError, match="the password is not accepted") as refusal:
        check_password(password, ACCOUNT, "ExampleCorp")
    assert password not in str(refusal.value)


def test_r84_a_generated_password_is_accepted_and_never_the_same() -> None:
    made = {generated_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert re.fullmatch(r"(?:[a-z2-9]{4}-){4}[a-z2-9]{4}", password)
        check_password(password, ACCOUNT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "1 to 100"),
        ({"name": " Acme"}, "blank"),
        ({"name": "A\ncme"}, "printable"),
        ({"redirect_uris": ()}, "at least one"),
        ({"redirect_uris": ("http://auth.worksmobile.com",)}, "redirect_uris.*loopback"),
        ({"redirect_uris": ("https://*.worksmobile.com",)}, "redirect_uris.*wildcard"),
        ({"redirect_uris": ("https://a.example/../b",)}, "redirect_uris.*plain segments"),
        ({"logout_redirect_uris": ("javascript:alert(1)",)}, "logout_redirect_uris.*https"),
        ({"allowed_addresses": ("192.0.2.0/33",)}, "not a network"),
        ({"allowed_addresses": ("192.0.2.1/24",)}, "not a network"),
        ({"allowed_addresses": ("everywhere",)}, "not a network"),
        ({"code_lifetime": 0}, "from 1 to 600"),
        ({"code_lifetime": 601}, "from 1 to 600"),
        ({"code_lifetime": True}, "from 1 to 600"),
        ({"code_lifetime": "60"}, "from 1 to 600"),
        ({"expires_in_web": 0}, "expires_in_web"),
        ({"expires_in_app": -1}, "expires_in_app"),
        ({"expires_in_imap": None}, "expires_in_imap"),
        ({"refresh_token_lifetime": 2**63}, "refresh_token_lifetime"),
        ({"access_token_lifetime": 0}, "access_token_lifetime"),
        ({"domain": "Example.com"}, "lower case"),
        ({"domain": "example.com/x"}, "domain name"),
        ({"domain": "-example.com"}, "domain name"),
    ],
)
def test_a_client_may_not_look_like_this(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_client(replace(CLIENT, **changes), loopback=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ("https://a.example/cb", "https://b.example:8443")},
        {"allowed_addresses": ("192.0.2.0/24", "2001:db8::1")},
        {"access_token_lifetime": None},
        {"access_token_lifetime": 1},
        {"code_lifetime": 600},
        {"domain": "example.com"},
        {"domain": "xn--p8j.example"},
        {"domain": None},
    ],
)
def test_a_client_may_look_like_this(changes: Mapping[str, Any]) -> None:
    assert check_client(replace(CLIENT, **changes), loopback=False)


def test_plain_http_to_loopback_is_accepted_only_while_we_are_loopback_too() -> None:
    client = replace(CLIENT, redirect_uris=("http://127.0.0.1:9000/cb",))
    assert check_client(client, loopback=True)
    with pytest.raises(ValueError, match="loopback"):
        check_client(client, loopback=False)


def test_changes_become_values_of_the_right_type() -> None:
    assert read_changes(
        {
            "error_style": "text",
            "profile": Profile.WORKBOX,
            "redirect_uris": ["https://a.example", "https://a.example"],
            "domain": "",
            "enabled": False,
        }
    ) == {
        "error_style": ErrorStyle.TEXT,
        "profile": Profile.WORKBOX,
        "redirect_uris": ("https://a.example",),
        "domain": None,
        "enabled": False,
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error_style": "loud"}, "error_style must be one of code, text"),
        ({"redirect_uris": "https://a.example"}, "must be a list"),
        ({"redirect_uris": 7}, "must be a list"),
        ({"redirect_uris": [7]}, "must be a list"),
        ({"redirect_uris": ["https://a.example/"] * 101}, "at most 100"),
        ({"enabled": "yes"}, "on or off"),
        ({"name": 7}, "must be text"),
        ({"colour": "blue"}, "no setting colour"),
        ({"client_id": "mine"}, "no setting client_id"),
        ({"secrets": ()}, "no setting secrets"),
    ],
)
def test_r46_what_cannot_be_chosen_is_refused(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_changes(changes)


def test_every_profile_has_defaults_that_a_client_may_have() -> None:
    for profile in Profile:
        defaults = PROFILE_DEFAULTS[profile]
        assert defaults.keys() <= CHANGEABLE
        assert check_client(replace(CLIENT, profile=profile, **defaults), loopback=False)


def _read(*rows: Mapping[Any, Any]) -> list[Entry | Unreadable]:
    return list(Reader().read(rows))


def test_columns_may_be_in_any_case_and_order_and_after_a_byte_order_mark() -> None:
    (entry,) = _read(
        {
            "\ufeffName": "Hanako",
            " EXTERNAL_KEY ": " E1 ",
            "UserName": " hanako ",
            "Password": " p ",
        }
    )
    assert entry == Entry(2, "hanako", "Hanako", external_key="E1", password=" p ")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"username": "h", "colour": "blue"}, "no column 'colour'; known are username"),
        ({"name": "Hanako"}, "username must be one"),
        ({"username": "h", "Username": "g"}, "twice"),
    ],
)
def test_wrong_columns_are_refused_at_once(row: Mapping[str, str], reason: str) -> None:
    with pytest.raises(BadColumns, match=reason):
        _read(row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"username": ""}, "1 to 190"),
        ({"username": "h", "external_key": "a#b"}, "must not contain"),
        ({"username": "h", "works_account": "H@example.com"}, "lower case"),
        ({"username": "h", "administrator": "perhaps"}, "yes or no"),
        ({"username": "h", None: ["more"]}, "more cells"),
    ],
)
def test_a_row_that_cannot_be_is_reported_with_its_reason(
    row: Mapping[Any, Any], reason: str
) -> None:
    (refused, other) = _read(row, {"username": "other"})
    assert isinstance(refused, Unreadable)
    assert re.search(reason, refused.reason)
    assert isinstance(other, Entry)


@pytest.mark.parametrize(
    ("cell", "read"), [("YES", True), ("0", False), ("", None), ("true", True)]
)
def test_administrator_is_read_from_common_words(cell: str, read: bool | None) -> None:  # noqa: FBT001  # pytest calls it
    (entry,) = _read({"username": "h", "administrator": cell})
    assert isinstance(entry, Entry)
    assert entry.administrator is read


def test_a_short_row_says_nothing_about_the_rest() -> None:
    (entry,) = _read({"username": "h", "name": None, "password": None})
    assert entry == Entry(2, "h")


def test_duplicates_within_a_file_are_refused_with_the_line_of_the_first() -> None:
    columns = ("username", "external_key", "works_account")
    table = [
        ("hanako", "E1", "hanako"),
        ("ＨＡＮＡＫＯ", "E2", ""),
        ("jiro", "E1", ""),
        ("saburo", "e1", ""),
        ("shiro", "", "hanako"),
    ]
    found = _read(*(dict(zip(columns, row, strict=True)) for row in table))
    assert [entry.reason if isinstance(entry, Unreadable) else "" for entry in found] == [
        "",
        "the same username is already on line 2",
        "the same external key is already on line 2",
        "",
        "the same LINE WORKS account is already on line 2",
    ]


def test_r106_no_password_is_shown_by_what_reads_it() -> None:
    (entry,) = _read({"username": "h", "password": "correct horse battery"})
    assert "correct horse" not in repr(entry)
    (entry,) = _read({"username": "h", "password_hash": "$5$salt$" + "a" * 43})
    assert isinstance(entry, Entry)
    assert entry.password_hash is not None
    assert "aaaa" not in repr(entry)


def test_r271_a_person_of_another_source_is_shown_without_what_reorders_or_fills_a_page() -> None:
    said = Person(
        subject_id="corp:1",
        username="hanako\x1b[31m",
        name="\u202e山田\n花子\x00" + "x" * 400_000,
        reading="\x07",
        email="hanako@example.com\nBcc: x@example.com",
    )
    shown = presentable(said)
    assert (shown.username, shown.reading, shown.email) == ("hanako[31m", "", None)
    assert shown.name == "山田花子" + "x" * 196
    nameless = presentable(replace(said, username="\u202e", name="\u202e"))
    assert (nameless.username, nameless.name) == ("corp:1", "corp:1")


def test_r271_whoever_can_be_shown_stays_as_they_are() -> None:
    said = Person(subject_id="corp:1", username="hanako", name="山田 花子", email="a@example.com")
    assert presentable(said) is said
