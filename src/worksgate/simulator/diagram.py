"""The eleven steps of a sign-in, as the templates draw them.

The numbering is that of the figure "OAuth 2.0 based SSO" in the developer pages of LINE WORKS.
Steps 3 and 4 LINE WORKS cannot see, and so neither can we: whoever still has a session with the
customer's side is not asked for a password. They are drawn as unseen once the browser is back.
"""

from dataclasses import dataclass
from enum import StrEnum

from worksgate.conformance.exchange import Exchange, Failure, mask_url
from worksgate.conformance.line_works import LOGIN_LIFETIME
from worksgate.simulator.sign_in import Login, Refusal


class Lane(StrEnum):
    """Who takes part."""

    BROWSER = "browser"
    LINE_WORKS = "lw"
    SSO = "sso"


class State(StrEnum):
    """How far a step has come."""

    DONE = "done"
    UNSEEN = "unseen"
    FAILED = "failed"
    WAITING = "waiting"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True)
class Meter:
    """A measured time against its limit, both in seconds. `name` is a key of the texts."""

    name: str
    seconds: float
    limit: float
    exceeded: bool = False

    @property
    def percent(self) -> float:
        """How much of the limit was used, 0 to 100, never too little to be seen."""
        return 100.0 if self.exceeded else min(100.0, max(2.5, 100 * self.seconds / self.limit))


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of the diagram, or one box where source and target are the same.

    `url` is an address that passed through the browser, masked; `request` and `answer` say
    which half of `exchange` belongs to this step.
    """

    number: int
    source: Lane
    target: Lane
    state: State
    via_browser: bool = False
    url: str | None = None
    exchange: Exchange | None = None
    shows: str = ""
    meters: tuple[Meter, ...] = ()

    @property
    def is_box(self) -> bool:
        return self.source is self.target

    @property
    def is_answer(self) -> bool:
        return self.shows == "answer"


@dataclass(frozen=True, slots=True)
class Part:
    """Steps that belong together. `name` is a key of the texts."""

    name: str
    steps: tuple[Step, ...]


def draw(login: Login) -> tuple[Part, ...]:
    """Return the eleven steps of a login, in three parts."""
    states = _states(login)
    steps = (*_browser_steps(login, states), *_server_steps(login, states), _last_step(states))
    return (
        Part("browser", steps[:6]),
        Part("servers", steps[6:10]),
        Part("session", steps[10:]),
    )


def meters_of(exchange: Exchange) -> tuple[Meter, ...]:
    """Return both measured times of a call, as far as it came."""
    return _connect_meter(exchange) + _answer_meter(exchange)


def failed_step(login: Login) -> int | None:
    """Return the number of the step that went wrong, or None."""
    match login.refusal:
        case None:
            return None
        case Refusal.TOKEN:
            return 7 if _never_connected(login.token) else 8
        case Refusal.USER_INFO:
            return 9 if _never_connected(login.user_info) else 10
        case _:
            return 6


def _states(login: Login) -> dict[int, State]:
    failed = failed_step(login)
    if failed is None:
        reached, rest = _reached(login), State.WAITING
    else:
        reached, rest = failed - 1, State.NOT_REACHED
    states = {n: State.DONE if n <= reached else rest for n in range(1, 12)}
    if login.is_over:
        states |= _unseen(login)
    return states if failed is None else states | {failed: State.FAILED}


def _unseen(login: Login) -> dict[int, State]:
    """Return what the customer's side did meanwhile, as far as its answer tells."""
    states = {3: State.UNSEEN, 4: State.UNSEEN}
    if login.refusal is Refusal.DENIED:
        states[5] = State.NOT_REACHED
    elif login.refusal is Refusal.BAD_CALLBACK:
        states[5] = State.UNSEEN
    return states


def _reached(login: Login) -> int:
    """Return the last step that is done, of a login that nothing has gone wrong with."""
    if login.user_id is not None:
        return 11
    if not login.is_over:
        return 2
    return 6 if login.token is None else 8


def _browser_steps(login: Login, states: dict[int, State]) -> tuple[Step, ...]:
    lw, browser, sso = Lane.LINE_WORKS, Lane.BROWSER, Lane.SSO
    return (
        Step(1, browser, lw, states[1]),
        Step(2, lw, sso, states[2], via_browser=True, url=mask_url(login.url)),
        Step(3, sso, browser, states[3]),
        Step(4, browser, sso, states[4]),
        Step(5, sso, sso, states[5]),
        Step(
            6,
            sso,
            lw,
            states[6],
            via_browser=True,
            url=login.callback_url,
            meters=_away_meter(login),
        ),
    )


def _server_steps(login: Login, states: dict[int, State]) -> tuple[Step, ...]:
    lw, sso = Lane.LINE_WORKS, Lane.SSO
    steps: list[Step] = []
    for number, call in ((7, login.token), (9, login.user_info)):
        connect = () if call is None else _connect_meter(call)
        answer = () if call is None else _answer_meter(call)
        back = number + 1
        steps += [
            Step(number, lw, sso, states[number], exchange=call, shows="request", meters=connect),
            Step(back, sso, lw, states[back], exchange=call, shows="answer", meters=answer),
        ]
    return tuple(steps)


def _last_step(states: dict[int, State]) -> Step:
    return Step(11, Lane.LINE_WORKS, Lane.LINE_WORKS, states[11])


def _away_meter(login: Login) -> tuple[Meter, ...]:
    if login.seconds_away is None:
        return ()
    late = login.refusal is Refusal.TOO_LATE
    return (Meter("away", login.seconds_away, LOGIN_LIFETIME, late),)


def _connect_meter(exchange: Exchange) -> tuple[Meter, ...]:
    seconds = exchange.timings.connected
    if seconds is None:
        return ()
    return (Meter("connect", seconds, exchange.limits.connect, not exchange.connected_in_time),)


def _answer_meter(exchange: Exchange) -> tuple[Meter, ...]:
    seconds = exchange.timings.answer
    if seconds is None:
        return ()
    return (Meter("answer", seconds, exchange.limits.answer, not exchange.answered_in_time),)


def _never_connected(exchange: Exchange | None) -> bool:
    never = {Failure.CONNECT_TIMEOUT, Failure.CONNECT_FAILED, Failure.TLS_FAILED}
    return exchange is not None and exchange.failure in never
