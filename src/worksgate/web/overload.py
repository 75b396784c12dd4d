"""Responses without the application: JSON for calls, a small page for people.

They are for requests beyond the limits of a process, and for invalid HTTP. They are built once and
written by ``server`` as they are, so that a refusal costs next to nothing.
"""

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from worksgate.oauth.errors import InvalidRequest, OAuthError, TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.settings.options import Settings
from worksgate.web.calls.endpoints import RETRY_AFTER, error_body
from worksgate.web.headers import call_headers, page_headers
from worksgate.web.pages.catalogues import LANGUAGES, translations
from worksgate.web.pages.rendering import Notice
from worksgate.web.pages.wording import NOTICES
from worksgate.web.routes import HEALTH_PATHS, METRICS_PATH

MALFORMED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

_HEALTH_PATHS = tuple(path.encode() for path in HEALTH_PATHS)
_OPERATORS_PATHS = (*_HEALTH_PATHS, METRICS_PATH.encode())


@dataclass(frozen=True, slots=True)
class Refusals:
    """Complete responses, for the paths of LINE WORKS and of monitoring.

    Monitoring must not mistake a busy process for a dead one.
    """

    call: bytes
    page: bytes
    malformed_calls: Mapping[int, bytes]
    malformed_pages: Mapping[int, bytes]
    call_paths: tuple[bytes, ...]
    watched_paths: tuple[bytes, ...] = _HEALTH_PATHS

    @classmethod
    def of_operators(cls, settings: Settings) -> "Refusals":
        """Those of the operations port, which has no public metrics."""
        return replace(cls.of(settings), watched_paths=_OPERATORS_PATHS)

    @classmethod
    def of(cls, settings: Settings) -> "Refusals":
        """Those of the public address, with metrics if they are public."""
        paths = (settings.access_token_path, settings.user_info_path, settings.imap_login_path)
        unavailable = HTTPStatus.SERVICE_UNAVAILABLE
        return cls(
            call=_call(settings, unavailable, TemporarilyUnavailable()),
            page=_page(settings, unavailable, Notice.UNAVAILABLE),
            malformed_calls={
                status: _call(settings, status, InvalidRequest()) for status in MALFORMED
            },
            malformed_pages={
                status: _page(settings, status, Notice.BAD_REQUEST) for status in MALFORMED
            },
            call_paths=tuple(path.encode() for path in paths),
        )

    def is_call(self, url: bytes) -> bool:
        """Whether LINE WORKS or monitoring is the caller."""
        path = url.partition(b"?")[0]
        if path in self.call_paths or path in self.watched_paths:
            return True
        return any(path.startswith(known + b"/") for known in self.call_paths)

    def malformed(self, url: bytes, status: int) -> bytes:
        """The response to an invalid request; the status is one of ``MALFORMED``."""
        return (self.malformed_calls if self.is_call(url) else self.malformed_pages)[status]


def _call(settings: Settings, status: HTTPStatus, error: OAuthError) -> bytes:
    body = json.dumps(error_body(error, ErrorStyle.CODE)).encode()
    return _answer(
        status, body, b"application/json; charset=utf-8", call_headers(is_https=settings.is_https)
    )


def _page(settings: Settings, status: HTTPStatus, notice: Notice) -> bytes:
    policy = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
    headers = [*page_headers(is_https=settings.is_https), policy]
    return _answer(status, _html(settings, notice).encode(), b"text/html; charset=utf-8", headers)


def _answer(
    status: HTTPStatus, body: bytes, content_type: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}".encode(),
        b"content-type: " + content_type,
        b"content-length: " + str(len(body)).encode(),
        b"connection: close",
        *(name + b": " + value for name, value in headers),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(b"retry-after: " + RETRY_AFTER)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _html(settings: Settings, wanted: Notice) -> str:
    """The notice in every language, since the request's language is not evaluated."""
    notice, product = NOTICES[wanted], settings.product_name
    parts = [
        f'<section lang="{language}"><h1>{_text(language, notice.title, product)}</h1>'
        f"<p>{_text(language, notice.to_do, product)}</p></section>"
        for language in LANGUAGES
    ]
    title = html.escape(notice.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width">{"".join(parts)}</html>'
    )


def _text(language: str, message: str, product: str) -> str:
    return html.escape(translations(language).gettext(message) % {"product": product})
