"""The page of a notice's link: “this was not me”.

Opening it changes nothing, since mail scanners and previews open links. The button revokes
everything, signs nobody in, and the page says what to do next. See
docs/decisions/0030-this-was-not-me.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.account.disavowal import NOT_ME_PATH, Disavowed, TooManyTries
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER, LinkNotValid
from worksgate.settings.options import Settings
from worksgate.web.account.forms import AccountForms, FormRefused
from worksgate.web.account.handlers import Handler
from worksgate.web.account.password_reset import FORGOT_PATH
from worksgate.web.account.wording import (
    FORM_TOO_OLD,
    NOT_ME_LINK_NOT_VALID,
    NOT_ME_TOO_OFTEN,
    SECURED,
    SECURED_AND_CLOSED,
    SECURED_ELSEWHERE,
    SECURED_ELSEWHERE_AND_CLOSED,
    SECURED_WITHOUT_MAIL,
    YOUR_COMPANY,
    Message,
)
from worksgate.web.deadline import Deadline
from worksgate.web.installation import Installation
from worksgate.web.pages.catalogues import LANGUAGES, translations
from worksgate.web.pages.looks import Look
from worksgate.web.pages.mails import NOTICES
from worksgate.web.pages.wording import Notice
from worksgate.web.sign_in.refusals import OUTAGES
from worksgate.web.sign_in.responses import SignInPages
from worksgate.web.view import View, redirect


@dataclass(frozen=True, slots=True)
class _Answer:
    """A message, and the account page that its button leads to, if any."""

    message: Message
    page: str | None = None
    status: int = 200


class DisavowalHandlers:
    """Serves the page and its button."""

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        login_pages: SignInPages,
        forms: AccountForms,
    ) -> None:
        self._disavowal = installation.disavowal
        self._self_service = installation.self_service
        self._can_reset = installation.password_reset is not None and settings.can_reset_passwords
        self._login_pages = login_pages
        self._forms = forms
        self._clock = installation.clock
        self._deadline = settings.answer_deadline
        self._unavailable = RateLimitedWarning("request.unavailable")

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        """Handlers by the path below ``account_path``, and by method."""
        return {NOT_ME_PATH: {"GET": self._look, "POST": self._act}}

    async def _look(self, request: Request) -> Response:
        view = View(request)
        secret = view.parameters.get(TOKEN_PARAMETER, "")
        try:
            with Deadline(self._deadline):
                found = await self._disavowal.open(secret, view.browser.address, self._clock())
        except TooManyTries:
            return self._show(view, _TOO_OFTEN)
        except OUTAGES as outage:
            return self._out_of_order(view, outage)
        if found is None:
            return self._show(view, _NOT_VALID)
        look = await self._forms.looks.of_person(found.source)
        setting = self._forms.setting(view, view.browser.secret, look)
        change = NOTICES[found.change].subject
        page = self._forms.pages.disavow(setting, secret, found.username, change, found.at)
        return self._forms.answer(view, page, bind_browser=True)

    async def _act(self, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._forms.read(request, view, view.browser.secret)
            secret = form.get(TOKEN_PARAMETER, "")
            if (language := form.get("language", "")) in LANGUAGES:
                links = replace(self._forms.links(view), chosen_language=language)
                return redirect(links(NOT_ME_PATH, **{TOKEN_PARAMETER: secret}))
            with Deadline(self._deadline):
                done = await self._disavowal.use(secret, view.browser.address, self._clock())
        except FormRefused as refused:
            return self._show(view, _Answer(FORM_TOO_OLD, "", refused.status))
        except LinkNotValid:
            return self._show(view, _NOT_VALID)
        except TooManyTries:
            return self._show(view, _TOO_OFTEN)
        except OUTAGES as outage:
            return self._out_of_order(view, outage)
        look = await self._forms.looks.of_person(done.source)
        return self._show(view, self._answer(done), look, keeper=self._keeper(view, done))

    def _answer(self, done: Disavowed) -> _Answer:
        if not done.password_is_ours:
            closed = done.is_closed
            return _Answer(SECURED_ELSEWHERE_AND_CLOSED if closed else SECURED_ELSEWHERE)
        if done.is_closed:
            return _Answer(SECURED_AND_CLOSED)
        return _Answer(SECURED, FORGOT_PATH) if self._can_reset else _Answer(SECURED_WITHOUT_MAIL)

    def _keeper(self, view: View, done: Disavowed) -> str:
        """The name of whoever manages the person's password."""
        label = self._self_service.provider_of(done.source)
        return label or translations(view.language).gettext(YOUR_COMPANY)

    def _show(
        self, view: View, answer: _Answer, look: Look | None = None, **values: str
    ) -> Response:
        setting = self._forms.setting(view, view.browser.secret, look)
        url = None if answer.page is None else setting.links(answer.page)
        shown = self._forms.pages.message(setting, answer.message, url, **values)
        return self._forms.answer(view, shown, answer.status)

    def _out_of_order(self, view: View, outage: Exception) -> Response:
        self._unavailable.log(view.path, str(outage) or "no response in time")
        return self._login_pages.notice(view, Notice.UNAVAILABLE, 503)


_NOT_VALID = _Answer(NOT_ME_LINK_NOT_VALID, "", 410)
_TOO_OFTEN = _Answer(NOT_ME_TOO_OFTEN, None, 429)
