"""The steps of a sign-in, as the templates render them: eleven by a browser, eight by a mail app.

The numbering is that of the figure "OAuth 2.0 based SSO" in the developer pages of LINE WORKS.
Steps 3 and 4 are invisible to LINE WORKS, and to us: people who still have a session with the
customer's side are not asked for a password. They are shown as unseen once the browser is back.
There is no such figure for a mail app, so its numbers are our own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from worksgate.conformance.exchange import Exchange, Failure, mask_url
from worksgate.conformance.line_works import LOGIN_LIFETIME
from worksgate.conformance.simulator.mail_app import MailLogin, MailRefusal
from worksgate.conformance.simulator.sign_in import Login, Refusal

LAST_STEP = 11
LAST_MAIL_STEP = 8


class Lane(StrEnum):
    """Participants. For mail apps, the app replaces the browser."""

    BROWSER = "browser"
    LINE_WORKS = "lw"
    SSO = "sso"


class State(StrEnum):
    """The progress of a step."""

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
        """How much of the limit was used, 0 to 100, but never too little to be visible."""
        return 100.0 if self.exceeded else min(100.0, max(2.5, 100 * self.seconds / self.limit))


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of the diagram, or one box if source and target are the same.

    `key` is the key of its texts. `url` is a URL that passed through the browser, masked; `request`
    and `answer` say which half of `exchange` belongs to this step. `note` is a remark if nothing
    was on the wire.
    """

    number: int
    key: str
    source: Lane
    target: Lane
    state: State
    via_browser: bool = False
    url: str | None = None
    exchange: Exchange | None = None
    shows: str = ""
    meters: tuple[Meter, ...] = ()
    note: str = ""

    @property
    def is_box(self) -> bool:
        return self.source is self.target

    @property
    def is_answer(self) -> bool:
        return self.shows == "answer"


@dataclass(frozen=True, slots=True)
class Part:
    """Steps that belong together. `name` is a key of the texts.

    `hidden` steps are server-to-server and invisible to the person.
    """

    name: str
    steps: tuple[Step, ...]
    hidden: bool = False


def draw(login: Login) -> tuple[Part, ...]:
    """Return the eleven steps of a login by a browser, in three parts."""
    states = _states(login)
    calls = (login.token, login.user_info)
    return (
        Part("browser", _browser_steps(login, states)),
        Part("servers", _server_steps(7, calls, states, _key_of), hidden=True),
        Part("session", (_last_step(states, login.user_id),)),
    )


def draw_mail(login: MailLogin) -> tuple[Part, ...]:
    """Return the eight steps of a login by a mail app, in three parts."""
    lw, mail_app = Lane.LINE_WORKS, Lane.BROWSER
    states = _states_of(failed_mail_step(login), LAST_MAIL_STEP, LAST_MAIL_STEP)
    calls = (login.api, login.token, login.user_info)
    first = Step(1, _mail_key_of(1), mail_app, lw, states[1], note=login.email)
    last = Step(8, _mail_key_of(8), lw, mail_app, states[8], note=login.user_id or "")
    return (
        Part("mail_app", (first,)),
        Part("mail_servers", _server_steps(2, calls, states, _mail_key_of), hidden=True),
        Part("mailbox", (last,)),
    )


def meters_of(exchange: Exchange) -> tuple[Meter, ...]:
    """Return both measured times of a call, as far as it got."""
    return _connect_meter(exchange) + _answer_meter(exchange)


def failed_step(login: Login) -> int | None:
    """Return the number of the step that failed, or None."""
    match login.refusal:
        case None:
            return None
        case Refusal.TOKEN:
            return 7 if _never_connected(login.token) else 8
        case Refusal.USER_INFO:
            return 9 if _never_connected(login.user_info) else 10
        case _:
            return 6


def failed_mail_step(login: MailLogin) -> int | None:
    """Return the number of the failed step of a mail app's login, or None."""
    match login.refusal:
        case None:
            return None
        case MailRefusal.TOKEN:
            return 4 if _never_connected(login.token) else 5
        case MailRefusal.USER_INFO:
            return 6 if _never_connected(login.user_info) else 7
        case _:
            return 2 if _never_connected(login.api) else 3


def _key_of(number: int) -> str:
    return f"step.{number}"


def _mail_key_of(number: int) -> str:
    """Return the key of a mail app's step; the use of the code has the same ones for both."""
    return _key_of(number + 3) if 4 <= number <= 7 else f"mail_step.{number}"


def _states(login: Login) -> dict[int, State]:
    failed = failed_step(login)
    states = _states_of(failed, _reached(login), LAST_STEP)
    if login.is_over:
        states |= _unseen(login)
    return states if failed is None else states | {failed: State.FAILED}


def _states_of(failed: int | None, reached: int, last: int) -> dict[int, State]:
    """Return the state of each step, given the failed one or the last that was reached."""
    if failed is None:
        return {n: State.DONE if n <= reached else State.WAITING for n in range(1, last + 1)}
    states = {n: State.DONE if n < failed else State.NOT_REACHED for n in range(1, last + 1)}
    return states | {failed: State.FAILED}


def _unseen(login: Login) -> dict[int, State]:
    """Return what the customer's side did meanwhile, as far as its response shows."""
    states = {3: State.UNSEEN, 4: State.UNSEEN}
    if login.refusal is Refusal.DENIED:
        states[5] = State.NOT_REACHED
    elif login.refusal is Refusal.BAD_CALLBACK:
        states[5] = State.UNSEEN
    return states


def _reached(login: Login) -> int:
    """Return the last completed step of a login without a failure."""
    if login.user_id is not None:
        return 11
    if not login.is_over:
        return 2
    return 6 if login.token is None else 8


def _browser_steps(login: Login, states: dict[int, State]) -> tuple[Step, ...]:
    lw, browser, sso = Lane.LINE_WORKS, Lane.BROWSER, Lane.SSO
    there, back = mask_url(login.url), login.callback_url
    away = _away_meter(login)
    return (
        Step(1, _key_of(1), browser, lw, states[1]),
        Step(2, _key_of(2), lw, sso, states[2], via_browser=True, url=there),
        Step(3, _key_of(3), sso, browser, states[3]),
        Step(4, _key_of(4), browser, sso, states[4]),
        Step(5, _key_of(5), sso, sso, states[5]),
        Step(6, _key_of(6), sso, lw, states[6], via_browser=True, url=back, meters=away),
    )


def _server_steps(
    first: int,
    calls: Iterable[Exchange | None],
    states: dict[int, State],
    key_of: Callable[[int], str],
) -> tuple[Step, ...]:
    """Return two steps for each call, there and back, from the number `first` on."""
    lw, sso = Lane.LINE_WORKS, Lane.SSO
    steps: list[Step] = []
    for number, call in zip(count(first, 2), calls, strict=False):
        connect = () if call is None else _connect_meter(call)
        answer = () if call is None else _answer_meter(call)
        there, back = (number, key_of(number)), (number + 1, key_of(number + 1))
        ask, told = states[number], states[number + 1]
        steps += [
            Step(*there, lw, sso, ask, exchange=call, shows="request", meters=connect),
            Step(*back, sso, lw, told, exchange=call, shows="answer", meters=answer),
        ]
    return tuple(steps)


def _last_step(states: dict[int, State], user_id: str | None) -> Step:
    lw = Lane.LINE_WORKS
    return Step(LAST_STEP, _key_of(LAST_STEP), lw, lw, states[LAST_STEP], note=user_id or "")


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
