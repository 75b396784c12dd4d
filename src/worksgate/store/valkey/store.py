"""The store on a Valkey server (or Redis 6.2 and newer), which several machines can share.

Each method is one script (``scripts``), so each is atomic, and ``redeem`` is one round trip. Only
``forget`` takes several if a person holds very much, since all callers wait for a script. All keys
of an installation have one hash tag and are therefore in one slot: a cluster accepts the scripts,
and one of its nodes does all the work. That is no loss: a redemption occupies one core of Valkey
for 33 µs, so it does some 28,000 a second, while a Worksgate process does a few thousand.

**Restoring an older state makes no secret valid again** (I-4, F-10). A server that restarts from a
snapshot, loses its last second to ``kill -9``, or was a lagging replica, does not know the most
recently used codes. So every artifact is marked with the run of the server in which it was saved,
and is not valid in any other. A run is the ``run_id`` of the server's process together with its
``master_replid``, which changes whenever a replica becomes a primary. Scripts read both themselves,
in the step that decides, so it does not matter what a client saw when it connected or what is in
between; that costs a redemption 4 µs of its 33. After a restart or a failover, codes, tokens and
sessions are gone and people sign in again. The price is that they also do so when a first replica
is attached, and when the last one has been gone for ``repl-backlog-ttl`` (an hour), since the
server's history gets a new ID then too. A process that continues from a saved memory image cannot
be told from one that never stopped: do not restore such images.

**Nor does restoring the database** (F-31). The mark also contains the generation of the
installation, which is in its database and changes with a restore. So a restore need not reach this
server, and one that is tried on another machine does not affect the data here. Artifacts of an
older generation stay until they expire.

Two things outlast a run. Counters of the throttle do, since an older count is better than none. A
spent transaction does, since it grants nothing but remembers that one was used up; if the server
lost that memory too, the same browser could issue a second code within the transaction's 30
minutes, and only with the person's password.

Nothing has a TTL: expiry is decided by the callers' clocks, as everywhere, and ``purge`` removes
expired data. The server's clock only decides whether a caller still waits.

Audit records are in the database, and cannot be in the same step. They are durable there before a
method returns: a process that dies in between has used a code, but nobody has the token. While the
database cannot store records, nothing is changed here that would need one.

A server that evicts keys when memory runs out would forget used codes, so it is refused, at the
start and if it is configured so later. The user that signs in needs the keys ``{worksgate}*`` and
the commands EVAL, EVALSHA, INFO and TIME, and those that the scripts call.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, Self, get_args

import structlog
from msgspec import structs

from worksgate.audit import AuditEvent
from worksgate.oauth.model import ARTIFACT_KINDS, Artifact, LoginKind
from worksgate.settings.addresses.valkey import ValkeyAddress
from worksgate.store import (
    NONE_BEGUN,
    REPLAY_MEMORY,
    A,
    ArtifactKey,
    NewExpiry,
    R,
    RecordKeeper,
    Recount,
    Redemption,
    RedemptionOutcome,
    RedemptionRecord,
    StoreUnavailable,
    Successors,
    all_of,
)
from worksgate.store.valkey import scripts as valkey_scripts
from worksgate.store.valkey.pool import Argument, ValkeyPool
from worksgate.store.valkey.scripts import Script

CHECK_INTERVAL = 1.0
"""Seconds between two checks of the server's configuration, while it is used."""
TRUSTED_FOR = 5.0
"""Seconds after which a call waits for another check."""
LOOK_TIMEOUT = 0.5
"""Seconds that it waits; a server that does not respond by then does not answer the call either."""

FORGET_STEP = 1_000
"""Artifacts of a person that one script removes, in some 20 ms: all callers wait for it."""


_log = structlog.get_logger("worksgate.store.valkey")


