"""``DirectoryApi``: the operations of the directory that Worksgate uses. None of them deletes.

https://developers.worksmobile.com/en/docs/directory
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import httpx2

from worksgate.line_works_api.app import READ, USER, USER_READ, WRITE, ApiApp
from worksgate.line_works_api.audit_logs import AuditLogs
from worksgate.line_works_api.bot_messages import BotMessages
from worksgate.line_works_api.calling import Caller, Operation, Timing, person_path
from worksgate.line_works_api.errors import ApiUnavailable
from worksgate.line_works_api.hosts import Hosts
from worksgate.line_works_api.pacing import Pace
from worksgate.line_works_api.people import ApiPerson, MemberKey, Misunderstood
from worksgate.oauth.user_info import check_external_key
from worksgate.settings.assumptions import DEFAULTS, Assumptions

T = TypeVar("T", ApiPerson, MemberKey)

PAGE: Final = 100
"""The most; above it the API was seen to return an empty page."""
BATCH: Final = 50
"""Keys of one call, at most."""

# Of two that only read, ``directory.read`` is first: whoever reads people wants their keys.
_READERS: Final = (READ, USER_READ, USER, WRITE)
_CHANGERS: Final = (USER, WRITE)

_LIST_PEOPLE = Operation(
    name="users.list", method="GET", does="list people", scopes=_READERS, answers=True
)
_LIST_KEYS = Operation(
    name="users.external-keys.list",
    method="GET",
    does="list external keys",
    scopes=(READ, WRITE),
    answers=True,
)
_GET = Operation(
    name="users.get", method="GET", does="say who somebody is", scopes=_READERS, answers=True
)
_SET_KEYS = Operation(
    name="users.external-keys.set", method="POST", does="write external keys", scopes=(WRITE,)
)
_SUSPEND = Operation(name="users.suspend", method="POST", does="suspend somebody", scopes=_CHANGERS)
_UNSUSPEND = Operation(
    name="users.unsuspend", method="POST", does="end a suspension", scopes=_CHANGERS
)
_FORCE_LOGOUT = Operation(
    name="users.force-logout", method="POST", does="sign somebody out", scopes=_CHANGERS
)


class DirectoryApi:
    """The directory of one tenant. Every method may raise ApiError.

    Use it as an asynchronous context manager: it keeps a connection.
    """

    def __init__(self, caller: Caller, domains: Sequence[int] = ()) -> None:
        self._caller = caller
        self._domains = domains
        self.met_twice = 0
        """How often a list has named somebody again: others came or went while it was read."""

    @classmethod
    def opened(
        cls,
        app: ApiApp,
        hosts: Hosts,
        *,
        timing: Timing | None = None,
        pace: Pace | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        assumed: Assumptions = DEFAULTS,
    ) -> Self:
        """As this app; nothing is called yet."""
        caller = Caller(app, hosts, timing=timing, pace=pace, transport=transport, assumed=assumed)
        return cls(caller, app.domains)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._caller.close()

    @property
    def bot_messages(self) -> BotMessages:
        """Messages of this tenant's bots, as the same app."""
        return BotMessages(self._caller)

    async def authenticate(self) -> frozenset[str]:
        """Get an access token with all scopes of the app; those that it has."""
        return await self._caller.authenticate()

    @property
    def audit_logs(self) -> AuditLogs:
        """What LINE WORKS has recorded, as the same app."""
        return AuditLogs(self._caller)

    def people(self) -> AsyncIterator[ApiPerson]:
        """Everybody, each once; of a domain in the order in which they were created."""
        return self._listed(_LIST_PEOPLE, "/users", {}, ApiPerson.read, set())

    def key_holders(self, *, has_key: bool) -> AsyncIterator[MemberKey]:
        """Everybody who has an external key, or everybody who has none; each once."""
        return self._key_holders(set(), has_key=has_key)

    async def members(self) -> AsyncIterator[MemberKey]:
        """All members, with or without a key; whoever gets one meanwhile comes again, with it.

        No other personal data is read.
        """
        without, with_key = set[str](), set[str]()
        async for each in self._key_holders(without, has_key=False):
            yield each
        async for each in self._key_holders(with_key, has_key=True):
            self.met_twice += each.id in without
            yield each

    async def person(self, id_: str) -> ApiPerson:
        """By ID or account. Raises ApiRefused with status 404, or 410 for a deleted one."""
        return _read(ApiPerson.read, await self._caller.call(_GET, person_path(id_)))

    async def set_keys(self, keys: Mapping[str, str | None]) -> None:
        """Give keys to people by ID, in place of those that they have; None takes one away.

        At most ``BATCH``. If it is refused, or there is no answer, some of them may have been
        written. Raises ValueError for keys that LINE WORKS would not take.
        """
        check_batch(keys)
        users = [{"id": id_, "externalKey": key} for id_, key in keys.items()]
        await self._caller.call(_SET_KEYS, "/users/external-keys", body={"users": users})

    async def suspend(self, id_: str) -> None:
        """Suspend somebody; LINE WORKS refuses that for a Super Admin."""
        await self._caller.call(_SUSPEND, f"{person_path(id_)}/suspend")

    async def unsuspend(self, id_: str) -> None:
        """End a suspension."""
        await self._caller.call(_UNSUSPEND, f"{person_path(id_)}/unsuspend")

    async def force_logout(self, id_: str) -> None:
        """Order that somebody is signed out on every device, which takes up to five minutes.

        When this returns, LINE WORKS has accepted the order, and nobody is signed out yet.
        """
        await self._caller.call(_FORCE_LOGOUT, f"{person_path(id_)}/force-logout")

    def _key_holders(self, seen: set[str], *, has_key: bool) -> AsyncIterator[MemberKey]:
        query = {"hasExternalKey": "true" if has_key else "false"}
        return self._listed(_LIST_KEYS, "/users/external-keys", query, MemberKey.read, seen)

    async def _listed(
        self,
        operation: Operation,
        path: str,
        query: dict[str, str],
        read: Callable[[Any], T],
        seen: set[str],
    ) -> AsyncIterator[T]:
        """A list of all domains; a person listed twice, as pages have shifted, counts once.

        ``seen`` gets their IDs.
        """
        for domain in self._domains or (None,):
            of_domain = {} if domain is None else {"domainId": str(domain)}
            async for row in self._rows(operation, path, query | of_domain):
                entry = _read(read, row)
                if entry.id in seen:
                    self.met_twice += 1
                    continue
                seen.add(entry.id)
                yield entry

    async def _rows(
        self, operation: Operation, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[Any]:
        """A list, page by page; it ends where there is no next cursor, also if a page is empty."""
        cursors: set[str] = set()
        cursor: str | None = None
        while True:
            asked = {**query, "count": str(PAGE), **({"cursor": cursor} if cursor else {})}
            document = await self._caller.call(operation, path, query=asked)
            rows, following = _page(document)
            for row in rows:
                yield row
            if not following:
                return
            if following in cursors:
                raise ApiUnavailable("LINE WORKS gives the pages of a list in a circle")
            cursors.add(following)
            cursor = following


def check_batch(keys: Mapping[str, str | None]) -> None:
    """Raise ValueError unless LINE WORKS could take these keys in one call."""
    if not 1 <= len(keys) <= BATCH:
        raise ValueError(f"one call takes 1 to {BATCH} keys")
    given = [key for key in keys.values() if key is not None]
    for key in given:
        check_external_key(key)
    if len(set(given)) != len(given):
        raise ValueError("two people cannot have the same external key")


def _page(document: Any) -> tuple[list[Any], str | None]:
    """The rows of a page, and the next cursor: absent, null or empty at the end."""
    users = document.get("users") if isinstance(document, dict) else None
    if not isinstance(users, list):
        raise ApiUnavailable("a list of LINE WORKS does not have the documented form")
    meta = document.get("responseMetaData")
    cursor = meta.get("nextCursor") if isinstance(meta, dict) else None
    return users, cursor if isinstance(cursor, str) and cursor else None


def _read(read: Callable[[Any], T], row: Any) -> T:
    try:
        return read(row)
    except Misunderstood as problem:
        raise ApiUnavailable(f"an answer of LINE WORKS cannot be read: {problem}") from None
