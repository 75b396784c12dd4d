"""The answers of a process that has too much to do: JSON for calls, a small page for people.

They are made once and written by ``serving`` as they are, so that a refusal costs next to nothing.
"""

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.settings import Settings
from worksgate.web.catalogues import LANGUAGES, translations
from worksgate.web.endpoints import RETRY_AFTER, error_body
from worksgate.web.headers import call_headers, page_headers
from worksgate.web.pages import Notice
from worksgate.web.routes import HEALTH_PATHS, METRICS_PATH
from worksgate.web.wording import NOTICES

_HEALTH_PATHS = tuple(path.encode() for path in HEALTH_PATHS)
_OPERATORS_PATHS = (*_HEALTH_PATHS, METRICS_PATH.encode())


@dataclass(frozen=True, slots=True)
class Refusals:
    """Two whole answers, the paths that LINE WORKS calls and those of who watches.

    Whoever watches a busy process must not take it for a dead one.
    """

    call: bytes
    page: bytes
    call_paths: tuple[bytes, ...]
    watched_paths: tuple[bytes, ...] = _HEALTH_PATHS

    @classmethod
    def of_operators(cls, settings: Settings) -> "Refusals":
        """Those of the operator's own port, on which metrics are watched by nobody else."""
        return replace(cls.of(settings), watched_paths=_OPERATORS_PATHS)

    @classmethod
    def of(cls, settings: Settings) -> "Refusals":
        """Those of the public address, where everybody may ask for metrics that are public."""
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
        if path in self.call_paths or path in self.watched_paths:
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
