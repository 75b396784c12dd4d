"""An audit record as a row: the same values, whoever writes it and to which database.

The directory writes records in its own transactions, the stores in the commits that they describe;
both use these rows, so that no external text can imitate another record.
"""

from typing import Any

from worksgate.audit import AuditEvent

COLUMNS: tuple[str, ...] = AuditEvent.__struct_fields__
"""The columns of the table ``audit`` that a record fills; the database assigns ``id``."""

EventRow = tuple[float | str | None, ...]

_LONGEST = 255
_LONGEST_DETAIL = 1_000


def event_values(event: AuditEvent) -> dict[str, Any]:
    """The columns of an audit record; no text in it can imitate another record (R-105)."""
    return dict(zip(COLUMNS, event_row(event), strict=True))


def event_row(event: AuditEvent) -> EventRow:
    """Like ``event_values``, as a tuple in the order of ``COLUMNS``."""
    return (
        event.at,
        event.event.value,
        encoded(event.login_id),
        encoded(event.client_id),
        encoded(event.subject_id),
        encoded(event.username),
        encoded(event.address),
        encoded(event.actor),
        encoded(event.detail, _LONGEST_DETAIL),
        None if event.reason is None else event.reason.value,
        event.elapsed_ms,
    )


def encoded(text: str | None, longest: int = _LONGEST) -> str | None:
    """An external text on one line: unprintable characters are escaped, long texts truncated."""
    if text is None or (len(text) <= longest and text.isprintable() and "\\" not in text):
        return text
    shown = "".join(map(_printable, text[: longest + 1]))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _printable(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
