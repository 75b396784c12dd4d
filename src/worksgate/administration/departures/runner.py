"""Carries out the departures that are due, in one process of all nodes.

All steps that do not need LINE WORKS come first, for everybody who is due (R-210): an outage there
keeps nobody in.

A departure of somebody who has become an administrator since it was planned is dropped, with a
record (R-188): whoever planned it might have no right to that.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from worksgate.administration.departures.steps import DepartureSteps, NowAdministrator, StepOutcome
from worksgate.administration.errors import Refused
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.database.leases import LEAVING, Turn
from worksgate.directory.database import Directory
from worksgate.directory.departures import Departure, Step
from worksgate.limits.outages import Unavailable
from worksgate.store import Store

INTERVAL = 20.0
"""Seconds between two looks at what is due."""
GRACE = 15.0
"""Seconds that a server leaves to the command that carries a departure out itself."""


_AT_ONCE = 1_000
_LEASE = 60.0
_MOST_OUTAGES = 3
"""People about whom LINE WORKS may fail to answer before the others wait for the next look."""

_log = structlog.get_logger("worksgate")


async def carry_out_forever(
    directory: Directory,
    store: Store,
    clock: Callable[[], float],
    members: LineWorksMembers | None = None,
    *,
    interval: float = INTERVAL,
    grace: float = GRACE,
) -> None:
    """Carry out what is due every ``interval`` seconds, if nobody else does; never returns.

    What came due while no server ran is carried out at once. Outages are waited out.
    """

    async def given() -> Store:
        return store

    steps = DepartureSteps(directory, given, clock, members)
    turn = Turn(directory.leases, _LEASE, LEAVING)
    while True:
        try:
            until = clock() - grace
            if await directory.departures.due(until, 1) and await turn.take():
                try:
                    await _carry_out_due(directory, steps, turn, until)
                finally:
                    await turn.release()
        except Unavailable as outage:
            _log.warning("departure.postponed", detail=str(outage))
        await asyncio.sleep(interval)


async def _carry_out_due(
    directory: Directory, steps: DepartureSteps, turn: Turn, until: float
) -> None:
    """Everybody here first; then LINE WORKS is asked, until it has often not answered."""
    done: list[tuple[Departure, list[StepOutcome]]] = []
    for departure in await directory.departures.due(until, _AT_ONCE):
        try:
            done.append((departure, await steps.carry_out_here(departure)))
        except NowAdministrator as refusal:
            await steps.drop(departure, str(refusal))
        except Refused as refusal:
            _warn(departure, [StepOutcome(step=Step.DISABLED, problem=str(refusal))])
        if not await turn.keep():
            return
    outages = 0
    for departure, outcomes in done:
        if outages < _MOST_OUTAGES:
            outcomes = await steps.carry_out_there(departure, outcomes)
            outages += any(each.is_open and each.step.is_there for each in outcomes)
        _warn(departure, outcomes)
        if not await turn.keep():
            return


def _warn(departure: Departure, outcomes: Sequence[StepOutcome]) -> None:
    """Log every step that has failed."""
    for outcome in outcomes:
        if outcome.problem:
            _log.warning(
                "departure.unfinished",
                subject_id=departure.subject_id,
                step=outcome.step.value,
                detail=outcome.problem,
            )
