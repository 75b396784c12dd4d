"""The responses of a sign-in: the page for each next step, with its signed form and its policy."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.responses import Response

from worksgate.credentials.references import reference_of
from worksgate.oauth.model import LoginKind
from worksgate.oauth.redirect_uri import origin_of
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.outcomes import (
    AccountChoiceNeeded,
    Authorized,
    EnrolmentNeeded,
    NewPasswordNeeded,
    NextStep,
    PasswordNeeded,
    RecoveryCodesIssued,
    RedirectedUpstream,
    SecondFactorNeeded,
    SignedIn,
)
from worksgate.provider.sign_in.steps import handle_of
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.sources import Person
from worksgate.web import cookies
from worksgate.web.pages.forms import (
    AccountChoice,
    EnrolmentForm,
    NewPasswordForm,
    NoticePage,
    RecoveryCodesForm,
    SecondFactorForm,
    SignInForm,
    StepForm,
)
from worksgate.web.pages.looks import CLIENT_PARAMETER, Look, Looks
from worksgate.web.pages.rendering import LANGUAGES, STRENGTH_PATH, Notice, Page, Pages, Problem
from worksgate.web.view import View, page_response, redirect

STEP_PATH = "/step"
"""Path of a step's page, below the sign-in page: a browser may come back there."""
AT_PARAMETER = "at"
"""The handle of the sign-in, which is worthless in another browser."""

LaterStep = NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded | RecoveryCodesIssued
"""Steps with a page of their own after the sign-in form."""


