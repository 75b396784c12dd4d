"""Who a person is at LINE WORKS, and what is ordered about them there.

Somebody is looked up by their user key and by their LINE WORKS account, and only if both lead to
the same member, or one of them to nobody, is anything ordered about them: a key that was given to
the wrong member must not get that member suspended (R-211).

LINE WORKS is asked with a deadline, by administrators and departures only; no sign-in waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from worksgate.administration.errors import NotFound, Refused
from worksgate.administration.line_works_api import Access, LineWorksApiAdministration
from worksgate.directory.database import Directory
from worksgate.line_works_api.errors import ApiRefused, ApiUnavailable
from worksgate.oauth.model import Client, UserKey
from worksgate.sources import Person

if TYPE_CHECKING:
    from worksgate.line_works_api.directory_api import DirectoryApi
    from worksgate.line_works_api.people import ApiPerson

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds for what is asked or ordered about one person at one tenant."""
_UNKNOWN: Final = (404, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The members that a person's user key and LINE WORKS account lead to; None is nobody."""

    by_key: "ApiPerson | None"
    by_account: "ApiPerson | None"

    @property
    def is_split(self) -> bool:
        """Whether key and account lead to two members."""
        found = {each.id for each in (self.by_key, self.by_account) if each is not None}
        return len(found) > 1

    @property
    def member(self) -> "ApiPerson | None":
        """The member, if it is clear who it is."""
        return None if self.is_split else self.by_key or self.by_account


class NotThisMember(Refused):
    """It is not clear whom LINE WORKS has for a person, so nothing is ordered."""


class LineWorksMembers:
    """The members of every tenant of which Worksgate has an app of the LINE WORKS API."""

    def __init__(self, directory: Directory, api: LineWorksApiAdministration) -> None:
        self._directory = directory
        self._api = api

    async def accesses(self, source: str | None = None) -> list[Access]:
        """What is needed to call the API of each client that has an app, and takes this source.

        Raises Refused for a client whose API cannot be called, MasterKeyMissing or
        DatabaseUnavailable.
        """
        ids = await self._api.client_ids()  # of hundreds of clients, few have one
        clients = await self._directory.clients() if ids else ()
        having = [each for each in clients if each.client_id in ids]
        taking = [each for each in having if source is None or _takes(each, source)]
        found = [await self.access(each) for each in taking]
        return [each for each in found if each is not None]

    async def access(self, client: Client) -> Access | None:
        """The same for one client; None if it has no app."""
        try:
            return await self._api.access(client.client_id)
        except NotFound:
            return None

    async def can_tell(self, source: str) -> bool:
        """Whether LINE WORKS can be told anything of people of a source.

        Raises MasterKeyMissing or DatabaseUnavailable.
        """
        try:
            return bool(await self.accesses(source))
        except Refused:
            return False

    async def match(self, access: Access, person: Person) -> Matched:
        """Look a person up. Raises ApiError; ApiUnavailable also after ``PATIENCE`` seconds."""
        async with _opened(access) as api:
            return await _in_time(_match(api, access.client, person))

    async def suspend(self, access: Access, person: Person) -> bool:
        """Suspend the member that a person is; False if LINE WORKS has nobody.

        Raises NotThisMember, or ApiError as ``match``.
        """
        async with _opened(access) as api:
            return await _in_time(_suspended(api, access.client, person))

    async def order_sign_out(self, access: Access, person: Person) -> bool:
        """Order that LINE WORKS signs a person out everywhere; raises as ``suspend``.

        True: it has accepted the order. The devices are out within five minutes.
        """
        async with _opened(access) as api:
            return await _in_time(_signed_out(api, access.client, person))


@asynccontextmanager
async def _opened(access: Access) -> "AsyncIterator[DirectoryApi]":
    async with access.open() as api:
        yield api


async def _in_time(asked: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked
    except TimeoutError:
        raise ApiUnavailable(f"LINE WORKS gave no answer within {PATIENCE:.0f} s") from None


async def _match(api: "DirectoryApi", client: Client, person: Person) -> Matched:
    account = await _find(api, _account(client, person))
    if client.user_key is not UserKey.EXTERNAL_KEY:
        return Matched(by_key=account, by_account=account)
    if account is not None and account.external_key == person.external_key:
        return Matched(by_key=account if account.external_key else None, by_account=account)
    key = person.external_key
    return Matched(
        by_key=None if key is None else await _find(api, f"externalKey:{key}"), by_account=account
    )


async def _find(api: "DirectoryApi", id_: str | None) -> "ApiPerson | None":
    if not id_:
        return None
    from worksgate.line_works_api.calling import NotAPerson

    try:
        found = await api.person(id_)
    except NotAPerson:  # such as the account "me", which a source may give to somebody
        return None
    except ApiRefused as refused:
        if refused.status in _UNKNOWN:
            return None
        raise
    return None if found.is_deleted else found


async def _member(api: "DirectoryApi", client: Client, person: Person) -> "ApiPerson | None":
    """The member about whom something is ordered. Raises NotThisMember."""
    matched = await _match(api, client, person)
    found = matched.member
    if matched.is_split or (found is not None and not _is_surely(found, person, client)):
        raise NotThisMember(
            f"it is not clear who {person.username} is at {client.name}: the key and the account "
            "are not of one member"
        )
    return found


def _is_surely(member: "ApiPerson", person: Person, client: Client) -> bool:
    """Whether neither the key nor the account of a member contradicts a person."""
    if client.user_key is not UserKey.EXTERNAL_KEY:
        return True
    keys = {member.external_key, person.external_key} - {None}
    return len(keys) <= 1 and _account(client, person) in (None, member.account)


async def _suspended(api: "DirectoryApi", client: Client, person: Person) -> bool:
    member = await _member(api, client, person)
    if member is None:
        return False
    if not member.is_suspended:
        await api.suspend(member.id)
    return True


async def _signed_out(api: "DirectoryApi", client: Client, person: Person) -> bool:
    member = await _member(api, client, person)
    if member is None:
        return False
    await api.force_logout(member.id)
    return True


def _account(client: Client, person: Person) -> str | None:
    """The login ID of a person, which has the domain of the tenant if theirs has none here."""
    account = person.works_account
    if account is None or "@" in account or not client.domain:
        return account
    return f"{account}@{client.domain}"


def _takes(client: Client, source: str) -> bool:
    return not client.sources or source in client.sources
