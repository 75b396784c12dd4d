"""The client address that a trusted proxy reports (R-96, R-113)."""

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from worksgate.limits import networks
from worksgate.limits.networks import address_in, is_within, network_of
from worksgate.server.forwarded import BehindProxies

PROXY = "10.1.2.3"
NETWORKS = ("10.1.0.0/16", "127.0.0.1/32", "2001:db8:1::/48")


async def served(peer: str, *headers: tuple[bytes, bytes]) -> tuple[str | None, str]:
    """The address and the scheme that the application sees."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    scope = {"type": "http", "client": (peer, 4_711), "scheme": "http", "headers": list(headers)}
    await BehindProxies(application, NETWORKS)(scope, nothing, nothing)  # type: ignore[arg-type]  # never called
    client = seen[0]["client"]
    return (client[0] if client else None), seen[0]["scheme"]


def test_other_servers_see_that_it_speaks_asgi_3() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    config = uvicorn.Config(BehindProxies(application, ()), log_config=None)
    config.load()
    assert config.interface == "asgi3"


def forwarded_for(text: str | bytes) -> tuple[bytes, bytes]:
    return b"x-forwarded-for", text.encode() if isinstance(text, str) else text


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("unknown, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 10.1.9.9, ::ffff:10.1.8.8, 2001:db8:1::5", "203.0.113.9"),
        ("10.1.9.9, 10.1.8.8", "10.1.9.9"),
    ],
)
async def test_r96_the_caller_is_the_last_that_is_no_proxy(forwarded: str, caller: str) -> None:
    assert (await served(PROXY, forwarded_for(forwarded)))[0] == caller


@pytest.mark.parametrize(
    "forwarded",
    [
        "unknown",
        "x" * 5_000,
        "198.51.100.7, unknown",
        "198.51.100.7, _hidden, 10.1.9.9",
        "198.51.100.7,",
        "198.51.100.7/32",
        "198.51.100.7\r\nX: y",
        "[198.51.100.7",
        "198.51.100.7]",
        "",
        b"\xff",
    ],
)
async def test_r113_what_is_no_address_never_becomes_the_callers(forwarded: str | bytes) -> None:
    assert (await served(PROXY, forwarded_for(forwarded)))[0] is None


async def test_r96_several_headers_are_one_list() -> None:
    headers = [forwarded_for("203.0.113.9"), forwarded_for("198.51.100.7"), forwarded_for(PROXY)]
    assert (await served(PROXY, *headers))[0] == "198.51.100.7"


@pytest.mark.parametrize("peer", ["::ffff:127.0.0.1", "::ffff:10.1.2.3", "127.0.0.1"])
async def test_r113_a_proxy_is_known_where_the_server_listens_on_ipv6(peer: str) -> None:
    https = (b"x-forwarded-proto", b"https")
    seen = await served(peer, forwarded_for("198.51.100.7"), https)
    assert seen == ("198.51.100.7", "https")


@pytest.mark.parametrize("peer", ["203.0.113.9", "::1", "::ffff:203.0.113.9", "unix", ""])
async def test_r96_a_stranger_is_believed_nothing(peer: str) -> None:
    https = (b"x-forwarded-proto", b"https")
    assert await served(peer, forwarded_for("198.51.100.7"), https) == (peer, "http")


async def test_r113_a_caller_whose_address_a_proxy_has_dropped_is_not_the_proxy() -> None:
    assert await served(PROXY, (b"x-forwarded-proto", b"https")) == (None, "https")
    assert await served(PROXY) == (PROXY, "http")


@pytest.mark.parametrize("value", [b"", b"ws", b"https, http", b"HTTPS", b"javascript"])
async def test_r96_a_scheme_that_is_none_changes_nothing(value: bytes) -> None:
    seen = await served(PROXY, (b"x-forwarded-proto", value))
    assert seen == (PROXY, "http")


def test_r113_rules_for_networks_see_through_nat64() -> None:
    assert is_within("64:ff9b::8.8.8.8", ("8.8.8.0/24",))
    assert network_of("64:ff9b::8.8.8.8") == network_of("8.8.8.8")
    assert not is_within("64:ff9b::8.8.8.8", ("9.9.9.0/24",))
    for made_up in ("64:ff9b::10.1.2.3", "64:ff9b::127.0.0.1", "64:ff9b:1::8.8.8.8"):
        assert not is_within(made_up, ("10.0.0.0/8", "127.0.0.0/8", "8.8.8.0/24"))


def test_r113_an_address_has_one_spelling_and_an_end() -> None:
    assert address_in("2001:DB8::0:1") == "2001:db8::1"
    assert address_in("2001:0db8:0000:0000:0000:0000:255.255.255.255") == "2001:db8::ffff:ffff"
    assert address_in("fe80::1%" + "x" * 5_000) == "fe80::1"
    assert address_in("localhost") is None


def test_what_is_too_long_for_an_address_is_not_kept() -> None:
    for text in ("x" * 5_000, "fe80::1%" + "x" * 5_000):
        kept = networks._network_of.cache_info().currsize
        assert network_of(text) == text
        assert networks._network_of.cache_info().currsize == kept


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:DB8:0:1::", "2001:db8:0:1::/64"),
        ("2001:0db8:0000:0000:0000:0000:255.255.255.255", "2001:db8::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7", "198.51.100.7"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_r48_a_caller_is_counted_by_network(address: str, network: str) -> None:
    """Whoever has one IPv6 address has all those of its network."""
    assert network_of(address) == network
