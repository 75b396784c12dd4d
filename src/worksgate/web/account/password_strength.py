"""The responses for the strength meter of a new password: a score and advice, in JSON.

People choose a password in three places: on their account page, with a reset link, and during a
sign-in. Each has an endpoint here that takes the same credentials as its form, so only people who
could choose a password there can use it. Without a result (too many requests, an outage, an expired
link) the body is empty, and the meter does not change.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from worksgate.oauth.errors import AuthorizationError
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.password_strength import PasswordMeter
from worksgate.provider.account.reset_links import RESET_PATH
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.account.values import NotSignedIn, SignInTooOld
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.errors import SignInLost
from worksgate.provider.sign_in.transaction import ExpiredTransaction, ForgedTransaction
from worksgate.settings.options import Settings
from worksgate.sources import Person, PersonDisabled
from worksgate.web.account.forms import AccountForms, FormRefused
from worksgate.web.deadline import Deadline
from worksgate.web.pages.catalogues import translations
from worksgate.web.pages.rendering import STRENGTH_PATH
from worksgate.web.pages.wording import GRADES, WEAKNESSES
from worksgate.web.sign_in.refusals import OUTAGES
from worksgate.web.view import View

Form = Mapping[str, str]
Handler = Callable[[Request], Awaitable[Response]]
PersonOf = Callable[[View, Form], Awaitable[Person | None]]

_NO_PERSON = (
    *(NotSignedIn, SignInTooOld, PersonDisabled, SignInLost),
    *(ForgedTransaction, ExpiredTransaction, AuthorizationError),
)


class PasswordMeterHandlers:
    """Serves the meters; ``routes`` defines their paths."""

    def __init__(
        self,
        settings: Settings,
        meter: PasswordMeter,
        provider: IdentityProvider,
        service: SelfService,
        reset: PasswordReset,
        forms: AccountForms,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._meter = meter
        self._provider = provider
        self._service = service
        self._reset = reset
        self._forms = forms
        self._clock = clock

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        """Handlers by path and method."""
        account, login = self._settings.account_path, self._settings.web_login_path
        by_path: Mapping[str, PersonOf] = {
            f"{account}/password": self._of_session,
            f"{account}{RESET_PATH}": self._of_link,
            login: self._of_login,
        }
        return {
            path + STRENGTH_PATH: {"POST": partial(self._answer, person_of)}
            for path, person_of in by_path.items()
        }

    async def _answer(self, person_of: PersonOf, request: Request) -> Response:
        view = View(request)
        try:
            form = await self._forms.read_posted(request, view)
            with Deadline(self._settings.answer_deadline):
                person = await person_of(view, form)
                if person is None:
                    return _no_answer()
                return await self._grade(person, form.get("password", ""), view.language)
        except FormRefused as refused:
            return _no_answer(refused.status)
        except (*_NO_PERSON, *OUTAGES):
            return _no_answer()

    async def _grade(self, person: Person, password: str, language: str) -> Response:
        strength = await self._meter.strength(person, password, self._clock())
        if strength is None:
            return _no_answer()
        catalogue = translations(language)
        advice = WEAKNESSES[strength.weakness] if strength.weakness else ""
        return JSONResponse(
            {
                "score": strength.score,
                "grade": catalogue.gettext(GRADES[strength.score]),
                "advice": catalogue.gettext(advice) if advice else "",
            }
        )

    # Who may choose a password with this form

    async def _of_session(self, view: View, form: Form) -> Person | None:
        self._forms.check_token(form, view.browser.session)
        visitor = await self._service.visitor(view.browser, view.language)
        await self._service.check_fresh(visitor)
        return visitor.person if self._service.can_change_password(visitor) else None

    async def _of_link(self, view: View, form: Form) -> Person | None:
        self._forms.check_token(form, view.browser.secret)
        ticket = await self._reset.open(form.get("txn", ""), self._clock())
        return ticket.person if ticket else None

    async def _of_login(self, view: View, form: Form) -> Person | None:
        transaction = await self._provider.read_transaction(
            form.get("txn", ""), form.get("csrf", ""), view.browser
        )
        return await self._provider.choosing_password(transaction)


def _no_answer(status: int = 204) -> Response:
    return Response(status_code=status)
