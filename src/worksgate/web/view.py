"""One request of a browser for a page, and what every answer to one has."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from worksgate.directory.credential_changes import Origin
from worksgate.provider.sign_in.attempt import Browser
from worksgate.web import cookies
from worksgate.web.calls.endpoints import peer_of
from worksgate.web.pages.browser_names import browser_name
from worksgate.web.pages.rendering import LANGUAGES, Page, choose_language

_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers by which browsers, old ones too, say that nobody is looking yet."""

MAX_SWITCHED_QUERY = 2_048
"""Bytes of a query that is repeated in the links of the language switcher."""


class View:
    """One request of a browser, as far as the pages need it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._headers = request.headers
        self.path: str = request.scope["path"]
        self.query = request.scope["query_string"].decode("latin-1")
        self.parameters = dict(parse_qsl(self.query, errors="replace"))
        self.language = choose_language(
            self.parameters.get("lang"), self._headers.get("accept-language", "")
        )
        kept = cookies.read(request.scope)
        self.has_no_cookie = cookies.secret_of(kept, cookies.BROWSER) is None
        self.browser = Browser(
            address=peer_of(request.scope),
            secret=cookies.browser_secret(kept),
            session=cookies.secret_of(kept, cookies.SESSION),
            devices=cookies.devices_of(kept),
            trusted=cookies.trusted_of(kept),
            upstream=cookies.upstream_of(kept),
            name=browser_name(self._headers.get("user-agent", "")),
            may_receive_code=self.is_navigation,
        )

    @property
    def is_navigation(self) -> bool:
        """Whether a person is going there, as far as the browser tells (R-17, R-68).

        HEAD shows nobody anything, so it brings no code and ends no session.
        """
        purposes = [self._headers.get(name, "") for name in _PURPOSES]
        return (
            self._request.method != "HEAD"
            and not any("prefetch" in purpose or "preview" in purpose for purpose in purposes)
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


def origin_of(request: Request) -> Origin:
    """Where a request comes from, for the notice of what it changes."""
    view = View(request)
    return Origin(address=view.browser.address, browser=view.browser.name, language=view.language)


def redirect(location: str) -> Response:
    """See Other, with the address byte for byte as it is (R-07, R-08)."""
    response = Response(status_code=303)
    response.headers["Location"] = location
    return response


def content_security_policy(page: Page, form_targets: list[str]) -> str:
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
