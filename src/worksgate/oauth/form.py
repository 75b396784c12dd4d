"""The only parser of ``application/x-www-form-urlencoded`` bodies.

The result is plain text by name, or ``InvalidRequest``: there is no third outcome. Quirks of common
clients are accepted, such as a stray ``&`` and the charsets of old ones (R-112). The limits are far
above anything that LINE WORKS sends (R-51).
"""

from urllib.parse import unquote_plus

from worksgate.oauth.errors import InvalidRequest

MAX_BODY = 16 * 1024
"""Bytes; a larger body is refused before it has been read completely."""
MAX_FIELDS = 32
MAX_VALUE = 4 * 1024
"""Maximum length in characters of a name or a value."""

MEDIA_TYPE = "application/x-www-form-urlencoded"


CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "iso-8859-1": "latin-1",
    "us-ascii": "ascii",
}
"""Charsets of a Content-Type for the escapes of a form, and their names in Python."""


def charset_of(content_type: str) -> str | None:
    """The encoding of a form, by its Content-Type, or None if that is not a supported form.

    Parameters other than ``charset`` are ignored; the default is UTF-8.
    """
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != MEDIA_TYPE:
        return None
    charsets = ["utf-8"]
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charsets.append(CHARSETS.get(value.strip().strip('"').lower(), ""))
    return charsets[-1] if all(charsets) else None


def parse_form(
    body: bytes | bytearray, charset: str = "utf-8", max_fields: int = MAX_FIELDS
) -> dict[str, str]:
    """Parse a form body into its parameters; parts without ``=`` are skipped.

    Raises InvalidRequest if it is not a form, is not in ``charset``, repeats a parameter (RFC 6749
    §3.2), or exceeds a limit.
    """
    pairs = _pairs(body, charset, max_fields)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequest("a parameter is sent twice")
    if len(body) > MAX_VALUE:  # only then can one of them be
        for name, value in pairs:
            if len(value) > MAX_VALUE or len(name) > MAX_VALUE:
                raise InvalidRequest("a parameter is too long")
    return form


def _pairs(body: bytes | bytearray, charset: str, max_fields: int) -> list[tuple[str, str]]:
    try:
        text = body.decode("ascii")
        parts = [part.partition("=") for part in text.split("&") if "=" in part]
        if len(parts) > max_fields:
            raise InvalidRequest("the body has too many fields")
        if "%" not in text and "+" not in text:  # as LINE WORKS sends it
            return [(name, value) for name, _, value in parts]
        return [
            (unquote_plus(name, charset, "strict"), unquote_plus(value, charset, "strict"))
            for name, _, value in parts
        ]
    except UnicodeDecodeError:
        raise InvalidRequest(f"the body is not a form in {charset}") from None


def require(form: dict[str, str], name: str) -> str:
    """The value of a required parameter; an empty one counts as missing (R-45)."""
    value = form.get(name, "")
    if not value:
        raise InvalidRequest(f"{name} is missing or empty")
    return value
