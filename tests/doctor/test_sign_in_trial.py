"""A sign-in that the conformance player tries at a real server, and what it makes of each end."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, NamedTuple

import pytest
from tests.conformance.raw_servers import Authority
from tests.conformance.runs import PATIENT
from tests.installation import CALLBACK, EXTERNAL_KEY, PASSWORD, USERNAME, prepared
from tests.served import listening, served
from tests.unhurried import answer_deadline, tries

from worksgate.administration import NewClient
from worksgate.administration.set_up import TRIED, ConsoleField, Tick, Trial, Tried
from worksgate.bootstrap.administration import open_administration
from worksgate.conformance.exchange import Answer, Exchange, Request, TimeLimits, Timings
from worksgate.doctor import sign_in_trial
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.settings.options import Settings

NOT_HERE = ("192.0.2.0/24",)
SECRET = "a secret that nobody ever made"


def found(trial: Trial, ca_file: str = "") -> dict[ConsoleField, Tried]:
    """What the console is told, with these authorities in the settings."""
    settings = Settings(public_url=trial.urls["web_login"], outgoing_ca_file=ca_file)

    async def ask() -> list[Tried]:
        return [each async for each in ConsoleExaminer(settings).sign_in(trial)]

    return {each.field: each for each in asyncio.run(ask())}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no slow server."""
    monkeypatch.setattr(sign_in_trial, "LIMITS", PATIENT)


class Trials(NamedTuple):
    """The trial that works, and those at clients that want more, or calls from elsewhere."""

    works: Trial
    coded: Trial
    barred: Trial


def of(new: NewClient, trial: Trial) -> Trial:
    return replace(trial, client_id=new.client.client_id, client_secret=new.client_secret)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """A server with three clients and a person."""
    with listening() as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        folder = tmp_path_factory.mktemp("trial")

        async def furnished() -> tuple[Settings, Trials]:
            settings, new = await prepared(
                folder, public_url=url, answer_deadline=answer_deadline()
            )
            async with open_administration(settings, actor="test") as administration:
                trial = await administration.set_up.trial(new.client_secret, USERNAME, PASSWORD)
                await administration.users.add(
                    "new", password=PASSWORD, temporary=True, external_key="key-new"
                )
                add, uris = administration.clients.add, (CALLBACK,)
                coded = await add("Coded", redirect_uris=uris, second_factor="required")
                barred = await add("Barred", redirect_uris=uris, allowed_addresses=NOT_HERE)
            return settings, Trials(trial, of(coded, trial), of(barred, trial))

        settings, trials = asyncio.run(furnished())
        with served(listener, settings):
            yield trials


def test_a_sign_in_that_works_ticks_every_value_with_its_time(at: Trials) -> None:
    for each in tries():  # an answer that takes three seconds is too slow
        with each:
            rows = found(at.works)
            assert {each.tick for each in rows.values()} == {Tick.WORKS}
    assert set(rows) == set(TRIED)
    assert rows[ConsoleField.USER_KEY].said == EXTERNAL_KEY
    timed = [each.milliseconds for each in rows.values() if each.field != ConsoleField.USER_KEY]
    assert all(each is not None for each in timed)


@pytest.mark.parametrize(("seconds", "tick"), [(2.9, Tick.WORKS), (3.1, Tick.SLOW)])
def test_an_answer_that_line_works_would_not_wait_for_is_too_slow(
    seconds: float, tick: Tick
) -> None:
    request = Request("POST", "https://sso.example.com/accessToken")
    timings = Timings(connect=0.2, answer=seconds)
    exchange = Exchange(request, Answer(200, (), b"{}"), timings, TimeLimits())
    row = sign_in_trial._of_call(ConsoleField.ACCESS_TOKEN, exchange, "a token")
    assert (row.tick, row.milliseconds) == (tick, round(1000 * (seconds + 0.2)))


