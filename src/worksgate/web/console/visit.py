"""One request of an administrator, as the handlers of the console see it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from worksgate.administration import Actor, Administration, NotFound
from worksgate.administration.alerts.testing import AlertTest
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.console.sessions import SignedIn
from worksgate.administration.console.sign_in import ConsoleSignIn
from worksgate.administration.deployers import DeployerAccess
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.going_live.live_view import LiveWatch
from worksgate.administration.jobs.kinds import SendLink
from worksgate.administration.roles import Permission, Role, may
from worksgate.directory.credential_changes import coming_from
from worksgate.mail import Mailer
from worksgate.oauth.errors import InvalidRequest
from worksgate.provider.factors.second_factors import Factors
from worksgate.settings.options import Settings
from worksgate.store import Store
from worksgate.web.console.examination import Examination
from worksgate.web.console.examiner import Examiner
from worksgate.web.console.pages import ConsolePages, Words
from worksgate.web.console.sign_in_trial import SignInTrial
from worksgate.web.console.verification import Verification
from worksgate.web.pages.anti_forgery import AntiForgery
from worksgate.web.pages.previews import Previews

MOST_FIELDS = 20
"""Of a query."""


def readable(values: Mapping[str, str]) -> Mapping[str, str]:
    """The same values. Raises InvalidRequest for NUL, which not every database can search for."""
    if any("\0" in text for pair in values.items() for text in pair):
        raise InvalidRequest("a value contains NUL")
    return values


def number_of(typed: str) -> int:
    """A number of a form or an address, as a database can hold it; -1 for what is none."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What the handlers work with.

    ``administration`` makes the operations that are recorded in an administrator's name.
    ``send_reset_link`` and ``mailer`` are None if no e-mail can be sent.
    """

    settings: Settings
    sign_in: ConsoleSignIn
    administration: Callable[[Actor], Administration]
    examiner: Examiner
    first_owner: FirstOwner
    send_reset_link: SendLink | None
    mailer: Mailer | None
    alert_test: AlertTest
    factors: Factors
    deployers: DeployerAccess
    watch: LiveWatch
    pages: ConsolePages
    previews: Previews
    anti_forgery: AntiForgery
    store: Store
    examination: Examination
    verification: Verification
    sign_in_trial: SignInTrial
    clock: Callable[[], float]


@dataclass(kw_only=True)
class Visit:
    """One request. ``form`` is empty for a GET; ``file`` is that of a form with one.

    A request with a token has a ``deployer`` instead of somebody who is signed in, and a
    ``document``.

    ``request_id`` is in the lines of the log, too. ``has_step`` is whether the browser has the
    cookie that binds the steps of a sign-in to it.
    """

    console: Console
    request: Request
    request_id: str
    browser: ConsoleBrowser
    words: Words
    has_step: bool
    signed_in: SignedIn | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    file: bytes | None = field(default=None, repr=False)
    deployer: Actor | None = None
    document: object = field(default=None, repr=False)

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query, decoded; of a repeated parameter the last counts.

        Raises InvalidRequest if it cannot be one of a page of the console.
        """
        text = self.request.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(text, errors="replace", max_num_fields=MOST_FIELDS)
        except ValueError:
            raise InvalidRequest("the address has too many fields") from None
        return readable(dict(pairs))

    @property
    def administrator(self) -> SignedIn:
        """Whoever is signed in; only for routes with a permission."""
        if self.signed_in is None:
            raise NotFound("nobody is signed in")
        return self.signed_in

    @property
    def role(self) -> Role | None:
        return None if self.signed_in is None else self.signed_in.role

    @property
    def now(self) -> float:
        return self.console.clock()

    def may(self, permission: Permission) -> bool:
        """Whether the administrator may do this: what a page offers is what the server does."""
        return may(self.role, permission)

    @property
    def actor(self) -> Actor:
        """Whoever is signed in or has a token, as records name them."""
        if self.deployer is not None:
            return replace(self.deployer, request_id=self.request_id)
        who = self.administrator
        return Actor(
            f"console:{who.account.recorded_name}",
            self.console.clock,
            subject_id=who.account.subject_id,
            role=who.role,
            session=who.session.name,
            request_id=self.request_id,
        )

    @cached_property
    def administration(self) -> Administration:
        """The operations, recorded in the name of whoever is signed in."""
        return self.console.administration(self.actor)

    def as_oneself(self) -> AbstractContextManager[None]:
        """What one changes of oneself is told in a mail with this browser, in its language."""
        return coming_from(self.browser.origin)

    @property
    def form_secret(self) -> str:
        """What the anti-forgery tokens of this browser are valid for."""
        return self.browser.secret if self.signed_in is None else self.signed_in.session.key

    def page(self, template: str, status: int = 200, **shown: object) -> Response:
        """A page of the console."""
        return self.console.pages.page(
            template,
            self.words,
            self.may,
            status,
            visit=self,
            here=self.request.scope["path"],
            csrf=self.console.anti_forgery.token(self.form_secret),
            **shown,
        )

    def link(self, path: str, **parameters: str) -> str:
        """A link within the console."""
        kept = {name: value for name, value in parameters.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    def to(self, path: str, **parameters: str) -> Response:
        """See Other, after something was done."""
        response = Response(status_code=303)
        response.headers["Location"] = self.link(path, **parameters)
        return response
