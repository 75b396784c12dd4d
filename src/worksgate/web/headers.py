"""The headers of every response, and additional ones of pages.

The Content-Security-Policy of a page is not among them: it depends on the page (``pages``).
"""

from collections.abc import Mapping

Headers = list[tuple[bytes, bytes]]
"""In ASGI format; the names are in lower case."""

ONE_YEAR = 31_536_000
"""Seconds."""


def call_headers(*, is_https: bool) -> Headers:
    """The headers of every response, and all that a call needs (R-11, R-12, R-94)."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if is_https:
        headers["strict-transport-security"] = f"max-age={ONE_YEAR}"
    return _encoded(headers)


def page_headers(*, is_https: bool) -> Headers:
    """The additional headers of a page, except its Content-Security-Policy (R-09, R-10)."""
    headers = {
        "pragma": "no-cache",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    return [*call_headers(is_https=is_https), *_encoded(headers)]


def kept_headers(headers: Headers) -> Headers:
    """The headers of content that never changes: those of a page, but browsers keep it."""
    others = [each for each in headers if each[0] not in (b"cache-control", b"pragma")]
    return [*others, (b"cache-control", f"public, max-age={ONE_YEAR}, immutable".encode())]


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
