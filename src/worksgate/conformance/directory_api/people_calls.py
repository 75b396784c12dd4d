"""`/users`: the people, and what an administrator can do to one of them.

https://developers.worksmobile.com/en/docs/user-list and the pages beside it
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from worksgate.conformance.directory_api.asked import Asked
from worksgate.conformance.directory_api.members import Member, new_user_id
from worksgate.conformance.directory_api.pages import page_of
from worksgate.conformance.directory_api.refusals import BadRequest, Forbidden
from worksgate.conformance.directory_api.rules import Rules
from worksgate.conformance.directory_api.tenant import Order, Tenant, Wanted, check_key
from worksgate.conformance.directory_api.token_endpoint import TokenEndpoint

_CHANGEABLE: Final = frozenset(
    {
        *("domainId", "email", "userName", "userExternalKey", "i18nNames", "nickName"),
        *("privateEmail", "aliasEmails", "employeeNumber", "locale", "timeZone"),
        *("organizations", "activationDate", "customFields", "relations", "passwordConfig"),
    }
)
_REQUIRED: Final = ("domainId", "email", "userName")
_KNOWN_HERE: Final = frozenset({*_REQUIRED, "userExternalKey", "passwordConfig"})


class PeopleCalls:
    """The operations on people."""

    def __init__(self, tenant: Tenant, tokens: TokenEndpoint, rules: Callable[[], Rules]) -> None:
        self._tenant = tenant
        self._tokens = tokens
        self._rules = rules

    async def list_people(self, asked: Asked) -> Response:
        if "searchFilterType" in asked.query:
            asked.choice("searchFilterType", "VIP")
            return JSONResponse({"users": [], "responseMetaData": {}})  # nobody is a VIP here
        rules = self._rules()
        wanted = Wanted(
            domain_id=asked.domain_id(every=rules.lists_every_domain),
            count=asked.count,
            order=Order(asked.choice("orderBy", Order.CREATED_TIME, Order.NAME)),
            descending=asked.choice("sortOrder", "ASCENDING", "DESCENDING") == "DESCENDING",
            with_deleted=rules.lists_deleted,
        )
        page = page_of(self._tenant, asked, wanted, rules)
        people = [self._shown(member) for member in page.members]
        return JSONResponse({"users": people, "responseMetaData": page.meta_data})

    async def get(self, asked: Asked) -> Response:
        """A person; somebody with a token of their own may ask for `me`."""
        return JSONResponse(self._shown(self._asked_for(asked)))

    def _shown(self, member: Member) -> dict[str, Any]:
        return member.as_person(awaiting_is_pending=self._rules().awaiting_is_pending)

    def _asked_for(self, asked: Asked) -> Member:
        own = asked.token.user_id
        if own is None:
            return self._tenant.person(asked.path[0])
        member = self._tenant.person(own if asked.path[0] == "me" else asked.path[0])
        if member.user_id != own:
            raise Forbidden("The token is another user's", "ACCESS_DENIED")
        return member

    # Written whole or in part

    async def create(self, asked: Asked) -> Response:
        sent = self._sent(asked, required=(*_REQUIRED, "userExternalKey"))
        blank = Member(user_id=new_user_id(secrets.token_hex()), email="", last_name="")
        member = _changed(blank, sent)
        self._tenant.add(member)
        return JSONResponse(self._shown(member), self._rules().created_status)

    async def replace(self, asked: Asked) -> Response:
        """PUT: what is left out becomes null."""
        sent = self._sent(asked, required=_REQUIRED)
        return await self._write(asked, {"userExternalKey": None, **sent}, keeps_other=False)

    async def change(self, asked: Asked) -> Response:
        return await self._write(asked, self._sent(asked), keeps_other=True)

    def _sent(self, asked: Asked, required: tuple[str, ...] = ()) -> dict[str, Any]:
        strict = self._rules().refuses_unknown_members
        sent = asked.members_of_body(_CHANGEABLE, strict=strict)
        for name in required:
            if sent.get(name) is None:
                raise BadRequest(f"{name} is missing", "MISSING_PARAMETER")
        return sent

    async def _write(self, asked: Asked, sent: Mapping[str, Any], *, keeps_other: bool) -> Response:
        member = self._tenant.person(asked.path[0])
        async with self._tenant.writing([member]):
            before = member if keeps_other else replace(member, first_name="", other={})
            after = _changed(before, sent)
            self._tenant.replace(after)
        return JSONResponse(self._shown(after))

    # Suspended, deleted, signed out

    async def suspend(self, asked: Asked) -> Response:
        return await self._do(asked, self._tenant.suspend)

    async def unsuspend(self, asked: Asked) -> Response:
        return await self._do(asked, self._tenant.unsuspend)

    async def delete(self, asked: Asked) -> Response:
        return await self._do(asked, self._tenant.delete)

    async def delete_for_good(self, asked: Asked) -> Response:
        return await self._do(asked, self._tenant.delete_for_good, even_deleted=True)

    async def undelete(self, asked: Asked) -> Response:
        member = self._tenant.person(asked.path[0], even_deleted=True)
        async with self._tenant.writing([member]):
            back = self._tenant.undelete(member)
        return JSONResponse(self._shown(back))

    async def force_logout(self, asked: Asked) -> Response:
        """202: accepted. The devices are out a while later; their API tokens end at once."""
        member = self._tenant.person(asked.path[0])
        async with self._tenant.writing([member]):
            self._tenant.force_logout(member)
            self._tokens.forget_person(member.user_id)
            if self._rules().log_out_ends_app_tokens:
                self._tokens.forget()
        return Response(status_code=202)

    async def _do(
        self, asked: Asked, verb: Callable[[Member], None], *, even_deleted: bool = False
    ) -> Response:
        member = self._tenant.person(asked.path[0], even_deleted=even_deleted)
        async with self._tenant.writing([member]):
            verb(member)
        return Response(status_code=204)


def _changed(member: Member, sent: Mapping[str, Any]) -> Member:
    """The person with what was sent. Raises BadRequest."""
    other = {name: value for name, value in sent.items() if name not in _KNOWN_HERE}
    changed = replace(member, other={**member.other, **other})
    if "domainId" in sent:
        changed = replace(changed, domain_id=_number(sent["domainId"], "domainId"))
    if "email" in sent:
        changed = replace(changed, email=_email(sent["email"]))
    if "userName" in sent:
        changed = _with_name(changed, sent["userName"])
    if "userExternalKey" in sent:
        key = sent["userExternalKey"]
        changed = replace(changed, external_key=None if key is None else _key(key))
    return changed


def _with_name(member: Member, name: Any) -> Member:
    if not isinstance(name, dict):
        raise BadRequest("userName is not valid")
    last, first = name.get("lastName") or "", name.get("firstName") or ""
    if not isinstance(last, str) or not isinstance(first, str) or not 0 < len(last + first) <= 80:
        raise BadRequest("userName is not valid")
    return replace(member, last_name=last, first_name=first)


def _email(value: Any) -> str:
    if not isinstance(value, str) or not 3 <= len(value) <= 90 or value.count("@") != 1:
        raise BadRequest("email is not valid")
    return value.lower()


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest("userExternalKey is not valid")
    check_key(value)
    return value


def _number(value: Any, name: str) -> int:
    if type(value) is not int:
        raise BadRequest(f"{name} is not valid")
    return value
