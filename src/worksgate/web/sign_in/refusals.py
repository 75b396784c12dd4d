"""The page for each error of a sign-in: the form again, or one without a form."""

from collections.abc import Mapping

from starlette.responses import Response

from worksgate.credentials.password_hashing import HashingBusy
from worksgate.credentials.password_policy import Weakness, WeakPassword
from worksgate.database import DatabaseUnavailable
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import AuthorizationError, BadRedirectUri, UnknownClient
from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.sign_in.attempt import ProofKind
from worksgate.provider.sign_in.browser_flow import IdentityProvider
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
    PersonDisabled,
    PersonNotAllowed,
    RefusedUpstream,
    SourceUnavailable,
)
from worksgate.store import StoreUnavailable
from worksgate.web.deadline import Deadline
from worksgate.web.pages.rendering import Notice, Problem
from worksgate.web.pages.wording import WEAKNESSES
from worksgate.web.sign_in.responses import LaterStep, SignInPages
from worksgate.web.view import View

OUTAGES = (Unavailable, TimeoutError)

_ENDINGS = (
    AuthorizationError,
    NoUserKey,
    AlreadySignedIn,
    SignInDenied,
    NoPasskey,
    UnknownSource,
    ForgedTransaction,
    ExpiredTransaction,
)
"""Errors that end a sign-in, or this form of it: a page without a form."""

_PROBLEMS: Mapping[type[Exception], tuple[Problem, int]] = {
    UnknownPasskey: (Problem.PASSKEY_REFUSED, 403),
    WrongPassword: (Problem.WRONG_PASSWORD, 403),
    PasswordExpired: (Problem.PASSWORD_EXPIRED, 403),
    RefusedUpstream: (Problem.REFUSED_UPSTREAM, 403),
    TooManyWrongFactors: (Problem.TOO_MANY_WRONG_FACTORS, 403),
    SignInLost: (Problem.LOGIN_LOST, 409),
    PersonNotAllowed: (Problem.NOT_ALLOWED, 403),
    PersonDisabled: (Problem.DISABLED, 403),
    TooManyAttempts: (Problem.THROTTLED, 429),
    HashingBusy: (Problem.BUSY, 503),
    StoreUnavailable: (Problem.OUT_OF_ORDER, 503),
    DatabaseUnavailable: (Problem.OUT_OF_ORDER, 503),
    SourceUnavailable: (Problem.UNAVAILABLE, 503),
    TimeoutError: (Problem.BUSY, 503),
}
"""The message above the form, and the status; the person can try again there."""

_WRONG_FACTORS: Mapping[ProofKind, Problem] = {
    ProofKind.CODE: Problem.WRONG_CODE,
    ProofKind.RECOVERY_CODE: Problem.WRONG_RECOVERY_CODE,
    ProofKind.PASSKEY: Problem.WRONG_PASSKEY,
}

_WRONG_ANSWERS = (WrongFactor, WeakPassword)
"""Errors that lead to the same step again."""

_NAMED_IN_URL = (Problem.WEAK_PASSWORD,)
"""The problems that a step's URL may name."""

ANSWERED_WITHOUT_FORM = (*_ENDINGS, *OUTAGES)
"""Errors without a form yet, or without one of ours."""

FORM_REFUSALS: tuple[type[Exception], ...] = (*_ENDINGS, *_WRONG_ANSWERS, *_PROBLEMS)
"""Errors of a posted form."""

FORM_DEADLINE = 0.4
"""Seconds that showing the form again may take, perhaps after the deadline."""


def _problem_of(error: Exception) -> tuple[Problem, int]:
    """The message for an error above a form, and the status."""
    if isinstance(error, WrongFactor):
        return _WRONG_FACTORS[error.proof], 403
    if isinstance(error, WeakPassword):
        return Problem.WEAK_PASSWORD, 403
    return next(answer for kind, answer in _PROBLEMS.items() if isinstance(error, kind))


