"""Sign-ins, each with a new browser: the page, the form, and the resulting code."""

import asyncio
import csv
import html
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.faults.exchanges import BROKEN, LIMIT, NO_ANSWER, Code, Response, connect, read_response
from tests.faults.node import command
from tests.faults.trial import Installation

from worksgate.credentials.secrets import new_id

_REDIRECT_URI = "https://auth.worksmobile.com/cb?state=a"
_BUSY = 503
PATIENCE = 60.0
_FIELD = re.compile(r'name="(txn|csrf)"[^>]*value="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the built-in directory."""

    username: str
    password: str
    user_id: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the form was answered with, or its page where that was refused.

    ``seconds`` is what the slower of the two took.
    """

    status: int
    seconds: float
    code: Code | None = None


async def add_people(installation: Installation, number: int) -> list[Person]:
    """Add so many people, who have passwords and External Keys of their own."""
    people = [
        Person(f"p{each}@example.com", f"paper lantern by river {each}", f"E-{each}")
        for each in range(number)
    ]
    await asyncio.to_thread(_import, installation, people)
    return people


def _import(installation: Installation, people: Sequence[Person]) -> None:
    file = Path(installation.folder, "people.csv")
    with file.open("w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows)
        writer.writerow(["username", "password", "external_key"])
        writer.writerows((each.username, each.password, each.user_id) for each in people)
    command(installation.settings, installation.folder, "user", "import", str(file))


def somebody_unknown() -> Person:
    """No such person has an account; to find that out takes as long as a wrong password."""
    return Person(f"nobody-{new_id()}@example.com", "paper lantern by river", "")


async def sign_in(port: int, client_id: str, person: Person, **query: str) -> SignIn:
    """Sign in at the node of this port. ``query`` is what else LINE WORKS adds to the address."""
    began = time.monotonic()
    try:
        response = page = await _page(port, client_id, query)
        waited = time.monotonic() - began
        if page.status == 200:
            began = time.monotonic()
            response = await _form(port, page, person)
    except BROKEN:
        return SignIn(NO_ANSWER, time.monotonic() - began)
    seconds = max(waited, time.monotonic() - began)
    codes = parse_qs(urlsplit(response.header("location")).query).get("code")
    code = Code(codes[0], person.user_id) if codes else None
    return SignIn(response.status, seconds, code)


async def sign_in_at_last(port: int, client_id: str, person: Person) -> SignIn:
    """Sign in, again and again for ``PATIENCE`` seconds where the node is too busy to answer."""
    until = time.monotonic() + PATIENCE
    while (done := await sign_in(port, client_id, person)).status in (NO_ANSWER, _BUSY):
        if time.monotonic() > until:
            break
    return done


async def _page(port: int, client_id: str, query: dict[str, str]) -> Response:
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": _REDIRECT_URI}
    return await _ask(port, f"GET /login?{urlencode(asked | query)} HTTP/1.1\r\n", "")


async def _form(port: int, page: Response, person: Person) -> Response:
    fields = {name: html.unescape(value) for name, value in _FIELD.findall(page.body.decode())}
    form = urlencode({**fields, "username": person.username, "password": person.password})
    head = (
        "POST /login HTTP/1.1\r\n"
        f"Cookie: {page.header('set-cookie').partition(';')[0]}\r\n"
        f"Origin: http://127.0.0.1:{port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    return await _ask(port, head, form)


async def _ask(port: int, head: str, body: str) -> Response:
    """One request on a connection of its own. Raises one of ``BROKEN``."""
    last = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    async with asyncio.timeout(LIMIT + 0.5):
        reader, writer = await connect(port)
        try:
            writer.write((head + last + body).encode())
            return await read_response(reader)
        finally:
            writer.transport.abort()
