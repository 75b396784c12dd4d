"""What LINE WORKS would never send, to demonstrate each error of the contract for real.

A `Scenario` says what it does, the contract's response, and whether it needs a fresh authorization
code, for which a person has to sign in first. Running it returns a `Trial`: one `Turn` per request,
with the expected and the actual result.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from worksgate.conformance.exchange import ERROR_NUMBERS, FORM, Exchange, Failure, in_base64
from worksgate.conformance.line_works import (
    LineWorks,
    authorization_url,
    redirect_uri_with_state,
    with_parameters,
)
from worksgate.conformance.simulator.settings import SimulatorSettings

_LARGE = 20_000

MESSAGES: Final = {number: word for word, number in ERROR_NUMBERS.items()}
"""The code and the message of each error. A client may be set to return either."""

WRONG_LOGIN: Final = "invalid_grant"
"""The response to a refused mail app: LINE WORKS has no number for it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a trial. `expected` is an error code, `ok`, or `page`.

    `name` distinguishes the requests of one trial.

    `page` is an error page of the SSO system for a person: a status of 4xx, and no redirect.
    """

    expected: str
    exchange: Exchange
    name: str = "only"

    @property
    def got(self) -> str:
        """The actual result, in the terms of `expected` as far as possible."""
        exchange = self.exchange
        if exchange.failure is not None and exchange.failure is not Failure.NOT_JSON:
            return str(exchange.failure)
        if self.expected == "page":
            return "page" if self._is_error_page else f"HTTP {exchange.status}"
        if exchange.error is not None:
            return _code_of(exchange.error)
        if exchange.status == 200 and exchange.json is not None:
            return "ok"
        return f"HTTP {exchange.status}"

    @property
    def is_right(self) -> bool:
        in_time = self.exchange.connected_in_time and self.exchange.answered_in_time
        return self.got == self.expected and in_time

    @property
    def _is_error_page(self) -> bool:
        answer = self.exchange.answer
        return (
            answer is not None and 400 <= answer.status < 500 and answer.header("location") is None
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a scenario; the exchanges are masked."""

    id: str
    scenario: str
    browser: str
    turns: tuple[Turn, ...]

    @property
    def is_right(self) -> bool:
        return all(turn.is_right for turn in self.turns)


class Place(StrEnum):
    """The endpoint that a scenario misuses."""

    TOKEN = "token"
    USER_INFO = "user_info"
    LOGIN = "login"
    MAIL = "mail"


