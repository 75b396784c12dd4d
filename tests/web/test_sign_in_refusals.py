"""The page for each refusal of a sign-in, as tables."""

import asyncio
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy
from worksgate.credentials.password_policy import Weakness, WeakPassword
from worksgate.database import DatabaseUnavailable
from worksgate.oauth.errors import BadAuthorizationRequest, BadRedirectUri, UnknownClient
from worksgate.oauth.model import LoginKind
from worksgate.provider.factors import Enrolled
from worksgate.provider.sign_in.attempt import ProofKind
from worksgate.provider.sign_in.errors import (
    AlreadySignedIn,
    NoPasskey,
    NoUserKey,
    SignInDenied,
    SignInLost,
    TooManyWrongFactors,
    UnknownPasskey,
    WrongFactor,
    WrongPassword,
)
from worksgate.provider.sign_in.outcomes import (
    EnrolmentNeeded,
    NewPasswordNeeded,
    PasswordNeeded,
    SecondFactorNeeded,
)
from worksgate.provider.sign_in.session_key import SessionKeyRefused
from worksgate.provider.sign_in.transaction import (
    ExpiredTransaction,
    ForgedTransaction,
    SignInTransaction,
)
from worksgate.provider.sources import UnknownSource
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import (
    PasswordExpired,
    Person,
    PersonDisabled,
    PersonNotAllowed,
    RefusedUpstream,
    SourceUnavailable,
)
from worksgate.store import StoreUnavailable
from worksgate.web.pages.rendering import Notice, Problem
from worksgate.web.pages.wording import WEAKNESSES
from worksgate.web.sign_in import refusals as login_refusals
from worksgate.web.sign_in.refusals import FORM_REFUSALS, SignInRefusals
from worksgate.web.view import View

LOGIN = SignInTransaction(
    id="t" * 22,
    login_id="login-1",
    client_id="client",
    redirect_uri="https://auth.worksmobile.com/cb",
    login_kind=LoginKind.WEB,
    works_id=None,
    session_key=None,
    may_cancel=False,
    browser="digest",
    began_at=0.0,
)
THEIRS = SignInTransaction(
    id="u" * 22,
    login_id="login-2",
    client_id="other",
    redirect_uri="https://auth.worksmobile.com/cb",
    login_kind=LoginKind.WEB,
    works_id=None,
    session_key=None,
    may_cancel=False,
    browser="digest",
    began_at=0.0,
)
PERSON = Person(subject_id="local:1", username="hana@example.com", name="Hana")
CODE_NEEDED = SecondFactorNeeded(LOGIN, PERSON, cast("Enrolled", None))
OUTAGE_ERRORS = (
    HashingBusy("no room"),
    StoreUnavailable("the store is away"),
    DatabaseUnavailable("the database is away"),
    SourceUnavailable("the directory is away"),
    TimeoutError(),
)


class SaidPages:
    """Pages that say what they were asked for, in place of HTML."""

    def __init__(self) -> None:
        self.form_fails_with: BaseException | None = None
        self.form_takes_for_ever = False

    async def login_form(
        self, _view: View, transaction: SignInTransaction, **asked: Any
    ) -> Response:
        if self.form_takes_for_ever:
            await asyncio.Event().wait()
        if self.form_fails_with is not None:
            raise self.form_fails_with
        return _said("form", transaction.login_id, **asked)

    async def respond_to(self, _view: View, next_step: Any) -> Response:
        return _said("next", type(next_step).__name__)

    def step(self, _view: View, next_step: Any, **asked: Any) -> Response:
        return _said("step", type(next_step).__name__, **asked)

    def to_step(self, _view: View, transaction: SignInTransaction, **asked: Any) -> Response:
        return _said("to step", transaction.login_id, **asked)

    def notice(
        self,
        _view: View,
        notice: Notice,
        status: int,
        transaction: SignInTransaction | None = None,
        **asked: Any,
    ) -> Response:
        login = transaction.login_id if transaction else None
        return _said("notice", notice, status, login, **asked)

    def restart_url(self, transaction: SignInTransaction, language: str) -> str:
        return f"restart {transaction.login_id} {language}"

    async def start_over_url(self, client_id: str) -> str:
        return f"start over {client_id}"