class ValkeyStore:
    """A ``Store`` on a Valkey server. It belongs to the event loop that opened it.

    Any number may be open on one server, in one process or in many.
    """

    def __init__(self, pool: ValkeyPool, generation: str, keeper: RecordKeeper | None) -> None:
        self._pool = pool
        self._keeper = keeper
        self._problem: str | None = None
        self._refused = 0
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._common = (repr(REPLAY_MEMORY), generation)

    @classmethod
    async def open(
        cls,
        address: str | ValkeyAddress,
        *,
        generation: str = "",
        waiting: int = 2_000,
        keeper: RecordKeeper | None = None,
    ) -> Self:
        """Open the store at an address, after a check of the server.

        Artifacts of another ``generation`` (at most 24 characters) are void. At most ``waiting``
        calls wait for a connection, more are refused at once. ``keeper`` writes the audit records,
        which are in the database; without one, changes with a record are refused. Raises
        StoreUnavailable, in a sentence that says what to do, or ValueError for an invalid address.
        """
        if isinstance(address, str):
            address = ValkeyAddress.parse(address)
        store = cls(ValkeyPool(address, waiting), generation, keeper)
        try:
            await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def waiting(self) -> int:
        return self._pool.waiting

    @property
    def unavailable(self) -> int:
        return self._pool.unavailable + self._refused

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        self._check_keeper(records)
        if artifacts:
            await self._run(valkey_scripts.SAVE, *chain.from_iterable(map(_arguments, artifacts)))
        await self.record(records)

    async def add(
        self,
        artifact: Artifact,
        *others: Artifact,
        removed: Sequence[ArtifactKey] = (),
        extended: Sequence[NewExpiry] = (),
        records: Sequence[AuditEvent] = (),
        recount: Recount | None = None,
    ) -> bool:
        self._check_keeper(records)
        gone = [_member(each.kind, each.key) for each in removed]
        later = [part for each in extended for part in _expiry(each)]
        given = chain.from_iterable(map(_arguments, (artifact, *others)))
        counters = _recount_arguments(recount or Recount(reset=(), now=0.0))
        numbers = (len(gone), len(extended))
        added = await self._run(valkey_scripts.ADD, *numbers, *counters, *gone, *later, *given)
        if added:
            await self.record(records)
        return bool(added)

    async def find(self, kind: type[A], key: str) -> A | None:
        return _artifact(kind, await self._run(valkey_scripts.FIND, _member(kind, key)))

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        found = await self._run(valkey_scripts.HELD, kind.kind, subject_id)
        return all_of([_artifact(kind, flat) for flat in found])

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        self._check_keeper(records)
        found = _artifact(kind, await self._run(valkey_scripts.TAKE, _member(kind, key)))
        if found is not None:
            await self.record(records)
        return found

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        return bool(await self._run(valkey_scripts.EXTEND, _member(kind, key), repr(expires_at)))

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        if record is not None:
            self._check_keeper([record])
        redemption = await self._redeem(kind, key, client_id, successors, now)
        if record is not None:
            await self.record(record.of(redemption, now))
        return redemption

    async def _redeem(
        self, kind: type[R], key: str, client_id: str, successors: Successors, now: float
    ) -> Redemption:
        await self._check_lately()
        word, *found = await self._pool.run(
            valkey_scripts.REDEEM,
            *self._common,
            _member(kind, key),
            client_id,
            repr(now),
            successors.access_token_key,
            successors.refresh_token_key or "",
            successors.refresh_token_lifetime,
        )
        return Redemption(
            RedemptionOutcome(word.decode()), _artifact(kind, found[0]) if found else None
        )

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        self._check_keeper(records)
        removed, step = 0, FORGET_STEP
        while step == FORGET_STEP:
            step = int(await self._run(valkey_scripts.FORGET, subject_id, FORGET_STEP))
            removed += step
        await self.record(records)
        return removed

    async def record(self, events: Sequence[AuditEvent]) -> None:
        if events and self._keeper is not None:
            await self._keeper.keep(events)

    async def bump(self, counter: str, window: float, now: float) -> int:
        (count,) = await self.bump_all({counter: window}, now)
        return count

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        given = _ending(windows, now)
        return tuple(map(int, await self._run(valkey_scripts.BUMP, repr(now), *given)))

    async def count(self, counter: str, now: float) -> int:
        return (await self.count_all((counter,), now))[counter]

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        counts = await self._run(valkey_scripts.COUNT, repr(now), *counters)
        return dict(zip(counters, map(int, counts), strict=True))

    async def lower(self, *counters: str) -> None:
        if counters:
            await self._run(valkey_scripts.LOWER, *counters)

    async def reset(self, *counters: str) -> None:
        if counters:
            await self._run(valkey_scripts.RESET, *counters)

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        recount = Recount(reset=(*reset,), lowered=(*lowered,), begun=begun, now=now)
        await self._run(valkey_scripts.RECOUNT, *_recount_arguments(recount))

    async def purge(self, now: float, limit: int = 500) -> int:
        return int(await self._run(valkey_scripts.PURGE, repr(now), limit))

    async def ping(self) -> None:
        await self._run(valkey_scripts.PING)
        await asyncio.shield(self._begin_look())

    async def close(self) -> None:
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._pool.close()

    def _check_keeper(self, records: Sequence[object]) -> None:
        """Called before anything is changed that could not be recorded."""
        if records and (self._keeper is None or self._keeper.is_away):
            raise StoreUnavailable("what would be recorded of it cannot be written")

    async def _run(self, script: Script, *arguments: Argument) -> Any:
        """The result of a script besides its status, or None."""
        await self._check_lately()
        _, *more = await self._pool.run(script, *self._common, *arguments)
        return more[0] if more else None

    async def _check_lately(self) -> None:
        """Raise StoreUnavailable if the server was found to be unusable.

        It is checked every second while there are calls, which do not wait for that; the first one
        after a pause does.
        """
        age = time.monotonic() - self._looked_at
        if age >= CHECK_INTERVAL:
            looking = self._begin_look()
            if age >= TRUSTED_FOR:
                await asyncio.wait([looking], timeout=LOOK_TIMEOUT)
        if self._problem is not None:
            self._refused += 1
            raise StoreUnavailable(self._problem)

    def _begin_look(self) -> asyncio.Task[None]:
        """The one check in progress."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            # There may be no waiter: an outage is reported by the call itself.
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _look(self) -> None:
        """Check that the server is usable in its current configuration. Raises StoreUnavailable."""
        problem = await self._found_problem()
        self._looked_at = time.monotonic()
        if problem != self._problem:
            if problem is not None:
                _log.error("store.unusable", reason=problem)
            else:
                _log.info("store.usable")
        self._problem = problem
        if problem is not None:
            raise StoreUnavailable(problem)

    async def _found_problem(self) -> str | None:
        """What is wrong with the server, in a sentence that says what to do."""
        memory = _fields_of(await self._pool.command("INFO", "memory"))
        policy = memory.get("maxmemory_policy")
        if policy is None:
            return (
                "Valkey does not tell its maxmemory_policy in INFO memory: let this user run INFO."
            )
        if policy != "noeviction":
            return (
                f"Valkey would forget used codes, for its maxmemory-policy is {policy}: "
                "set it to noeviction."
            )
        replication = _fields_of(await self._pool.command("INFO", "replication"))
        if replication.get("role") != "master":
            return "This Valkey is a replica and cannot be written to: give the primary's address."
        return None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "expires_at": float,
    "authenticated_at": float,
    "second_factor_at": float,
    "lifetime": int,
    "expires_in": int,
    "login_kind": {kind.value: kind for kind in LoginKind}.__getitem__,
}
"""Conversions of fields that are not text."""

_FIELDS: Mapping[type[Artifact], Mapping[bytes, str]] = {
    kind: {name.encode(): name for name in kind.__struct_fields__}
    for kind in ARTIFACT_KINDS.values()
}

_NONE: Mapping[type[Artifact], Mapping[str, None]] = {
    kind: {
        each.name: None
        for each in structs.fields(kind)
        if each.required and NoneType in get_args(each.type)
    }
    for kind in ARTIFACT_KINDS.values()
}
"""Fields that may be None, which is not stored."""


def _ending(windows: Mapping[str, float], now: float) -> Iterator[Argument]:
    """Counters as scripts take them, each with its end."""
    for counter, window in windows.items():
        yield counter
        yield repr(now + window)


def _expiry(new: NewExpiry) -> tuple[Argument, Argument]:
    return _member(new.kind, new.key), repr(new.expires_at)


def _recount_arguments(recount: Recount) -> Iterator[Argument]:
    """As scripts take it: how many of each, and then they."""
    yield from (len(recount.begun), len(recount.lowered), len(recount.reset))
    yield from _ending(recount.begun, recount.now)
    yield from recount.lowered
    yield from recount.reset


def _member(kind: type[Artifact], key: str) -> str:
    return f"{kind.kind}:{key}"


def _arguments(artifact: Artifact) -> Iterator[Argument]:
    """An artifact as scripts take it: its member, the number of fields, and each with its value."""
    fields = [
        (name, value) for name, value in structs.asdict(artifact).items() if value is not None
    ]
    yield _member(type(artifact), artifact.key)
    yield len(fields)
    for name, value in fields:
        yield name
        # The shortest decimal that is read back as the same number.
        yield repr(value) if isinstance(value, float) else value


def _artifact(kind: type[A], flat: Sequence[bytes] | None) -> A | None:
    """The artifact with these fields, names and values alternating."""
    if not flat:
        return None
    names, values = _FIELDS[kind], iter(flat)
    fields: dict[str, Any] = {**_NONE[kind]}
    for name, value in zip(values, values, strict=True):
        field = names.get(name)
        if field is not None:
            reader = _READERS.get(field)
            fields[field] = value.decode() if reader is None else reader(value.decode())
    return kind(**fields)


def _fields_of(info: bytes) -> Mapping[str, str]:
    """The lines of INFO as names and values."""
    lines: Iterable[str] = info.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
