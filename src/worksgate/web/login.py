"""The pages that a browser sees: sign in, which account, signed out, and what went wrong.

The handlers read the request, call the provider and choose a page; they decide nothing. Each
takes a Starlette request and returns a response.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from worksgate.credentials import HashingBusy, WeakPassword
from worksgate.directory import DirectoryUnavailable
from worksgate.login_transaction import ExpiredTransaction, ForgedTransaction, LoginTransaction
from worksgate.oauth.errors import AuthorizationError, BadRedirectUri, OAuthError, UnknownClient
from worksgate.oauth.model import LoginKind
from worksgate.oauth.redirect_uri import origin_of
from worksgate.provider import IdentityProvider, Outcome
from worksgate.session_keys import SessionKeyRefused
from worksgate.sign_in import (
    AccountChoiceNeeded,
    AlreadySignedIn,
    Authorized,
    Browser,
    EnrolmentNeeded,
    LoginDenied,
    LoginLost,
    NewPasswordNeeded,
    NoUserKey,
    PasswordNeeded,
    Proof,
    RecoveryCodesIssued,
    RefusedHere,
    SecondFactorNeeded,
    SentElsewhere,
    SignedIn,
    TooManyWrongFactors,
    UnknownPasskey,
    WrongFactor,
    WrongPassword,
)
from worksgate.sources import (
    PasswordExpired,
    Person,
    PersonDisabled,
    RefusedUpstream,
    SourceUnavailable,
)
from worksgate.sources_in_use import UnknownSource
from worksgate.store import StoreUnavailable
from worksgate.throttle import TooManyAttempts
from worksgate.upstream_logins import LANDING_PATH
from worksgate.web import cookies
from worksgate.web.body import read_form
from worksgate.web.crashes import Seldom
from worksgate.web.pages import (
    LANGUAGES,
    STRENGTH_PATH,
    AccountChoice,
    EnrolmentForm,
    LoginForm,
    NewPasswordForm,
    Notice,
    NoticePage,
    Page,
    Pages,
    Problem,
    RecoveryCodesForm,
    SecondFactorForm,
    StepForm,
)
from worksgate.web.view import View, content_security_policy, redirect
from worksgate.web.wording import WEAKNESSES

OUTAGES = (StoreUnavailable, DirectoryUnavailable, SourceUnavailable, TimeoutError)

_REFUSALS = (
    AuthorizationError,
    NoUserKey,
    AlreadySignedIn,
    LoginDenied,
    UnknownSource,
    ForgedTransaction,
    ExpiredTransaction,
)
"""What ends a login, or this form of it: a page without a form."""

_PROBLEMS: Mapping[type[Exception], tuple[Problem, int]] = {
    UnknownPasskey: (Problem.PASSKEY_REFUSED, 403),
    WrongPassword: (Problem.WRONG_PASSWORD, 403),
    PasswordExpired: (Problem.PASSWORD_EXPIRED, 403),
    RefusedUpstream: (Problem.REFUSED_ELSEWHERE, 403),
    TooManyWrongFactors: (Problem.TOO_MANY_WRONG_FACTORS, 403),
    LoginLost: (Problem.LOGIN_LOST, 409),
    PersonDisabled: (Problem.DISABLED, 403),
    TooManyAttempts: (Problem.THROTTLED, 429),
    HashingBusy: (Problem.BUSY, 503),
    StoreUnavailable: (Problem.UNAVAILABLE, 503),
    DirectoryUnavailable: (Problem.UNAVAILABLE, 503),
    SourceUnavailable: (Problem.UNAVAILABLE, 503),
    TimeoutError: (Problem.BUSY, 503),
}
"""What is said above the form, and the status; the person can try again where they are."""


FORM_DEADLINE = 0.4
"""Seconds that the form may take to be shown again, after the deadline perhaps."""


class LoginPages:
    """Serves the login and logout addresses, and where other providers send browsers back to.

    ``reset_path`` is where people go who have forgotten their password, if they can do so here.
    """

    def __init__(
        self, provider: IdentityProvider, pages: Pages, *, reset_path: str | None = None
    ) -> None:
        self._provider = provider
        self._reset_path = reset_path
        self._pages = pages
        self._settings = provider.settings
        self._deadline = provider.settings.answer_deadline
        self._unavailable = Seldom("request.unavailable")
        public = urlsplit(self._settings.public_url)
        self._origin = f"{public.scheme}://{public.netloc}"
        self._login_path = public.path.rstrip("/") + self._settings.web_login_path

    async def show(self, request: Request) -> Response:
        """``GET /login``: an authorization request."""
        view = View(request)
        try:
            async with asyncio.timeout(self._deadline):
                return await self._go_on(
                    view, await self._provider.authorize(view.query, view.browser)
                )
        except (*_REFUSALS, *OUTAGES, HashingBusy) as error:
            return await self._refuse(view, error, None)

    async def land(self, request: Request) -> Response:
        """``GET /login/callback/{source}``: back from another provider."""
        view = View(request)
        source = view.path.rpartition(LANDING_PATH)[2]
        try:
            async with asyncio.timeout(self._deadline):
                outcome = await self._provider.land(source, view.parameters, view.browser)
                return await self._go_on(view, outcome)
        except RefusedHere as refused:
            return await self._try_again(view, refused.transaction, "", refused.why)
        except (*_REFUSALS, *OUTAGES, HashingBusy) as error:
            return await self._refuse(view, error, None)

    async def submit(self, request: Request) -> Response:
        """``POST /login``: the login form, or the answer to the question which account."""
        view = View(request)
        try:
            form = await read_form(request.scope, request.receive)
        except OAuthError as error:
            return self._notice(view, Notice.BAD_REQUEST, error.status)
        if not view.comes_from(self._origin):
            return self._notice(view, Notice.FORGED, 403)
        if view.has_no_cookie:
            return self._notice(view, Notice.COOKIES_OFF, 400)
        try:
            async with asyncio.timeout(self._deadline):
                transaction = await self._provider.read_transaction(
                    form.get("txn", ""), form.get("csrf", ""), view.browser
                )
        except (ForgedTransaction, ExpiredTransaction, AuthorizationError, *OUTAGES) as error:
            return await self._refuse(view, error, None)
        return await self._proceed(view, transaction, form)

    async def log_out(self, request: Request) -> Response:
        """``GET /logout``."""
        view = View(request)
        if not view.is_navigation:
            return self._notice(view, Notice.BAD_REQUEST, 403)
        try:
            async with asyncio.timeout(self._deadline):
                location = await self._provider.log_out(view.query, view.browser)
        except OUTAGES as error:
            return await self._refuse(view, error, None)
        response = redirect(location) if location else self._notice(view, Notice.SIGNED_OUT, 200)
        cookies.end_session(response)
        return response

    async def ask_to_sign_in(self, request: Request, address: str) -> Response:
        """The login form in the place of an account page; it leads to ``address``, one of them."""
        view = View(request)
        transaction = replace(self._provider.begin_for_account(view.browser), redirect_uri=address)
        try:
            async with asyncio.timeout(self._deadline):
                return await self._login_form(view, transaction)
        except OUTAGES as error:
            return await self._refuse(view, error, transaction)

    def notice(self, request: Request, notice: Notice, status: int) -> Response:
        """A page of ours that says what went wrong."""
        return self._notice(View(request), notice, status)

    # The steps of a posted form

    async def _proceed(
        self, view: View, transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._step(view, transaction, form)
        except _REFUSALS as error:
            return await self._refuse(view, error, transaction)
        except (WrongFactor, WeakPassword) as error:
            return await self._same_step(view, transaction, error)
        except tuple(_PROBLEMS) as error:
            return await self._try_again(view, transaction, form.get("username", ""), error)

    async def _step(
        self, view: View, transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        provider, browser = self._provider, view.browser
        if "cancel" in form and (location := await provider.denial(transaction)):
            return redirect(location)
        if form.get("choice") == "continue":
            return await self._go_on(view, await provider.continue_as(transaction, browser))
        if form.get("choice") == "other" or "cancel" in form:
            return await self._go_on(view, PasswordNeeded(transaction))
        if "step" in form or "otp" in form:
            return await self._go_on(view, await self._later_step(view, transaction, form))
        if source := form.get("source"):
            return await self._go_on(view, await provider.depart(transaction, source))
        if assertion := form.get("passkey"):
            return await self._go_on(
                view, await provider.use_passkey(transaction, assertion, browser)
            )
        return await self._log_in(view, transaction, form)

    async def _later_step(
        self, view: View, transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Outcome | RecoveryCodesIssued:
        """A step after the password. Raises what the provider's step does."""
        provider, browser = self._provider, view.browser
        proof = Proof(
            code=form.get("otp", "").strip(),
            recovery_code=form.get("recovery", "").strip(),
            passkey=form.get("passkey", ""),
        )
        match form.get("step", "prove"):
            case "prove":
                remember = "remember" in form
                return await provider.prove(transaction, proof, browser, remember=remember)
            case "enrol":
                return await provider.enrol(transaction, proof, browser)
            case "password":
                password = form.get("new_password", "")
                return await provider.change_password(transaction, password, browser)
            case _:
                return await provider.resume(transaction, browser)

    async def _go_on(self, view: View, outcome: Outcome | RecoveryCodesIssued) -> Response:
        """To LINE WORKS with the code, to another provider, or to the page that comes next."""
        match outcome:
            case SignedIn():
                return _signed_in(outcome, view.browser)
            case Authorized(location=location):
                return redirect(location)
            case SentElsewhere():
                return self._send_on(view, outcome)
            case AccountChoiceNeeded(transaction, person):
                return self._account_choice(view, transaction, person)
            case PasswordNeeded(transaction):
                hint = transaction.works_id or ""
                return await self._login_form(view, transaction, username=hint)
            case _:
                return self._step_page(view, outcome)

    async def _same_step(
        self, view: View, transaction: LoginTransaction, error: WrongFactor | WeakPassword
    ) -> Response:
        """The page that a wrong answer came from, with what was wrong."""
        try:
            async with asyncio.timeout(FORM_DEADLINE):
                outcome = await self._provider.resume(transaction, view.browser)
        except _REFUSALS as refusal:
            return await self._refuse(view, refusal, transaction)
        except tuple(_PROBLEMS) as other:
            return await self._try_again(view, transaction, "", other)
        if isinstance(outcome, NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded):
            problem, advice = Problem.WRONG_FACTOR, ""
            if isinstance(error, WeakPassword):
                problem, advice = Problem.WEAK_PASSWORD, WEAKNESSES[error.weakness]
            return self._step_page(view, outcome, problem=problem, advice=advice, status=403)
        return await self._go_on(view, outcome)

    async def _log_in(
        self, view: View, transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        username, password = form.get("username", "").strip(), form.get("password", "")
        elsewhere = username and await self._provider.leads_elsewhere(transaction, username)
        if not elsewhere and not (username and password):
            return await self._login_form(
                view, transaction, username=username, problem=Problem.EMPTY, status=400
            )
        outcome = await self._provider.log_in(transaction, username, password, view.browser)
        return await self._go_on(view, outcome)

    async def _try_again(
        self, view: View, transaction: LoginTransaction, username: str, error: Exception
    ) -> Response:
        problem, status = next(
            answer for kind, answer in _PROBLEMS.items() if isinstance(error, kind)
        )
        if isinstance(error, OUTAGES):
            self._tell_administrator(view, error)
        seconds = error.retry_after if isinstance(error, TooManyAttempts) else None
        try:
            async with asyncio.timeout(FORM_DEADLINE):
                return await self._login_form(
                    view,
                    transaction,
                    username=username,
                    problem=problem,
                    status=status,
                    retry_after=None if seconds is None else max(1, round(seconds)),
                )
        except (*_REFUSALS, *OUTAGES) as worse:
            return await self._refuse(view, worse, transaction)

    async def _refuse(
        self, view: View, error: Exception, transaction: LoginTransaction | None
    ) -> Response:
        """The page for a login that cannot go on in this form."""
        match error:
            case SessionKeyRefused():
                return self._notice(view, Notice.SESSION_KEY_REFUSED, 403)
            case UnknownClient():
                return self._notice(view, Notice.UNKNOWN_CLIENT, 400)
            case BadRedirectUri():
                return self._notice(view, Notice.BAD_REDIRECT_URI, 400)
            case AuthorizationError():
                return self._notice(view, Notice.BAD_REQUEST, 400)
            case ForgedTransaction(transaction=theirs):
                # Also the fate of the first of two tabs that came at once, without a cookie yet.
                again = self._restart_url(theirs, view.language) if theirs else None
                return self._notice(view, Notice.FORGED, 403, continue_url=again)
            case ExpiredTransaction(transaction=expired):
                url = await self._start_over_url(expired.client_id)
                return self._notice(view, Notice.EXPIRED, 400, expired, start_over_url=url)
            case AlreadySignedIn() if transaction is not None:
                url = self._restart_url(transaction, view.language)
                return self._notice(
                    view, Notice.ALREADY_SIGNED_IN, 409, transaction, continue_url=url
                )
            case NoUserKey():
                return self._notice(view, Notice.NO_USER_KEY, 403, transaction)
            case LoginDenied():
                return self._notice(view, Notice.DENIED, 403, transaction)
            case UnknownSource():
                return self._notice(view, Notice.BAD_REQUEST, 400, transaction)
            case _:
                self._tell_administrator(view, error)
                return self._notice(view, Notice.UNAVAILABLE, 503, transaction)

    def _tell_administrator(self, view: View, outage: Exception) -> None:
        detail = str(outage) or "no answer in time"
        self._unavailable.tell(view.path, detail)

    async def _start_over_url(self, client_id: str) -> str | None:
        """The deep link of LINE WORKS that begins a login, where the domain is known."""
        domain = await self._provider.domain_of(client_id)
        if domain is None:
            return None
        service = quote(self._settings.service_url, safe="")
        return self._settings.start_over_url.format(domain=quote(domain, safe=""), service=service)

    def _restart_url(
        self, transaction: LoginTransaction, language: str, *, hint: bool = True
    ) -> str:
        """Our login page for the same request of LINE WORKS, from the beginning."""
        if transaction.is_for_account:
            return f"{transaction.redirect_uri.partition('?')[0]}?lang={language}"
        parameters = {
            "response_type": "code",
            "client_id": transaction.client_id,
            "redirect_uri": transaction.redirect_uri,
            "worksId": transaction.works_id if hint else None,
            "userAgent": "LineWorks" if transaction.login_kind is LoginKind.APP else None,
            "sessionKey": transaction.session_key,
            "lang": language,
        }
        present = {name: value for name, value in parameters.items() if value is not None}
        return f"{self._login_path}?{urlencode(present, quote_via=quote, safe='')}"

    # Pages

    async def _login_form(
        self,
        view: View,
        transaction: LoginTransaction,
        *,
        username: str = "",
        problem: Problem | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        prefilled = problem is None and bool(username)
        ways = await self._provider.ways_in(transaction)
        form = LoginForm(
            action=self._action(view.language),
            txn=self._provider.signer.sign(transaction),
            csrf=self._anti_forgery_token(view, transaction),
            username=username,
            prefilled=prefilled,
            clear_url=self._restart_url(transaction, view.language, hint=False),
            problem=problem,
            retry_after=retry_after,
            cancel=transaction.may_cancel,
            for_account=transaction.is_for_account,
            passwords=ways.passwords,
            buttons=ways.buttons,
            passkey_options=ways.passkey_options,
            reset_url=f"{self._reset_path}?lang={view.language}" if self._reset_path else None,
        )
        languages = self._languages(transaction)
        page = self._pages.login(form, view.language, languages)
        response = self._respond(view, page, status, transaction)
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    def _send_on(self, view: "View", sent: SentElsewhere) -> Response:
        """To another provider: by a page, since Chrome lets no form lead there by a redirect.

        ``form-action`` would have to name every host on the way, and providers send on to others.
        """
        page = self._pages.leave(sent.location, sent.label, view.language)
        response = self._respond(view, page, 200, None)
        cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        return response

    def _step_page(
        self,
        view: View,
        outcome: NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded | RecoveryCodesIssued,
        *,
        problem: Problem | None = None,
        advice: str = "",
        status: int = 200,
    ) -> Response:
        transaction = outcome.transaction
        common: dict[str, Any] = {
            "action": self._action(view.language),
            "txn": self._provider.signer.sign(transaction),
            "csrf": self._anti_forgery_token(view, transaction),
            "restart_url": self._restart_url(transaction, view.language, hint=False),
            "problem": problem,
            "advice": advice,
        }
        page = self._pages.step(step_form(outcome, common), view.language)
        return self._respond(view, page, status, transaction)

    def _account_choice(
        self, view: View, transaction: LoginTransaction, person: Person
    ) -> Response:
        choice = AccountChoice(
            action=self._action(view.language),
            txn=self._provider.signer.sign(transaction),
            csrf=self._anti_forgery_token(view, transaction),
            signed_in_as=person.name or person.username,
            asked_for=transaction.works_id or "",
        )
        page = self._pages.choose_account(choice, view.language, self._languages(transaction))
        return self._respond(view, page, 200, transaction)

    def _notice(
        self,
        view: View,
        notice: Notice,
        status: int,
        transaction: LoginTransaction | None = None,
        *,
        start_over_url: str | None = None,
        continue_url: str | None = None,
    ) -> Response:
        content = NoticePage(
            notice=notice,
            start_over_url=start_over_url,
            continue_url=continue_url,
            reference=transaction.login_id if transaction else None,
        )
        page = self._pages.notice(content, view.language, view.languages)
        response = self._respond(view, page, status, None)
        if status == 503:
            response.headers["Retry-After"] = "2"
        return response

    def _action(self, language: str) -> str:
        return f"{self._login_path}?lang={language}"

    def _anti_forgery_token(self, view: View, transaction: LoginTransaction) -> str:
        return self._provider.signer.anti_forgery_token(transaction, view.browser.secret)

    def _languages(self, transaction: LoginTransaction) -> list[tuple[str, str]]:
        return [(code, self._restart_url(transaction, code)) for code in LANGUAGES]

    def _respond(
        self, view: View, page: Page, status: int, transaction: LoginTransaction | None
    ) -> Response:
        response = HTMLResponse(page.html, status)
        targets = ["'self'"]
        if transaction is not None:
            # Chrome applies form-action to the redirect that follows the form, too.
            targets.append(origin_of(transaction.redirect_uri))
            cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        response.headers["Content-Security-Policy"] = content_security_policy(page, targets)
        response.headers["Content-Language"] = view.language
        return response


def _signed_in(signed_in: SignedIn, browser: Browser) -> Response:
    response = redirect(signed_in.location)
    cookies.set_secret(response, cookies.SESSION, signed_in.session)
    if signed_in.device is not None:
        cookies.set_devices(response, (signed_in.device, *browser.devices))
    if signed_in.trusted is not None:
        cookies.set_trusted(response, (signed_in.trusted, *browser.trusted))
    return response


def step_form(
    outcome: NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded | RecoveryCodesIssued,
    common: Mapping[str, Any],
) -> StepForm:
    """The form of a step; ``common`` is what all of them have."""
    match outcome:
        case SecondFactorNeeded(person=person, enrolled=enrolled):
            return SecondFactorForm(
                **common,
                person=person.name or person.username,
                totp=enrolled.totp,
                recovery=enrolled.recovery_codes_left > 0,
                passkey_options=outcome.passkey_options,
            )
        case EnrolmentNeeded(person=person, totp=totp):
            return EnrolmentForm(
                **common,
                person=person.name or person.username,
                totp_uri=totp.uri,
                qr_svg=totp.svg,
                totp_key=totp.shown,
                passkey_options=outcome.passkey_options,
            )
        case RecoveryCodesIssued(codes=codes):
            return RecoveryCodesForm(**common, codes=codes)
        case NewPasswordNeeded(person=person):
            path, question_mark, query = common["action"].partition("?")
            return NewPasswordForm(
                **common,
                username=person.username,
                strength_url=f"{path}{STRENGTH_PATH}{question_mark}{query}",
            )
