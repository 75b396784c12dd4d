"""The reference store: a dictionary in this process.

It shows in the fewest lines what every store must do, and serves tests and first steps with the
library. No method awaits anything, so on one event loop each is atomic by nature.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from worksgate.audit import AuditEvent
from worksgate.oauth.model import Artifact
from worksgate.store import (
    CLOCK_SET_BACK,
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


@dataclass(slots=True)
class _Counter:
    value: int
    expires_at: float


class RecordList:
    """A ``RecordKeeper`` for tests: a list, gone with the process like the rest."""

    is_away = False

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        self.events += events


class MemoryStore:
    """A ``Store`` in memory: it never waits and never fails.

    Its records are ``keeper``'s, which may be a database; without one they are in ``records``.
    """

    waiting = 0
    unavailable = 0

    def __init__(self, keeper: RecordKeeper | None = None) -> None:
        self._list = RecordList()
        self.keeper: RecordKeeper = self._list if keeper is None else keeper
        self._artifacts: dict[tuple[str, str], Artifact] = {}
        self._used: set[tuple[str, str]] = set()
        self._counters: dict[str, _Counter] = {}

    @property
    def records(self) -> Sequence[AuditEvent]:
        """The records, without a keeper."""
        return self._list.events

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        self._check_keeper(records)
        for artifact in artifacts:
            self._artifacts[artifact.kind, artifact.key] = artifact
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
        if (artifact.kind, artifact.key) in self._artifacts:
            return False
        places = [(each.kind.kind, each.key) for each in removed]
        self._remove(place for place in places if place in self._artifacts)
        await self.save(artifact, *others, records=records)
        for each in extended:
            await self.extend(each.kind, each.key, each.expires_at)
        if recount is not None:
            await self.recount(**structs.asdict(recount))
        return True

    async def find(self, kind: type[A], key: str) -> A | None:
        found = self._artifacts.get((kind.kind, key))
        return found if isinstance(found, kind) else None

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        return tuple(
            artifact
            for artifact in self._artifacts.values()
            if isinstance(artifact, kind) and artifact.subject_id == subject_id
        )

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        self._check_keeper(records)
        found = await self.find(kind, key)
        if found is not None:
            self._remove([(kind.kind, key)])
            await self.record(records)
        return found

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        found = await self.find(kind, key)
        if found is None:
            return False
        self._artifacts[kind.kind, key] = structs.replace(found, expires_at=expires_at)
        return True

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
        artifact = await self.find(kind, key)
        if artifact is None:
            return Redemption(RedemptionOutcome.UNKNOWN)
        if artifact.client_id != client_id:
            return Redemption(RedemptionOutcome.FOREIGN, artifact)
        if (kind.kind, key) in self._used:
            self._revoke(artifact.grant_id)
            return Redemption(RedemptionOutcome.REPLAYED, artifact)
        if artifact.expires_at <= now:
            return Redemption(RedemptionOutcome.EXPIRED, artifact)
        self._used.add((kind.kind, key))
        bought = (
            successors.access_token(artifact, now),
            successors.refresh_token(artifact, now),
        )
        await self.save(*all_of(bought))
        return Redemption(RedemptionOutcome.REDEEMED, artifact)

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        self._check_keeper(records)
        removed = self._remove(
            place
            for place, artifact in self._artifacts.items()
            if artifact.subject_id == subject_id
        )
        await self.record(records)
        return removed

    async def record(self, events: Sequence[AuditEvent]) -> None:
        if events:
            await self.keeper.keep(events)

    async def bump(self, counter: str, window: float, now: float) -> int:
        found = self._counters.get(counter)
        ends = now + window
        if found is None or not now < found.expires_at <= ends + CLOCK_SET_BACK:
            found = self._counters[counter] = _Counter(0, ends)
        found.value += 1
        return found.value

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        return tuple([await self.bump(each, window, now) for each, window in windows.items()])

    async def count(self, counter: str, now: float) -> int:
        found = self._counters.get(counter)
        return found.value if found is not None and found.expires_at > now else 0

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        return {each: await self.count(each, now) for each in counters}

    async def lower(self, *counters: str) -> None:
        for counter in counters:
            if (found := self._counters.get(counter)) is not None:
                found.value = max(0, found.value - 1)

    async def reset(self, *counters: str) -> None:
        for counter in counters:
            self._counters.pop(counter, None)

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        await self.reset(*reset, *begun)
        await self.lower(*lowered)
        await self.bump_all(begun, now)

    async def purge(self, now: float, limit: int = 500) -> int:
        dead = [
            place
            for place, artifact in self._artifacts.items()
            if artifact.expires_at + (REPLAY_MEMORY if place in self._used else 0.0) <= now
        ][:limit]
        self._remove(dead)
        over = [name for name, found in self._counters.items() if found.expires_at <= now]
        over = over[: limit - len(dead)]
        for name in over:
            del self._counters[name]
        return len(dead) + len(over)

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def _check_keeper(self, records: Sequence[object]) -> None:
        if records and self.keeper.is_away:
            raise StoreUnavailable("what would be recorded of it cannot be written")

    def _revoke(self, grant_id: str) -> None:
        """Remove everything of a grant, but remember used codes."""
        self._remove(
            place
            for place, artifact in self._artifacts.items()
            if artifact.grant_id == grant_id and place not in self._used
        )

    def _remove(self, places: Iterable[tuple[str, str]]) -> int:
        doomed = list(places)
        for place in doomed:
            del self._artifacts[place]
            self._used.discard(place)
        return len(doomed)
