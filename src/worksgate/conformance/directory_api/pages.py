"""One page of a list, with the cursor of the next.

https://developers.worksmobile.com/en/docs/pagination
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worksgate.conformance.directory_api.asked import MOST_ON_A_PAGE, Asked
from worksgate.conformance.directory_api.members import Member
from worksgate.conformance.directory_api.positions import cursor_for, position_of
from worksgate.conformance.directory_api.refusals import BadRequest
from worksgate.conformance.directory_api.rules import LargeCount, LastCursor, Rules
from worksgate.conformance.directory_api.tenant import Tenant, Wanted

_OWN: Final = frozenset({"cursor", "count"})
"""Parameters that may differ from page to page."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page as it is sent."""

    members: tuple[Member, ...]
    meta_data: dict[str, Any]


def page_of(tenant: Tenant, asked: Asked, wanted: Wanted, rules: Rules) -> Listed:
    """The page that the query asks for. Raises BadRequest."""
    if wanted.count > MOST_ON_A_PAGE:
        if rules.large_count is LargeCount.REFUSED:
            raise BadRequest("count must be at most 100", "OUT_OF_RANGE")
        return Listed((), _meta_data(None, rules, {}))
    filters = {name: value for name, value in asked.query.items() if name not in _OWN}
    cursor = asked.query.get("cursor")
    page = tenant.page(wanted, None if cursor is None else position_of(cursor, filters))
    if rules.people_change_between_pages:
        tenant.turn_over(page)
    return Listed(page.members, _meta_data(page.next, rules, filters))


def _meta_data(position: Any, rules: Rules, filters: Mapping[str, str]) -> dict[str, Any]:
    if position is not None:
        return {"nextCursor": cursor_for(position, filters)}
    last: dict[LastCursor, dict[str, Any]] = {
        LastCursor.ABSENT: {},
        LastCursor.NULL: {"nextCursor": None},
        LastCursor.EMPTY: {"nextCursor": ""},
    }
    return last[rules.last_cursor]
