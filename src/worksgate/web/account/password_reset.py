"""The pages for a forgotten password: request a link, or type a code, and choose a new password.

A request gets the same response for every name (R-79). The secret of a link is only in the query of
its URL and in the body of the form; see docs/decisions/0014-reset-links.md. A posted form is
answered by a redirect to a page that can be reloaded and revisited.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from worksgate.credentials.password_policy import Weakness, WeakPassword
from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER, LinkNotValid
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.reset_links import CODE_PATH, RESET_PATH
from worksgate.provider.account.reset_requests import NOWHERE, ResetOrigin
from worksgate.settings.options import Settings
from worksgate.web.account.forms import AccountForms, FormRefused
from worksgate.web.account.handlers import Handler
from worksgate.web.account.pages import Setting
from worksgate.web.account.wording import (
    FORM_TOO_OLD,
    LINK_NOT_VALID,
    LINK_NOT_VALID_AND_NO_MAIL,
    MAIL_IS_COMING,
    PASSWORD_IS_NEW,
    WRONG_RESET_CODE,
    Message,
)
from worksgate.web.deadline import Deadline
from worksgate.web.pages.catalogues import LANGUAGES
from worksgate.web.pages.forms import NewPasswordForm
from worksgate.web.pages.looks import CLIENT_PARAMETER
from worksgate.web.pages.rendering import STRENGTH_PATH, Problem
from worksgate.web.pages.wording import WEAKNESSES, Notice
from worksgate.web.sign_in.refusals import OUTAGES
from worksgate.web.sign_in.responses import SignInPages
from worksgate.web.view import View, redirect

FORGOT_PATH: Final = "/forgot"
"""The path for requesting a link, below ``account_path``."""
_SENT: Final = "sent"
_DONE: Final = "done"
_ADVICE: Final = "advice"
_WRONG: Final = "wrong"
"""Codes for messages, and reasons why a password was not accepted: names, never a text."""
_LONGEST_ID: Final = 64


class PasswordResetHandlers:
    """Serves these pages; that for requesting a link only if e-mail can be sent."""

    def __init__(
        self,
        settings: Settings,
        reset: PasswordReset,
        login_pages: SignInPages,
        forms: AccountForms,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._reset = reset
        self._login_pages = login_pages
        self._forms = forms
        self._clock = clock
        self._deadline = settings.answer_deadline
        self._unavailable = RateLimitedWarning("request.unavailable")

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        """Handlers by the path below ``account_path``, and by method."""
        always: Mapping[str, Mapping[str, Handler]] = {
            RESET_PATH: {"GET": self._open, "POST": self._finish},
            CODE_PATH: {"GET": self._ask_code, "POST": self._take_code},
        }
        if not self._settings.can_reset_passwords:
            return always
        return {**always, FORGOT_PATH: {"GET": self._ask, "POST": self._request}}

    async def _ask_code(self, request: Request) -> Response:
        view = View(request)
        setting = await self._setting(view)
        problem = WRONG_RESET_CODE if _WRONG in view.parameters else None
        action = setting.links(CODE_PATH, **_client_of(view))
        page = self._forms.pages.enter_code(setting, action, problem)
        return self._forms.answer(view, page, 403 if problem else 200, bind_browser=True)

    async def _take_code(self, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._forms.read(request, view, view.browser.secret)
            with Deadline(self._deadline):
                secret = await self._reset.open_code(form.get("code", ""), self._clock())
        except FormRefused as refused:
            return await self._show(view, FORM_TOO_OLD, refused.status, CODE_PATH)
        except OUTAGES as outage:
            return self._out_of_order(view, outage)
        links, client = self._forms.links(view), _client_of(view)
        if secret is None:
            return redirect(links(CODE_PATH, **{_WRONG: "1"}, **client))
        return redirect(links(RESET_PATH, **{TOKEN_PARAMETER: secret}, **client))

    async def _ask(self, request: Request) -> Response:
        view = View(request)
        if _SENT in view.parameters:
            minutes = math.floor(self._settings.reset_link_lifetime / 60)
            return await self._show(view, MAIL_IS_COMING, 200, "", minutes=str(minutes))
        setting = await self._setting(view)
        action, code_url = (
            setting.links(path, **_client_of(view)) for path in (FORGOT_PATH, CODE_PATH)
        )
        page = self._forms.pages.forgot(setting, action, code_url)
        return self._forms.answer(view, page, bind_browser=True)

    async def _request(self, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._forms.read(request, view, view.browser.secret)
            with Deadline(self._deadline):
                await self._reset.requests.receive(
                    form.get("username", ""),
                    view.language,
                    view.browser.address,
                    self._clock(),
                    view.browser.devices,
                    await self._origin(view),
                )
        except FormRefused as refused:
            return await self._show(view, FORM_TOO_OLD, refused.status, FORGOT_PATH)
        except OUTAGES as outage:
            return self._out_of_order(view, outage)
        return redirect(self._forms.links(view)(FORGOT_PATH, **{_SENT: "1"}, **_client_of(view)))

    async def _open(self, request: Request) -> Response:
        """``GET /account/reset?token=…``: nothing changes, whoever opens it."""
        view = View(request)
        if _DONE in view.parameters:
            return await self._show(view, PASSWORD_IS_NEW, 200, "")
        secret, weakness = (view.parameters.get(name, "") for name in (TOKEN_PARAMETER, _ADVICE))
        advice = WEAKNESSES[Weakness(weakness)] if weakness in set(Weakness) else ""
        try:
            with Deadline(self._deadline):
                return await self._form(view, secret, advice=advice)
        except OUTAGES as outage:
            return self._out_of_order(view, outage)

    async def _finish(self, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._forms.read(request, view, view.browser.secret)
            with Deadline(self._deadline):
                return await self._change(view, form)
        except FormRefused as refused:
            return await self._show(view, FORM_TOO_OLD, refused.status, "")
        except OUTAGES as outage:
            return self._out_of_order(view, outage)

    async def _change(self, view: View, form: Mapping[str, str]) -> Response:
        secret, password = form.get("txn", ""), form.get("new_password", "")
        links, client = self._forms.links(view), _client_of(view)
        if (language := form.get("language", "")) in LANGUAGES:
            links = replace(links, chosen_language=language)
            return redirect(links(RESET_PATH, token=secret, **client))
        try:
            await self._reset.finish(
                secret,
                password,
                self._clock(),
                address=view.browser.address,
            )
        except LinkNotValid:
            return await self._not_valid(view)
        except WeakPassword as weak:
            again = {TOKEN_PARAMETER: secret, _ADVICE: weak.weakness.value}
            return redirect(links(RESET_PATH, **again, **client))
        return redirect(links(RESET_PATH, **{_DONE: "1"}, **client))

    async def _form(self, view: View, secret: str, *, advice: str = "") -> Response:
        """The form of a valid link; ``advice`` is why it is shown again."""
        ticket = await self._reset.open(secret, self._clock())
        if ticket is None:
            return await self._not_valid(view)
        setting, client = await self._setting(view), _client_of(view)
        form = NewPasswordForm(
            action=setting.links(RESET_PATH, **client),
            txn=secret,
            csrf=setting.csrf,
            restart_url=setting.links(FORGOT_PATH, **client),
            problem=Problem.WEAK_PASSWORD if advice else None,
            advice=advice,
            username=ticket.person.username,
            step="reset",
            reset=True,
            strength_url=setting.links(RESET_PATH + STRENGTH_PATH),
        )
        page = self._forms.pages.step(form, view.language, by_form=True, look=setting.look)
        return self._forms.answer(view, page, 403 if advice else 200, bind_browser=True)

    async def _not_valid(self, view: View) -> Response:
        if self._settings.can_reset_passwords:
            return await self._show(view, LINK_NOT_VALID, 410, FORGOT_PATH)
        return await self._show(view, LINK_NOT_VALID_AND_NO_MAIL, 410, None)

    async def _setting(self, view: View) -> Setting:
        """The setting of a page, in the look of the client whose sign-in page led there."""
        look = await self._forms.looks.named(_client_of(view).get(CLIENT_PARAMETER, ""))
        return self._forms.setting(view, view.browser.secret, look)

    async def _origin(self, view: View) -> ResetOrigin:
        """The client of the page, as the e-mail shows it, if it has a branding."""
        client = _client_of(view)
        look = await self._forms.looks.named(client.get(CLIENT_PARAMETER, ""))
        if look is None:
            return NOWHERE
        return ResetOrigin(query=urlencode(client), company=look.brands[view.language].name)

    async def _show(
        self, view: View, message: Message, status: int, page: str | None, **values: str
    ) -> Response:
        """A message, with a button that leads to an account page."""
        setting = await self._setting(view)
        url = None if page is None else setting.links(page, **_client_of(view))
        shown = self._forms.pages.message(setting, message, url, **values)
        return self._forms.answer(view, shown, status)

    def _out_of_order(self, view: View, outage: Exception) -> Response:
        self._unavailable.log(view.path, str(outage) or "no response in time")
        return self._login_pages.notice(view, Notice.UNAVAILABLE, 503)


def _client_of(view: View) -> Mapping[str, str]:
    """The client in the address of a page, for the addresses of those that follow it."""
    client = view.parameters.get(CLIENT_PARAMETER, "")
    return {CLIENT_PARAMETER: client} if client and len(client) <= _LONGEST_ID else {}
