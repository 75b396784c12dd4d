"""The settings of an LDAP source: what is refused, and the defaults."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from worksgate.settings.sources.ldap import GroupNames, LdapSettings, Server, name_assertions
from worksgate.sources.ldap.source import LdapSource


def settings(**changes: Any) -> LdapSettings:
    values: dict[str, Any] = {
        "name": "company",
        "servers": ("ldaps://ldap.example.jp",),
        "base_dn": "dc=example,dc=jp",
        "bind_dn": "cn=worksgate,dc=example,dc=jp",
        "bind_password": "canary",
    }
    return LdapSettings(**values | changes)


def test_usual_settings_have_no_problems() -> None:
    assert list(settings().problems()) == []
    way = {"bind_dn": "", "bind_password": "", "direct_bind": "{username}@example.jp"}
    assert list(settings(**way).problems()) == []
    for encrypted in ({"start_tls": True}, {"allow_unencrypted_ldap_on_this_network": True}):
        assert list(settings(servers=("ldap://10.0.0.1",), **encrypted).problems()) == []


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("servers", {"servers": ()}),
        ("servers", {"servers": ("ldap.example.jp",)}),
        ("servers", {"servers": ("https://ldap.example.jp",)}),
        ("servers", {"servers": ("ldaps://",)}),
        ("servers", {"servers": ("ldaps://host:port",)}),
        ("servers", {"servers": ("ldaps://host/dc=example",)}),
        ("servers", {"servers": ("ldaps://who@host",)}),
        ("servers", {"servers": ("ldap://ldap.example.jp",)}),
        ("servers", {"servers": ("ldaps://a.example.jp", "ldap://b.example.jp")}),
        ("base_dn", {"base_dn": "example.jp"}),
        ("bind_dn", {"bind_dn": ""}),
        ("bind_password", {"bind_password": ""}),
        ("direct_bind", {"direct_bind": "@example.jp"}),
        ("user_filter", {"user_filter": "uid={username}"}),
        ("user_filter", {"user_filter": "(uid=*)"}),
        ("user_filter", {"user_filter": "(mail={username}*)"}),
        ("user_filter", {"user_filter": "(cn~={username})"}),
        ("user_filter", {"user_filter": "(|(uid={username})(cn>={username}))"}),
        ("user_filter", {"user_filter": "(&(uid={username})"}),
        ("group_filter", {"group_filter": "(member=*)"}),
        ("required_groups", {"required_groups": ("staff",)}),
        ("timeout", {"timeout": 2.5}),
        ("timeout", {"timeout": 0.0}),
        ("connect_timeout", {"connect_timeout": 2.1}),
        ("pool_size", {"pool_size": 0}),
        ("pool_size", {"pool_size": 65}),
        ("pool_waiting", {"pool_waiting": -1}),
        ("found_lifetime", {"found_lifetime": -1.0}),
        ("circuit_failures", {"circuit_failures": 0}),
        ("group_depth", {"group_depth": 0}),
        ("group_limit", {"group_limit": 0}),
        ("answer_limit", {"answer_limit": 0}),
    ],
)
def test_what_cannot_work_is_reported_with_the_field(field: str, changes: dict[str, Any]) -> None:
    (problem,) = settings(**changes).problems()
    assert problem.startswith(f"{field}: must ")
    with pytest.raises(ValueError, match=f"^{field}: "):
        LdapSource(settings(**changes))


def test_r89_servers_and_the_password_for_them_are_given_together() -> None:
    """And stay together: nothing changes them while the program runs."""
    made = settings()
    for name in ("servers", "bind_password"):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, getattr(made, name))
    with pytest.raises(ValueError, match=r"^bind_password: "):
        LdapSource(settings(servers=("ldaps://other.example.jp",), bind_password=""))


def test_a_source_needs_a_name() -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        LdapSource(settings(name="with:colon"))


def test_a_file_of_authorities_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file in (tmp_path / "missing.pem", empty):
        with pytest.raises(ValueError, match=r"^ca_file: "):
            LdapSource(settings(ca_file=str(file)))


def test_defaults_are_those_of_the_directory() -> None:
    plain, active = settings(), settings(active_directory=True)
    assert (plain.id_attribute_used, active.id_attribute_used) == ("entryUUID", "objectGUID")
    assert plain.username_attribute_used == "uid"
    assert active.username_attribute_used == "sAMAccountName"
    assert plain.user_filter_used == "(uid={username})"
    assert plain.name_attributes == ("displayName", "cn")
    assert settings(name_attribute="sn").name_attributes == ("sn",)
    assert (plain.reading_attribute_used, active.reading_attribute_used) == (
        "",
        "msDS-PhoneticDisplayName",
    )
    assert plain.group_names is GroupNames.DN


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("ldaps://ldap.example.jp", Server("ldap.example.jp", 636, tls=True)),
        ("ldap://10.0.0.1", Server("10.0.0.1", 389, tls=False)),
        ("ldaps://[2001:db8::1]:3269/", Server("2001:db8::1", 3269, tls=True)),
    ],
)
def test_an_address_is_a_host_and_a_port(url: str, server: Server) -> None:
    assert Server.parse(url) == server
    assert Server.parse(str(server)) == server


@pytest.mark.parametrize(
    ("user_filter", "compared"),
    [
        ("(uid={username})", [("uid", "hana")]),
        ("(mail={username}@example.jp)", [("mail", "hana@example.jp")]),
        ("(proxyAddresses=smtp:{username}@a)", [("proxyAddresses", "smtp:hana@a")]),
        ("(cn:caseExactMatch:={username})", [("cn", "hana")]),
        ("(cn=\\e5\\b1\\b1\\28{username}\\29)", [("cn", "山(hana)")]),
        ("(&(a=b)(|(uid={username})(upn={bind_name})))", [("uid", "hana"), ("upn", "hana@ad")]),
    ],
)
def test_r119_what_a_filter_compares_with_a_name_is_known(
    user_filter: str, compared: list[tuple[str, str]]
) -> None:
    assert not [*settings(user_filter=user_filter).problems()]
    values = [
        (each.attribute, each.value(username="hana", bind_name="hana@ad"))
        for each in name_assertions(user_filter)
    ]
    assert values == compared


def test_the_password_is_not_shown() -> None:
    assert "canary" not in repr(settings())


def test_every_field_has_a_sentence() -> None:
    for each in fields(LdapSettings):
        assert str(each.metadata["doc"]).endswith("."), each.name
