"""The order in which all that a person holds is revoked."""

from collections.abc import Sequence

from tests.store.artifacts import NOW, session

from worksgate.audit import AuditEvent, Event
from worksgate.directory.credential_changes import Change
from worksgate.directory.endings import Describe, EndedRows
from worksgate.oauth.model import Session
from worksgate.provider.factors import Holder
from worksgate.provider.revocation import Revocation
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

FIRST, SECOND = session("first"), session("second")
HOLDER = Holder(subject_id=FIRST.subject_id, username="anna")


class Rows:
    """The directory's part: looks at the first session, and somebody signs in meanwhile."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.first: Session | None = FIRST

    async def end(
        self,
        subject_id: str,
        change: Change,
        describe: Describe,
        *,
        factors_since: float | None = None,
    ) -> EndedRows:
        self.first = await self._store.find(Session, FIRST.key)
        await self._store.save(SECOND)
        return EndedRows()


class Records:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, events: Sequence[AuditEvent]) -> None:
        self.events += events


async def test_r30_sessions_end_before_what_they_could_make_anew_and_again_after_it() -> None:
    store, records = MemoryStore(), Records()
    rows = Rows(store)

    async def opened() -> MemoryStore:
        return store

    await store.save(FIRST)
    revocation = Revocation(rows, records, opened)  # type: ignore[arg-type]  # all that is asked of the directory
    ended = await revocation.end_everything(HOLDER, Change.ALL_ENDED, NOW)
    assert rows.first is None
    assert await store.find(Session, SECOND.key) is None
    assert ended.held == 2
    (record,) = records.events
    assert (record.event, record.detail) == (Event.LOGOUT, "everywhere: 2 things have ended")


class LateStore(MemoryStore):
    """Does not respond at first."""

    is_down = True

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        if self.is_down:
            self.is_down = False
            raise StoreUnavailable("down")
        return await super().forget(subject_id, records=records)


async def test_what_could_not_end_at_first_ends_and_is_counted_after_it() -> None:
    store = LateStore()

    async def opened() -> MemoryStore:
        return store

    await store.save(FIRST)
    revocation = Revocation(Rows(store), Records(), opened)  # type: ignore[arg-type]  # as above
    assert (await revocation.end_everything(HOLDER, Change.ALL_ENDED, NOW)).held == 2