class ProviderThatResumes:
    """Goes on with a sign-in as it is told to; ``next_step`` may be an error."""

    def __init__(self) -> None:
        self.next_step: Any = CODE_NEEDED
        self.interrupted_by: list[tuple[Exception, SignInTransaction | None, str | None]] = []

    def interrupted(
        self,
        _browser: object,
        outage: Exception,
        transaction: SignInTransaction | None = None,
        username: str | None = None,
    ) -> None:
        self.interrupted_by.append((outage, transaction, username))

    async def resume(self, transaction: SignInTransaction, _browser: object) -> Any:
        assert transaction is LOGIN
        if self.next_step is None:
            await asyncio.Event().wait()
        if isinstance(self.next_step, Exception):
            raise self.next_step
        return self.next_step


class Desk:
    """The refusals at work, and what they are given."""

    def __init__(self) -> None:
        self.pages = SaidPages()
        self.provider = ProviderThatResumes()
        self.refusals = SignInRefusals(cast("Any", self.provider), cast("Any", self.pages))

    async def answer(
        self, error: Exception, *, username: str = "typed", is_later_step: bool = False
    ) -> tuple[Any, ...]:
        response = await self.refusals.respond_to(
            view_of(), LOGIN, error, username=username, is_later_step=is_later_step
        )
        return what_was_said(response)


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def view_of(query: str = "lang=ko") -> View:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "query_string": query.encode(),
        "headers": [],
        "client": ("203.0.113.7", 50_000),
    }
    return View(Request(scope))


def _said(*parts: object, **asked: object) -> Response:
    response = Response()
    response.background = cast("Any", (*parts, asked) if asked else parts)
    return response


def what_was_said(response: Response) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", response.background)


def form(problem: Problem, status: int, retry_after: int | None = None) -> tuple[Any, ...]:
    asked = {
        "username": "typed",
        "problem": problem,
        "status": status,
        "retry_after": retry_after,
    }
    return ("form", "login-1", asked)


@pytest.mark.parametrize(
    ("error", "problem", "status"),
    [
        (WrongPassword(), Problem.WRONG_PASSWORD, 403),
        (UnknownPasskey(), Problem.PASSKEY_REFUSED, 403),
        (PasswordExpired(), Problem.PASSWORD_EXPIRED, 403),
        (RefusedUpstream(), Problem.REFUSED_UPSTREAM, 403),
        (TooManyWrongFactors(), Problem.TOO_MANY_WRONG_FACTORS, 403),
        (SignInLost(), Problem.LOGIN_LOST, 409),
        (PersonNotAllowed(), Problem.NOT_ALLOWED, 403),
        (PersonDisabled(), Problem.DISABLED, 403),
        (HashingBusy("no room"), Problem.BUSY, 503),
        (BusyRefusal(), Problem.BUSY, 503),
        (StoreUnavailable("away"), Problem.OUT_OF_ORDER, 503),
        (DatabaseUnavailable("away"), Problem.OUT_OF_ORDER, 503),
        (SourceUnavailable("away"), Problem.UNAVAILABLE, 503),
        (TimeoutError(), Problem.BUSY, 503),
    ],
)
async def test_the_form_comes_again_with_what_was_wrong(
    desk: Desk, error: Exception, problem: Problem, status: int
) -> None:
    assert await desk.answer(error) == form(problem, status)


@pytest.mark.parametrize(("left", "seconds"), [(0.2, 1), (1.0, 1), (1.6, 2), (59.7, 60)])
async def test_who_must_wait_is_told_whole_seconds_and_one_at_least(
    desk: Desk, left: float, seconds: int
) -> None:
    assert await desk.answer(TooManyAttempts(left)) == form(Problem.THROTTLED, 429, seconds)


def recorded(forged: ForgedTransaction) -> ForgedTransaction:
    """The error once it is in the audit log."""
    forged.login_id = "its record"
    return forged


UNRECORDED = {"login_id": None}
ENDINGS: list[tuple[Exception, tuple[Any, ...]]] = [
    (SessionKeyRefused("no"), (Notice.SESSION_KEY_REFUSED, 403, "login-1", UNRECORDED)),
    (UnknownClient("no"), (Notice.UNKNOWN_CLIENT, 400, "login-1", UNRECORDED)),
    (BadRedirectUri("no"), (Notice.BAD_REDIRECT_URI, 400, "login-1", UNRECORDED)),
    (BadAuthorizationRequest("no"), (Notice.BAD_REQUEST, 400, "login-1", UNRECORDED)),
    (NoUserKey(), (Notice.NO_USER_KEY, 403, "login-1")),
    (SignInDenied("rule"), (Notice.DENIED, 403, "login-1")),
    (NoPasskey(), (Notice.NO_PASSKEY, 403, "login-1")),
    (UnknownSource(), (Notice.BAD_REQUEST, 400, "login-1")),
    (
        recorded(ForgedTransaction("no")),
        (Notice.FORGED, 403, None, {"login_id": "its record", "continue_url": None}),
    ),
    (
        recorded(ForgedTransaction("no", THEIRS)),
        (
            Notice.FORGED,
            403,
            "login-2",
            {"login_id": "its record", "continue_url": "restart login-2 ko"},
        ),
    ),
    (
        ExpiredTransaction(THEIRS),
        (Notice.EXPIRED, 400, "login-2", {"start_over_url": "start over other"}),
    ),
    (
        AlreadySignedIn(),
        (Notice.ALREADY_SIGNED_IN, 409, "login-1", {"continue_url": "restart login-1 ko"}),
    ),
]


