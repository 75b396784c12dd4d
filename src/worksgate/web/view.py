"""A browser's request for a page, and what all responses have in common."""

from collections.abc import Mapping
from functools import cached_property
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from worksgate.directory.credential_changes import Origin
from worksgate.provider.sign_in.attempt import Browser
from worksgate.web import cookies
from worksgate.web.calls.endpoints import peer_of
from worksgate.web.pages.browser_names import browser_name
from worksgate.web.pages.rendering import LANGUAGES, Page, choose_language

_PURPOSES = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
"""Headers, including those of old browsers, of a page that is loaded in advance."""

MAX_SWITCHED_QUERY = 2_048
"""Bytes of a query that is repeated in the links of the language switcher."""


class View:
    """One request of a browser, as far as the pages need it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.has_met_outage = False
        """Whether something was down for this request, and that is recorded."""
        # In ASGI names are in lower case; of a header that came twice the first counts.
        self._headers: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))
        self.path: str = request.scope["path"]
        self.query = request.scope["query_string"].decode("latin-1")
        # Most need no parameters, and the switcher does not percent-encode ``lang``.
        self.language = choose_language(
            self.parameters.get("lang") if "lang" in self.query else None,
            self._header(b"accept-language"),
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
            name=browser_name(self._header(b"user-agent")),
            may_receive_code=self.is_navigation,
        )

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The query, decoded."""
        return dict(parse_qsl(self.query, errors="replace"))

    @property
    def is_navigation(self) -> bool:
        """Whether a person is navigating there, as far as the browser says (R-17, R-68).

        HEAD shows nothing to anybody, so it issues no code and ends no session.
        """
        purposes = b" ".join([self._headers.get(name, b"") for name in _PURPOSES])
        return (
            self._request.method != "HEAD"
            and b"prefetch" not in purposes
            and b"preview" not in purposes
            and self._headers.get(b"sec-fetch-mode", b"navigate") == b"navigate"
            and self._headers.get(b"sec-fetch-dest", b"document") == b"document"
        )

    def comes_from(self, origin: str) -> bool:
        """Whether a form was posted from a page of ours, as far as the browser says (R-21).

        ``no-referrer`` makes browsers send "null" here; then Sec-Fetch-Site decides, and if that is
        not sent either, only the Lax cookie and the anti-forgery token protect.
        """
        site = self._header(b"sec-fetch-site", "same-origin")
        return site == "same-origin" and self._header(b"origin", origin) in (origin, "null")

    def _header(self, name: bytes, otherwise: str = "") -> str:
        value = self._headers.get(name)
        return otherwise if value is None else value.decode("latin-1")

    @property
    def languages(self) -> list[tuple[str, str]]:
        """The language switcher; empty on a page of a POST, which a link cannot repeat.

        Each language repeats the query, so a long one has no switcher either.
        """
        if self._request.method != "GET" or len(self.query) > MAX_SWITCHED_QUERY:
            return []
        kept = [part for part in self.query.split("&") if part and not part.startswith("lang=")]
        return [(code, "?" + "&".join([*kept, f"lang={code}"])) for code in LANGUAGES]


class ImmutableResponse(Response):
    """Content whose address changes with it, so that browsers keep it."""


def origin_of(request: Request) -> Origin:
    """The origin of a request, for the notice of its change."""
    view = View(request)
    return Origin(address=view.browser.address, browser=view.browser.name, language=view.language)


def redirect(location: str) -> Response:
    """See Other, with the address unchanged byte for byte (R-07, R-08)."""
    response = Response(status_code=303)
    response.headers["Location"] = location
    return response


def page_response(
    view: View, page: Page, status: int = 200, *, form_targets: str = "'self'"
) -> Response:
    """A page with its policy; its forms may lead to ``form_targets``, as CSP spells them."""
    response = Response(page.content, status, media_type="text/html")
    response.raw_headers += [
        (b"content-security-policy", _content_security_policy(page, form_targets).encode()),
        (b"content-language", view.language.encode()),
    ]
    return response


def _content_security_policy(page: Page, form_targets: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            page.style_and_script_csp,
            "img-src 'self' data:",
            f"form-action {form_targets}",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'none'",
        )
    )
