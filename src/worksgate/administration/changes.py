"""What was changed, field by field, and its undoing.

A change is undone by a new one, if nobody has changed the same thing since. Removed people come
back, until they are purged. Secrets are not set back, sessions that have ended stay so, and what
else was removed does not return.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict, Unpack

from worksgate.administration.actor import Actor
from worksgate.administration.administrators import AdministratorAdministration
from worksgate.administration.audit_log import actors_named
from worksgate.administration.clients import ClientAdministration
from worksgate.administration.errors import Outdated, Refused, found
from worksgate.administration.people import PeopleAdministration
from worksgate.administration.removals import RemovalAdministration
from worksgate.administration.roles import Permission, Role, may, may_act_on, role_named
from worksgate.administration.users import UserAdministration
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.change_log import (
    ChangeFilter,
    ChangeKind,
    Present,
    RecordedChange,
    Value,
)
from worksgate.directory.database import Directory
from worksgate.directory.people_search import PeopleSearch
from worksgate.settings.sources.common import BUILT_IN

UNDOING: Final[Mapping[ChangeKind, Permission]] = {
    ChangeKind.CLIENT: Permission.CHANGE_CLIENTS,
    ChangeKind.PERSON: Permission.CHANGE_PEOPLE,
    ChangeKind.ROLE: Permission.OWN,
}
"""What an administrator must be allowed to undo a change."""
_SINCE: Final = 200
"""Later changes that are looked at to learn what something was."""
_AT_ONCE: Final = 500
"""Changes that are read at once for an export."""
COLUMNS: Final = (
    *("number", "at", "actor", "role", "kind", "subject", "name", "undoes"),
    *("session", "request_id", "field", "before", "after"),
)
"""The columns of a table with a row for each field that was changed."""


class Wanted(TypedDict, total=False):
    """Which changes are searched for; what is left out, or None, matches all.

    ``about`` is a client or people, by whatever is known of them, ``by`` the name of an
    administrator or of a user of the command line. ``since`` and ``until`` are seconds since the
    epoch. ``subject`` is a client ID or a subject.
    """

    kinds: Collection[ChangeKind] | None
    subject: str | None
    about: str | None
    by: str | None
    session: str | None
    request_id: str | None
    since: float | None
    until: float | None


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change, and whether this administrator can undo it now.

    ``name`` is that of the client or person.
    """

    change: RecordedChange
    name: str
    can_undo: bool

    def rows(self, iso: Callable[[float], str | None]) -> Iterator[tuple[object, ...]]:
        """A row of ``COLUMNS`` for each field; ``iso`` writes a time."""
        for each in self.change.fields:
            values = (each.field, _cell(each.before), _cell(each.after))
            yield (*self._facts(iso).values(), *values)

    def document(self, iso: Callable[[float], str | None]) -> dict[str, object]:
        """The change as JSON has it."""
        fields = [
            {"field": each.field, "before": each.before, "after": each.after}
            for each in self.change.fields
        ]
        return {**self._facts(iso), "fields": fields}

    def _facts(self, iso: Callable[[float], str | None]) -> dict[str, object]:
        change = self.change
        return {
            "number": change.number,
            "at": iso(change.at),
            "actor": change.actor,
            "role": change.role,
            "kind": change.kind.value,
            "subject": change.subject,
            "name": self.name,
            "undoes": change.undoes,
            "session": change.session,
            "request_id": change.request_id,
        }


@dataclass(frozen=True, slots=True)
class ChangesSince:
    """What others have changed since a version: values before, and the changes, oldest first."""

    before: Mapping[str, Value]
    changes: Sequence[RecordedChange] = ()

    @property
    def last(self) -> RecordedChange | None:
        return self.changes[-1] if self.changes else None


