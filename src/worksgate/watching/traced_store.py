"""A store whose every verb that a request uses is a span. It changes nothing of what it does."""

from worksgate.oauth.model import Artifact
from worksgate.store import A, R, Redemption, Store, Successors
from worksgate.watching.sources import Span


class TracedStore:
    """A ``Store``."""

    def __init__(self, store: Store, span: Span) -> None:
        self._store = store
        self._span = span

    @property
    def waiting(self) -> int:
        return self._store.waiting

    @property
    def unavailable(self) -> int:
        return self._store.unavailable

    async def save(self, *artifacts: Artifact) -> None:
        with self._span("store.save"):
            await self._store.save(*artifacts)

    async def add(self, artifact: Artifact) -> bool:
        with self._span("store.add"):
            return await self._store.add(artifact)

    async def find(self, kind: type[A], key: str) -> A | None:
        with self._span("store.find"):
            return await self._store.find(kind, key)

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        with self._span("store.held"):
            return await self._store.held(kind, subject_id)

    async def take(self, kind: type[A], key: str) -> A | None:
        with self._span("store.take"):
            return await self._store.take(kind, key)

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        with self._span("store.extend"):
            return await self._store.extend(kind, key, expires_at)

    async def redeem(
        self, kind: type[R], key: str, client_id: str, successors: Successors, now: float
    ) -> Redemption:
        with self._span("store.redeem"):
            return await self._store.redeem(kind, key, client_id, successors, now)

    async def forget(self, subject_id: str) -> int:
        with self._span("store.forget"):
            return await self._store.forget(subject_id)

    async def bump(self, counter: str, window: float, now: float) -> int:
        with self._span("store.bump"):
            return await self._store.bump(counter, window, now)

    async def count(self, counter: str, now: float) -> int:
        with self._span("store.count"):
            return await self._store.count(counter, now)

    async def lower(self, *counters: str) -> None:
        with self._span("store.lower"):
            await self._store.lower(*counters)

    async def reset(self, *counters: str) -> None:
        with self._span("store.reset"):
            await self._store.reset(*counters)

    async def purge(self, now: float, limit: int = 500) -> int:
        return await self._store.purge(now, limit)

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()
