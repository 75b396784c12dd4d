"""Our cookies: all with the ``__Host-`` prefix, Secure, HttpOnly, Lax (R-22, R-23).

    browser   binds a login transaction to the browser that began it; until the browser is closed
    session   identifies a session in the store; until the browser is closed
    device    IDs of earlier sign-ins, each signed for one account: other people's failed sign-ins
              do not slow down whoever has one (R-79)
    trusted   secrets of people who do not need a second factor in this browser
    upstream  sign-ins in progress at another provider, encrypted

Secure cookies also work on plain http if the host is loopback: browsers count it as secure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from starlette.responses import Response
from starlette.types import Scope

from worksgate.credentials.secrets import new_secret
from worksgate.oauth.authorization import TRANSACTION_LIFETIME

BROWSER = "__Host-wg_browser"
SESSION = "__Host-wg_session"
DEVICE = "__Host-wg_device"
TRUSTED = "__Host-wg_trusted"
UPSTREAM = "__Host-wg_upstream"

_OURS = {name.encode(): name for name in (BROWSER, SESSION, DEVICE, TRUSTED, UPSTREAM)}

DEVICE_LIFETIME = 180 * 86_400
DEVICES_KEPT = 3
"""People that a browser remembers; with more, the oldest become unknown."""
UPSTREAM_KEPT = 3
"""Sign-ins at other providers, as in several tabs; the oldest is dropped first."""
LONGEST = 2_800
"""Maximum length of a value. The headers of a response then stay below 4,096 bytes, nginx's default
limit; browsers drop longer cookies."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}(?:[A-Za-z0-9_-]{11})?")
"""Longer for a session: it begins with a time."""
_DEVICE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{20,64})")
_UPSTREAM = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{40,4000})")


def read(scope: Scope) -> Mapping[str, str]:
    """Our cookies of a request; repeated ones count as not sent.

    Names are compared byte for byte: a name that only becomes ours when it is stripped or decoded
    may have been set by a neighbouring host, which the prefix exists to prevent.
    """
    return _read(scope, _OURS)


def _read(scope: Scope, wanted: Mapping[bytes, str]) -> Mapping[str, str]:
    cookies: dict[str, str] = {}
    repeated: set[str] = set()
    for header, value in scope["headers"]:
        if header == b"cookie":
            for pair in value.split(b";"):
                name, _, text = pair.strip(b" \t").partition(b"=")
                if (ours := wanted.get(name)) is not None:
                    repeated |= {ours} & cookies.keys()
                    cookies[ours] = text.decode("latin-1")
    return {name: text for name, text in cookies.items() if name not in repeated}


def named_secrets(scope: Scope, names: Sequence[str]) -> Mapping[str, str]:
    """The secrets in other cookies of ours, by name; without those that cannot be ours."""
    found = _read(scope, {name.encode(): name for name in names})
    return {name: text for name, text in found.items() if _SECRET.fullmatch(text)}


def text_in(scope: Scope, name: str) -> str:
    """The text of another cookie of ours; empty without one."""
    return _read(scope, {name.encode(): name}).get(name, "")


def device_in(scope: Scope, name: str) -> tuple[str, str] | None:
    """The device ID and signature in another cookie of ours; not verified yet."""
    found = _DEVICE.fullmatch(text_in(scope, name))
    return (found[1], found[2]) if found else None


def secret_of(cookies: Mapping[str, str], name: str) -> str | None:
    """The secret in a cookie, or None if it cannot be one of ours."""
    value = cookies.get(name, "")
    return value if _SECRET.fullmatch(value) else None


def browser_secret(cookies: Mapping[str, str]) -> str:
    """The secret that binds this browser, or a new one."""
    return secret_of(cookies, BROWSER) or new_secret()


def devices_of(cookies: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs of device id and signature, newest first; not verified yet."""
    parts = cookies.get(DEVICE, "").split("~")[:DEVICES_KEPT]
    found = (_DEVICE.fullmatch(part) for part in parts)
    return tuple((match[1], match[2]) for match in found if match)


def trusted_of(cookies: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets of people who do not need a second factor here, newest first."""
    parts = cookies.get(TRUSTED, "").split("~")[:DEVICES_KEPT]
    return tuple(part for part in parts if _SECRET.fullmatch(part))


def upstream_of(cookies: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs of name and text of sign-ins at other providers, newest first; not decrypted yet."""
    parts = cookies.get(UPSTREAM, "").split("~")[:UPSTREAM_KEPT]
    found = (_UPSTREAM.fullmatch(part) for part in parts)
    return tuple((match[1], match[2]) for match in found if match)


def set_secret(
    response: Response, name: str, secret: str, same_site: Literal["lax", "strict"] = "lax"
) -> None:
    """Set a cookie that lasts until the browser is closed."""
    cookie = f"{name}={secret}; HttpOnly; Path=/; SameSite={same_site}; Secure"
    response.raw_headers.append((b"set-cookie", cookie.encode("ascii")))


def set_devices(response: Response, devices: Sequence[tuple[str, str]]) -> None:
    """Set the device cookie to these pairs, newest first."""
    value = "~".join(f"{device}.{signature}" for device, signature in devices[:DEVICES_KEPT])
    response.set_cookie(
        DEVICE,
        value,
        max_age=DEVICE_LIFETIME,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def set_trusted(response: Response, secrets: Sequence[str]) -> None:
    """Set the cookie of people who do not need the second factor here, newest first."""
    response.set_cookie(
        TRUSTED,
        "~".join(secrets[:DEVICES_KEPT]),
        max_age=DEVICE_LIFETIME,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def set_upstream(response: Response, logins: Sequence[tuple[str, str]]) -> None:
    """Set the cookie of sign-ins at other providers, newest first, as far as there is room."""
    value = "~".join(f"{name}.{text}" for name, text in logins[:UPSTREAM_KEPT])
    while len(value) > LONGEST and "~" in value:
        value = value.rpartition("~")[0]
    response.set_cookie(
        UPSTREAM,
        value,
        max_age=TRANSACTION_LIFETIME if value else 0,  # the maximum duration of a sign-in
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def end_session(response: Response) -> None:
    """Tell the browser to drop its session cookie."""
    response.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="lax")
