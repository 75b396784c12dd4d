"""``keys sync`` and ``keys undo``: LINE WORKS gets our external keys, or its earlier ones back.

A run reads both sides, makes a plan, writes the undo file, notes that it has begun, writes keys and
reads again what LINE WORKS holds: that, and no answer in between, says whether it succeeded. A run
that was killed goes on from what LINE WORKS holds (R-218).
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Container,
    Iterable,
    Sequence,
)
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.findings import SyncFound
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.plan import (
    KeyChange,
    KeyPlan,
    Planner,
    Policy,
    anothers_here,
    anothers_there,
    not_held,
    reversed_changes,
    still_due,
)
from worksgate.administration.external_keys.run_state import RunState
from worksgate.administration.external_keys.undo import UndoFile, read_undo, write_undo
from worksgate.administration.line_works_api import Access, LineWorksApiAdministration
from worksgate.audit import Event
from worksgate.credentials.usernames import username_key
from worksgate.directory.database import Directory
from worksgate.line_works_api.app import READ, WRITE
from worksgate.line_works_api.errors import ApiRefused
from worksgate.oauth.model import Client, UserKey

if TYPE_CHECKING:
    from worksgate.line_works_api.directory_api import DirectoryApi
    from worksgate.line_works_api.people import MemberKey

FEW: Final = 10
"""Keys that may be deleted in any company."""
SYNC: Final = "sync"
UNDO: Final = "undo"
MOST_ONE_BY_ONE: Final = 500
"""Members whom the lists passed over, and who are looked at one by one."""

Doing = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows what is done, of how many; gives a function that takes the number done so far."""
People = Callable[[], Awaitable[Iterable[KeyHolder]]]
"""Asks the sources for everybody here whom the client takes.

It is called only if a member would get a key, and people bring keys: to take keys away, no source
has to answer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What LINE WORKS holds in the end, of what was ``planned``; ``missing`` says what not."""

    planned: int
    held: int
    missing: Sequence[SyncFound]
    undo_file: Path


@dataclass(frozen=True, slots=True)
class _Held:
    """``keys`` of the members in question, by ID, without who is gone; ``others`` by account."""

    keys: dict[str, str | None]
    others: Sequence[tuple[str, str]]


class _Gone(Exception):
    """Somebody is no member any more."""


