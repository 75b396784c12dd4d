"""Browsers that have signed in, and the authorization requests that LINE WORKS sends them with."""

import http.client
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from contestants import CALLBACK, HOUR, Worksgate
from load import Failed, Template
from storm import PASSWORD, STORM_PEOPLE, fetch_page, fields_of, page_call

from worksgate.credentials.secrets import (
    new_ordered_id,
    new_ordered_secret,
    new_secret,
    storage_key,
)
from worksgate.oauth.model import Session
from worksgate.provider.assurance import Assurance, Factor
from worksgate.web import cookies

BROWSERS = 100
"""So many people have a session; their requests come in turns."""
PEOPLE = [f"user{number:03}@example.com" for number in range(min(BROWSERS, STORM_PEOPLE))]


class Browsers:
    """The cookies of people who have signed in, and requests that each come with one of them."""

    def __init__(self, installation: Worksgate, cookie_headers: Sequence[str]) -> None:
        self._installation = installation
        longest = max(map(len, cookie_headers))
        self._cookies = cycle(header.ljust(longest, ";") for header in cookie_headers)
        self._states = _numbers()

    @classmethod
    def signed_in(
        cls, installation: Worksgate, names: Iterable[str] = PEOPLE, password: str = PASSWORD
    ) -> "Browsers":
        """People who have typed their password here. Raises Failed."""
        headers = [_sign_in(installation, name, password) for name in names]
        return cls(installation, headers)

    @classmethod
    def known_to(cls, installation: Worksgate, source: str) -> "Browsers":
        """People whom another provider has signed in: their sessions are put into the store."""
        secrets = [new_ordered_secret() for _ in range(BROWSERS)]
        installation.save(
            [_session(source, number, secret) for number, secret in enumerate(secrets)]
        )
        headers = [
            f"{cookies.BROWSER}={new_secret()}; {cookies.SESSION}={secret}" for secret in secrets
        ]
        return cls(installation, headers)

    def code_call(self, count: int) -> tuple[Template, list[str]]:
        """Authorization requests, each with a state of its own."""
        template = page_call(self._installation, {"Cookie": "{cookie}"})
        both = zip(self._states, self._cookies, strict=False)
        return template, [f"{state}\t{header}" for state, header in islice(both, count)]


def code_in(location: str) -> str:
    """The code in the address that a browser is sent to. Raises Failed where there is none."""
    codes = parse_qs(urlsplit(location).query).get("code", [])
    if len(codes) != 1 or not location.startswith(CALLBACK):
        raise Failed("an answer was not a redirect with a code")
    return codes[0]


def _numbers() -> Iterator[str]:
    return (f"{number:08}" for number in range(100_000_000))


def _sign_in(installation: Worksgate, name: str, password: str) -> str:
    """What the browser of somebody sends as its cookies, once they are signed in."""
    connection = http.client.HTTPConnection("127.0.0.1", installation.port)
    try:
        query = {
            "response_type": "code",
            "client_id": installation.client_id,
            "redirect_uri": f"{CALLBACK}?state=signing-in",
        }
        response, page = fetch_page(connection, f"/login?{urlencode(query)}", {})
        form = dict(fields_of(page)) | {"username": name, "password": password}
        kept = cookies_of(response)
        headers = {
            "Cookie": cookie_header(kept),
            "Origin": f"http://127.0.0.1:{installation.port}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form, quote_via=quote)
        connection.request("POST", "/login?lang=en", body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        code_in(answer.headers.get("Location", ""))
        return cookie_header(kept | cookies_of(answer))
    finally:
        connection.close()


def cookies_of(response: http.client.HTTPResponse) -> dict[str, str]:
    """The cookies that an answer sets, by name."""
    pairs = (line.partition(";")[0] for line in response.headers.get_all("Set-Cookie", []))
    return dict(pair.split("=", 1) for pair in pairs)


def cookie_header(kept: Mapping[str, str]) -> str:
    """What a browser sends that has these cookies."""
    return "; ".join(f"{name}={value}" for name, value in kept.items())


def _session(source: str, number: int, secret: str) -> Session:
    now = time.time()
    return Session(
        key=storage_key(secret),
        grant_id=new_ordered_id(),
        subject_id=f"{source}:{number:022}",
        client_id="",
        expires_at=now + 8 * HOUR,
        source=source,
        username=f"user{number:03}@example.com",
        name=f"User {number:03}",
        external_key=f"E-{number:03}",
        works_account=None,
        authenticated_at=now,
        assurance=str(Assurance().with_factor(Factor.UPSTREAM, now)),
    )
