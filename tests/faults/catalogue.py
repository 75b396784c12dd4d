"""Which faults are tested on which store, and the setup of each store."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import (
    any_store,
    change_faults,
    limit_faults,
    load_faults,
    postgres_faults,
    sqlite_faults,
    valkey_faults,
)
from tests.faults.trial import Finding, Scale
from tests.faults.worlds import (
    on_full_disk,
    on_full_server_disk,
    on_postgresql,
    on_sqlite,
    on_valkey,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault on one store."""

    name: str
    """The fault, what is special about it, and the store: f06_network_postgresql."""
    world: Callable[[Path], AbstractAsyncContextManager[Any]]
    run: Callable[[Any, Scale], Awaitable[Finding]]

    @property
    def fault(self) -> str:
        """Such as F-06."""
        return f"F-{self.name[1:3]}"

    @property
    def store(self) -> str:
        """Such as postgresql."""
        return self.name.rpartition("_")[2]


def _on(
    store: str,
    world: Callable[[Path], AbstractAsyncContextManager[Any]],
    **faults: Callable[[Any, Scale], Awaitable[Finding]],
) -> list[Scenario]:
    """Scenarios by their names, which begin with that of the fault."""
    return [Scenario(f"{name}_{store}", world, run) for name, run in faults.items()]


SCENARIOS: tuple[Scenario, ...] = (
    *_on(
        "sqlite",
        on_sqlite,
        f01=any_store.worker_killed,
        f35=any_store.worker_stopped,
        f06=sqlite_faults.locked,
        f14=sqlite_faults.busy_storm,
        f16=sqlite_faults.clock_jumps,
        f20=limit_faults.name_server_hangs,
        f21=any_store.cancel_storm,
        f22=any_store.slow_senders,
        f24=load_faults.login_flood,
        f26=any_store.rolling_restart,
        f27=change_faults.schema_upgraded,
        f29_files=limit_faults.files_used_up,
        f29_memory=limit_faults.memory_used_up,
        f31=change_faults.restored,
        f33=load_faults.starved,
        f34=sqlite_faults.file_replaced,
    ),
    *_on(
        "sqlite",
        on_full_disk,
        f11=sqlite_faults.disk_full,
        f11_start=sqlite_faults.started_on_a_full_disk,
    ),
    *_on(
        "postgresql",
        on_postgresql,
        f01=any_store.worker_killed,
        f03=postgres_faults.reply_lost,
        f04=postgres_faults.server_killed,
        f05=postgres_faults.backends_ended,
        f06=postgres_faults.table_locked,
        f06_network=postgres_faults.network_slow,
        f06_stopped=postgres_faults.server_stopped,
        f07=postgres_faults.connections_used_up,
        f17=change_faults.clocks_apart,
        f21=any_store.cancel_storm,
        f23=load_faults.overload,
        f24=load_faults.login_flood,
        f26=any_store.rolling_restart,
        f27=change_faults.schema_upgraded,
        f29_files=limit_faults.files_used_up,
        f31=change_faults.restored,
    ),
    *_on("postgresql", on_full_server_disk, f08=postgres_faults.disk_full),
    *_on(
        "valkey",
        on_valkey,
        f03=valkey_faults.reply_lost,
        f09_killed=valkey_faults.killed,
        f09_suspended=valkey_faults.suspended,
        f09_paused=valkey_faults.paused,
        f09_full=valkey_faults.full,
        f10=valkey_faults.older_snapshot,
        f21=any_store.cancel_storm,
        f23=load_faults.overload,
        f31=change_faults.restored,
        f36=valkey_faults.told_to_evict,
    ),
)


def _names_of(scenario: Scenario) -> set[str]:
    """f06_network_postgresql is also f06_network, f06, network and postgresql."""
    everywhere = scenario.name.removesuffix(f"_{scenario.store}")
    return {scenario.name, everywhere, *scenario.name.split("_")}


async def try_one(scenario: Scenario, folder: Path, scale: Scale) -> Finding:
    async with scenario.world(folder) as installation:
        return await scenario.run(installation, scale)


def named(names: list[str]) -> tuple[Scenario, ...]:
    """Those with one of these names, faults or stores; all where none is given.

    Raises ValueError for a name that fits none.
    """
    wanted = {name.lower().replace("-", ""): name for name in names}
    known = {each: _names_of(each) for each in SCENARIOS}
    if unknown := wanted.keys() - set[str]().union(*known.values()):
        raise ValueError(f"there is no scenario of {', '.join(wanted[one] for one in unknown)}")
    return tuple(each for each, names in known.items() if not wanted or wanted.keys() & names)
