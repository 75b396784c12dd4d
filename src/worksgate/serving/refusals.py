"""The answers of a process that has too much to do: JSON for calls, a small page for people.

They are made once and written as they are, so that a refusal costs next to nothing.
"""

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass

from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.settings import Settings
from worksgate.web.application import call_headers, page_headers
from worksgate.web.catalogues import LANGUAGES, translations
from worksgate.web.endpoints import RETRY_AFTER, error_body
from worksgate.web.pages import Notice
from worksgate.web.wording import NOTICES

_NEVER_FIRST = (b"/healthz", b"/readyz", b"/metrics")
"""Whoever watches a busy process must not take it for a dead one."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Two whole answers, and the paths that LINE WORKS calls."""

    call: bytes
    page: bytes
    call_paths: tuple[bytes, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Refusals":
        paths = (settings.access_token_path, settings.user_info_path, settings.imap_login_path)
        error = error_body(TemporarilyUnavailable(), ErrorStyle.CODE)
        policy = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
        return cls(
            call=_answer(
                json.dumps(error).encode(),
                b"application/json; charset=utf-8",
                call_headers(settings),
            ),
            page=_answer(
                _page().encode(), b"text/html; charset=utf-8", [*page_headers(settings), policy]
            ),
            call_paths=tuple(path.encode() for path in paths),
        )

    def is_call(self, url: bytes) -> bool:
        """Whether LINE WORKS or somebody who watches the server is the caller."""
        path = url.partition(b"?")[0]
        if path in self.call_paths or path in _NEVER_FIRST:
            return True
        return any(path.startswith(known + b"/") for known in self.call_paths)


def _answer(body: bytes, content_type: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [
        b"HTTP/1.1 503 Service Unavailable",
        b"content-type: " + content_type,
        b"content-length: " + str(len(body)).encode(),
        b"retry-after: " + RETRY_AFTER,
        b"connection: close",
        *(name + b": " + value for name, value in headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _page() -> str:
    """The notice in every language, for nobody has looked at which one is wanted."""
    notice = NOTICES[Notice.UNAVAILABLE]
    parts = [
        f'<section lang="{language}"><h1>{_text(language, notice.title)}</h1>'
        f"<p>{_text(language, notice.to_do)}</p></section>"
        for language in LANGUAGES
    ]
    title = html.escape(notice.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width">{"".join(parts)}</html>'
    )


def _text(language: str, message: str) -> str:
    return html.escape(translations(language).gettext(message))
