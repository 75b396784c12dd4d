"""The people of a tenant: who is who, in which order, who has which key, and what may be done.

Lists are kept sorted, so that a page of 100,000 people costs what a page of a hundred does.
"""

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from typing import Any, Final

from worksgate.conformance.directory_api.members import (
    BARRED_IN_KEYS,
    KEPT_DELETED,
    LONGEST_KEY,
    Member,
    Rank,
    new_user_id,
)
from worksgate.conformance.directory_api.refusals import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    Refused,
)
from worksgate.conformance.directory_api.rules import Batches, Rules

BY_KEY: Final = "externalKey:"

Position = Any
"""Where a list goes on: the sort key of the person before, or a number of rows."""


class Order(StrEnum):
    """`orderBy` of a list."""

    CREATED_TIME = "CREATED_TIME"
    NAME = "NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which page of which list. `has_key` None: with and without."""

    domain_id: int | None
    count: int
    has_key: bool | None = None
    order: Order = Order.CREATED_TIME
    descending: bool = False
    with_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some people, and where the list goes on; None after the last."""

    members: tuple[Member, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A new key for the person of that ID, in any of its forms; None deletes it."""

    person: str
    key: str | None


class _Lists:
    """The people of one domain as sorted numbers; a number is given in the order of creation."""

    def __init__(self) -> None:
        self.everybody: list[int] = []
        self.with_key: list[int] = []
        self.without_key: list[int] = []
        self.by_name: list[tuple[str, int]] | None = None

    def of(self, has_key: bool | None) -> list[int]:  # noqa: FBT001  # the value of a parameter
        if has_key is None:
            return self.everybody
        return self.with_key if has_key else self.without_key

    def add(self, member: Member, number: int) -> None:
        for numbers in self._holding(member):
            _insert(numbers, number)
        self.by_name = None

    def remove(self, member: Member, number: int) -> None:
        for numbers in self._holding(member):
            del numbers[bisect_left(numbers, number)]
        self.by_name = None

    def _holding(self, member: Member) -> tuple[list[int], list[int]]:
        return self.everybody, self.of(member.external_key is not None)


