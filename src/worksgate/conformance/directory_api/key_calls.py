"""`/users/external-keys`: who has which External Key, and a new one for up to 50 people.

https://developers.worksmobile.com/en/docs/user-external-key-list
https://developers.worksmobile.com/en/docs/user-external-key-create
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from worksgate.conformance.directory_api.asked import Asked, checked_members
from worksgate.conformance.directory_api.pages import page_of
from worksgate.conformance.directory_api.refusals import BadRequest
from worksgate.conformance.directory_api.rules import Rules
from worksgate.conformance.directory_api.tenant import KeyChange, Tenant, Wanted

MOST_IN_A_BATCH: Final = 50

_BODY: Final = frozenset({"users"})
_ENTRY: Final = frozenset({"id", "externalKey"})


class KeyCalls:
    """The two operations on External Keys."""

    def __init__(self, tenant: Tenant, rules: Callable[[], Rules]) -> None:
        self._tenant = tenant
        self._rules = rules

    async def list_keys(self, asked: Asked) -> Response:
        rules = self._rules()
        wanted = Wanted(
            domain_id=asked.domain_id(every=rules.lists_every_domain),
            count=asked.count,
            has_key=asked.flag("hasExternalKey"),
            with_deleted=rules.lists_deleted_with_keys,
        )
        page = page_of(self._tenant, asked, wanted, rules)
        rows = [member.as_key(omits_empty=rules.omits_empty_keys) for member in page.members]
        return JSONResponse({"users": rows, "responseMetaData": page.meta_data})

    async def set_keys(self, asked: Asked) -> Response:
        changes = self._changes(asked)
        async with self._tenant.writing(self._tenant.resolve(changes)):
            self._tenant.set_keys(changes)
        return Response(status_code=204)

    def _changes(self, asked: Asked) -> list[KeyChange]:
        """The batch. Raises BadRequest."""
        strict = self._rules().refuses_unknown_members
        entries = asked.members_of_body(_BODY, strict=strict).get("users")
        if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_IN_A_BATCH:
            raise BadRequest("users must hold 1 to 50 users", "LIMIT_EXCEEDED")
        changes = [_change(checked_members(entry, _ENTRY, strict=strict)) for entry in entries]
        if len({change.person for change in changes}) < len(changes):
            raise BadRequest("The same user occurs twice")
        return changes


def batch_size(content: Any) -> int | None:
    """How many people a batch names, for the record."""
    entries = content.get("users") if isinstance(content, dict) else None
    return len(entries) if isinstance(entries, list) else None


def _change(entry: Mapping[str, Any]) -> KeyChange:
    if "id" not in entry or "externalKey" not in entry:
        raise BadRequest("id or externalKey is missing", "MISSING_PARAMETER")
    person, key = entry["id"], entry["externalKey"]
    if not isinstance(person, str) or not isinstance(key, str | None):
        raise BadRequest("id or externalKey is not valid")
    return KeyChange(person, key)
