"""Valid addresses of Valkey; a refusal never repeats the address."""

import pytest

from worksgate.settings.addresses.valkey import ValkeyAddress

SECRET = "pass-word-1"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://h", "redis://h"),
        ("valkey://:p@h:6379/0", "redis://:p@h:6379/0"),
        ("valkeys://u:p@h?db=3", "rediss://u:p@h?db=3"),
        ("unix:///run/valkey.sock?db=1", "unix:///run/valkey.sock?db=1"),
        ("redis://[::1]:6379?prefix=a-b_1&max_connections=1000", "redis://[::1]:6379"),
        (
            "rediss://h?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            "rediss://h?ssl_ca_certs=%2Fetc%2Fca.pem&ssl_certfile=%2Fc.pem&ssl_keyfile=%2Fk.pem",
        ),
    ],
)
def test_an_address_goes_to_the_driver_without_what_is_ours(text: str, url: str) -> None:
    assert ValkeyAddress.parse(text).url == url


def test_prefix_and_connections_are_reported_after_the_question_mark() -> None:
    address = ValkeyAddress.parse("redis://h?prefix=other&max_connections=7")
    assert (address.tag, address.max_connections) == ("{other}", 7)
    usual = ValkeyAddress.parse("redis://h")
    assert (usual.tag, usual.max_connections) == ("{worksgate}", 20)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"http://:{SECRET}@localhost", "must have the form"),
        (f"redis://:{SECRET}", "must have the form"),
        (f"redis://:{SECRET}#@localhost", "percent-encoded"),
        (f"redis://:x@localhost#{SECRET}", "percent-encoded"),
        (f"redis://:{SECRET}@localhost:port", "must have the form"),
        (f"unix://:{SECRET}@", "must have the form"),
        (f"redis://[{SECRET}", "must have the form"),
        ("", "must have the form"),
        (f"redis://:{SECRET}@localhost?prefix={{a}}", "prefix must be letters"),
        (f"redis://:{SECRET}@localhost?prefix=", "prefix must be letters"),
        (f"redis://:{SECRET}@localhost?max_connections=0", "between 1 and 1000"),
        (f"redis://:{SECRET}@localhost?max_connections=many", "between 1 and 1000"),
        (f"redis://:{SECRET}@localhost?retry_on_timeout=1", "no option 'retry_on_timeout'"),
        (f"redis://localhost?password={SECRET}", "no option 'password'"),
        (f"redis://localhost?{SECRET}", "name=value"),
        (f"redis://:{SECRET}@localhost?ssl_ca_certs=/ca.pem", "ssl_ca_certs requires rediss"),
        (f"redis://:{SECRET}@localhost/first", "must be a number"),
        (f"redis://:{SECRET}@localhost?db=first", "must be a number"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        ValkeyAddress.parse(text)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("option", ["ssl_cert_reqs=none", "ssl_check_hostname=false"])
def test_no_option_lets_the_server_off_proving_its_name(option: str) -> None:
    with pytest.raises(ValueError, match="there is no option 'ssl_"):
        ValkeyAddress.parse(f"rediss://h?{option}")


def test_an_address_that_is_shown_shows_no_password() -> None:
    assert SECRET not in repr(ValkeyAddress.parse(f"redis://:{SECRET}@localhost"))
