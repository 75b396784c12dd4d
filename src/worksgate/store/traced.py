"""A store with a span for each method that requests use. Its behaviour is unchanged."""

from collections.abc import Callable, Collection, Mapping, Sequence

from worksgate.audit import AuditEvent
from worksgate.oauth.model import Artifact
from worksgate.observability.spans import Span
from worksgate.store import (
    NONE_BEGUN,
    A,
    ArtifactKey,
    NewExpiry,
    R,
    Recount,
    Redemption,
    RedemptionRecord,
    Store,
    Successors,
)


class TracedStore:
    """A ``Store``; ``note_login`` says to which sign-in the span of a request belongs."""

    def __init__(self, store: Store, span: Span, note_login: Callable[[str], None]) -> None:
        self._store = store
        self._span = span
        self._note_login = note_login

    @property
    def waiting(self) -> int:
        return self._store.waiting

    @property
    def unavailable(self) -> int:
        return self._store.unavailable

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        self._note(records)
        with self._span("store.save"):
            await self._store.save(*artifacts, records=records)

    async def add(
        self,
        artifact: Artifact,
        *others: Artifact,
        removed: Sequence[ArtifactKey] = (),
        extended: Sequence[NewExpiry] = (),
        records: Sequence[AuditEvent] = (),
        recount: Recount | None = None,
    ) -> bool:
        self._note(records)
        with self._span("store.add"):
            return await self._store.add(
                artifact,
                *others,
                removed=removed,
                extended=extended,
                records=records,
                recount=recount,
            )

    async def find(self, kind: type[A], key: str) -> A | None:
        with self._span("store.find"):
            return await self._store.find(kind, key)

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        with self._span("store.held"):
            return await self._store.held(kind, subject_id)

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        self._note(records)
        with self._span("store.take"):
            return await self._store.take(kind, key, records=records)

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        with self._span("store.extend"):
            return await self._store.extend(kind, key, expires_at)

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        with self._span("store.redeem"):
            redemption = await self._store.redeem(kind, key, client_id, successors, now, record)
        if record is not None:
            self._note(record.of(redemption, now))
        return redemption

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        self._note(records)
        with self._span("store.forget"):
            return await self._store.forget(subject_id, records=records)

    async def record(self, events: Sequence[AuditEvent]) -> None:
        await self._store.record(events)

    async def bump(self, counter: str, window: float, now: float) -> int:
        with self._span("store.bump"):
            return await self._store.bump(counter, window, now)

    async def count(self, counter: str, now: float) -> int:
        with self._span("store.count"):
            return await self._store.count(counter, now)

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        with self._span("store.bump"):
            return await self._store.bump_all(windows, now)

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        with self._span("store.count"):
            return await self._store.count_all(counters, now)

    async def lower(self, *counters: str) -> None:
        with self._span("store.lower"):
            await self._store.lower(*counters)

    async def reset(self, *counters: str) -> None:
        with self._span("store.reset"):
            await self._store.reset(*counters)

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        with self._span("store.recount"):
            await self._store.recount(reset=reset, lowered=lowered, begun=begun, now=now)

    async def purge(self, now: float, limit: int = 500) -> int:
        return await self._store.purge(now, limit)

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()

    def _note(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            if event.login_id is not None:
                self._note_login(event.login_id)