class SignInPages:
    """Builds the responses of a sign-in; changes nothing.

    ``reset_path`` is the page for a forgotten password, if it can be reset here; ``looks`` are
    those of clients.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        pages: Pages,
        *,
        reset_path: str | None = None,
        looks: Looks,
    ) -> None:
        self._provider = provider
        self._reset_path = reset_path
        self._looks = looks
        self._pages = pages
        self._settings = provider.settings
        public_path = urlsplit(self._settings.public_url).path.rstrip("/")
        self._login_path = public_path + self._settings.web_login_path
        self._account_path = public_path + self._settings.account_path

    async def respond_to(self, view: View, next_step: NextStep) -> Response:
        """To LINE WORKS with the code, to another provider, or to the next page.

        Raises UnknownClient, or an outage.
        """
        match next_step:
            case SignedIn():
                return _signed_in(next_step, view.browser)
            case Authorized(location=location):
                return redirect(location)
            case RedirectedUpstream():
                return self._redirect_upstream(view, next_step)
            case AccountChoiceNeeded(transaction, person):
                return self._account_choice(view, transaction, person)
            case PasswordNeeded(transaction):
                hint = transaction.works_id or ""
                return await self.login_form(view, transaction, username=hint)
            case _:
                return self.to_step(view, next_step.transaction)

    def to_step(self, view: View, transaction: SignInTransaction, **shown: str | None) -> Response:
        """To the page of the next step: a URL to which a browser can come back.

        ``shown`` is why it is shown again, as in ``step_url``.
        """
        response = redirect(self.step_url(transaction, view.language, **shown))
        cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        return response

    async def login_form(
        self,
        view: View,
        transaction: SignInTransaction,
        *,
        username: str = "",
        problem: Problem | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        """The sign-in form. Raises UnknownClient, or an outage."""
        prefilled = problem is None and bool(username)
        ways = await self._provider.ways_in(transaction)
        form = SignInForm(
            action=self._action(view.language),
            txn=self._provider.signer.sign(transaction),
            csrf=self._anti_forgery_token(view, transaction),
            username=username,
            prefilled=prefilled,
            clear_url=(
                self.restart_url(transaction, view.language, hint=False) if prefilled else None
            ),
            problem=problem,
            retry_after=retry_after,
            cancel=transaction.may_cancel,
            for_account=transaction.is_for_account,
            passwords=ways.passwords,
            buttons=tuple(ways.buttons),
            passkey_options=ways.passkey_options,
            reset_url=self._reset_url(view.language, transaction),
        )
        languages = self._languages(transaction)
        page = self._pages.login(form, view.language, languages, self._look(transaction))
        response = self._respond(view, page, status, transaction)
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    def step(
        self,
        view: View,
        next_step: LaterStep,
        *,
        problem: Problem | None = None,
        advice: str = "",
        status: int = 200,
    ) -> Response:
        """The page of a step after the sign-in form; ``problem`` is why it is shown again."""
        transaction = next_step.transaction
        common: dict[str, Any] = {
            "action": self._action(view.language),
            "txn": self._provider.signer.sign(transaction),
            "csrf": self._anti_forgery_token(view, transaction),
            "restart_url": self.restart_url(transaction, view.language, hint=False),
            "problem": problem,
            "advice": advice,
        }
        languages = [(code, self.step_url(transaction, code)) for code in LANGUAGES]
        page = self._pages.step(
            _step_form(next_step, common), view.language, languages, look=self._look(transaction)
        )
        return self._respond(view, page, status, transaction)

    def notice(
        self,
        view: View,
        notice: Notice,
        status: int,
        transaction: SignInTransaction | None = None,
        *,
        login_id: str | None = None,
        start_over_url: str | None = None,
        continue_url: str | None = None,
    ) -> Response:
        """A page of ours about an error.

        It has the reference of the transaction, or of the refused request with this ``login_id``.
        """
        login_id = transaction.login_id if transaction else login_id
        content = NoticePage(
            notice=notice,
            start_over_url=start_over_url,
            continue_url=continue_url,
            reference=None if login_id is None else reference_of(login_id),
        )
        look = self._look(transaction)
        page = self._pages.notice(content, view.language, view.languages, look)
        response = self._respond(view, page, status, None)
        if status == 503:
            response.headers["Retry-After"] = "2"
        return response

    def over(self, view: View) -> Response:
        """A browser came back to a step of a sign-in that is over."""
        return self.notice(view, Notice.OVER, 410, continue_url=self._settings.service_url)

    def signed_out(self, view: View) -> Response:
        """The end of a session, with links to the service or to their account."""
        return self.notice(
            view,
            Notice.SIGNED_OUT,
            200,
            continue_url=self._settings.service_url,
            start_over_url=f"{self._account_path}?lang={view.language}",
        )

    def _redirect_upstream(self, view: View, redirected: RedirectedUpstream) -> Response:
        """To another provider: with a page, since Chrome blocks redirects of forms to there.

        ``form-action`` would have to name every host on the way, and providers redirect to others.
        """
        look = self._look(redirected.transaction)
        page = self._pages.leave(redirected.location, redirected.label, view.language, look)
        response = self._respond(view, page, 200, None)
        cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        cookies.set_upstream(response, (redirected.along, *view.browser.upstream))
        return response

    def _account_choice(
        self, view: View, transaction: SignInTransaction, person: Person
    ) -> Response:
        choice = AccountChoice(
            action=self._action(view.language),
            txn=self._provider.signer.sign(transaction),
            csrf=self._anti_forgery_token(view, transaction),
            signed_in_as=person.name or person.username,
            account=transaction.works_id or "",
        )
        languages = self._languages(transaction)
        look = self._look(transaction)
        page = self._pages.choose_account(choice, view.language, languages, look)
        return self._respond(view, page, 200, transaction)

    def _respond(
        self, view: View, page: Page, status: int, transaction: SignInTransaction | None
    ) -> Response:
        if transaction is None:
            return page_response(view, page, status)
        # Chrome applies form-action to redirects after the form, too.
        targets = f"'self' {origin_of(transaction.redirect_uri)}"
        response = page_response(view, page, status, form_targets=targets)
        cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        return response

    def _reset_url(self, language: str, transaction: SignInTransaction) -> str | None:
        """Where a forgotten password is replaced, in the look of the client if it has one."""
        if self._reset_path is None:
            return None
        query = {"lang": language}
        if self._look(transaction) is not None:
            query[CLIENT_PARAMETER] = transaction.client_id
        return f"{self._reset_path}?{urlencode(query)}"

    def _look(self, transaction: SignInTransaction | None) -> Look | None:
        """The look of the client that people sign in to, if they do; it is in memory."""
        if transaction is None:
            return None
        return self._looks.of(self._provider.clients.branding(transaction.client_id))

    # URLs of a sign-in

    async def start_over_url(self, client_id: str) -> str | None:
        """The deep link of LINE WORKS that begins a sign-in, if the domain is known."""
        domain = await self._provider.domain_of(client_id)
        return None if domain is None else self._settings.start_over_at(domain)

    def restart_url(
        self, transaction: SignInTransaction, language: str, *, hint: bool = True
    ) -> str:
        """Our sign-in page for the same request of LINE WORKS, from the beginning."""
        return f"{self._restart_address(transaction, hint=hint)}lang={language}"

    def _restart_address(self, transaction: SignInTransaction, *, hint: bool) -> str:
        """The part before the language in ``restart_url``."""
        if transaction.is_for_account:
            return f"{transaction.redirect_uri.partition('?')[0]}?"
        parameters = {
            "client_id": transaction.client_id,
            "redirect_uri": transaction.redirect_uri,
            "worksId": transaction.works_id if hint else None,
            "userAgent": "LineWorks" if transaction.login_kind is LoginKind.APP else None,
            "sessionKey": transaction.session_key,
        }
        query = "".join(
            f"{name}={quote(value, safe='')}&"
            for name, value in parameters.items()
            if value is not None
        )
        return f"{self._login_path}?response_type=code&{query}"

    def step_url(self, transaction: SignInTransaction, language: str, **shown: str | None) -> str:
        """The page of a sign-in's current step.

        ``problem`` and ``advice`` are names of texts: why it is shown again.
        """
        parameters = {AT_PARAMETER: handle_of(transaction), "lang": language, **shown}
        present = {name: value for name, value in parameters.items() if value}
        return f"{self._login_path}{STEP_PATH}?{urlencode(present)}"

    def _action(self, language: str) -> str:
        return f"{self._login_path}?lang={language}"

    def _anti_forgery_token(self, view: View, transaction: SignInTransaction) -> str:
        return self._provider.signer.anti_forgery_token(transaction, view.browser.secret)

    def _languages(self, transaction: SignInTransaction) -> list[tuple[str, str]]:
        address = self._restart_address(transaction, hint=True)
        return [(code, f"{address}lang={code}") for code in LANGUAGES]


def _signed_in(signed_in: SignedIn, browser: Browser) -> Response:
    response = redirect(signed_in.location)
    cookies.set_secret(response, cookies.SESSION, signed_in.session)
    if signed_in.device is not None:
        cookies.set_devices(response, (signed_in.device, *browser.devices))
    if signed_in.trusted is not None:
        cookies.set_trusted(response, (signed_in.trusted, *browser.trusted))
    return response


def _step_form(next_step: LaterStep, common: Mapping[str, Any]) -> StepForm:
    """The form of a step; ``common`` is what all of them have."""
    match next_step:
        case SecondFactorNeeded(person=person, enrolled=enrolled):
            return SecondFactorForm(
                **common,
                person=person.name or person.username,
                totp=enrolled.totp,
                recovery=enrolled.recovery_codes_left > 0,
                passkey_options=next_step.passkey_options,
                why=next_step.why,
            )
        case EnrolmentNeeded(person=person, totp=totp):
            app: dict[str, Any] = {}
            if totp is not None:
                app = {"totp_uri": totp.uri, "qr_svg": totp.svg, "totp_key": totp.shown}
            return EnrolmentForm(
                **common,
                **app,
                person=person.name or person.username,
                passkey_options=next_step.passkey_options,
            )
        case RecoveryCodesIssued(codes=codes):
            return RecoveryCodesForm(**common, codes=codes)
        case NewPasswordNeeded(person=person):
            path, question_mark, query = common["action"].partition("?")
            return NewPasswordForm(
                **common,
                username=person.username,
                person=person.name or person.username,
                strength_url=f"{path}{STRENGTH_PATH}{question_mark}{query}",
            )
