"""The pages on which people manage their own account, below ``account_path``.

As in ``sign_in``, handlers parse the request, call ``SelfService`` and choose a page; they make no
decisions. Changes are POST requests with an anti-forgery token of the session, and end in a
redirect to the overview; only a secret that is shown once is in the response itself. People without
a session, or without a fresh one, get the sign-in form instead of the requested page.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from worksgate.credentials.password_policy import WeakPassword
from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.account.values import (
    EnrolmentLost,
    FactorAdded,
    NotOffered,
    NotSignedIn,
    SignInTooOld,
    Visitor,
    WrongCode,
)
from worksgate.provider.factors import FactorRefused, KnownPasskey, NameRefused, TooMany
from worksgate.provider.sign_in.errors import WrongPassword
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import PersonDisabled
from worksgate.web import cookies
from worksgate.web.account.forms import AccountForms, FormRefused
from worksgate.web.account.pages import Setting
from worksgate.web.account.wording import (
    FORM_TOO_OLD,
    NAME_REFUSED,
    PASSKEY_KNOWN,
    PASSKEY_REFUSED,
    PASSWORD_MISSING,
    SUCCESSES,
    THROTTLED,
    TOO_MANY,
    TOO_MANY_CODES,
    WEAK_PASSWORD,
    WRONG_CODE,
    WRONG_CURRENT_PASSWORD,
    Outcome,
    Success,
)
from worksgate.web.deadline import Deadline
from worksgate.web.pages.looks import Look
from worksgate.web.pages.wording import WEAKNESSES, Notice
from worksgate.web.sign_in.handlers import SignInHandlers
from worksgate.web.sign_in.refusals import OUTAGES
from worksgate.web.sign_in.responses import SignInPages
from worksgate.web.view import View, redirect

Form = Mapping[str, str]
Handler = Callable[[Request], Awaitable[Response]]
Show = Callable[["Visit"], Awaitable[Response]]

PASSWORD: Final = "/password"
AUTHENTICATOR: Final = "/authenticator"
PASSKEYS: Final = "/passkeys"
RECOVERY_CODES: Final = "/recovery-codes"
APP_PASSWORDS: Final = "/app-passwords"
SESSIONS: Final = "/sessions"
REMOVE: Final = "/remove"


class Visit:
    """A request of a signed-in person; ``form`` is empty unless it was posted.

    ``look`` is that of the client whose people they are, if it is one.
    """

    def __init__(
        self, forms: AccountForms, view: View, visitor: Visitor, form: Form, look: Look | None
    ) -> None:
        self.view = view
        self.visitor = visitor
        self.form = form
        self.look = look
        self.links = forms.links(view)

    def setting(self, forms: AccountForms, secret: str | None = None) -> Setting:
        """What the page needs; ``secret`` is the session's, if it has a new one."""
        return forms.setting(self.view, secret or self.view.browser.session or "", self.look)


