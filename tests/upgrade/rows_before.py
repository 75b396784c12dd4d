"""Importing this first makes the program write audit records as it did before revision 0005."""

from worksgate.audit import AuditEvent
from worksgate.database import audit_rows

COLUMNS = (
    *("at", "event", "login_id", "client_id", "subject_id", "username", "address", "actor"),
    "detail",
)

_row = audit_rows.event_row


def _row_before(event: AuditEvent) -> audit_rows.EventRow:
    return _row(event)[: len(COLUMNS)]


assert audit_rows.COLUMNS[: len(COLUMNS)] == COLUMNS
audit_rows.COLUMNS = COLUMNS
audit_rows.event_row = _row_before
