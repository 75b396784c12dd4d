"""Cookies as they are written and read, without an installation."""

from collections.abc import Callable

import pytest
from starlette.responses import Response

from worksgate.credentials.secrets import new_secret
from worksgate.web import cookies

SECRETS = tuple(letter * 43 for letter in "abcd")
DEVICES = tuple((letter * 22, letter * 43) for letter in "abcd")
UPSTREAM = tuple((letter * 16, "A" * 40) for letter in "abcd")
LONG = "Max-Age=15552000"
"""Half a year, in seconds."""


def written(write: Callable[[Response], None]) -> tuple[str, set[str]]:
    """Name and value of the one cookie that is set, and its attributes."""
    response = Response()
    write(response)
    (header,) = response.headers.getlist("set-cookie")
    cookie, *attributes = header.split("; ")
    return cookie, {each for each in attributes if not each.startswith("expires=")}


@pytest.mark.parametrize(
    ("write", "cookie", "lasting"),
    [
        (
            lambda response: cookies.set_secret(response, cookies.SESSION, SECRETS[0]),
            f"__Host-wg_session={SECRETS[0]}",
            set(),
        ),
        (
            lambda response: cookies.set_secret(response, cookies.BROWSER, SECRETS[0]),
            f"__Host-wg_browser={SECRETS[0]}",
            set(),
        ),
        (
            lambda response: cookies.set_devices(response, DEVICES[:2]),
            f"__Host-wg_device={'a' * 22}.{'a' * 43}~{'b' * 22}.{'b' * 43}",
            {LONG},
        ),
        (
            lambda response: cookies.set_trusted(response, SECRETS[:2]),
            f"__Host-wg_trusted={SECRETS[0]}~{SECRETS[1]}",
            {LONG},
        ),
        (
            lambda response: cookies.set_upstream(response, UPSTREAM[:2]),
            f"__Host-wg_upstream={'a' * 16}.{'A' * 40}~{'b' * 16}.{'A' * 40}",
            {"Max-Age=1800"},
        ),
        (
            lambda response: cookies.set_upstream(response, ()),
            '__Host-wg_upstream=""',
            {"Max-Age=0"},
        ),
        (cookies.end_session, '__Host-wg_session=""', {"Max-Age=0"}),
    ],
    ids=["session", "browser", "device", "trusted", "upstream", "back", "end of session"],
)
def test_r22_r23_a_cookie_is_locked_down_and_lasts_as_long_as_it_should(
    write: Callable[[Response], None], cookie: str, lasting: set[str]
) -> None:
    assert written(write) == (cookie, {"HttpOnly", "Path=/", "SameSite=lax", "Secure", *lasting})


@pytest.mark.parametrize("name", [cookies.BROWSER, cookies.SESSION])
def test_a_secret_is_set_as_starlette_sets_a_cookie(name: str) -> None:
    ours, theirs = Response(), Response()
    cookies.set_secret(ours, name, new_secret())
    ((_, value),) = cookies.read({"headers": [(b"cookie", ours.raw_headers[-1][1])]}).items()
    theirs.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="lax")
    assert ours.raw_headers == theirs.raw_headers


def test_a_browser_remembers_three_people_the_newest_first() -> None:
    device, _ = written(lambda response: cookies.set_devices(response, DEVICES))
    trusted, _ = written(lambda response: cookies.set_trusted(response, SECRETS))
    sent = _read(f"{device}; {trusted}".encode())
    assert cookies.devices_of(sent) == DEVICES[:3]
    assert cookies.trusted_of(sent) == SECRETS[:3]
    more = {
        cookies.DEVICE: "~".join(".".join(each) for each in DEVICES),
        cookies.TRUSTED: "~".join(SECRETS),
    }
    assert cookies.devices_of(more) == DEVICES[:3]
    assert cookies.trusted_of(more) == SECRETS[:3]