Run = Callable[[LineWorks, SimulatorSettings, str], Awaitable[list[Turn]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to misbehave, and the contract's error for it."""

    key: str
    place: Place
    code: str
    run: Run
    needs_code: bool = False
    needs_disabled_client: bool = False

    @property
    def chip(self) -> str:
        """A short form of the error: its number, or the HTTP status."""
        return {"page": "4xx", WRONG_LOGIN: "401"}.get(self.code, self.code)


async def run_scenario(
    scenario: Scenario,
    line_works: LineWorks,
    settings: SimulatorSettings,
    *,
    browser: str,
    code: str = "",
) -> Trial:
    """Misbehave for real and return the result. `code` is a fresh one, if needed."""
    turns = await scenario.run(line_works, settings, code)
    masked = tuple(replace(turn, exchange=turn.exchange.masked()) for turn in turns)
    return Trial(secrets.token_urlsafe(16), scenario.key, browser, masked)


def available(settings: SimulatorSettings) -> tuple[Scenario, ...]:
    """Return the scenarios that these settings allow."""
    has_disabled = settings.disabled_client is not None
    return tuple(
        scenario
        for scenario in SCENARIOS.values()
        if (has_disabled or not scenario.needs_disabled_client)
        and (settings.takes_mail_apps or scenario.place is not Place.MAIL)
    )


def by_place(scenarios: Iterable[Scenario]) -> list[tuple[Place, list[Scenario]]]:
    """Return the scenarios in groups, one for each endpoint that has any."""
    found = list(scenarios)
    groups = [(place, [s for s in found if s.place is place]) for place in Place]
    return [(place, group) for place, group in groups if group]


def _code_of(error: str) -> str:
    """Return the number of an error, whether the client returns numbers or words."""
    return ERROR_NUMBERS.get(error, error)


def _made_up() -> str:
    return secrets.token_urlsafe(32)


def _token_form(line_works: LineWorks, **changes: str) -> list[tuple[str, str]]:
    form = {
        "grant_type": "authorization_code",
        "client_id": line_works.credentials.client_id,
        "client_secret": line_works.credentials.client_secret,
        "code": _made_up(),
    }
    return list((form | changes).items())


async def _missing_parameter(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    form = [pair for pair in _token_form(line_works) if pair[0] != "code"]
    return [Turn("201", await line_works.post(line_works.endpoints.access_token, form))]


async def _repeated_parameter(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    form = [*_token_form(line_works), ("code", _made_up())]
    return [Turn("201", await line_works.post(line_works.endpoints.access_token, form))]


async def _wrong_content_type(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    url = line_works.endpoints.access_token
    body = json.dumps(dict(_token_form(line_works))).encode()
    sent = await line_works.send("POST", url, body=body, content_type="application/json")
    return [Turn("201", sent)]


async def _large_body(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    url = line_works.endpoints.access_token
    body = urlencode(_token_form(line_works, code="x" * _LARGE)).encode()
    return [Turn("201", await line_works.send("POST", url, body=body, content_type=FORM))]


async def _other_grant_type(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    return [Turn("203", await line_works.exchange_code(_made_up(), grant_type="password"))]


async def _unknown_client(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    stranger = replace(line_works.credentials, client_id=f"unknown-{secrets.token_hex(4)}")
    return [Turn("301", await line_works.exchange_code(_made_up(), credentials=stranger))]


async def _wrong_secret(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    wrong = replace(line_works.credentials, client_secret=_made_up())
    return [Turn("301", await line_works.exchange_code(_made_up(), credentials=wrong))]


async def _disabled_client(
    line_works: LineWorks, settings: SimulatorSettings, _: str
) -> list[Turn]:
    disabled = settings.disabled_client
    return [Turn("101", await line_works.exchange_code(_made_up(), credentials=disabled))]


async def _unknown_code(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    return [Turn("302", await line_works.exchange_code(_made_up()))]


async def _code_used_twice(line_works: LineWorks, _: SimulatorSettings, code: str) -> list[Turn]:
    """The second use is refused, and the token from the first use is revoked."""
    first = await line_works.exchange_code(code)
    second = await line_works.exchange_code(code)
    token = await line_works.user_info(first.value("access_token") or _made_up())
    return [
        Turn("ok", first, "first_use"),
        Turn("302", second, "second_use"),
        Turn("303", token, "dead_token"),
    ]


async def _unknown_token(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    return [Turn("303", await line_works.user_info(_made_up()))]


async def _token_missing(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    return [Turn("201", await line_works.user_info(""))]


async def _mail_wrong_password(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    return [Turn(WRONG_LOGIN, await line_works.imap_login(_unknown_address(), _made_up()))]


async def _mail_unknown_client(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    """The URL ends with the client's ID; a wrong one must look like a wrong password."""
    own = f"/{line_works.credentials.client_id}"
    path = f"{_mail_api(line_works).removesuffix(own)}/unknown-{secrets.token_hex(4)}"
    query = [("email", in_base64(_unknown_address())), ("password", in_base64(_made_up()))]
    return [Turn(WRONG_LOGIN, await line_works.send("GET", with_parameters(path, query)))]


async def _mail_bad_base64(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    query = [("email", "not Base64!"), ("password", "not Base64!")]
    url = with_parameters(_mail_api(line_works), query)
    return [Turn("201", await line_works.send("GET", url))]


async def _mail_no_password(line_works: LineWorks, _: SimulatorSettings, __: str) -> list[Turn]:
    url = with_parameters(_mail_api(line_works), [("email", in_base64(_unknown_address()))])
    return [Turn("201", await line_works.send("GET", url))]


def _mail_api(line_works: LineWorks) -> str:
    return line_works.endpoints.imap_login or ""


def _unknown_address() -> str:
    """An address that belongs to nobody: no failure must count against a person."""
    return f"nobody-{secrets.token_hex(4)}@example.com"


async def _foreign_redirect_uri(
    line_works: LineWorks, settings: SimulatorSettings, _: str
) -> list[Turn]:
    return await _open_login_page("bad_redirect_uri", line_works, settings)


async def _unknown_client_at_login(
    line_works: LineWorks, settings: SimulatorSettings, _: str
) -> list[Turn]:
    return await _open_login_page("unknown_client_at_login", line_works, settings)


async def _open_login_page(
    key: str, line_works: LineWorks, settings: SimulatorSettings
) -> list[Turn]:
    url = login_link(key, line_works, settings)
    return [Turn("page", await line_works.send("GET", url, expects_json=False))]


def login_link(key: str, line_works: LineWorks, settings: SimulatorSettings) -> str:
    """Return the URL of the sign-in page with the mistake of that scenario in it."""
    unknown = key == "unknown_client_at_login"
    own = redirect_uri_with_state(settings.redirect_uri, "made-up")
    return authorization_url(
        line_works.endpoints.web_login,
        client_id="unknown-client" if unknown else line_works.credentials.client_id,
        redirect_uri=own if unknown else "https://attacker.example/callback?state=made-up",
    )


SCENARIOS: Final = {
    scenario.key: scenario
    for scenario in (
        Scenario(
            "disabled_client", Place.TOKEN, "101", _disabled_client, needs_disabled_client=True
        ),
        Scenario("missing_parameter", Place.TOKEN, "201", _missing_parameter),
        Scenario("repeated_parameter", Place.TOKEN, "201", _repeated_parameter),
        Scenario("wrong_content_type", Place.TOKEN, "201", _wrong_content_type),
        Scenario("large_body", Place.TOKEN, "201", _large_body),
        Scenario("other_grant_type", Place.TOKEN, "203", _other_grant_type),
        Scenario("unknown_client", Place.TOKEN, "301", _unknown_client),
        Scenario("wrong_secret", Place.TOKEN, "301", _wrong_secret),
        Scenario("unknown_code", Place.TOKEN, "302", _unknown_code),
        Scenario("code_used_twice", Place.TOKEN, "302", _code_used_twice, needs_code=True),
        Scenario("missing_token", Place.USER_INFO, "201", _token_missing),
        Scenario("unknown_token", Place.USER_INFO, "303", _unknown_token),
        Scenario("bad_redirect_uri", Place.LOGIN, "page", _foreign_redirect_uri),
        Scenario("unknown_client_at_login", Place.LOGIN, "page", _unknown_client_at_login),
        Scenario("mail_wrong_password", Place.MAIL, WRONG_LOGIN, _mail_wrong_password),
        Scenario("mail_unknown_client", Place.MAIL, WRONG_LOGIN, _mail_unknown_client),
        Scenario("mail_bad_base64", Place.MAIL, "201", _mail_bad_base64),
        Scenario("mail_no_password", Place.MAIL, "201", _mail_no_password),
    )
}
