"""The pages that a browser sees: sign in, which account, signed out, and what went wrong.

The handlers read the request, call the provider and choose a page; they decide nothing. Each
takes a Starlette request and returns a response.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from worksgate.credentials import HashingBusy
from worksgate.directory import DirectoryUnavailable
from worksgate.login_transaction import ExpiredTransaction, ForgedTransaction, LoginTransaction
from worksgate.oauth.errors import AuthorizationError, BadRedirectUri, OAuthError, UnknownClient
from worksgate.oauth.model import LoginKind
from worksgate.oauth.redirect_uri import origin_of
from worksgate.provider import IdentityProvider
from worksgate.session_keys import SessionKeyRefused
from worksgate.sign_in import (
    AccountChoiceNeeded,
    AlreadySignedIn,
    Authorized,
    Browser,
    NoUserKey,
    PasswordNeeded,
    SignedIn,
    WrongPassword,
)
from worksgate.sources import Person, PersonDisabled, SourceUnavailable
from worksgate.store import StoreUnavailable
from worksgate.throttle import TooManyAttempts
from worksgate.web import cookies
from worksgate.web.body import read_form
from worksgate.web.crashes import Seldom
from worksgate.web.endpoints import peer_of
from worksgate.web.pages import (
    LANGUAGES,
    AccountChoice,
    LoginForm,
    Notice,
    NoticePage,
    Page,
    Pages,
    Problem,
    choose_language,
)

OUTAGES = (StoreUnavailable, DirectoryUnavailable, SourceUnavailable, TimeoutError)

_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers by which browsers, old ones too, say that nobody is looking yet."""

MAX_SWITCHED_QUERY = 2_048
"""Bytes of a query that is repeated in the links of the language switcher."""

_PROBLEMS: Mapping[type[Exception], tuple[Problem, int]] = {
    WrongPassword: (Problem.WRONG_PASSWORD, 403),
    PersonDisabled: (Problem.DISABLED, 403),
    TooManyAttempts: (Problem.THROTTLED, 429),
    HashingBusy: (Problem.BUSY, 503),
    StoreUnavailable: (Problem.UNAVAILABLE, 503),
    DirectoryUnavailable: (Problem.UNAVAILABLE, 503),
    SourceUnavailable: (Problem.UNAVAILABLE, 503),
    TimeoutError: (Problem.BUSY, 503),
}
"""What is said above the form, and the status; the person can try again where they are."""