class AccountHandlers:
    """Serves the account pages; ``routes`` defines them."""

    def __init__(
        self,
        service: SelfService,
        login: SignInHandlers,
        login_pages: SignInPages,
        forms: AccountForms,
        deadline: float,
    ) -> None:
        self._service = service
        self._login = login
        self._login_pages = login_pages
        self._forms = forms
        self._deadline = deadline
        self._unavailable = RateLimitedWarning("request.unavailable")

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        """Handlers by the path below ``account_path``, and by method."""
        return {
            "": {"GET": self._get("", self._overview)},
            PASSWORD: self._task(PASSWORD, self._ask_password, self._change_password),
            AUTHENTICATOR: self._task(AUTHENTICATOR, self._ask_totp, self._confirm_totp),
            AUTHENTICATOR + REMOVE: self._deed(self._remove_totp),
            PASSKEYS: self._task(PASSKEYS, self._ask_passkey, self._add_passkey),
            PASSKEYS + REMOVE: self._deed(self._remove_passkey),
            f"{PASSKEYS}/rename": self._deed(self._rename_passkey),
            RECOVERY_CODES: self._task(RECOVERY_CODES, self._ask_codes, self._renew_codes),
            APP_PASSWORDS: self._task(
                APP_PASSWORDS, self._ask_app_password, self._add_app_password
            ),
            APP_PASSWORDS + REMOVE: self._deed(self._remove_app_password),
            f"{SESSIONS}/end": self._deed(self._end_session),
            f"{SESSIONS}/end-all": self._deed(self._end_all_sessions),
            f"{SESSIONS}/end-everything": self._deed(self._end_everything),
        }

    # The overview

    async def _overview(self, visit: Visit) -> Response:
        done = visit.view.parameters.get("done", "")
        outcome = SUCCESSES[Success(done)] if done in set(Success) else None
        return await self._overview_page(visit, outcome)

    async def _overview_page(
        self, visit: Visit, outcome: Outcome | None, status: int = 200
    ) -> Response:
        overview = await self._service.overview(visit.visitor)
        page = self._forms.pages.overview(
            visit.setting(self._forms),
            overview,
            outcome,
            logout_url=self._forms.logout_url,
            now=visit.visitor.at,
        )
        return self._forms.answer(visit.view, page, status)

    # The password

    async def _ask_password(self, visit: Visit) -> Response:
        if not self._service.can_change_password(visit.visitor):
            raise NotOffered
        await self._service.check_fresh(visit.visitor)
        return await self._password_form(visit)

    async def _change_password(self, visit: Visit) -> Response:
        current = visit.form.get("current_password", "")
        new = visit.form.get("new_password", "")
        if not current or not new:
            return await self._password_form(visit, PASSWORD_MISSING, 400)
        try:
            secret = await self._service.change_password(
                visit.visitor,
                current,
                new,
                ends_app_passwords="keep_app_passwords" not in visit.form,
            )
        except WrongPassword:
            return await self._password_form(visit, WRONG_CURRENT_PASSWORD, 403)
        except WeakPassword as weak:
            advice = WEAKNESSES[weak.weakness]
            return await self._password_form(visit, WEAK_PASSWORD, 403, advice=advice)
        except TooManyAttempts as error:
            seconds = max(1, round(error.retry_after))
            response = await self._password_form(visit, THROTTLED, 429, retry_after=seconds)
            response.headers["Retry-After"] = str(seconds)
            return response
        return self._done(visit, Success.PASSWORD, secret)

    async def _password_form(
        self,
        visit: Visit,
        problem: Outcome | None = None,
        status: int = 200,
        *,
        advice: str = "",
        retry_after: int | None = None,
    ) -> Response:
        page = self._forms.pages.change_password(
            visit.setting(self._forms),
            visit.visitor.person.username,
            problem,
            advice=advice,
            retry_after=retry_after,
            has_app_passwords=await self._service.has_app_passwords(visit.visitor),
        )
        return self._forms.answer(visit.view, page, status)

    # Second factors

    async def _ask_totp(self, visit: Visit) -> Response:
        return await self._totp_form(visit)

    async def _confirm_totp(self, visit: Visit) -> Response:
        try:
            added = await self._service.factors.confirm_totp(
                visit.visitor, visit.form.get("otp", "")
            )
        except WrongCode:
            return await self._totp_form(visit, WRONG_CODE, 403)
        except TooManyAttempts as error:
            seconds = max(1, round(error.retry_after))
            response = await self._totp_form(visit, TOO_MANY_CODES, 429, retry_after=seconds)
            response.headers["Retry-After"] = str(seconds)
            return response
        return self._factor_added(visit, added, Success.APP_ON)

    async def _totp_form(
        self,
        visit: Visit,
        problem: Outcome | None = None,
        status: int = 200,
        *,
        retry_after: int | None = None,
    ) -> Response:
        totp = await self._service.factors.begin_totp(visit.visitor)
        cuts_off = await self._service.would_cut_off_mail(visit.visitor)
        page = self._forms.pages.authenticator(
            visit.setting(self._forms),
            totp,
            problem,
            cuts_off_mail=cuts_off,
            retry_after=retry_after,
        )
        return self._forms.answer(visit.view, page, status)

    async def _remove_totp(self, visit: Visit) -> Response:
        removed = await self._service.factors.remove_totp(visit.visitor)
        return self._done(visit, Success.APP_OFF if removed else Success.GONE)

    async def _ask_passkey(self, visit: Visit) -> Response:
        return await self._passkey_form(visit)

    async def _add_passkey(self, visit: Visit) -> Response:
        answer, name = visit.form.get("passkey", ""), visit.form.get("name", "")
        try:
            added = await self._service.factors.add_passkey(visit.visitor, answer, name)
        except KnownPasskey:
            return await self._passkey_form(visit, PASSKEY_KNOWN, 409)
        except TooMany:
            return await self._passkey_form(visit, TOO_MANY, 409)
        except FactorRefused:
            return await self._passkey_form(visit, PASSKEY_REFUSED, 403)
        return self._factor_added(visit, added, Success.PASSKEY_ADDED)

    async def _passkey_form(
        self, visit: Visit, problem: Outcome | None = None, status: int = 200
    ) -> Response:
        options = await self._service.factors.begin_passkey(visit.visitor)
        cuts_off = await self._service.would_cut_off_mail(visit.visitor)
        page = self._forms.pages.passkey(
            visit.setting(self._forms), options, problem, cuts_off_mail=cuts_off
        )
        return self._forms.answer(visit.view, page, status)

    async def _remove_passkey(self, visit: Visit) -> Response:
        passkey_id = visit.form.get("passkey", "")
        removed = await self._service.factors.remove_passkey(visit.visitor, passkey_id)
        return self._done(visit, Success.PASSKEY_REMOVED if removed else Success.GONE)

    async def _rename_passkey(self, visit: Visit) -> Response:
        passkey_id, name = visit.form.get("passkey", ""), visit.form.get("name", "")
        try:
            renamed = await self._service.factors.rename_passkey(visit.visitor, passkey_id, name)
        except NameRefused:
            return await self._overview_page(visit, NAME_REFUSED, 400)
        return self._done(visit, Success.PASSKEY_RENAMED if renamed else Success.GONE)

    async def _ask_codes(self, visit: Visit) -> Response:
        await self._service.factors.check_may_renew_codes(visit.visitor)
        page = self._forms.pages.ask_recovery_codes(visit.setting(self._forms))
        return self._forms.answer(visit.view, page)

    async def _renew_codes(self, visit: Visit) -> Response:
        codes = await self._service.factors.renew_recovery_codes(visit.visitor)
        page = self._forms.pages.recovery_codes(visit.setting(self._forms), codes, visit.links())
        return self._forms.answer(visit.view, page)

    def _factor_added(self, visit: Visit, added: FactorAdded, done: Success) -> Response:
        """The recovery codes if they are new, else the overview."""
        if not added.codes:
            return self._done(visit, done, added.session)
        page = self._forms.pages.recovery_codes(
            visit.setting(self._forms, added.session),
            added.codes,
            visit.links(done=done),
            cuts_off_mail=added.cuts_off_mail,
        )
        response = self._forms.answer(visit.view, page)
        if added.session is not None:
            cookies.set_secret(response, cookies.SESSION, added.session)
        return response

    # App passwords

    async def _ask_app_password(self, visit: Visit) -> Response:
        if not await self._service.offers_app_passwords():
            raise NotOffered
        await self._service.check_fresh(visit.visitor)
        return self._app_password_form(visit)

    async def _add_app_password(self, visit: Visit) -> Response:
        try:
            made = await self._service.add_app_password(visit.visitor, visit.form.get("name", ""))
        except TooMany:
            return self._app_password_form(visit, TOO_MANY, 409)
        person, setting = visit.visitor.person, visit.setting(self._forms)
        page = self._forms.pages.new_app_password(
            setting,
            person.works_account or "",
            made.app_password.name,
            made.password,
        )
        return self._forms.answer(visit.view, page)

    def _app_password_form(
        self, visit: Visit, problem: Outcome | None = None, status: int = 200
    ) -> Response:
        page = self._forms.pages.app_password(visit.setting(self._forms), problem)
        return self._forms.answer(visit.view, page, status)

    async def _remove_app_password(self, visit: Visit) -> Response:
        app_password_id = visit.form.get("app_password", "")
        removed = await self._service.remove_app_password(visit.visitor, app_password_id)
        return self._done(visit, Success.APP_PASSWORD_REMOVED if removed else Success.GONE)

    # Sessions

    async def _end_session(self, visit: Visit) -> Response:
        ended = await self._service.end_session(visit.visitor, visit.form.get("session", ""))
        return self._done(visit, Success.SESSION_ENDED if ended else Success.GONE)

    async def _end_all_sessions(self, visit: Visit) -> Response:
        await self._service.end_all_sessions(visit.visitor)
        response = redirect(self._forms.logout_url)  # which says that they are signed out
        cookies.end_session(response)
        return response

    async def _end_everything(self, visit: Visit) -> Response:
        await self._service.end_everything(visit.visitor)
        response = redirect(self._forms.logout_url)
        cookies.end_session(response)
        return response

    # Common to all pages

    def _get(self, page: str, show: Show) -> Handler:
        return partial(self._serve, page, show)

    def _task(self, page: str, ask: Show, do: Show) -> Mapping[str, Handler]:
        return {"GET": self._get(page, ask), "POST": self._get(page, do)}

    def _deed(self, do: Show) -> Mapping[str, Handler]:
        """For requests without a page of their own: after signing in, people get the overview."""
        return {"POST": self._get("", do)}

    async def _serve(self, page: str, show: Show, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._read(request, view)
            with Deadline(self._deadline):
                visitor = await self._service.visitor(view.browser, view.language)
                look = await self._forms.looks.of_person(visitor.session.source)
                return await show(Visit(self._forms, view, visitor, form, look))
        except FormRefused as refused:
            return self._refused(view, refused)
        except (NotSignedIn, SignInTooOld, PersonDisabled):
            return await self._login.ask_to_sign_in(request, self._forms.address(view, page))
        except EnrolmentLost:
            return redirect(self._forms.links(view)(done=Success.LOST))
        except NotOffered:
            return self._login_pages.notice(view, Notice.NOT_FOUND, 404)
        except OUTAGES as outage:
            self._unavailable.log(view.path, str(outage) or "no response in time")
            return self._login_pages.notice(view, Notice.UNAVAILABLE, 503)

    async def _read(self, request: Request, view: View) -> Form:
        if request.method != "POST":
            return {}
        return await self._forms.read(request, view, view.browser.session)

    def _refused(self, view: View, refused: FormRefused) -> Response:
        setting = self._forms.setting(view, view.browser.secret)
        page = self._forms.pages.message(setting, FORM_TOO_OLD, self._forms.links(view)())
        return self._forms.answer(view, page, refused.status)

    def _done(self, visit: Visit, done: Success, session: str | None = None) -> Response:
        """Redirect to the overview, which says what was done."""
        response = redirect(visit.links(done=done))
        if session is not None:
            cookies.set_secret(response, cookies.SESSION, session)
        return response
