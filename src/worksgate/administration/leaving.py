"""Carries out departures: everything that ends when a person leaves, step by step.

    disabled          they can no longer sign in
    signed out        sessions, codes, tokens, remembered browsers
    app passwords     removed

Second factors stay, as with ``worksgate user disable``: they open nothing for a disabled person.

A step that fails holds up no other. Each may be repeated, and a departure stays in the database
until all of them have succeeded: then a server tries again, also after a restart.

Who has become an administrator since it was planned does not leave by it (R-188): whoever planned
it might have no right to that. It is dropped, with a record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from worksgate.administration.administrators import check_owner_stays
from worksgate.administration.errors import Refused
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import AuditEvent, Event
from worksgate.database import ConcurrentChange
from worksgate.database.leases import LEAVING, Turn
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.change_log import Author
from worksgate.directory.credential_changes import Change
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

_log = structlog.get_logger("worksgate")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """A step: how many things ended, and the ID of its audit record; or why it failed."""

    step: Step
    count: int = 0
    record: int | None = None
    problem: str = ""


class NowAdministrator(Refused):
    """They have been given a role in the console since the departure was planned."""


class Leaving:
    """Carries out departures. ``store`` opens the store on first use; ``clock`` is in seconds."""

    def __init__(
        self,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock

    async def carry_out(self, departure: Departure) -> list[StepOutcome]:
        """Try every step; the departure is over if none of them has failed.

        Raises Refused, before any other step, for the last owner of the console, or for somebody
        who has become an administrator.
        """
        step = partial(self._tried, departure)
        disabled = await step(Step.DISABLED, self._disable)
        first = await step(Step.SIGNED_OUT, self._sign_out)  # a session could make app passwords
        passwords = await step(Step.APP_PASSWORDS, self._remove_app_passwords)
        last = await step(Step.SIGNED_OUT, self._sign_out)  # and what was being made meanwhile
        outcomes = [disabled, replace(last, count=first.count + last.count), passwords]
        if not any(outcome.problem for outcome in outcomes):
            await self._directory.departures.finish(departure)
        return outcomes

    async def drop(self, departure: Departure, reason: str) -> None:
        """Drop a departure that must not be carried out, with a record."""
        event = departure.event(self._clock(), f"refused: {reason}")
        if await self._directory.departures.cancel(departure.subject_id, event):
            _log.warning("departure.refused", subject_id=departure.subject_id, detail=reason)

    async def _tried(
        self, departure: Departure, step: Step, work: Callable[[Departure], Awaitable[int]]
    ) -> StepOutcome:
        try:
            count = await work(departure)
            record = await self._directory.departures.prove(departure, step, count, self._clock())
        except Refused:
            raise
        except Unavailable as outage:
            return StepOutcome(step=step, problem=str(outage))
        except Exception as error:  # whatever it is, the other steps must be done
            return StepOutcome(step=step, problem=f"an error of Worksgate: {type(error).__name__}")
        return StepOutcome(step=step, count=count, record=record)

    @retried_on_conflict
    async def _disable(self, departure: Departure) -> int:
        author = Author(departure.actor or "departure", self._clock())
        event = _record(departure, Event.USER_CHANGED, author.at, "disabled")
        if not departure.subject_id.startswith(SUBJECT_PREFIX):
            person = await self._directory.people.find(departure.subject_id)
            if person is None or not person.enabled:
                return 0
            name = person.person.username
            is_done = await self._directory.people.set_enabled(
                departure.subject_id,
                False,
                event,
                author,
                check_role=partial(_check_role, departure, name),
            )
            return int(bool(is_done))
        account = await self._directory.account_by_id(
            departure.subject_id.removeprefix(SUBJECT_PREFIX)
        )
        if account is None or not account.enabled:
            return 0
        async with self._directory.changing(author) as transaction:
            present = await transaction.account(account.username)
            if present is None or present.id != account.id:
                raise ConcurrentChange("the person has just been renamed: try again")
            _check_role(departure, present.username, present.role)
            disabled = replace(present, enabled=False)
            await check_owner_stays(transaction, present, disabled)
            await transaction.change_account(present, disabled, event.at)
            await transaction.record(event)
        return 1

    async def _sign_out(self, departure: Departure) -> int:
        return await (await self._store()).forget(departure.subject_id)

    async def _remove_app_passwords(self, departure: Departure) -> int:
        now = self._clock()
        ended = await self._directory.endings.end(
            departure.subject_id,
            Change.ACCOUNT_CLOSED,
            lambda event, detail: _record(departure, event, now, detail),
        )
        return ended.app_passwords


async def leave_forever(
    directory: Directory,
    store: Store,
    clock: Callable[[], float],
    *,
    interval: float = INTERVAL,
    grace: float = GRACE,
) -> None:
    """Carry out what is due every ``interval`` seconds, if nobody else does; never returns.

    What came due while no server ran is carried out at once. Outages are waited out.
    """

    async def given() -> Store:
        return store

    leaving = Leaving(directory, given, clock)
    turn = Turn(directory.leases, _LEASE, LEAVING)
    while True:
        try:
            until = clock() - grace
            if await directory.departures.due(until, 1) and await turn.take():
                try:
                    await _carry_out_due(directory, leaving, turn, until)
                finally:
                    await turn.release()
        except Unavailable as outage:
            _log.warning("departure.postponed", detail=str(outage))
        await asyncio.sleep(interval)


async def _carry_out_due(directory: Directory, leaving: Leaving, turn: Turn, until: float) -> None:
    for departure in await directory.departures.due(until, _AT_ONCE):
        try:
            outcomes = await leaving.carry_out(departure)
        except NowAdministrator as refusal:
            await leaving.drop(departure, str(refusal))
            continue
        except Refused as refusal:
            outcomes = [StepOutcome(step=Step.DISABLED, problem=str(refusal))]
        for outcome in outcomes:
            if outcome.problem:
                _log.warning(
                    "departure.unfinished",
                    subject_id=departure.subject_id,
                    step=outcome.step.value,
                    detail=outcome.problem,
                )
        if not await turn.keep():
            return


def _check_role(departure: Departure, username: str, role: str | None) -> None:
    """Raise NowAdministrator if somebody has been given a role since it was planned."""
    if role not in (None, departure.role):
        raise NowAdministrator(f"{username} has become an administrator")


def _record(departure: Departure, event: Event, at: float, detail: str) -> AuditEvent:
    return AuditEvent(
        event=event,
        at=at,
        subject_id=departure.subject_id,
        username=departure.username,
        actor=departure.actor,
        detail=detail,
    )
