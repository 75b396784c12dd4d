"""A storm of sign-ins by password: people, and sign-in forms that have been fetched beforehand."""

import http.client
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote, urlencode

from contestants import CALLBACK, Worksgate
from load import Failed, Template

STORM_PEOPLE = 200
"""So many accounts, so that none has two attempts under way."""
PASSWORD = "paper lantern by the river"
TRIES = 5
_FIELD = re.compile(r'name="(txn|csrf)" value="([^"]*)"')


def prepare_people(installation: Worksgate) -> None:
    """Add the accounts. They share one hash, to save time; to check it costs what others cost."""
    first = "user000@example.com"
    command = ("user", "add", first, "--external-key", "E-000", "--password-stdin")
    installation.command(*command, text=PASSWORD + "\n")
    first_row = installation.only_account()
    rows = [
        {name: _changed(name, value, f"{number:03}") for name, value in first_row.items()}
        for number in range(1, STORM_PEOPLE)
    ]
    installation.add_accounts(rows)


def page_call(
    installation: Worksgate, headers: Mapping[str, str] = MappingProxyType({})
) -> Template:
    """The authorization request of LINE WORKS; what differs in each is the state."""
    query = {
        "response_type": "code",
        "client_id": installation.client_id,
        "redirect_uri": f"{CALLBACK}?state=",
    }
    return Template.page(f"/login?{urlencode(query)}", headers)


def login_call(installation: Worksgate, count: int) -> tuple[Template, list[str]]:
    """The request that posts a sign-in form, and what differs in each: one text of one length.

    All come from one browser, each with a transaction of its own.
    """
    connection = http.client.HTTPConnection("127.0.0.1", installation.port)
    query = {
        "response_type": "code",
        "client_id": installation.client_id,
        "redirect_uri": f"{CALLBACK}?state=benchmark",
    }
    cookie, bodies = "", []
    for number in range(count):
        headers = {"Cookie": cookie} if cookie else {}
        response, page = fetch_page(connection, f"/login?{urlencode(query)}", headers)
        cookie = cookie or response.headers["Set-Cookie"].partition(";")[0]
        person = quote(f"user{number % STORM_PEOPLE:03}@example.com")
        bodies.append(f"{person}&{urlencode(fields_of(page))}&pad=")
    connection.close()
    length = max(map(len, bodies))
    values = [body.ljust(length, "x") for body in bodies]
    headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{installation.port}"}
    fields = {"password": PASSWORD}
    return Template.form("/login?lang=en", fields, "username", length, headers), values


def fetch_page(
    connection: http.client.HTTPConnection, address: str, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, str]:
    """A sign-in page, for which nothing is measured. Raises Failed."""
    for _ in range(TRIES):
        connection.request("GET", address, headers=dict(headers))
        response = connection.getresponse()
        page = response.read().decode()
        if response.status != 503:  # a busy machine; people would try again, too
            break
        time.sleep(1)
    if response.status != 200:
        raise Failed(f"the login page answered {response.status}")
    return response, page


def fields_of(page: str) -> list[tuple[str, str]]:
    """The hidden fields of a sign-in form."""
    return _FIELD.findall(page)


def _changed(name: str, value: object, number: str) -> object:
    """A text of the first account with its number replaced; the hash stays as it is."""
    if not isinstance(value, str) or "$" in value:
        return value
    return value[:-3] + number if name == "id" else value.replace("000", number, 1)
