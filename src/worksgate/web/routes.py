"""The routes: there are few of them, and each is a setting.

The calls of LINE WORKS are plain ASGI, everything else is a handler by path and method.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from worksgate.observability.instruments import Meter, Traffic
from worksgate.provider.sign_in.upstream import CALLBACK_PATH
from worksgate.settings.options import Settings
from worksgate.web.account.client_looks import ClientLooks
from worksgate.web.account.disavowal import DisavowalHandlers
from worksgate.web.account.forms import AccountForms
from worksgate.web.account.handlers import AccountHandlers
from worksgate.web.account.password_reset import FORGOT_PATH, PasswordResetHandlers
from worksgate.web.account.password_strength import PasswordMeterHandlers
from worksgate.web.calls.endpoints import BackChannel
from worksgate.web.calls.imap_login import MailClients
from worksgate.web.calls.openapi import describe_api
from worksgate.web.headers import call_headers
from worksgate.web.installation import Installation
from worksgate.web.pages.anti_forgery import AntiForgery
from worksgate.web.pages.looks import LOGO_PATH, Looks
from worksgate.web.pages.rendering import Pages
from worksgate.web.sign_in.handlers import SignInHandlers
from worksgate.web.sign_in.logos import LogoHandlers
from worksgate.web.sign_in.responses import STEP_PATH, SignInPages

Handler = Callable[[Request], Awaitable[Response]]
Handlers = Mapping[str, Mapping[str, Handler]]
"""By path and method."""

HEALTH_PATHS = ("/healthz", "/readyz")
"""For monitoring: never delayed by pages."""
METRICS_PATH = "/metrics"
"""If public, it waits its turn like a page."""


@dataclass(frozen=True, slots=True)
class Routes:
    """All paths of an application. ``pages`` also answers unknown ones."""

    calls: Mapping[str, ASGIApp]
    handlers: Handlers
    pages: SignInPages
    _back_channel: BackChannel
    _mail_clients: MailClients
    _call_prefixes: tuple[str, ...]
    _imap_login_path: str
    _counters: Mapping[str, Meter]
    _other: Meter

    @classmethod
    def of(cls, settings: Settings, installation: Installation, health: Handlers) -> "Routes":
        """Build the handlers of what is open; those of ``health`` are added."""
        provider, traffic = installation.provider, installation.figures.traffic
        common = (settings, provider.clients, call_headers(is_https=settings.is_https), traffic)
        back_channel = BackChannel(installation.calls, *common)
        looks = Looks(urlsplit(settings.public_url).path.rstrip("/") + LOGO_PATH)
        forms = AccountForms(
            settings, AntiForgery(installation.form_key), ClientLooks(provider.clients, looks)
        )
        can_reset = installation.password_reset is not None and settings.can_reset_passwords
        pages = SignInPages(
            provider,
            Pages(settings),
            reset_path=forms.path(FORGOT_PATH) if can_reset else None,
            looks=looks,
        )
        login = SignInHandlers(provider, pages)
        handlers: Handlers = {
            **_login_handlers(settings, login, provider.callback_names),
            **_account_handlers(settings, installation, login, pages, forms),
            "/": {"GET": partial(_to, forms.path(""))},
            "/openapi.json": {"GET": partial(_description, settings)},
            "/favicon.ico": {"GET": _icon},
            **_logo_handlers(settings, installation),
            **health,
        }
        calls = {
            settings.access_token_path: back_channel.token,
            settings.user_info_path: back_channel.user_info,
        }
        return cls(
            calls=calls,
            handlers=handlers,
            pages=pages,
            _back_channel=back_channel,
            _mail_clients=MailClients(installation.mail_clients, *common),
            _call_prefixes=tuple(f"{path}/" for path in calls),
            _imap_login_path=settings.imap_login_path,
            _counters={path: _counter(settings, traffic, path) for path in handlers},
            _other=traffic.other,
        )

    def below_a_call(self, path: str) -> ASGIApp | None:
        """The handler for paths below a call, where LINE WORKS expects JSON too."""
        if path.startswith(self._call_prefixes):
            return self._back_channel.not_found
        login = self._imap_login_path
        if path == login or path.startswith(f"{login}/"):
            return partial(self._mail_clients.log_in, path)
        return None

    @property
    def malformed_call(self) -> ASGIApp:
        """The response to an invalid call."""
        return self._back_channel.malformed

    def counter(self, path: str) -> Meter:
        """The meter of a path, whether or not it exists."""
        return self._counters.get(path, self._other)


def _login_handlers(
    settings: Settings, login: SignInHandlers, callbacks: Iterable[str]
) -> Handlers:
    form = {"GET": login.show, "POST": login.submit}
    back = {"GET": login.finish_upstream_login}
    path = settings.web_login_path
    return {
        path: form,
        f"{path}/": form,
        f"{path}{STEP_PATH}": {"GET": login.show_step},
        **{f"{path}{CALLBACK_PATH}{name}": back for name in callbacks},
        settings.logout_path: {"GET": login.log_out},
    }


def _account_handlers(
    settings: Settings,
    installation: Installation,
    login: SignInHandlers,
    pages: SignInPages,
    forms: AccountForms,
) -> Handlers:
    service, reset = installation.self_service, installation.password_reset
    account = AccountHandlers(service, login, pages, forms, settings.answer_deadline)
    routes: Handlers = {"/": account.routes[""], **account.routes}
    disavowal = DisavowalHandlers(settings, installation, pages, forms)
    routes = {**routes, **disavowal.routes}
    if reset is not None:
        forgotten = PasswordResetHandlers(settings, reset, pages, forms, installation.clock)
        routes = {**routes, **forgotten.routes}
    handlers: Handlers = {settings.account_path + path: each for path, each in routes.items()}
    if reset is None or installation.password_meter is None:
        return handlers
    meter = PasswordMeterHandlers(
        settings,
        installation.password_meter,
        installation.provider,
        service,
        reset,
        forms,
        installation.clock,
    )
    return {**handlers, **meter.routes}


def _logo_handlers(settings: Settings, installation: Installation) -> Handlers:
    if installation.read_logo is None:
        return {}
    clients = installation.provider.clients
    logos = LogoHandlers(clients, installation.read_logo, settings.answer_deadline)
    return {LOGO_PATH: {"GET": logos.show}}


def _counter(settings: Settings, traffic: Traffic, path: str) -> Meter:
    """The meter of an existing path."""
    if path == settings.logout_path:
        return traffic.logout
    if f"{path}/".startswith(f"{settings.web_login_path}/"):
        return traffic.login
    if f"{path}/".startswith(f"{settings.account_path}/"):
        return traffic.account
    return traffic.other


async def _to(location: str, _: Request) -> Response:
    """People who open the bare URL are redirected to their own account."""
    return RedirectResponse(location, 303)


async def _description(settings: Settings, _: Request) -> Response:
    return JSONResponse(describe_api(settings))


async def _icon(_: Request) -> Response:
    icon = files("worksgate.web.pages") / "static" / "icon.svg"
    return Response(icon.read_bytes(), media_type="image/svg+xml")
