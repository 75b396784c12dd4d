"""A sign-in as LINE WORKS makes it, by the conformance player, at the public address.

The player opens the page, types name and password, redeems the code, fetches the user key and signs
out again. It never leaves the public address: where a browser would go on to LINE WORKS, or to
another provider, it stops.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from worksgate.administration.set_up.console_values import ConsoleField
from worksgate.administration.set_up.trial import Tick, Trial, Tried
from worksgate.conformance.checks.forms import joined
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.sign_in import Arrival, FormSignIn, Stuck
from worksgate.conformance.checks.target import Person, Target
from worksgate.conformance.exchange import ERROR_NUMBERS, Exchange, Failure, TimeLimits
from worksgate.conformance.line_works import Credentials, Endpoints

LIMITS: Final = TimeLimits()
"""Those of LINE WORKS, for its calls."""

_FAILURES: Final = {
    Failure.CONNECT_TIMEOUT: Tick.UNREACHABLE,
    Failure.CONNECT_FAILED: Tick.UNREACHABLE,
    Failure.TLS_FAILED: Tick.UNTRUSTED,
}
"""Of others, it was reached and did not answer."""
_NUMBERS: Final = {"101": Tick.BARRED, "301": Tick.WRONG_SECRET}
_TOO_MANY: Final = 429


async def try_sign_in(trial: Trial, ca_file: str = "") -> AsyncIterator[Tried]:
    """What is found, value by value; a value that was not reached is left out.

    ``ca_file`` has the authorities to trust, in place of those that everybody trusts.
    """
    target = _target(trial, ca_file)
    meter = Meter(Redactor(target.secrets))
    run = Run(target, FormSignIn(target, target.person, meter), meter)
    try:
        async for each in _walk(run):
            yield each
    finally:
        await run.aclose()


def _target(trial: Trial, ca_file: str) -> Target:
    names = ("web_login", "app_login", "access_token", "user_info", "logout")
    return Target(
        endpoints=Endpoints(**{name: trial.urls[name] for name in names}),
        credentials=Credentials(trial.client_id, trial.client_secret),
        redirect_uri=trial.redirect_uri,
        person=Person(trial.username, trial.password),
        limits=LIMITS,
        ca_file=Path(ca_file) if ca_file else None,
    )


async def _walk(run: Run) -> AsyncIterator[Tried]:
    """The way of a sign-in; its session is ended however far it came."""
    leaves = _leaving(run.target)
    arrival = await run.authorize(run.redirect_uri(), stops=leaves)
    login = _of_login(run, arrival)
    yield login
    if login.tick in (Tick.UNREACHABLE, Tick.UNTRUSTED, Tick.SILENT):
        return
    if login.tick is Tick.WORKS and arrival.code is not None:
        async for each in _calls(run, arrival.code):
            yield each
    mark = run.meter.mark()
    assert run.sign_in is not None  # noqa: S101  # made above
    url = run.line_works.logout_url(run.target.redirect_uri)
    out = await run.sign_in.arrive(url, leaves, fills=False)
    yield _of_logout(out, _milliseconds(run.meter.exchanges[mark:]))


async def _calls(run: Run, code: str) -> AsyncIterator[Tried]:
    """The two calls of LINE WORKS' servers, and the key that it would be told."""
    token = await run.exchange_code(code)
    access_token = token.value("access_token")
    yield _of_call(ConsoleField.ACCESS_TOKEN, token, access_token)
    if access_token is None:
        return
    info = await run.user_info(access_token)
    key = info.value("user_id")
    yield _of_call(ConsoleField.USER_INFO, info, key)
    if key is not None:
        said = run.meter.hide(key)
        yield Tried(field=ConsoleField.USER_KEY, tick=Tick.WORKS, said=said)


def _leaving(target: Target) -> Callable[[str], bool]:
    """Whether an address is another site than the public address."""
    page = target.endpoints.web_login

    def leaves(location: str) -> bool:
        return urlsplit(joined(page, location) or "")[:2] != urlsplit(page)[:2]

    return leaves


def _of_login(run: Run, arrival: Arrival) -> Tried:
    exchanges = run.meter.exchanges
    is_typed = any(each.request.method == "POST" for each in exchanges)
    tick, said = _login_tick(run, arrival, is_typed=is_typed)
    return Tried(
        field=ConsoleField.LOGIN_URL,
        tick=tick,
        milliseconds=_milliseconds(exchanges),
        said=said,
    )


def _login_tick(run: Run, arrival: Arrival, *, is_typed: bool) -> tuple[Tick, str]:
    page = arrival.exchange
    said = "" if page is None else f"HTTP {page.status}"
    if arrival.callback is not None:
        if not run.is_callback(arrival.callback):
            return Tick.ELSEWHERE, ""
        return (Tick.WORKS, "") if arrival.code else (Tick.REFUSED, said)
    if page is None or arrival.stuck is Stuck.NO_ANSWER:
        return _of_failure(page), ""
    if page.status == _TOO_MANY:
        return Tick.WAITING, ""
    if (page.status or 0) >= 500 or (not is_typed and (page.status or 0) >= 400):
        return Tick.REFUSED, said
    if (page.status or 0) >= 400:
        return Tick.NOT_SIGNED_IN, ""
    if arrival.stuck is Stuck.OTHER_SITE:
        return Tick.ELSEWHERE, ""
    if not is_typed:
        return Tick.REFUSED, said
    return (Tick.CODE_DUE if arrival.stuck is Stuck.SECOND_FACTOR else Tick.STEP_DUE), ""


def _of_logout(arrival: Arrival, milliseconds: int | None) -> Tried:
    tick, said = Tick.WORKS, ""
    page = arrival.exchange
    if arrival.callback is None and arrival.stuck is not Stuck.PAGE:
        tick = _of_failure(page)
        if arrival.stuck is not Stuck.NO_ANSWER and page is not None:
            tick, said = Tick.REFUSED, f"HTTP {page.status}"
    return Tried(field=ConsoleField.LOGOUT_URL, tick=tick, milliseconds=milliseconds, said=said)


def _of_call(field: ConsoleField, exchange: Exchange, value: str | None) -> Tried:
    """A call of LINE WORKS' servers; ``value`` is what it had to return."""
    tick, said = Tick.WORKS, ""
    if exchange.answer is None or exchange.failure not in (None, Failure.NOT_JSON):
        tick = _of_failure(exchange)
    elif value is None or exchange.status != 200:
        error = ERROR_NUMBERS.get(exchange.error or "", exchange.error or "")
        is_number = error in ERROR_NUMBERS.values()  # anything else is the server's own text
        tick = _NUMBERS.get(error, Tick.REFUSED)
        said = error if is_number else f"HTTP {exchange.status}"
    elif not (exchange.connected_in_time and exchange.answered_in_time):
        tick = Tick.SLOW
    return Tried(field=field, tick=tick, milliseconds=_milliseconds([exchange]), said=said)


def _of_failure(exchange: Exchange | None) -> Tick:
    failure = None if exchange is None else exchange.failure
    return Tick.SILENT if failure is None else _FAILURES.get(failure, Tick.SILENT)


def _milliseconds(exchanges: Sequence[Exchange]) -> int | None:
    """The time of all requests together; None if none was answered."""
    answered = [each.timings for each in exchanges if each.answer is not None]
    if not answered:
        return None
    return round(1000 * sum((each.connected or 0) + (each.answer or 0) for each in answered))
