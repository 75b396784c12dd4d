"""A company's portal on Starlette that signs its people in to LINE WORKS, under /sso.

The settings come from the environment or from worksgate.toml, so the portal and the ``worksgate``
command work on the same database. README.md in this folder says how to run it.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import worksgate


@dataclass(frozen=True, slots=True)
class Employee:
    """A row of the portal's own table of people."""

    number: str
    name: str
    salt: bytes
    password_hash: bytes
    has_left: bool = False


def hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def employee(number: str, name: str, password: str, *, has_left: bool = False) -> Employee:
    salt = number.encode()
    return Employee(number, name, salt, hashed(password, salt), has_left)


EMPLOYEES = {
    "alice": employee("E-1001", "Alice Example", "paper lantern by the river"),
    "bob": employee("E-1002", "Bob Example", "seven quiet mountains", has_left=True),
}
NOBODY = employee("", "", "")


def authenticate(username: str, password: str) -> worksgate.Person | None:
    """Say whose password this is. Worksgate calls it in a thread, so it may block."""
    found = EMPLOYEES.get(username.casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    is_right = hmac.compare_digest(hashed(password, found.salt), found.password_hash)
    if found is NOBODY or not is_right:
        return None
    if found.has_left:
        raise worksgate.PersonDisabled
    return worksgate.Person(
        subject_id=found.number,
        username=username.casefold(),
        name=found.name,
        external_key=found.number,
    )


sso = worksgate.create_app(authenticate=authenticate)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Start Worksgate with the portal: a mounted application is not told of it otherwise."""
    await sso.start()
    yield
    await sso.close()


async def home(_: Request) -> PlainTextResponse:
    return PlainTextResponse("The portal of Example Trading")


app = Starlette(routes=[Route("/", home), Mount("/sso", sso)], lifespan=lifespan)
