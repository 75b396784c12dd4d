"""One trial: exchanges at a steady rate, a fault during them, and the account at the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.exchanges import Caller, Code, Exchanges
from tests.faults.ledger import Account, settle
from tests.faults.node import Node, Registered, register

from worksgate.credentials.secrets import new_id, new_ordered_secret, storage_key
from worksgate.oauth.model import AuthorizationCode, LoginKind
from worksgate.store import Store, StoreUnavailable

HEALED_WITHIN = 5.0
"""Seconds after which service is normal again (I-8)."""
CODE_LIFETIME = 600.0

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how much: the short form of the tests, or the long one of ``make faults``."""

    seconds: float
    rate: float
    storm: int
    outage: float
    """Seconds for which a server is gone; more than a call may take."""

    @property
    def is_long(self) -> bool:
        """Whether the machine is ours alone: then figures are held against their bounds.

        The short form is judged by the invariants, whatever else the machine has to do.
        """
        return self.seconds > 10


SHORT = Scale(seconds=3.0, rate=100.0, storm=1_000, outage=3.0)
LONG = Scale(seconds=12.0, rate=200.0, storm=100_000, outage=5.0)

ON_THEIR_WAY = 20
"""How many codes that were answered 503 may have been used when a server falls silent.

A node has 10 statements or scripts on their way at most. They may have been done, and nobody can
know; a fault finds them so when it comes, and others when it ends.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was injected into which store, what was seen, and which invariants broke."""

    fault: str
    store: str
    injected: str
    seen: str
    broken: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        return "; ".join(self.broken) if self.broken else "holds"


@dataclass
class Installation:
    """Nodes on one store, a client, and codes to be had."""

    name: str
    folder: Path
    settings: Mapping[str, str]
    open_store: OpenStore
    """Opens the store past all proxies, to put codes there."""
    client: Registered = field(init=False)
    nodes: list[Node] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    """LINE WORKS, one for each node; calls go to those that are here now."""

    async def set_up(self) -> None:
        self.client = await register(self.settings)

    async def start_node(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        workers: int = 1,
        prefix: tuple[str, ...] = (),
    ) -> Node:
        """One more node, ready; ``settings`` are those that it alone has."""
        node = Node(self.folder, {**self.settings, **(settings or {})}, workers, prefix)
        self.nodes.append(node)
        await asyncio.to_thread(node.start)  # its proxy may be on this loop
        self.callers.append(Caller(node.port, self.client.client_id, self.client.client_secret))
        return node

    async def stop_node(self, node: Node) -> None:
        """Send a node no more calls, then tell it to end."""
        caller = self.callers.pop(self.nodes.index(node))
        self.nodes.remove(node)
        try:
            while caller.under_way:  # noqa: ASYNC110  # it counts, and tells nobody
                await asyncio.sleep(0.01)
            await caller.close()
        finally:
            await asyncio.to_thread(node.stop)

    def stop(self) -> None:
        while self.nodes:
            self.nodes.pop().stop()

    async def plant(self, count: int, *, lifetime: float = CODE_LIFETIME) -> list[Code]:
        """Codes that can be redeemed at once, each of a person of its own."""
        codes = [Code(new_ordered_secret(), f"user-{new_id()}") for _ in range(count)]
        async with self.open_store() as store:
            for start in range(0, count, 500):
                part = codes[start : start + 500]
                await store.save(*(self._artifact(code, lifetime) for code in part))
        return codes

    def _artifact(self, code: Code, lifetime: float) -> AuthorizationCode:
        return AuthorizationCode(
            key=storage_key(code.secret),
            grant_id=new_id(),
            subject_id=f"directory:{new_id()}",
            client_id=self.client.client_id,
            expires_at=time.time() + lifetime,
            user_id=code.user_id,
            login_id=new_id(),
            login_kind=LoginKind.WEB,
            lifetime=86_400,
            expires_in=86_400,
        )


@asynccontextmanager
async def callers_of(installation: Installation) -> AsyncIterator[list[Caller]]:
    """The callers of all nodes; their connections end with the block."""
    try:
        yield installation.callers
    finally:
        for caller in installation.callers:
            await caller.close()


def unless(happened: float, what: str) -> tuple[str, ...]:
    """A trial in which the fault did not happen shows nothing."""
    return () if happened else (f"nothing was {what}",)


@dataclass(frozen=True, slots=True)
class Trial:
    """The account of a trial, and the seconds that service took to be normal again."""

    exchanges: Exchanges
    account: Account
    healed: float

    def broken(self, **allowed: int | bool) -> tuple[str, ...]:
        """The invariants that do not hold; ``allowed`` as for ``Account.judge``."""
        found = self.account.judge(**allowed)  # type: ignore[arg-type]  # its own keywords
        if self.healed > HEALED_WITHIN + self.exchanges.late:
            found.append(f"I-8: no good answer for {self.healed:.1f} s after the fault ended")
        return tuple(found)

    def figures(self) -> str:
        """What was seen, in words for the table."""
        a = self.account
        parts = [f"{a.posted:,} exchanges: {a.good:,} good"]
        if a.unavailable:
            parts.append(f"{a.unavailable:,} × 503 (slowest {a.shed * 1000:,.0f} ms)")
        if a.refused:
            parts.append(f"{a.refused:,} refused for good")
        if a.unanswered:
            parts.append(f"{a.unanswered:,} without an answer")
        if used := a.used_unanswered + a.used_unavailable:
            parts.append(f"{used:,} used all the same")
        parts.append(f"slowest answer {a.longest * 1000:,.0f} ms")
        parts.append(f"normal again after {self.healed:.1f} s")
        return ", ".join(parts)


async def attempt(
    installation: Installation,
    inject: Callable[[], Awaitable[None]],
    *,
    seconds: float,
    rate: float,
    quiet: float = 1.0,
) -> Trial:
    """Exchanges for so long, the fault after ``quiet`` seconds; it has ended when it returns."""
    codes = await installation.plant(int(seconds * rate))
    exchanges = Exchanges()
    async with callers_of(installation) as callers:
        async with asyncio.TaskGroup() as group:
            group.create_task(exchanges.post_each(callers, codes, rate))
            await asyncio.sleep(quiet)
            await inject()
            ended = time.monotonic()
            spare = await _planted(installation, 60)
            healed = time.monotonic() - ended
            healed += await Exchanges().first_good(callers[0], spare, HEALED_WITHIN * 2)
        account = await settle(exchanges, callers[0], _asked(exchanges, codes))
    return Trial(exchanges, account, healed)


async def _planted(installation: Installation, count: int) -> list[Code]:
    """Fresh codes, as soon as the store takes them again."""
    until = time.monotonic() + HEALED_WITHIN * 2
    while True:
        try:
            return await installation.plant(count)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


def _asked(exchanges: Exchanges, codes: Sequence[Code]) -> list[Code]:
    return [code for code in codes if code in exchanges.answers]
