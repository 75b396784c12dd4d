"""The one reader of ``application/x-www-form-urlencoded`` bodies.

What comes back is plain text by name, or ``InvalidRequest``: there is no third outcome and no
repair. The limits are far above anything that LINE WORKS sends (R-51).
"""

from urllib.parse import parse_qsl

from worksgate.oauth.errors import InvalidRequest

MAX_BODY = 16 * 1024
"""Bytes; a larger body is refused before it has been read to its end."""
MAX_FIELDS = 32
MAX_VALUE = 4 * 1024
"""Characters of a name or a value."""

MEDIA_TYPE = "application/x-www-form-urlencoded"


def is_form(content_type: str) -> bool:
    """Whether a Content-Type header names a form in UTF-8; parameters but ``charset`` are free."""
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != MEDIA_TYPE:
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in (
            "utf-8",
            "utf8",
        ):
            return False
    return True


def parse_form(body: bytes) -> dict[str, str]:
    """Read a form body into its parameters.

    Raises InvalidRequest when it is no form, is not UTF-8, repeats a parameter (RFC 6749 §3.2),
    or exceeds a limit.
    """
    pairs = _plain_pairs(body) if b"%" not in body and b"+" not in body else _pairs(body)
    if len(pairs) > MAX_FIELDS:
        raise InvalidRequest("the body has too many fields")
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequest("a parameter is sent twice")
    if len(body) > MAX_VALUE:  # only then can one of them be
        for name, value in pairs:
            if len(value) > MAX_VALUE or len(name) > MAX_VALUE:
                raise InvalidRequest("a parameter is too long")
    return form


def _plain_pairs(body: bytes) -> list[tuple[str, str]]:
    """What ``_pairs`` would return for a body without escapes, such as LINE WORKS sends.

    Reading such a body is a tenth of a user info call.
    """
    try:
        parts = body.decode("ascii").split("&") if body else []
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not a form in UTF-8") from None
    pairs = [part.partition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        raise InvalidRequest("the body is not a form")
    return [(name, value) for name, _, value in pairs]


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("the body is not a form in UTF-8, or has too many fields") from None


def require(form: dict[str, str], name: str) -> str:
    """The value of a required parameter; an empty one counts as missing (R-45)."""
    value = form.get(name, "")
    if not value:
        raise InvalidRequest(f"{name} is missing or empty")
    return value
