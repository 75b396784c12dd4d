"""Random sequences of operations: SQLite gives the results of the reference store."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.store.artifacts import (
    NOW,
    access_token,
    buys,
    code,
    key_of,
    named,
    refresh_token,
    session,
    spent_transaction,
)
from tests.store.stores import open_sqlite

from worksgate.oauth.model import ARTIFACT_KINDS, Artifact, AuthorizationCode, RefreshToken
from worksgate.store import NewExpiry, Recount, Store, all_of
from worksgate.store.memory import MemoryStore

NAMES = ("a", "b", "c")
GRANTS = ("g", "h")
SUBJECTS = ("anna", "berta")
MAKERS = (code, refresh_token, access_token, session, spent_transaction)

names = st.sampled_from(NAMES)
kinds = st.sampled_from(list(ARTIFACT_KINDS.values()))
redeemable = st.sampled_from([AuthorizationCode, RefreshToken])
clients = st.sampled_from(["tenant", "other"])
counters = st.sampled_from(["x", "y"])
times = st.integers(-20, 1_300).map(lambda seconds: NOW + seconds)
artifacts: st.SearchStrategy[Artifact] = st.builds(
    lambda make, name, grant, subject, expires_at: make(
        name, grant=grant, subject=subject, expires_at=expires_at
    ),
    st.sampled_from(MAKERS),
    names,
    st.sampled_from(GRANTS),
    st.sampled_from(SUBJECTS),
    times,
)


def _place(artifact: Artifact) -> tuple[str, str]:
    return artifact.kind, artifact.key


class Comparison(RuleBasedStateMachine):
    """Every step is taken in both stores; then they hold the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.memory = MemoryStore()
        self.sqlite: Store = self.runner.run(open_sqlite(Path(self.folder.name)))

    def teardown(self) -> None:
        self.runner.run(self.sqlite.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, verb: str, *arguments: Any, **more: Any) -> None:
        self.runner.run(self._both(verb, arguments, more))

    async def _both(self, verb: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> None:
        expected = await getattr(self.memory, verb)(*arguments, **more)
        assert await getattr(self.sqlite, verb)(*arguments, **more) == expected
        assert await _held(self.sqlite) == await _held(self.memory)

    @rule(several=st.lists(artifacts, max_size=4))
    def save(self, several: list[Artifact]) -> None:
        self.both("save", *several)

    @rule(
        several=st.lists(artifacts, min_size=1, max_size=3, unique_by=_place),
        gone=st.lists(artifacts, max_size=2, unique_by=_place),
        later=st.none() | times,
        reset=st.none() | counters,
    )
    def add(
        self,
        several: list[Artifact],
        gone: list[Artifact],
        later: float | None,
        reset: str | None,
    ) -> None:
        kept = {_place(each) for each in several}
        there = [each for each in gone if _place(each) not in kept]
        removed = [named(each) for each in there if later is None]
        extended = [NewExpiry(type(each), each.key, later) for each in there if later is not None]
        recount = None if reset is None else Recount(reset=[reset], now=NOW)
        self.both("add", *several, removed=removed, extended=extended, recount=recount)

    @rule(kind=kinds, name=names)
    def take(self, kind: type[Artifact], name: str) -> None:
        self.both("take", kind, key_of(name))

    @rule(kind=kinds, name=names, expires_at=times)
    def extend(self, kind: type[Artifact], name: str, expires_at: float) -> None:
        self.both("extend", kind, key_of(name), expires_at)

    @rule(
        kind=redeemable,
        name=names,
        client=clients,
        token=names,
        refresh=st.none() | names,
        now=times,
    )
    def redeem(
        self,
        kind: type[AuthorizationCode | RefreshToken],
        name: str,
        client: str,
        token: str,
        refresh: str | None,
        now: float,
    ) -> None:
        self.both("redeem", kind, key_of(name), client, buys(token, refresh), now)

    @rule(subject=st.sampled_from(SUBJECTS))
    def forget(self, subject: str) -> None:
        self.both("forget", subject)

    @rule(counter=counters, window=st.integers(1, 900), now=times)
    def bump(self, counter: str, window: int, now: float) -> None:
        self.both("bump", counter, window, now)

    @rule(counter=counters, now=times)
    def count(self, counter: str, now: float) -> None:
        self.both("count", counter, now)

    @rule(windows=st.dictionaries(counters, st.integers(1, 900)), now=times)
    def bump_all(self, windows: dict[str, int], now: float) -> None:
        self.both("bump_all", windows, now)

    @rule(now=times)
    def count_all(self, now: float) -> None:
        self.both("count_all", ["x", "y"], now)

    @rule(first=counters, begun=st.booleans(), lowered=st.booleans(), now=times)
    def recount(self, first: str, begun: bool, lowered: bool, now: float) -> None:  # noqa: FBT001  # drawn
        second = "y" if first == "x" else "x"
        changes = {
            "reset": [] if begun else [first],
            "begun": {first: 60.0} if begun else {},
            "lowered": [second] if lowered else [],
        }
        self.both("recount", now=now, **changes)

    @rule(several=st.lists(counters, max_size=2))
    def reset(self, several: list[str]) -> None:
        self.both("reset", *several)

    @rule(now=times)
    def purge(self, now: float) -> None:
        self.both("purge", now)

    @rule()
    def ping(self) -> None:
        self.both("ping")


async def _held(store: Store) -> tuple[Artifact, ...]:
    found = [
        await store.find(kind, key_of(name)) for kind in ARTIFACT_KINDS.values() for name in NAMES
    ]
    return all_of(found)


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