@pytest.mark.parametrize("is_later_step", [False, True])
@pytest.mark.parametrize(("error", "said"), ENDINGS)
async def test_what_ends_a_sign_in_has_a_page_without_a_form(
    desk: Desk, error: Exception, said: tuple[Any, ...], *, is_later_step: bool
) -> None:
    with capture_logs() as log:
        assert await desk.answer(error, is_later_step=is_later_step) == ("notice", *said)
    assert log == []


def test_everything_that_a_form_can_meet_is_in_these_tables() -> None:
    """A new refusal gets its row here, or the page that answers it was never looked at."""
    met = {type(error) for error, _ in ENDINGS} | {type(each) for each in OUTAGE_ERRORS}
    met |= {WrongPassword, UnknownPasskey, PasswordExpired, RefusedUpstream, TooManyWrongFactors}
    met |= {
        SignInLost,
        PersonNotAllowed,
        PersonDisabled,
        TooManyAttempts,
        WrongFactor,
        WeakPassword,
    }
    assert {
        kind for kind in FORM_REFUSALS if not any(issubclass(one, kind) for one in met)
    } == set()


@pytest.mark.parametrize("error", OUTAGE_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("is_later_step", [False, True])
async def test_an_outage_is_told_to_the_administrator(
    desk: Desk, error: Exception, *, is_later_step: bool
) -> None:
    with capture_logs() as log:
        await desk.answer(error, is_later_step=is_later_step)
    detail = str(error) or "no response in time"
    assert [(each["event"], each["path"], each["detail"]) for each in log] == [
        ("request.unavailable", "/login", detail)
    ]
    typed = "" if is_later_step else "typed"
    assert desk.provider.interrupted_by == [(error, LOGIN, typed)]


async def test_r148_of_the_outages_of_one_request_the_first_is_recorded(desk: Desk) -> None:
    desk.provider.next_step = StoreUnavailable("away as well")
    desk.pages.form_fails_with = DatabaseUnavailable("and that")
    with capture_logs():
        await desk.answer(SourceUnavailable("away"), is_later_step=True)
    assert [str(outage) for outage, _, _ in desk.provider.interrupted_by] == ["away"]


async def test_a_wrong_password_is_nothing_for_the_administrator(desk: Desk) -> None:
    with capture_logs() as log:
        await desk.answer(WrongPassword())
        await desk.answer(WrongFactor(ProofKind.CODE, 2), is_later_step=True)
    assert log == []


@pytest.mark.parametrize("worse", [StoreUnavailable("away"), TimeoutError(), UnknownClient("no")])
async def test_a_form_that_cannot_be_shown_again_becomes_a_page_without_one(
    desk: Desk, worse: Exception
) -> None:
    desk.pages.form_fails_with = worse
    kind, notice, status, *_ = await desk.answer(WrongPassword())
    unknown = isinstance(worse, UnknownClient)
    assert (kind, notice, status) == (
        ("notice", Notice.UNKNOWN_CLIENT, 400) if unknown else ("notice", Notice.UNAVAILABLE, 503)
    )


async def test_a_form_that_takes_too_long_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_refusals, "FORM_DEADLINE", 0.01)
    desk.pages.form_takes_for_ever = True
    assert await desk.answer(WrongPassword()) == ("notice", Notice.UNAVAILABLE, 503, "login-1")


async def test_an_error_of_the_program_is_not_dressed_up_as_a_refusal(desk: Desk) -> None:
    desk.pages.form_fails_with = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await desk.answer(WrongPassword())


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (ProofKind.CODE, Problem.WRONG_CODE),
        (ProofKind.RECOVERY_CODE, Problem.WRONG_RECOVERY_CODE),
        (ProofKind.PASSKEY, Problem.WRONG_PASSKEY),
    ],
)
@pytest.mark.parametrize(
    "step",
    [
        CODE_NEEDED,
        NewPasswordNeeded(LOGIN, PERSON),
        EnrolmentNeeded(LOGIN, PERSON, None),
    ],
    ids=lambda step: type(step).__name__,
)
async def test_r141_a_wrong_factor_shows_its_step_again_and_is_never_a_redirect(
    desk: Desk, given: ProofKind, problem: Problem, step: Any
) -> None:
    desk.provider.next_step = step
    said = await desk.answer(WrongFactor(given, 2), is_later_step=True)
    assert said == ("step", type(step).__name__, {"problem": problem, "status": 403})


