"""Where a person may be redirected after logout: docs/decisions/0009, R-66."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.oauth.logout import MAX_QUERY, LogoutAddresses, parse_logout
from worksgate.oauth.model import Client

ACME = Client(
    client_id="acme",
    name="Acme",
    redirect_uris=("https://auth.worksmobile.com",),
    logout_redirect_uris=("https://intranet.acme.example/bye", "https://portal.example/a//bye"),
)
QUERIES = Client(
    client_id="queries",
    name="Queries",
    redirect_uris=("https://queries.example/cb",),
    logout_queries=True,
)
NEAR = Client(client_id="near", name="Near", redirect_uris=("http://127.0.0.1:9000",))
ODD = Client(client_id="odd", name="Odd", redirect_uris=("https://[:]/cb",))
CLIENTS = LogoutAddresses.of((ACME, QUERIES, NEAR))


def go_to(address: str, *, loopback: bool = False) -> str | None:
    return parse_logout(urlencode({"redirect_uri": address}), CLIENTS, loopback=loopback)


@pytest.mark.parametrize(
    "address",
    [
        "https://auth.worksmobile.com/",
        "https://auth.worksmobile.com/d/login",
        "https://intranet.acme.example/bye",
        "https://intranet.acme.example/other",
        "https://portal.example/a//bye",
        "https://queries.example/cb",
        "https://queries.example/start?lang=ja",
    ],
)
def test_r66_address_under_a_clients_host_is_accepted_unchanged(address: str) -> None:
    assert go_to(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "/bye",
        "//evil.example/",
        "about:blank",
        "javascript:alert(1)",
        "https://",
        "https:///",
        "https://evil.example/",
        "https://evil.example/https://auth.worksmobile.com/",
        "https://evil.example?https://auth.worksmobile.com/",
        "https://auth.worksmobile.com",
        "https://auth.worksmobile.com.evil.example/",
        "https://auth.worksmobile.com@evil.example/",
        "https://auth.worksmobile.com\\@evil.example/",
        "https://auth.worksmobile.com\t.evil.example/",
        "https://auth.worksmobile.com\0.evil.example/",
        "https://auth.worksmobile.com%2f@evil.example/",
        "https://auth.worksmobile.com／.evil.example/",
        "https://auth.wоrksmobile.com/",  # one letter is Cyrillic
        "https://auth.worksmobile.com/../../evil",
        "https://auth.worksmobile.com/..;/evil",
        "https://auth.worksmobile.com/%2e%2e%2fevil",
        "https://auth.worksmobile.com/r\r\nSet-Cookie: a=b",
        "https://auth.worksmobile.com/r嘊嘍Set-Cookie: a=b",
        "https://auth.worksmobile.com/#x",
        "http://auth.worksmobile.com/",
        "https://auth.worksmobile.com:443/",
        "https://intranet.acme.example/bye?x=1",
        "https://intranet.acme.example/bye?",
        "https://auth.worksmobile.com/?lang=ja",
        "https://queries.example/cb?code=x",
        "https://queries.example/cb?a=1&a=2",
        "https://portal.example/b//bye",
        "https://localhost/",
        "https://2130706433/",
    ],
)
def test_r66_any_other_address_leads_to_our_own_page(address: str) -> None:
    assert go_to(address) is None


@pytest.mark.parametrize(
    "query",
    [
        "",
        "redirect_uri",
        "redirect_uri=",
        "redirect_uri=%FF",
        "redirect_uri=https://auth.worksmobile.com/%FF",
        "Redirect_uri=https://auth.worksmobile.com/",
        "redirect_uri[]=https://auth.worksmobile.com/",
        "redirect_uri=https://auth.worksmobile.com/&redirect_uri=https://evil.example/",
        "redirect_uri=https://auth.worksmobile.com/&redirect_uri=https://auth.worksmobile.com/",
        "redirect_uri=&redirect_uri=https://auth.worksmobile.com/",
    ],
)
def test_missing_or_repeated_address_leads_to_our_own_page(query: str) -> None:
    assert parse_logout(query, CLIENTS) is None


def test_unknown_parameters_are_ignored() -> None:
    address = "https://auth.worksmobile.com/"
    assert parse_logout(f"x=1&redirect_uri={quote(address)}&x=2", CLIENTS) == address


def test_loopback_address_is_for_a_loopback_installation() -> None:
    assert go_to("http://127.0.0.1:9000/bye", loopback=True) == "http://127.0.0.1:9000/bye"
    assert go_to("http://127.0.0.1:9000/bye") is None
    assert parse_logout("redirect_uri=http://127.0.0.1:9000/bye", CLIENTS) is None
    assert CLIENTS.accepts("http://127.0.0.1:9000/bye") is False


def test_without_clients_nothing_is_accepted() -> None:
    assert parse_logout("redirect_uri=https://auth.worksmobile.com/", LogoutAddresses()) is None


def test_odd_host_on_a_list_does_no_harm() -> None:
    addresses = LogoutAddresses.of((ODD, ACME))
    assert parse_logout("redirect_uri=https://auth.worksmobile.com/", addresses)


def test_query_beyond_its_limit_leads_to_our_own_page() -> None:
    query = "redirect_uri=https://auth.worksmobile.com/&x="
    assert parse_logout(query.ljust(MAX_QUERY, "x"), CLIENTS)
    assert parse_logout(query.ljust(MAX_QUERY + 1, "x"), CLIENTS) is None


@examples(400)
@given(
    st.text(max_size=20)
    | st.text("/.?#%@\\:2eE&=a ", max_size=20).map("https://auth.worksmobile.com{}".format)
)
def test_any_address_is_returned_unchanged_or_not_at_all(address: str) -> None:
    encodable = address.encode("utf-8", "replace").decode()
    found = go_to(encodable)
    assert found in (None, encodable)
    assert found is None or found.startswith("https://auth.worksmobile.com/")
    assert parse_logout(address, CLIENTS) is None
