"""The cookies of the console: where a browser sends them, and that it drops them when told to."""

from http.cookies import Morsel, SimpleCookie

import pytest
from starlette.requests import Request
from starlette.responses import Response

from worksgate.web.console import cookies
from worksgate.web.cookies import DEVICE_LIFETIME

SECRET = "s" * 43


def set_by(response: Response) -> Morsel[str]:
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    return cookie


@pytest.mark.parametrize("what", ["secret", "device", "drop"])
def test_a_cookie_of_the_console_stays_with_it(what: str) -> None:
    """Without ``Secure`` a browser neither takes nor drops what begins with ``__Host-``."""
    response = Response()
    match what:
        case "secret":
            cookies.set_secret(response, cookies.SESSION, SECRET)
        case "device":
            cookies.set_device(response, ("id", "signature"))
        case _:
            cookies.drop(response, cookies.SESSION)
    cookie = set_by(response)
    assert cookie["secure"] is True
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("strict", "/", "")
    assert cookie["max-age"] == {"secret": "", "device": str(DEVICE_LIFETIME)}.get(what, "0")


def test_a_browser_is_known_again_and_has_a_time_zone() -> None:
    response = Response()
    cookies.set_device(response, ("i" * 22, SECRET))
    cookie = set_by(response)
    sent = f"{cookie.key}={cookie.value}; {cookies.ZONE}=Asia/Tokyo"
    scope = {"type": "http", "headers": [(b"cookie", sent.encode())]}
    assert cookies.device(scope) == ("i" * 22, SECRET)
    assert str(cookies.zone(Request(scope))) == "Asia/Tokyo"