class KeySync:
    """One run of a client; every method may raise ApiError or DatabaseUnavailable."""

    def __init__(
        self,
        access: Access,
        api: "DirectoryApi",
        directory: Directory,
        actor: Actor,
        folder: Path,
        doing: Doing,
    ) -> None:
        self._access = access
        self._api = api
        self._directory = directory
        self._actor = actor
        self._folder = folder
        self._doing = doing
        self._state = RunState(folder, access.client.client_id)

    @property
    def client(self) -> Client:
        return self._access.client

    @property
    def unfinished(self) -> Path | None:
        """The undo file of an earlier run that was interrupted. Raises Refused."""
        return self._state.unfinished

    @property
    def met_twice(self) -> int:
        """How many members LINE WORKS has named twice, since others came or went meanwhile."""
        return self._api.met_twice

    def abandon(self) -> None:
        """Let an interrupted run be; what it wrote stays, and its undo file too."""
        self._state.end()

    async def plan(
        self,
        people: Iterable[KeyHolder],
        *,
        replaces: bool = False,
        deletes_unknown: bool = False,
    ) -> KeyPlan:
        """What to write, by what LINE WORKS holds now; the options are those of ``Policy``.

        ``people`` are everybody here whom the client takes.

        Raises Refused if the client has no external keys, or if too many would be deleted.
        """
        if self.client.user_key is not UserKey.EXTERNAL_KEY:
            raise Refused(
                f"{self.client.name} identifies people by their LINE WORKS account, so external "
                "keys are of no use"
            )
        self._access.check_may(READ)
        planner = Planner(
            Policy(replaces=replaces, deletes_unknown=deletes_unknown, identity=self._identity)
        )
        async for each in self._members("Reading LINE WORKS"):
            planner.add_member(each.id, each.account, each.external_key)
        for person in people:
            planner.add_person(person)
        plan = await asyncio.to_thread(planner.plan)
        if plan.deleted > max(FEW, plan.members // 10):
            raise Refused(
                f"keys would be taken from {plan.deleted} of {plan.members} members, since nobody "
                "here is one of them: more than a tenth is too many to be right"
            )
        return plan

    async def write(self, plan: KeyPlan, *, kind: str = SYNC) -> Outcome:
        """Write a plan of this moment; the undo file is written first. Raises Refused."""
        self._access.check_may(WRITE)
        now = self._actor.now()
        with self._state.locked():
            if self._state.unfinished is not None:
                raise Refused("an earlier run was interrupted: let it go on first")
            undo_file = self._new_undo_file(now, kind)
            undo = UndoFile(self.client.client_id, now, plan.changes, is_of_undo=kind == UNDO)
            write_undo(undo_file, undo)
            self._state.begin(undo_file)
            await self._record(
                f"{kind} has begun: {plan.added} to add, {plan.replaced} to replace, "
                f"{plan.deleted} to take away"
            )
            return await self._write(plan.changes, plan.changes, undo_file)

    async def plan_rest(self, people: People) -> KeyPlan:
        """What an interrupted run has still to write. Raises Refused if there is none."""
        undo_file = self.unfinished
        if undo_file is None:
            raise Refused("no run was interrupted")
        undo = self._read(undo_file)
        return await self._due(undo.changes, people, is_undo=undo.is_of_undo)

    async def go_on(self, people: People) -> Outcome:
        """Finish an interrupted run. Raises Refused."""
        self._access.check_may(WRITE)
        with self._state.locked():
            undo_file = self.unfinished
            if undo_file is None:
                raise Refused("no run was interrupted")
            undo = self._read(undo_file)
            rest = await self._due(undo.changes, people, is_undo=undo.is_of_undo)
            await self._record(f"an interrupted run goes on: {len(rest.changes)} are left")
            return await self._write(rest.changes, undo.changes, undo_file, rest.found)

    async def plan_undo(self, file: Path, people: People) -> KeyPlan:
        """What to write so that members have what they had before a run. Raises Refused."""
        changes = reversed_changes(self._read(file).changes)
        return await self._due(changes, people, is_undo=True)

    # Parts

    @property
    def _identity(self) -> Callable[[str], str]:
        """The same for keys that could be taken for one."""
        return str if self._directory.allow_similar_keys else username_key

    async def _write(
        self,
        due: Sequence[KeyChange],
        changes: Sequence[KeyChange],
        undo_file: Path,
        found: Sequence[SyncFound] = (),
    ) -> Outcome:
        """Write what is due of these changes, look at all of them, and end the run."""
        from worksgate.administration.external_keys.writing import KeyWriter

        with self._doing("Writing keys", len(due)) as progress:
            writer = KeyWriter(self._api, self._access.sleep, progress)
            await writer.write(due)
        held = (await self._held({each.id for each in changes}, "Reading again")).keys
        missing = _missing(changes, held, writer.refused, found)
        kept = len(changes) - len(missing)
        await self._record(f"run has ended: LINE WORKS holds {kept} of {len(changes)} keys")
        self._state.end()
        return Outcome(planned=len(changes), held=kept, missing=missing, undo_file=undo_file)

    async def _due(self, changes: Sequence[KeyChange], people: People, *, is_undo: bool) -> KeyPlan:
        """What is left of changes, without keys of other members, and of other ``people`` here."""
        identity = self._identity
        wanted = {identity(each.after) for each in changes if each.after is not None}
        holders = await self._holders(wanted, people)
        held = await self._held({each.id for each in changes}, "Reading LINE WORKS", wanted)
        rest = list(still_due(changes, held.keys))
        due = [each for each in rest if isinstance(each, KeyChange)]
        found = [each for each in rest if isinstance(each, SyncFound)]
        taken = anothers_here(due, changes if is_undo else None, holders, identity)
        due = [each for each in due if each not in taken]
        found += taken.values()
        changed = {each.id for each in due}
        kept = [
            (each.account, key)
            for each in changes
            if each.id not in changed and (key := held.keys.get(each.id))
        ]
        taken = anothers_there(due, [*held.others, *kept], identity)
        return KeyPlan(
            changes=[each for each in due if each not in taken],
            found=[*found, *taken.values()],
            members=len(changes),
            right=len(changes) - len(rest),
        )

    async def _holders(self, wanted: Collection[str], people: People) -> list[KeyHolder]:
        """The people here with a ``wanted`` key; of all others nothing stays in memory."""
        if not wanted or self.client.user_key is not UserKey.EXTERNAL_KEY:
            return []
        identity = self._identity
        return [each for each in await people() if identity(each.external_key or "") in wanted]

    async def _members(self, doing: str) -> AsyncIterator["MemberKey"]:
        """Everybody at LINE WORKS, as ``DirectoryApi.members``, with progress."""
        with self._doing(doing, None) as progress:
            number = 0
            async for each in self._api.members():
                number += 1
                progress(number)
                yield each

    async def _held(self, ids: set[str], doing: str, wanted: Container[str] = ()) -> "_Held":
        """What LINE WORKS holds now for some members, and who else holds a ``wanted`` key.

        Lists can pass over somebody while people come and go: those are looked at one by one.
        """
        keys: dict[str, str | None] = {}
        others = []
        async for each in self._members(doing):
            if each.id in ids:
                keys[each.id] = each.external_key
            elif each.external_key is not None and self._identity(each.external_key) in wanted:
                others.append((each.account, each.external_key))
        for id_ in sorted(ids - keys.keys())[:MOST_ONE_BY_ONE]:
            with suppress(_Gone):
                keys[id_] = await self._held_by(id_)
        return _Held(keys, others)

    async def _held_by(self, id_: str) -> str | None:
        """The key of one member. Raises _Gone."""
        try:
            person = await self._api.person(id_)
        except ApiRefused as error:
            if error.is_about_content:
                raise _Gone from None
            raise
        if person.is_deleted:
            raise _Gone
        return person.external_key

    def _read(self, file: Path) -> UndoFile:
        undo = read_undo(file)
        if undo.client_id != self.client.client_id:
            raise Refused(f"{file} is of another client, with the ID {undo.client_id}")
        return undo

    def _new_undo_file(self, now: float, kind: str) -> Path:
        """A name that is free; the time is UTC."""
        at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
        for number in count(1):
            name = f"worksgate-keys-{self.client.client_id}-{at}-{number:02}-{kind}.undo.jsonl"
            if not (file := self._folder / name).exists():
                return file
        raise AssertionError("numbers do not end")

    async def _record(self, detail: str) -> None:
        event = self._actor.event(
            Event.CLIENT_CHANGED,
            f"external keys at LINE WORKS: {detail}",
            client_id=self.client.client_id,
        )
        await self._directory.record([event])


class KeySyncAdministration:
    """Opens runs; every method may raise DatabaseUnavailable."""

    def __init__(
        self, directory: Directory, line_works_api: LineWorksApiAdministration, actor: Actor
    ) -> None:
        self._directory = directory
        self._line_works_api = line_works_api
        self._actor = actor

    @asynccontextmanager
    async def opened(
        self, client_name: str | None, folder: Path, doing: Doing
    ) -> AsyncIterator[KeySync]:
        """A run of a client; ``folder`` is where its undo file and its state are.

        Without a name it is the only client with an app. Raises NotFound or Refused.
        """
        access = await self._line_works_api.access(client_name)
        async with access.open() as api:
            yield KeySync(access, api, self._directory, self._actor, folder, doing)

    @asynccontextmanager
    async def opened_for(self, file: Path, folder: Path, doing: Doing) -> AsyncIterator[KeySync]:
        """A run of the client of an undo file. Raises as ``opened``, or OSError."""
        async with self.opened(read_undo(file).client_id, folder, doing) as run:
            yield run


def _missing(
    changes: Sequence[KeyChange],
    held: dict[str, str | None],
    refused: dict[str, str],
    found: Sequence[SyncFound],
) -> list[SyncFound]:
    """What LINE WORKS does not hold; ``found`` says of some why it was not written."""
    by_others = {each.account: each for each in found}
    missing = []
    for change in changes:
        one = not_held(change, held, refused.get(change.id, ""))
        if one is not None:
            missing.append(by_others.get(change.account, one))
    return missing
