"""The console's cookies: ``__Host-``, Secure, HttpOnly, Strict.

session   identifies a session; until the browser is closed
step      binds the two steps of a sign-in to one browser
device    the ID of an earlier sign-in, signed for one account, as at people's sign-ins (R-79)
provider  what is kept, encrypted, until somebody comes back from another provider

A script adds one that is no secret: the time zone of the browser, in which pages say their times.
"""

from datetime import tzinfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from worksgate.moments import zone_named
from worksgate.web import cookies
from worksgate.web.cookies import DEVICE_LIFETIME, device_in, named_secrets, text_in

SESSION = "__Host-wg_console"
STEP = "__Host-wg_console_step"
DEVICE = "__Host-wg_console_device"
PROVIDER = "__Host-wg_console_provider"
ZONE = "wg_console_zone"


def read(scope: Scope) -> tuple[str | None, str | None]:
    """The secrets of the session and of the sign-in in progress; None if they cannot be ours."""
    found = named_secrets(scope, (SESSION, STEP))
    return found.get(SESSION), found.get(STEP)


def device(scope: Scope) -> tuple[str, str] | None:
    """The ID of this browser and its signature, not verified yet."""
    return device_in(scope, DEVICE)


def provider(scope: Scope) -> str:
    """What was kept until somebody comes back from another provider; empty without it."""
    return text_in(scope, PROVIDER)


def zone(request: Request) -> tzinfo | None:
    """The time zone of the browser, if it has told one that is known here."""
    return zone_named(request.cookies.get(ZONE, ""))


def set_device(response: Response, device: tuple[str, str]) -> None:
    """Make this browser known."""
    response.set_cookie(
        DEVICE,
        ".".join(device),
        max_age=DEVICE_LIFETIME,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )


def set_secret(response: Response, name: str, secret: str) -> None:
    """Set a cookie that lasts until the browser is closed."""
    cookies.set_secret(response, name, secret, "strict")


def drop(response: Response, name: str) -> None:
    """Tell the browser to drop a cookie."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")