async def test_a_weak_password_leads_to_an_address_that_names_the_weakness(desk: Desk) -> None:
    desk.provider.next_step = NewPasswordNeeded(LOGIN, PERSON)
    said = await desk.answer(WeakPassword(Weakness.COMMON), is_later_step=True)
    asked = {"problem": Problem.WEAK_PASSWORD, "advice": Weakness.COMMON}
    assert said == ("to step", "login-1", asked)


@pytest.mark.parametrize("error", OUTAGE_ERRORS, ids=lambda error: type(error).__name__)
async def test_an_outage_in_a_later_step_takes_nobody_back_to_the_password(
    desk: Desk, error: Exception
) -> None:
    kind, step, asked = await desk.answer(error, is_later_step=True)
    assert (kind, step, asked["status"]) == ("step", "SecondFactorNeeded", 503)
    assert asked["problem"] == (await desk.answer(error))[2]["problem"]


async def test_a_later_step_that_is_over_by_now_leads_to_what_comes_next(desk: Desk) -> None:
    desk.provider.next_step = PasswordNeeded(LOGIN)
    said = await desk.answer(WrongFactor(ProofKind.CODE, 1), is_later_step=True)
    assert said == ("next", "PasswordNeeded")


async def test_a_later_step_of_a_sign_in_that_cannot_go_on_ends_or_begins_again(
    desk: Desk,
) -> None:
    wrong = WrongFactor(ProofKind.CODE, 1)
    desk.provider.next_step = SignInDenied("rule")
    ended = await desk.answer(wrong, is_later_step=True)
    assert ended == ("notice", Notice.DENIED, 403, "login-1")
    desk.provider.next_step = SignInLost()
    kind, _, asked = await desk.answer(wrong, is_later_step=True)
    assert (kind, asked["username"], asked["problem"]) == ("form", "", Problem.LOGIN_LOST)
    assert asked["status"] == 409


async def test_a_step_that_cannot_be_found_again_in_time_becomes_the_form(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_refusals, "FORM_DEADLINE", 0.01)
    desk.provider.next_step = None
    kind, _, asked = await desk.answer(WrongFactor(ProofKind.CODE, 1), is_later_step=True)
    assert (kind, asked["problem"], asked["status"]) == ("form", Problem.BUSY, 503)


@pytest.mark.parametrize(
    ("query", "problem", "advice", "status"),
    [
        ("", None, "", 200),
        ("problem=weak_password", Problem.WEAK_PASSWORD, "", 403),
        (
            "problem=weak_password&advice=common",
            Problem.WEAK_PASSWORD,
            WEAKNESSES[Weakness.COMMON],
            403,
        ),
        ("problem=weak_password&advice=made+up", Problem.WEAK_PASSWORD, "", 403),
        ("problem=wrong_password", None, "", 200),
        ("problem=made+up&advice=common", None, "", 200),
        ("advice=common", None, "", 200),
    ],
)
def test_an_address_says_of_a_step_what_is_ours_and_nothing_else(
    desk: Desk, query: str, problem: Problem | None, advice: str, status: int
) -> None:
    step = NewPasswordNeeded(LOGIN, PERSON)
    said = what_was_said(desk.refusals.repeated(view_of(query), step))
    asked = {"problem": problem, "advice": advice, "status": status}
    assert said == ("step", "NewPasswordNeeded", asked)


async def test_an_outage_ends_what_has_no_form_yet(desk: Desk) -> None:
    with capture_logs() as log:
        response = await desk.refusals.end(view_of(), StoreUnavailable("away"))
    assert what_was_said(response) == ("notice", Notice.UNAVAILABLE, 503, None)
    assert [each["detail"] for each in log] == ["away"]


async def test_a_form_sent_twice_that_is_not_known_is_an_outage_of_ours(desk: Desk) -> None:
    """Nothing raises it without its transaction; if it did, no page could lead on."""
    response = await desk.refusals.end(view_of(), AlreadySignedIn())
    assert what_was_said(response)[1:3] == (Notice.UNAVAILABLE, 503)