@pytest.mark.parametrize(
    ("changes", "last", "tick"),
    [
        ({"client_secret": SECRET}, ConsoleField.ACCESS_TOKEN, Tick.WRONG_SECRET),
        ({"password": "not this one at all"}, ConsoleField.LOGIN_URL, Tick.NOT_SIGNED_IN),
        ({"username": "new"}, ConsoleField.LOGIN_URL, Tick.STEP_DUE),
        ({"client_id": "nobody"}, ConsoleField.LOGIN_URL, Tick.REFUSED),
    ],
)
def test_what_stops_it_is_said_and_the_session_ends_all_the_same(
    at: Trials, changes: dict[str, Any], last: ConsoleField, tick: Tick
) -> None:
    rows = found(replace(at.works, **changes))
    assert rows.pop(ConsoleField.LOGOUT_URL).tick is Tick.WORKS
    assert list(rows)[-1] is last
    assert rows[last].tick is tick


def test_a_code_that_is_asked_for_is_left_to_the_person(at: Trials) -> None:
    assert found(at.coded)[ConsoleField.LOGIN_URL].tick is Tick.CODE_DUE


def test_a_list_of_addresses_without_this_machine_may_be_fine(at: Trials) -> None:
    row = found(at.barred)[ConsoleField.ACCESS_TOKEN]
    assert (row.tick, row.said) == (Tick.BARRED, "101")


def test_an_address_that_is_not_reached_ends_it(at: Trials) -> None:
    with listening() as closed:  # bound, and nobody listens
        url = "http://{}:{}".format(*closed.getsockname())
        (row,) = found(moved(at.works, url)).values()
    assert (row.tick, row.milliseconds) == (Tick.UNREACHABLE, None)


def moved(trial: Trial, url: str) -> Trial:
    return replace(trial, urls={name: f"{url}/{name}" for name in trial.urls})


class Hostile(BaseHTTPRequestHandler):
    """Echoes every secret that it is sent, wherever it can."""

    goes_to = ""
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.goes_to:
            self._answer(302, "", ("Location", self.goes_to))
            return
        form = "<form method=post><input name=u type=text><input name=p type=password>"
        self._answer(200, form + "<button>Go</button></form>")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "grant_type" in sent:
            self._answer(200, json.dumps({"access_token": SECRET, "expires_in": 1}))
        elif "access_token" in sent:
            self._answer(200, json.dumps({"user_id": f"{SECRET} {PASSWORD}"}))
        else:
            self._answer(302, "", ("Location", "https://auth.worksmobile.com/?code=abcdefgh"))

    def _answer(self, status: int, body: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hostile(
    goes_to: str = "", context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it is asked for by GET."""
    asked: list[str] = []
    handler = type("Handler", (Hostile,), {"goes_to": goes_to, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    origin = "http://127.0.0.1" if context is None else "https://localhost"
    try:
        yield f"{origin}:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_r227_whatever_the_server_echoes_no_secret_is_found(
    at: Trials,
) -> None:
    trial = replace(at.works, client_secret=SECRET, redirect_uri="https://auth.worksmobile.com/")
    with hostile() as (url, _):
        rows = found(moved(trial, url))
    assert rows[ConsoleField.USER_KEY].said == "… …"
    assert not any(each in repr((rows, trial)) for each in (SECRET, PASSWORD))


def test_r227_no_other_site_is_asked_for_anything(at: Trials) -> None:
    """A redirect is not followed there, be it to LINE WORKS or to another provider."""
    with hostile() as (other, asked), hostile(goes_to=f"{other}/login") as (url, _):
        rows = found(moved(at.works, url))
    assert asked == []
    assert rows[ConsoleField.LOGIN_URL].tick is Tick.ELSEWHERE


def test_it_trusts_the_authorities_of_the_settings(at: Trials, tmp_path: Path) -> None:
    """As a proxy that inspects TLS has them; without the setting, those that everybody trusts."""
    authority = Authority(tmp_path)
    trial = replace(at.works, redirect_uri="https://auth.worksmobile.com/")
    with hostile(context=authority.context("localhost")) as (url, _):
        (stranger,) = found(moved(trial, url)).values()
        known = found(moved(trial, url), str(authority.file))
    assert stranger.tick is Tick.UNTRUSTED
    assert known[ConsoleField.LOGIN_URL].tick is Tick.WORKS
    assert known[ConsoleField.ACCESS_TOKEN].tick is Tick.WORKS