class SignInRefusals:
    """Responds to the provider's exceptions in a sign-in."""

    def __init__(self, provider: IdentityProvider, pages: SignInPages) -> None:
        self._provider = provider
        self._pages = pages
        self._unavailable = RateLimitedWarning("request.unavailable")

    async def respond_to(
        self,
        view: View,
        transaction: SignInTransaction,
        error: Exception,
        *,
        username: str,
        is_later_step: bool,
    ) -> Response:
        """The page for one of FORM_REFUSALS; ``username`` is what was typed.

        An outage in a step after the password takes nobody back to the password.
        """
        if isinstance(error, _ENDINGS):
            return await self.end(view, error, transaction)
        if isinstance(error, _WRONG_ANSWERS) or (is_later_step and isinstance(error, OUTAGES)):
            return await self._repeat_step(view, transaction, error)
        return await self.ask_again(view, transaction, error, username=username)

    async def ask_again(
        self, view: View, transaction: SignInTransaction, error: Exception, *, username: str = ""
    ) -> Response:
        """The sign-in form, with the problem."""
        problem, status = _problem_of(error)
        if isinstance(error, OUTAGES):
            self._tell_administrator(view, error, transaction, username)
        seconds = error.retry_after if isinstance(error, TooManyAttempts) else None
        try:
            with Deadline(FORM_DEADLINE):
                return await self._pages.login_form(
                    view,
                    transaction,
                    username=username,
                    problem=problem,
                    status=status,
                    retry_after=None if seconds is None else max(1, round(seconds)),
                )
        except (*_ENDINGS, *OUTAGES) as worse:
            return await self.end(view, worse, transaction)

    async def _repeat_step(
        self, view: View, transaction: SignInTransaction, error: Exception
    ) -> Response:
        """The page of an answer that was wrong or could not be checked."""
        if isinstance(error, OUTAGES):
            self._tell_administrator(view, error, transaction)
        try:
            with Deadline(FORM_DEADLINE):
                next_step = await self._provider.resume(transaction, view.browser)
        except _ENDINGS as ending:
            return await self.end(view, ending, transaction)
        except tuple(_PROBLEMS) as other:
            return await self.ask_again(view, transaction, other)
        if isinstance(next_step, NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded):
            problem, status = _problem_of(error)
            if isinstance(error, WeakPassword):
                return self._pages.to_step(
                    view, transaction, problem=problem, advice=error.weakness
                )
            # A wrong proof is never answered by a redirect, which means success.
            return self._pages.step(view, next_step, problem=problem, status=status)
        return await self._pages.respond_to(view, next_step)

    def repeated(self, view: View, next_step: LaterStep) -> Response:
        """The page of a step; after a wrong answer, its URL names the problem."""
        problem = next(
            (each for each in _NAMED_IN_URL if each == view.parameters.get("problem")), None
        )
        weakness = view.parameters.get("advice", "")
        advice = WEAKNESSES[Weakness(weakness)] if weakness in set(Weakness) else ""
        return self._pages.step(
            view,
            next_step,
            problem=problem,
            advice=advice if problem is Problem.WEAK_PASSWORD else "",
            status=403 if problem else 200,
        )

    async def end(
        self, view: View, error: Exception, transaction: SignInTransaction | None = None
    ) -> Response:
        """The page for a sign-in that cannot continue in this form."""
        notice = self._pages.notice
        match error:
            case AuthorizationError():
                return notice(view, *_unanswerable(error), transaction, login_id=error.login_id)
            case ForgedTransaction(transaction=theirs, login_id=login_id):
                # This also happens to the first of two tabs opened at once, without a cookie yet.
                again = self._pages.restart_url(theirs, view.language) if theirs else None
                return notice(
                    view, Notice.FORGED, 403, theirs, login_id=login_id, continue_url=again
                )
            case ExpiredTransaction(transaction=expired):
                url = await self._pages.start_over_url(expired.client_id)
                return notice(view, Notice.EXPIRED, 400, expired, start_over_url=url)
            case AlreadySignedIn() if transaction is not None:
                url = self._pages.restart_url(transaction, view.language)
                return notice(view, Notice.ALREADY_SIGNED_IN, 409, transaction, continue_url=url)
            case NoUserKey():
                return notice(view, Notice.NO_USER_KEY, 403, transaction)
            case SignInDenied():
                return notice(view, Notice.DENIED, 403, transaction)
            case NoPasskey():
                return notice(view, Notice.NO_PASSKEY, 403, transaction)
            case UnknownSource():
                return notice(view, Notice.BAD_REQUEST, 400, transaction)
            case _:
                self._tell_administrator(view, error, transaction)
                return notice(view, Notice.UNAVAILABLE, 503, transaction)

    def _tell_administrator(
        self,
        view: View,
        outage: Exception,
        transaction: SignInTransaction | None,
        username: str = "",
    ) -> None:
        """Log an outage, and record the first one of a request."""
        self._unavailable.log(view.path, str(outage) or "no response in time")
        if not view.has_met_outage:
            view.has_met_outage = True
            self._provider.interrupted(view.browser, outage, transaction, username)


def _unanswerable(error: AuthorizationError) -> tuple[Notice, int]:
    """The page for a request that cannot be answered, and its status."""
    match error:
        case SessionKeyRefused():
            return Notice.SESSION_KEY_REFUSED, 403
        case UnknownClient():
            return Notice.UNKNOWN_CLIENT, 400
        case BadRedirectUri():
            return Notice.BAD_REDIRECT_URI, 400
        case _:
            return Notice.BAD_REQUEST, 400