class Tenant:
    """All people, changed one at a time."""

    def __init__(
        self, members: Iterable[Member], rules: Callable[[], Rules], clock: Callable[[], float]
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._members: dict[str, Member] = {}
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._by_email: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        self._lists: dict[int, _Lists] = {}
        self._deleted: set[str] = set()
        self._given_up: dict[str, tuple[str, float]] = {}
        self._logged_out: dict[str, float] = {}
        self._busy: set[str] = set()
        self._newcomers = count(1)
        for member in members:
            self.add(member)

    # Who there is

    def members(self) -> dict[str, Member]:
        """Everybody by resource ID, the deleted included; a copy."""
        self._forget_deleted()
        return dict(self._members)

    def devices(self, member: Member) -> int:
        """On how many devices somebody is signed in now."""
        out_at = self._logged_out.get(member.user_id)
        is_out = out_at is not None and out_at <= self._clock()
        return 0 if is_out or not member.is_in_use else member.devices

    def person(self, identifier: str, *, even_deleted: bool = False) -> Member:
        """The person of a resource ID, login ID or `externalKey:…`.

        Raises NotFound, Gone for somebody deleted unless `even_deleted`, or Forbidden for `me`.
        """
        if identifier == "me":
            raise Forbidden("me is not allowed for a service account")
        self._forget_deleted()
        member = self._members.get(self._user_id(identifier) or "")
        if member is None:
            raise NotFound("The user does not exist", self._rules().unknown_user_code)
        if member.is_deleted and not even_deleted:
            if self._rules().deleted_is_gone:
                raise Gone("The user was deleted")
            raise NotFound("The user does not exist", self._rules().unknown_user_code)
        return member

    def _user_id(self, identifier: str) -> str | None:
        if identifier.startswith(BY_KEY):
            return self._by_key.get(self._folded(identifier.removeprefix(BY_KEY)))
        if identifier in self._members:
            return identifier
        return self._by_email.get(identifier.lower())

    def page(self, wanted: Wanted, position: Position | None) -> Page:
        """A page that begins after a position, or with the first person."""
        self._forget_deleted()
        counts_rows = self._rules().cursor_counts_rows
        found: list[Member] = []
        last: Position = None
        for row, key in self._rows(wanted, position):
            member = self._members[self._ids[key if isinstance(key, int) else key[1]]]
            if not _is_listed(member, wanted):
                continue
            if len(found) == wanted.count:
                return Page(tuple(found), last)
            found.append(member)
            last = row + 1 if counts_rows else key
        return Page(tuple(found), None)

    def _rows(self, wanted: Wanted, position: Position | None) -> Iterator[tuple[int, Any]]:
        """Row number and sort key of everybody in a list after the position."""
        keys = self._sorted(wanted)
        for row in range(self._first_row(keys, wanted, position), len(keys)):
            yield row, keys[-1 - row] if wanted.descending else keys[row]

    def _first_row(self, keys: Sequence[Any], wanted: Wanted, position: Position | None) -> int:
        if position is None:
            return 0
        if self._rules().cursor_counts_rows:
            return int(position)
        after = tuple(position) if isinstance(position, list) else position
        if wanted.descending:
            return len(keys) - bisect_left(keys, after)
        return bisect_right(keys, after)

    def _sorted(self, wanted: Wanted) -> Sequence[Any]:
        lists = self._lists_of(wanted.domain_id)
        if wanted.order is Order.CREATED_TIME:
            return lists.of(wanted.has_key)
        if lists.by_name is None:
            numbers = lists.everybody
            lists.by_name = sorted((self._members[self._ids[n]].name, n) for n in numbers)
        return lists.by_name

    def _lists_of(self, domain_id: int | None) -> _Lists:
        """The lists of a domain, or of all. Raises BadRequest."""
        if domain_id is not None:
            if domain_id not in self._lists:
                raise BadRequest("domainId is not valid")
            return self._lists[domain_id]
        if len(self._lists) == 1:
            return next(iter(self._lists.values()))
        every = _Lists()
        for user_id, number in self._numbers.items():
            every.add(self._members[user_id], number)
        return every

    def turn_over(self, page: Page) -> None:
        """Let the first person of a page vanish for good, and somebody new appear."""
        if len(page.members) > 1 and page.next is not None:
            self.remove(page.members[0].user_id)
            number = next(self._newcomers)
            self.add(
                Member(
                    user_id=new_user_id(f"newcomer/{number}"),
                    email=f"newcomer{number}@example.com",
                    last_name="Newcomer",
                    first_name=str(number),
                    domain_id=page.members[0].domain_id,
                )
            )

    # Changes

    def add(self, member: Member) -> None:
        """Add somebody. Raises Conflict if their ID, login ID or key is taken."""
        self._check_email(member.email, member.user_id)
        if member.user_id in self._numbers:
            raise Conflict("The user exists already", "USER_ALREADY_EXIST")
        if member.external_key is not None:
            self._check_free(member.external_key, member.user_id)
        number = self._numbers[member.user_id] = len(self._ids)
        self._ids.append(member.user_id)
        self._enter(member, number)

    def replace(self, member: Member) -> None:
        """Store somebody as they are now. Raises Conflict if their login ID or key is taken."""
        before = self._members[member.user_id]
        self._check_email(member.email, member.user_id)
        if member.external_key is not None and member.external_key != before.external_key:
            self._check_free(member.external_key, member.user_id)
        self._store(before, member)

    def remove(self, user_id: str) -> None:
        """Remove somebody for good; their number stays unused."""
        member, number = self._members[user_id], self._numbers.pop(user_id)
        self._leave(member, number)
        self._give_up(member)

    def _store(self, before: Member, after: Member) -> None:
        number = self._numbers[after.user_id]
        self._leave(before, number)
        self._enter(after, number)
        if before.external_key != after.external_key:
            self._give_up(before)

    def _enter(self, member: Member, number: int) -> None:
        user_id = member.user_id
        self._members[user_id] = member
        self._by_email[member.email.lower()] = user_id
        if member.external_key is not None:
            self._by_key[self._folded(member.external_key)] = user_id
        if member.is_deleted:
            self._deleted.add(user_id)
        lists = self._lists.get(member.domain_id)
        if lists is None:
            lists = self._lists[member.domain_id] = _Lists()
        lists.add(member, number)

    def _leave(self, member: Member, number: int) -> None:
        del self._members[member.user_id]
        del self._by_email[member.email.lower()]
        if member.external_key is not None:
            del self._by_key[self._folded(member.external_key)]
        self._deleted.discard(member.user_id)
        self._lists[member.domain_id].remove(member, number)

    def _give_up(self, member: Member) -> None:
        if member.external_key is not None:
            folded = self._folded(member.external_key)
            self._given_up[folded] = (member.user_id, self._clock())

    def _check_email(self, email: str, user_id: str) -> None:
        if self._by_email.get(email.lower(), user_id) != user_id:
            raise Conflict("The login ID is taken", "EMAIL_ALREADY_EXIST")

    @asynccontextmanager
    async def writing(self, members: Sequence[Member]) -> AsyncIterator[None]:
        """Change people, for as long as the rules say. Raises Conflict if one is being changed."""
        user_ids = {member.user_id for member in members}
        if user_ids & self._busy:
            raise Conflict("The user is being changed")
        self._busy |= user_ids
        try:
            await asyncio.sleep(self._rules().write_takes)
            yield
        finally:
            self._busy -= user_ids

    # External Keys

    def resolve(self, changes: Sequence[KeyChange]) -> list[Member]:
        """The people of a batch that exist, for `writing`; a missing one is refused later."""
        found = []
        for change in changes:
            try:
                found.append(self.person(change.person))
            except Refused:
                continue
        return found

    def set_keys(self, changes: Sequence[KeyChange]) -> None:
        """Set keys: all or none, or up to the first that is refused, as the rules say.

        Raises BadRequest, NotFound, Gone or Conflict for the first bad one.
        """
        if self._rules().batches is Batches.ALL_OR_NOTHING:
            self._set_together(changes)
            return
        for change in changes:
            self._set_together([change])

    def _set_together(self, changes: Sequence[KeyChange]) -> None:
        for change in changes:
            check_key(change.key)
        members = [self.person(change.person) for change in changes]
        if len({member.user_id for member in members}) < len(members):
            raise BadRequest("The same user occurs twice")
        keys = [self._folded(change.key) for change in changes if change.key is not None]
        if len(set(keys)) < len(keys):
            raise BadRequest("The same externalKey occurs twice")
        leaving = {member.user_id for member in members} if self._rules().takes_swaps else set()
        for member, change in zip(members, changes, strict=True):
            if change.key is not None:
                self._check_free(change.key, member.user_id, besides=leaving)
        self._give(members, [change.key for change in changes])

    def _give(self, members: Sequence[Member], keys: Sequence[str | None]) -> None:
        """Take away first: in a swap, the key of one is still that of another."""
        changed = [
            (member, key)
            for member, key in zip(members, keys, strict=True)
            if member.external_key != key
        ]
        for member, _ in changed:
            self._store(member, replace(member, external_key=None))
        for member, key in changed:
            if key is not None:
                without = self._members[member.user_id]
                self._store(without, replace(without, external_key=key))

    def _check_free(self, key: str, user_id: str, besides: Iterable[str] = ()) -> None:
        folded = self._folded(key)
        holder = self._by_key.get(folded, user_id)
        if holder != user_id and holder not in besides:
            raise Conflict("The externalKey is taken", "EXTERNAL_KEY_ALREADY_EXIST")
        former, since = self._given_up.get(folded, (user_id, 0.0))
        if former != user_id and self._clock() < since + self._rules().key_rests:
            raise Conflict("The externalKey was in use a moment ago", "EXTERNAL_KEY_ALREADY_EXIST")

    def _folded(self, key: str) -> str:
        return key.lower() if self._rules().keys_ignore_case else key

    # Suspended, deleted, signed out

    def suspend(self, member: Member) -> None:
        """Raises BadRequest unless they are in use, or if they are a Super Admin."""
        if member.rank is Rank.SUPER_ADMIN:
            raise BadRequest("A Super Admin cannot be suspended", "BAD_REQUEST")
        repeats = member.is_suspended and self._rules().suspends_once
        if not member.is_in_use or repeats:
            raise BadRequest("The user is not in use", "BAD_REQUEST")
        self.replace(replace(member, is_suspended=True, suspended_reason="MASTER"))

    def unsuspend(self, member: Member) -> None:
        """Raises BadRequest unless they are suspended."""
        if not member.is_suspended:
            raise BadRequest("The user is not suspended", "BAD_REQUEST")
        self.replace(replace(member, is_suspended=False, suspended_reason=None))

    def delete(self, member: Member) -> None:
        """Raises Forbidden for an administrator."""
        self._check_may_go(member)
        key = member.external_key if self._rules().deleted_hold_keys else None
        self.replace(replace(member, deleted_at=self._clock(), external_key=key))

    def undelete(self, member: Member) -> Member:
        """The person again. Raises BadRequest unless they are deleted."""
        if not member.is_deleted:
            raise BadRequest("The user is not deleted", "BAD_REQUEST")
        back = replace(member, deleted_at=None)
        self.replace(back)
        return back

    def delete_for_good(self, member: Member) -> None:
        """Raises Forbidden for an administrator."""
        self._check_may_go(member)
        self.remove(member.user_id)

    def force_logout(self, member: Member) -> None:
        """End every device a while after now."""
        self._logged_out[member.user_id] = self._clock() + self._rules().log_out_takes

    def _check_may_go(self, member: Member) -> None:
        if member.rank is not Rank.MEMBER:
            raise Forbidden("An administrator cannot be deleted", "ACCESS_DENIED")

    def _forget_deleted(self) -> None:
        """Remove for good who was deleted longer ago than they can come back."""
        if not self._deleted:
            return
        oldest = self._clock() - KEPT_DELETED
        for user_id in [u for u in self._deleted if (self._members[u].deleted_at or 0) <= oldest]:
            self.remove(user_id)


def check_key(key: str | None) -> None:
    """Raises BadRequest for a key that is empty, too long or has a barred character."""
    if key is None:
        return
    if not 0 < len(key) <= LONGEST_KEY:
        raise BadRequest("externalKey must have 1 to 100 characters")
    if BARRED_IN_KEYS & set(key):
        raise BadRequest("externalKey has a character that is not allowed")


def _is_listed(member: Member, wanted: Wanted) -> bool:
    return wanted.with_deleted or not member.is_deleted


def _insert(numbers: list[int], number: int) -> None:
    if not numbers or numbers[-1] < number:
        numbers.append(number)
    else:
        insort(numbers, number)