class ChangeAdministration:
    """The log of changes; the parts of the administration undo what they do."""

    def __init__(
        self,
        directory: Directory,
        clients: ClientAdministration,
        users: UserAdministration,
        people: PeopleAdministration,
        administrators: AdministratorAdministration,
        removals: RemovalAdministration,
        actor: Actor,
    ) -> None:
        self._directory = directory
        self._search = PeopleSearch(directory)
        self._clients = clients
        self._users = users
        self._people = people
        self._administrators = administrators
        self._removals = removals
        self._actor = actor

    async def page(
        self, *, before: int | None = None, limit: int, **wanted: Unpack[Wanted]
    ) -> list[ShownChange]:
        """The newest changes that match, or the newest before a number; the newest first."""
        return await self._page(await self._filter(**wanted), before, limit)

    async def pages(self, **wanted: Unpack[Wanted]) -> AsyncIterator[Sequence[ShownChange]]:
        """All changes that match, the newest first, some at a time."""
        chosen = await self._filter(**wanted)
        before: int | None = None
        while found := await self._page(chosen, before, _AT_ONCE):
            yield found
            before = found[-1].change.number

    async def _page(
        self, wanted: ChangeFilter, before: int | None, limit: int
    ) -> list[ShownChange]:
        changes = await self._directory.change_log.page(wanted, before, limit)
        present = await self._directory.change_log.present(changes)
        names = await self._names(changes)
        return [
            ShownChange(
                change=each,
                name=names.get(each.subject) or _name_in(each),
                can_undo=self._can_undo(each, present.get(each.subject)),
            )
            for each in changes
        ]

    async def _filter(
        self,
        *,
        kinds: Collection[ChangeKind] | None = None,
        subject: str | None = None,
        about: str | None = None,
        by: str | None = None,
        session: str | None = None,
        request_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> ChangeFilter:
        subjects = None if subject is None else {subject}
        if about:
            subjects = await self._subjects(about)
        return ChangeFilter(
            kinds=kinds or None,
            subjects=subjects,
            actors=actors_named(by) if by else None,
            session=session,
            request_id=request_id,
            since=since,
            until=until,
        )

    async def _subjects(self, about: str) -> set[str]:
        """The clients and people whom a text may mean; it may be the ID of what is gone."""
        client = await self._directory.client(about)
        people = await self._search.find(about)
        named = set() if client is None else {client.client_id}
        return {about, *named, *(each.subject_id for each in people)}

    async def since(self, subject: str, version: int) -> ChangesSince:
        """What others have changed of something since somebody saw this version of it."""
        later = await self._directory.change_log.since(subject, version, _SINCE)
        before: dict[str, Value] = {}
        for change in later:
            for each in change.fields:
                before.setdefault(each.field, each.before)
        return ChangesSince(before, later)

    async def newest(self) -> int:
        """The number of the newest change of anything; 0 if there is none."""
        found = await self._directory.change_log.page(ChangeFilter(), None, 1)
        return found[0].number if found else 0

    async def since_number(self, subject: str, number: int) -> ChangesSince:
        """What others have changed of something since the change with this number."""
        wanted = ChangeFilter(subjects={subject})
        newest = await self._directory.change_log.page(wanted, None, _SINCE)
        return ChangesSince({}, [each for each in reversed(newest) if each.number > number])

    async def undo(self, number: int, kinds: Collection[ChangeKind]) -> RecordedChange:
        """Undo a change of one of these kinds, by a new change; return the one that was undone.

        Raises NotFound, Refused for what cannot be undone or has just been, Forbidden, Conflict,
        or Outdated if the same thing has been changed since.
        """
        change = found(await self._directory.change_log.find(number), "change", str(number))
        if change.kind not in kinds or not change.can_be_undone:
            raise Refused("this change cannot be undone")
        try:
            await self._undo(change)
        except Outdated:
            last = (await self.since_number(change.subject, number)).last
            if last is not None and last.undoes == number:
                raise Refused("it has been undone") from None
            raise
        return change

    async def _undo(self, change: RecordedChange) -> None:
        match change.kind:
            case ChangeKind.CLIENT:
                await self._undo_client(change)
            case ChangeKind.ROLE:
                await self._undo_role(change)
            case ChangeKind.PERSON if change.is_removal:
                await self._removals.undo(change)
            case ChangeKind.PERSON if change.subject.startswith(SUBJECT_PREFIX):
                await self._users.undo(change)
            case ChangeKind.PERSON:
                await self._people.undo(change)

    def _can_undo(self, change: RecordedChange, present: Present | None) -> bool:
        if present is None or present.version != change.version or not change.can_be_undone:
            return False
        role = self._actor.role
        if role is None:  # the command line
            return True
        is_own_role = change.kind is ChangeKind.ROLE and change.subject == self._actor.subject_id
        return (
            may(role, UNDOING[change.kind])
            and (change.kind is ChangeKind.CLIENT or may_act_on(role, present.role))
            and not is_own_role
        )

    async def _undo_client(self, change: RecordedChange) -> None:
        restored: dict[str, Any] = dict(change.restored)
        await self._clients.change(
            change.subject, expected_version=change.version, undoes=change.number, **restored
        )

    async def _undo_role(self, change: RecordedChange) -> None:
        role = _role_before(change)
        if change.subject.startswith(SUBJECT_PREFIX):
            account = await self._users.by_id(change.subject.removeprefix(SUBJECT_PREFIX))
            await self._administrators.set_role(
                account.username, role, source=BUILT_IN, undoes=change
            )
        else:
            person = await self._people.by_subject(change.subject)
            await self._administrators.set_role(
                change.subject, role, source=person.source, undoes=change
            )

    async def _names(self, changes: Sequence[RecordedChange]) -> dict[str, str]:
        """Present names, and the last ones of removed people."""
        of_clients = {each.subject for each in changes if each.kind is ChangeKind.CLIENT}
        of_people = {each.subject for each in changes} - of_clients
        clients = await self._directory.clients_by_id(sorted(of_clients)) if of_clients else ()
        people = await self._directory.last_usernames(of_people) if of_people else {}
        return {each.client_id: each.name for each in clients} | people


def _role_before(change: RecordedChange) -> Role | None:
    """Raises Refused for a role of a later version."""
    name = change.restored["role"]
    role = role_named(name if isinstance(name, str) else None)
    if name is not None and role is None:
        raise Refused("there is no such role")
    return role


def _cell(value: Value) -> object:
    """A value as a cell: the lines of a list below each other."""
    return "\n".join(value) if isinstance(value, list) else value


def _name_in(change: RecordedChange) -> str:
    """The name in a change of what is gone, or its ID."""
    for each in change.fields:
        if each.field in ("name", "username") and (name := each.before or each.after):
            return str(name)
    return change.subject
