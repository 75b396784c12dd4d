"""Valid Host headers, and matching request targets (RFC 9110, 7.2; RFC 9112, 3.2)."""

import pytest

from worksgate.server.host_header import is_host, is_target_of


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (b"sso.example.com", True),
        (b"sso.example.com:8443", True),
        (b"sso.example.com:", True),
        (b"[2001:db8::1]:443", True),
        (b"a%2Db", True),
        (b"", False),
        (b"a b", False),
        (b"a/b", False),
        (b"user@a", False),
        (b"a:port", False),
        (b"a%2", False),
        (b"[2001:db8::1", False),
    ],
)
def test_r98_a_host_is_a_name_or_an_address(value: bytes, valid: bool) -> None:  # noqa: FBT001  # pytest calls it
    assert is_host(value) is valid


@pytest.mark.parametrize(
    ("target", "method", "fits"),
    [
        (b"/", b"GET", True),
        (b"/login?a=b", b"POST", True),
        (b"*", b"OPTIONS", True),
        (b"*", b"GET", False),
        (b"*", b"POST", False),
        (b"/login#top", b"GET", False),
        (b"http://sso.example.com/login", b"GET", True),
        (b"HTTPS://SSO.example.com/login", b"GET", True),
        (b"http://sso.example.com", b"GET", True),
        (b"http://sso.example.com?a", b"GET", True),
        (b"http://other.example/login", b"GET", False),
        (b"http://sso.example.com@other.example/", b"GET", False),
        (b"ftp://sso.example.com/", b"GET", False),
        (b"sso.example.com:443", b"CONNECT", False),
        (b"", b"GET", False),
    ],
)
def test_r98_a_target_is_a_path_or_something_at_this_host(
    target: bytes,
    method: bytes,
    fits: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    assert is_target_of(target, b"sso.example.com", method) is fits