class LoginPages:
    """Serves the login and logout addresses."""

    def __init__(self, provider: IdentityProvider, pages: Pages) -> None:
        self._provider = provider
        self._pages = pages
        self._settings = provider.settings
        self._deadline = provider.settings.answer_deadline
        self._unavailable = Seldom("request.unavailable")
        public = urlsplit(self._settings.public_url)
        self._origin = f"{public.scheme}://{public.netloc}"
        self._login_path = public.path.rstrip("/") + self._settings.web_login_path

    async def show(self, request: Request) -> Response:
        """``GET /login``: an authorization request."""
        view = _View(request)
        try:
            async with asyncio.timeout(self._deadline):
                outcome = await self._provider.authorize(view.query, view.browser)
        except (AuthorizationError, NoUserKey, *OUTAGES) as error:
            return await self._refuse(view, error, None)
        if isinstance(outcome, AccountChoiceNeeded):
            return self._account_choice(view, outcome.transaction, outcome.person)
        return self._go_on(view, outcome)

    async def submit(self, request: Request) -> Response:
        """``POST /login``: the login form, or the answer to the question which account."""
        view = _View(request)
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
        view = _View(request)
        if not view.is_navigation:
            return self._notice(view, Notice.BAD_REQUEST, 403)
        try:
            async with asyncio.timeout(self._deadline):
                location = await self._provider.log_out(view.query, view.browser)
        except OUTAGES as error:
            return await self._refuse(view, error, None)
        response = _redirect(location) if location else self._notice(view, Notice.SIGNED_OUT, 200)
        cookies.end_session(response)
        return response

    def notice(self, request: Request, notice: Notice, status: int) -> Response:
        """A page of ours that says what went wrong."""
        return self._notice(_View(request), notice, status)

    # The steps of a posted form

    async def _proceed(
        self, view: "_View", transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._step(view, transaction, form)
        except (AuthorizationError, NoUserKey, AlreadySignedIn) as error:
            return await self._refuse(view, error, transaction)
        except tuple(_PROBLEMS) as error:
            return self._try_again(view, transaction, form.get("username", ""), error)

    async def _step(
        self, view: "_View", transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        choice = form.get("choice")
        if "cancel" in form and (location := await self._provider.denial(transaction)):
            return _redirect(location)
        if choice == "continue":
            return self._go_on(view, await self._provider.continue_as(transaction, view.browser))
        if choice == "other" or "cancel" in form:
            return self._go_on(view, PasswordNeeded(transaction))
        return await self._log_in(view, transaction, form)

    def _go_on(self, view: "_View", outcome: Authorized | PasswordNeeded) -> Response:
        """To LINE WORKS with the code, or to a fresh login form."""
        if isinstance(outcome, Authorized):
            return _redirect(outcome.location)
        transaction = outcome.transaction
        return self._login_form(view, transaction, username=transaction.works_id or "")

    async def _log_in(
        self, view: "_View", transaction: LoginTransaction, form: Mapping[str, str]
    ) -> Response:
        username, password = form.get("username", "").strip(), form.get("password", "")
        if not username or not password:
            return self._login_form(
                view, transaction, username=username, problem=Problem.EMPTY, status=400
            )
        signed_in = await self._provider.log_in(transaction, username, password, view.browser)
        return _signed_in(signed_in, view.browser)

    def _try_again(
        self, view: "_View", transaction: LoginTransaction, username: str, error: Exception
    ) -> Response:
        problem, status = next(
            answer for kind, answer in _PROBLEMS.items() if isinstance(error, kind)
        )
        if isinstance(error, OUTAGES):
            self._tell_administrator(view, error)
        seconds = error.retry_after if isinstance(error, TooManyAttempts) else None
        return self._login_form(
            view,
            transaction,
            username=username,
            problem=problem,
            status=status,
            retry_after=None if seconds is None else max(1, round(seconds)),
        )

    async def _refuse(
        self, view: "_View", error: Exception, transaction: LoginTransaction | None
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
            case _:
                self._tell_administrator(view, error)
                return self._notice(view, Notice.UNAVAILABLE, 503, transaction)

    def _tell_administrator(self, view: "_View", outage: Exception) -> None:
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

    def _login_form(
        self,
        view: "_View",
        transaction: LoginTransaction,
        *,
        username: str = "",
        problem: Problem | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        prefilled = problem is None and bool(username)
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
        )
        languages = self._languages(transaction)
        page = self._pages.login(form, view.language, languages)
        response = self._respond(view, page, status, transaction)
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    def _account_choice(
        self, view: "_View", transaction: LoginTransaction, person: Person
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
        view: "_View",
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

    def _anti_forgery_token(self, view: "_View", transaction: LoginTransaction) -> str:
        return self._provider.signer.anti_forgery_token(transaction, view.browser.secret)

    def _languages(self, transaction: LoginTransaction) -> list[tuple[str, str]]:
        return [(code, self._restart_url(transaction, code)) for code in LANGUAGES]

    def _respond(
        self, view: "_View", page: Page, status: int, transaction: LoginTransaction | None
    ) -> Response:
        response = HTMLResponse(page.html, status)
        targets = ["'self'"]
        if transaction is not None:
            # Chrome applies form-action to the redirect that follows the form, too.
            targets.append(origin_of(transaction.redirect_uri))
            cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        response.headers["Content-Security-Policy"] = _content_security_policy(page, targets)
        response.headers["Content-Language"] = view.language
        return response


class _View:
    """One request of a browser, as far as the pages need it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._headers = request.headers
        self.path: str = request.scope["path"]
        self.query = request.scope["query_string"].decode("latin-1")
        asked = dict(parse_qsl(self.query, errors="replace")).get("lang")
        self.language = choose_language(asked, self._headers.get("accept-language", ""))
        kept = cookies.read(request.scope)
        self.has_no_cookie = cookies.secret_of(kept, cookies.BROWSER) is None
        self.browser = Browser(
            address=peer_of(request.scope),
            secret=cookies.browser_secret(kept),
            session=cookies.secret_of(kept, cookies.SESSION),
            devices=cookies.devices_of(kept),
            may_receive_code=self.is_navigation,
        )

    @property
    def is_navigation(self) -> bool:
        """Whether a person is going there, as far as the browser tells (R-17, R-68)."""
        purposes = [self._headers.get(name, "") for name in _PURPOSES]
        return (
            not any("prefetch" in purpose or "preview" in purpose for purpose in purposes)
            and self._headers.get("sec-fetch-mode", "navigate") == "navigate"
            and self._headers.get("sec-fetch-dest", "document") == "document"
        )

    def comes_from(self, origin: str) -> bool:
        """Whether a form was posted from a page of ours, as far as the browser tells (R-21).

        ``no-referrer`` makes browsers say "null" here; then Sec-Fetch-Site must do, and where
        that is not sent either, the Lax cookie and the anti-forgery token stand alone.
        """
        site = self._headers.get("sec-fetch-site", "same-origin")
        return site == "same-origin" and self._headers.get("origin", origin) in (origin, "null")

    @property
    def languages(self) -> list[tuple[str, str]]:
        """The language switcher of a page that a GET led to; neither can a POST be repeated nor
        should what came in bulk go out threefold.
        """
        if self._request.method != "GET" or len(self.query) > MAX_SWITCHED_QUERY:
            return []
        kept = [part for part in self.query.split("&") if part and not part.startswith("lang=")]
        return [(code, "?" + "&".join([*kept, f"lang={code}"])) for code in LANGUAGES]


def _redirect(location: str) -> Response:
    """See Other, with the address byte for byte as it is (R-07, R-08)."""
    response = Response(status_code=303)
    response.headers["Location"] = location
    return response


def _signed_in(signed_in: SignedIn, browser: Browser) -> Response:
    response = _redirect(signed_in.location)
    cookies.set_secret(response, cookies.SESSION, signed_in.session)
    cookies.set_devices(response, (signed_in.device, *browser.devices))
    return response


def _content_security_policy(page: Page, form_targets: list[str]) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            page.style_and_script_csp,
            "img-src 'self' data:",
            f"form-action {' '.join(form_targets)}",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'none'",
        )
    )
