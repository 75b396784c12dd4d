"""Shared by the handlers of the account pages: reading forms and responding."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from worksgate.oauth.errors import OAuthError
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER
from worksgate.settings.options import Settings
from worksgate.web import cookies
from worksgate.web.account.client_looks import ClientLooks
from worksgate.web.account.pages import AccountPages, Links, Setting
from worksgate.web.body import read_form
from worksgate.web.pages.anti_forgery import AntiForgery
from worksgate.web.pages.catalogues import requested_language
from worksgate.web.pages.looks import Look
from worksgate.web.pages.rendering import Page
from worksgate.web.view import View, page_response


class FormRefused(Exception):
    """A form that is too large, malformed, cross-site, or without its token."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class AccountForms:
    """Reads forms and responds for the account pages of one installation."""

    def __init__(self, settings: Settings, anti_forgery: AntiForgery, looks: ClientLooks) -> None:
        public = urlsplit(settings.public_url)
        self._origin = f"{public.scheme}://{public.netloc}"
        self._base = public.path.rstrip("/") + settings.account_path
        self._anti_forgery = anti_forgery
        self.looks = looks
        self.pages = AccountPages(settings)
        self.logout_url = public.path.rstrip("/") + settings.logout_path

    def links(self, view: View) -> Links:
        """The URLs of the account pages, in the language of this request."""
        return Links(self._base, requested_language(view.parameters.get("lang")))

    def path(self, page: str) -> str:
        """The path of a page, from the root of the host."""
        return self._base + page

    def address(self, view: View, page: str = "") -> str:
        """The absolute URL of a page."""
        return self._origin + self.links(view)(page)

    def setting(self, view: View, secret: str, look: Look | None = None) -> Setting:
        """What every page needs; its forms are valid for the holder of this secret."""
        token = self._anti_forgery.token(secret)
        return Setting(
            language=view.language,
            links=self.links(view),
            csrf=token,
            # The secret of a link must not be part of another URL.
            languages=() if TOKEN_PARAMETER in view.parameters else view.languages,
            look=look,
        )

    async def read(self, request: Request, view: View, secret: str | None) -> Mapping[str, str]:
        """The form of a request posted from a page of ours, with its token.

        Raises FormRefused.
        """
        form = await self.read_posted(request, view)
        self.check_token(form, secret)
        return form

    async def read_posted(self, request: Request, view: View) -> Mapping[str, str]:
        """The form of a request, unless it is cross-site; its token must still be checked.

        Raises FormRefused.
        """
        try:
            form = await read_form(request.scope, request.receive)
        except OAuthError as error:
            raise FormRefused(error.status) from error
        if not view.comes_from(self._origin):
            raise FormRefused(403)
        return form

    def check_token(self, form: Mapping[str, str], secret: str | None) -> None:
        """Check that the token of a form was made for this secret. Raises FormRefused."""
        if secret is None or not self._anti_forgery.is_right(form.get("csrf", ""), secret):
            raise FormRefused(403)

    def answer(
        self, view: View, page: Page, status: int = 200, *, bind_browser: bool = False
    ) -> Response:
        """A page; ``bind_browser`` sets the secret to which its forms are bound."""
        response = page_response(view, page, status)
        if bind_browser:
            cookies.set_secret(response, cookies.BROWSER, view.browser.secret)
        return response
