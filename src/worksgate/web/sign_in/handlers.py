"""The paths for browsers: sign in, return from another provider, sign out.

Handlers parse the request, call the provider and pass on its result: ``responses`` has the page for
each next step, ``refusals`` for errors. They make no decisions. Each takes a Starlette request and
returns a response.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from worksgate.oauth.errors import OAuthError
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.errors import SignInDenied, SignInLost, UpstreamSignInFailed
from worksgate.provider.sign_in.outcomes import NextStep, PasswordNeeded
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.sign_in.upstream import CALLBACK_PATH, name_of
from worksgate.web import cookies
from worksgate.web.body import read_form
from worksgate.web.deadline import Deadline, within
from worksgate.web.pages.rendering import Notice, Problem
from worksgate.web.sign_in.refusals import (
    ANSWERED_WITHOUT_FORM,
    FORM_REFUSALS,
    OUTAGES,
    SignInRefusals,
)
from worksgate.web.sign_in.responses import AT_PARAMETER, LaterStep, SignInPages
from worksgate.web.view import View, redirect


class SignInHandlers:
    """Serves the sign-in and sign-out paths, and those to which other providers redirect."""

    def __init__(self, provider: IdentityProvider, pages: SignInPages) -> None:
        self._provider = provider
        self._pages = pages
        self._refusals = SignInRefusals(provider, pages)
        self._deadline = provider.settings.answer_deadline
        public = urlsplit(provider.settings.public_url)
        self._origin = f"{public.scheme}://{public.netloc}"

    async def show(self, request: Request) -> Response:
        """``GET /login``: an authorization request."""
        view = View(request)
        try:
            return await within(self._deadline, self._begin(view))
        except ANSWERED_WITHOUT_FORM as error:
            return await self._refusals.end(view, error)

    async def _begin(self, view: View) -> Response:
        next_step = await self._provider.authorize(view.query, view.browser)
        return await self._pages.respond_to(view, next_step)

    async def show_step(self, request: Request) -> Response:
        """``GET /login/step``: the page of a step after the password, any number of times."""
        view = View(request)
        try:
            with Deadline(self._deadline):
                transaction = await self._provider.transaction_at(
                    view.parameters.get(AT_PARAMETER, ""), view.browser
                )
        except SignInLost:
            return self._pages.over(view)
        except ANSWERED_WITHOUT_FORM as error:
            return await self._refusals.end(view, error)
        try:
            with Deadline(self._deadline):
                next_step = await self._provider.return_to(transaction, view.browser)
                if isinstance(next_step, LaterStep):
                    return self._refusals.repeated(view, next_step)
                return await self._pages.respond_to(view, next_step)
        except FORM_REFUSALS as error:
            return await self._refusals.respond_to(
                view, transaction, error, username="", is_later_step=True
            )

    async def finish_upstream_login(self, request: Request) -> Response:
        """``GET /login/callback/{source}``: back from another provider."""
        view = View(request)
        source = view.path.rpartition(CALLBACK_PATH)[2]
        try:
            with Deadline(self._deadline):
                next_step = await self._provider.finish_upstream_login(
                    source, view.parameters, view.browser
                )
                response = await self._pages.respond_to(view, next_step)
                cookies.set_upstream(response, _others_of(view))
                return response
        except UpstreamSignInFailed as failed:
            return await self._refusals.ask_again(view, failed.transaction, failed.why)
        except ANSWERED_WITHOUT_FORM as error:
            return await self._refusals.end(view, error)

    async def submit(self, request: Request) -> Response:
        """``POST /login``: the form of one of the pages of a sign-in."""
        view = View(request)
        try:
            form = await read_form(request.scope, request.receive)
        except OAuthError as error:
            return self._pages.notice(view, Notice.BAD_REQUEST, error.status)
        if not view.comes_from(self._origin):
            return self._pages.notice(view, Notice.FORGED, 403)
        if view.has_no_cookie:
            login_id = self._provider.without_cookie(form.get("txn", ""), view.browser)
            return self._pages.notice(view, Notice.COOKIES_OFF, 400, login_id=login_id)
        try:
            with Deadline(self._deadline):
                transaction = await self._provider.read_transaction(
                    form.get("txn", ""), form.get("csrf", ""), view.browser
                )
        except ANSWERED_WITHOUT_FORM as error:
            return await self._refusals.end(view, error)
        try:
            with Deadline(self._deadline):
                return await self._take_step(view, transaction, form)
        except FORM_REFUSALS as error:
            return await self._refusals.respond_to(
                view,
                transaction,
                error,
                username=form.get("username", ""),
                is_later_step=_is_later_step(form),
            )

    async def log_out(self, request: Request) -> Response:
        """``GET /logout``."""
        view = View(request)
        if not view.is_navigation:
            return self._pages.notice(view, Notice.BAD_REQUEST, 403)
        try:
            with Deadline(self._deadline):
                location = await self._provider.log_out(view.query, view.browser)
        except OUTAGES as error:
            return await self._refusals.end(view, error)
        response = redirect(location) if location else self._pages.signed_out(view)
        cookies.end_session(response)
        return response

    async def ask_to_sign_in(self, request: Request, address: str) -> Response:
        """The sign-in form instead of an account page; it leads to ``address``, one of them."""
        view = View(request)
        transaction = replace(self._provider.begin_for_account(view.browser), redirect_uri=address)
        try:
            with Deadline(self._deadline):
                await self._provider.check_open(transaction, view.browser)
                return await self._pages.login_form(view, transaction)
        except (SignInDenied, *OUTAGES) as error:
            return await self._refusals.end(view, error, transaction)

    # The steps of a posted form

    async def _take_step(
        self, view: View, transaction: SignInTransaction, form: Mapping[str, str]
    ) -> Response:
        provider, browser = self._provider, view.browser
        if "cancel" in form and (location := await provider.denial(transaction)):
            return redirect(location)
        next_step: NextStep
        if form.get("choice") == "continue":
            next_step = await provider.continue_as(transaction, browser)
        elif form.get("choice") == "other" or "cancel" in form:
            next_step = PasswordNeeded(transaction)
        elif _is_later_step(form):
            next_step = await self._later_step(view, transaction, form)
        elif source := form.get("source"):
            next_step = await provider.begin_upstream_login(transaction, source, browser)
        elif assertion := form.get("passkey"):
            next_step = await provider.use_passkey(transaction, assertion, browser)
        else:
            return await self._log_in(view, transaction, form)
        return await self._pages.respond_to(view, next_step)

    async def _later_step(
        self, view: View, transaction: SignInTransaction, form: Mapping[str, str]
    ) -> NextStep:
        """A step after the password. Raises what the provider's step does."""
        provider, browser = self._provider, view.browser
        proof = Proof(
            code=form.get("otp", "").strip(),
            recovery_code=form.get("recovery", "").strip(),
            passkey=form.get("passkey", ""),
        )
        match form.get("step", "prove"):
            case "prove":
                return await provider.verify_second_factor(
                    transaction, proof, browser, remember="remember" in form
                )
            case "enrol":
                return await provider.enrol(transaction, proof, browser)
            case "password":
                password = form.get("new_password", "")
                return await provider.change_password(transaction, password, browser)
            case _:
                return await provider.resume(transaction, browser)

    async def _log_in(
        self, view: View, transaction: SignInTransaction, form: Mapping[str, str]
    ) -> Response:
        username, password = form.get("username", "").strip(), form.get("password", "")
        is_complete = username and (
            password or await self._provider.is_upstream(transaction, username)
        )
        if not is_complete:
            return await self._pages.login_form(
                view, transaction, username=username, problem=Problem.EMPTY, status=400
            )
        next_step = await self._provider.log_in(transaction, username, password, view.browser)
        return await self._pages.respond_to(view, next_step)


def _others_of(view: View) -> list[tuple[str, str]]:
    """The sign-ins still in progress at another provider, without the returning one."""
    back = name_of(view.parameters.get("state", ""))
    return [(name, text) for name, text in view.browser.upstream if name != back]


def _is_later_step(form: Mapping[str, str]) -> bool:
    """Whether a form belongs to a step after the password."""
    return "step" in form or "otp" in form