def test_logins_at_other_providers_are_kept_as_far_as_a_cookie_holds_them() -> None:
    logins = [(letter * 16, "A" * 1_200) for letter in "abcd"]
    kept, _ = written(lambda response: cookies.set_upstream(response, logins))
    assert len(kept) < 3_000, "or nginx and browsers take none of it"
    assert cookies.upstream_of(_read(kept.encode())) == tuple(logins[:2])
    exact = [("a" * 16, "A" * 1_200), ("b" * 16, "A" * (cookies.LONGEST - 1_200 - 35))]
    full, _ = written(lambda response: cookies.set_upstream(response, exact))
    assert cookies.upstream_of(_read(full.encode())) == tuple(exact)
    few, _ = written(lambda response: cookies.set_upstream(response, UPSTREAM))
    assert cookies.upstream_of(_read(few.encode())) == UPSTREAM[:3]
    for wrong in ("", "x", f"{'g' * 16}.{'A' * 40}", f"{'a' * 15}.{'A' * 40}", f"{'a' * 16}.A"):
        assert cookies.upstream_of({cookies.UPSTREAM: wrong}) == ()


def _read(*headers: bytes) -> dict[str, str]:
    return dict(cookies.read({"headers": [(b"cookie", each) for each in headers]}))


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        ([b"__Host-wg_session=x"], {"__Host-wg_session": "x"}),
        ([b"a=b;\t__Host-wg_session=x ; c"], {"__Host-wg_session": "x"}),
        ([b"__Host-wg_session=x", b"c=d"], {"__Host-wg_session": "x"}),
        ([b"__Host-wg_session=x=y"], {"__Host-wg_session": "x=y"}),
        ([b"__Host-wg_session=x; __Host-wg_session=x"], {}),
        ([b"__Host-wg_session=x", b"__Host-wg_session=y"], {}),
        ([b"__Host-wg_session=x; __Host-wg_session=y; __Host-wg_session=z"], {}),
        ([b"__host-wg_session=x"], {}),
        ([b"\xa0__Host-wg_session=x"], {}),
        ([b"__Host-wg_session\x00=x"], {}),
        ([b"__Host-wg_session"], {"__Host-wg_session": ""}),
        ([b"__Host-wg_other=x"], {}),
    ],
)  # fmt: skip
def test_r23_a_cookie_counts_under_its_very_name_and_once(
    headers: list[bytes], found: dict[str, str]
) -> None:
    assert _read(*headers) == found


def test_only_the_cookie_header_is_read() -> None:
    assert cookies.read({"headers": [(b"x-cookie", b"__Host-wg_session=x")]}) == {}


@pytest.mark.parametrize("length", [43, 54])
def test_r27_what_can_be_a_secret_of_ours_is_taken(length: int) -> None:
    assert cookies.secret_of({cookies.SESSION: "A" * length}, cookies.SESSION) == "A" * length


@pytest.mark.parametrize(
    "value", ["", "A" * 42, "A" * 44, "A" * 53, "A" * 55, "A" * 42 + "=", "A" * 43 + "\n"]
)
def test_r27_what_cannot_be_a_secret_of_ours_is_none(value: str) -> None:
    sent = {cookies.SESSION: value, cookies.BROWSER: value, cookies.TRUSTED: value}
    assert cookies.secret_of(sent, cookies.SESSION) is None
    assert cookies.trusted_of(sent) == ()
    assert len(cookies.browser_secret(sent)) == 43
    assert cookies.browser_secret(sent) != cookies.browser_secret(sent)


def test_the_secret_of_a_browser_stays_what_it_is() -> None:
    assert cookies.browser_secret({cookies.BROWSER: SECRETS[0]}) == SECRETS[0]


@pytest.mark.parametrize(
    "value", ["", "x", f"{'a' * 21}.{'a' * 43}", f"{'a' * 22}.{'a' * 19}", f"{'a' * 22}{'a' * 43}"]
)
def test_what_cannot_be_a_device_is_passed_over(value: str) -> None:
    good = ".".join(DEVICES[0])
    assert cookies.devices_of({cookies.DEVICE: value}) == ()
    assert cookies.devices_of({cookies.DEVICE: f"{value}~{good}"}) == DEVICES[:1]


def test_cookies_of_other_names_are_read_as_strictly() -> None:
    """Those of the console, which sends each of its own."""
    sent = f"a={SECRETS[0]}; b=short; c={SECRETS[2]}; d={DEVICES[0][0]}.{DEVICES[0][1]}"
    scope = {"headers": [(b"cookie", sent.encode())]}
    assert cookies.named_secrets(scope, ("a", "b", "none")) == {"a": SECRETS[0]}
    found = [cookies.device_in(scope, name) for name in ("d", "a", "none")]
    assert found == [DEVICES[0], None, None]
