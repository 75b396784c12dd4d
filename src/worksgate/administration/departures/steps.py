"""The steps of a departure: everything that ends when a person leaves, step by step.

    disabled          they can no longer sign in
    signed out        sessions, codes, tokens, remembered browsers
    app passwords     removed
    at LINE WORKS     suspended, if that is wanted, and signed out: if its API is set up

Second factors stay, as with ``worksgate user disable``: they open nothing for a disabled person.

A step that fails holds up no other. Each may be repeated, also alone, and a departure stays in the
database until all of them have succeeded: then a server tries again, also after a restart. What
LINE WORKS refuses, rather than does not answer, is left to an administrator. Each try is recorded;
those of a server that fail, once an hour for each step.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from worksgate.administration.administrators import check_owner_stays
from worksgate.administration.errors import Refused
from worksgate.administration.line_works_api import Access
from worksgate.administration.line_works_members import LineWorksMembers, NotThisMember
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import AuditEvent, Event
from worksgate.database import ConcurrentChange, DatabaseUnavailable
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.change_log import Author
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.directory.departures import LEFT_OVER, Departure, Proof, Step
from worksgate.limits.outages import Unavailable
from worksgate.line_works_api.errors import ApiError
from worksgate.sources import Person
from worksgate.store import Store

_RECORDED_AGAIN = 3_600.0
"""Seconds until a failure of a server's try is recorded again."""
_NOBODY = "nobody there has this user key or account"
_HERE: Final = (Step.DISABLED, Step.SIGNED_OUT, Step.APP_PASSWORDS)

_log = structlog.get_logger("worksgate")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """A step: how many things ended, and the ID of its audit record; or why it failed.

    At LINE WORKS, ``count`` is of tenants. ``is_final``: it is not tried again by a server. A
    failure has no record if the database is away.
    """

    step: Step
    count: int = 0
    record: int | None = None
    problem: str = ""
    is_final: bool = False

    @property
    def is_open(self) -> bool:
        """Whether a server tries it again."""
        return bool(self.problem) and not self.is_final


class NowAdministrator(Refused):
    """They have been given a role in the console since the departure was planned."""


class DepartureSteps:
    """Carries out departures. ``store`` opens the store on first use; ``clock`` is in seconds.

    Without ``members`` LINE WORKS is not asked.
    """

    def __init__(
        self,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        clock: Callable[[], float],
        members: LineWorksMembers | None = None,
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._members = members

    async def carry_out(self, departure: Departure) -> list[StepOutcome]:
        """Try every step; the departure is over if none of them has failed.

        Raises Refused, before any other step, for the last owner of the console, or for somebody
        who has become an administrator.
        """
        outcomes = await self.carry_out_here(departure)
        return await self.carry_out_there(departure, outcomes)

    async def carry_out_here(self, departure: Departure) -> list[StepOutcome]:
        """Try every step that needs nothing of LINE WORKS. Raises as ``carry_out``."""
        step = partial(self._tried, departure)
        disabled = await step(Step.DISABLED, self._disable)
        first = await step(Step.SIGNED_OUT, self._sign_out)  # a session could make app passwords
        passwords = await step(Step.APP_PASSWORDS, self._remove_app_passwords)
        last = await step(Step.SIGNED_OUT, self._sign_out)  # and what was being made meanwhile
        return [disabled, replace(last, count=first.count + last.count), passwords]

    async def carry_out_there(
        self, departure: Departure, here: Sequence[StepOutcome]
    ) -> list[StepOutcome]:
        """Try the steps at LINE WORKS; the departure is over if none of all steps is open.

        Returns those here with those there.
        """
        outcomes = [*here, *await self._there(departure)]
        if not any(outcome.is_open for outcome in outcomes):
            await self._directory.departures.finish(departure)
        return outcomes

    async def try_step(self, departure: Departure, step: Step) -> StepOutcome:
        """Try one step, even if it was done or refused before; a failure is recorded in any case.

        The departure is over if no other step is open. Raises as ``carry_out``, and Refused for a
        step at LINE WORKS while the person is enabled here, or without its API.
        """
        work = {
            Step.DISABLED: self._disable,
            Step.SIGNED_OUT: self._sign_out,
            Step.APP_PASSWORDS: self._remove_app_passwords,
        }
        if not step.is_there:
            outcome = await self._tried(departure, step, work[step], is_again=True)
        elif await self._is_enabled(departure.subject_id):
            raise Refused(f"{departure.username} is enabled here: disable them first")
        else:
            outcomes = await self._there(departure, only=step)
            if not outcomes:
                raise Refused("the Directory API is not set up")
            (outcome,) = outcomes
        with suppress(Refused, Unavailable):  # then a server finds out that nothing is left
            if not outcome.is_open and await self._is_all_done(departure):
                await self._directory.departures.finish(departure)
        return outcome

    async def _is_all_done(self, departure: Departure) -> bool:
        """Whether every step has its proof, those here not before the person was disabled."""
        proofs = await self._directory.departures.proofs(departure.subject_id)
        done = [each for each in proofs if each.at >= departure.planned_at]
        last = {each.step: each.record for each in done}
        disabled = last.get(Step.DISABLED)
        if disabled is None or any(last.get(each, 0) < disabled for each in _HERE):
            return False
        there = await self._steps_there(departure)
        return all(_outcome_before(each, done) is not None for each in there)

    async def _steps_there(self, departure: Departure) -> list[Step]:
        """The steps at LINE WORKS, if its API is set up for this person."""
        if self._members is None or not await self._members.accesses(departure.source):
            return []
        suspended = [Step.SUSPENDED_THERE] if departure.suspends else []
        return [*suspended, Step.SIGNED_OUT_THERE]

    async def _is_enabled(self, subject_id: str) -> bool:
        if subject_id.startswith(SUBJECT_PREFIX):
            account_id = subject_id.removeprefix(SUBJECT_PREFIX)
            account = await self._directory.account_by_id(account_id)
            return account is not None and account.enabled
        person = await self._directory.people.find(subject_id)
        return person is not None and person.enabled

    async def drop(self, departure: Departure, reason: str) -> None:
        """Drop a departure that must not be carried out, with a record."""
        event = departure.event(self._clock(), f"refused: {reason}")
        if await self._directory.departures.cancel(departure.subject_id, event):
            _log.warning("departure.refused", subject_id=departure.subject_id, detail=reason)

    async def _tried(
        self,
        departure: Departure,
        step: Step,
        work: Callable[[Departure], Awaitable[int]],
        *,
        is_again: bool = False,
    ) -> StepOutcome:
        try:
            count = await work(departure)
            record = await self._directory.departures.prove(departure, step, count, self._clock())
        except Refused:
            raise
        except Exception as error:  # whatever it is, the other steps must be done
            return await self._failed(departure, step, error, is_again=is_again)
        return StepOutcome(step=step, count=count, record=record)

    async def _failed(
        self, departure: Departure, step: Step, error: Exception, *, is_again: bool
    ) -> StepOutcome:
        """The outcome of a try that has failed, with its record if the database can have one."""
        is_outage, now, record = isinstance(error, Unavailable), self._clock(), None
        why = str(error) if is_outage else f"an error of Worksgate: {type(error).__name__}"
        lately = max(departure.planned_at, now - _RECORDED_AGAIN)
        with suppress(DatabaseUnavailable):
            record = await self._directory.departures.note_failure(
                departure, step, why, now, unless_since=None if is_again else lately
            )
        return StepOutcome(step=step, record=record, problem=why)

    @retried_on_conflict
    async def _disable(self, departure: Departure) -> int:
        author = Author(
            departure.actor or "departure",
            self._clock(),
            session=departure.session,
            request_id=departure.request_id,
        )
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
        account_id = departure.subject_id.removeprefix(SUBJECT_PREFIX)
        account = await self._directory.account_by_id(account_id)
        if account is None:  # whoever is brought back has left nevertheless
            await self._directory.removed_accounts.disable(account_id)
            return 0
        if not account.enabled:
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

    # At LINE WORKS

    async def _there(self, departure: Departure, only: Step | None = None) -> list[StepOutcome]:
        """Suspend them, if that is wanted, and order the sign-out, wherever there is an app.

        Or ``only`` one of these steps, even if it was done or refused before.
        """
        if self._members is None:
            return []
        is_again = only is not None
        try:
            person = await self._person(departure)
            accesses = [] if person is None else await self._members.accesses(departure.source)
            proofs = await self._directory.departures.proofs(departure.subject_id)
        except Refused as problem:  # the settings lack a URL
            step = only or Step.SIGNED_OUT_THERE
            return [await self._left_over(departure, step, str(problem))]
        except Unavailable as outage:
            step = only or Step.SIGNED_OUT_THERE
            return [await self._failed(departure, step, outage, is_again=is_again)]
        if person is None or not accesses:
            return []
        done = [each for each in proofs if each.at >= departure.planned_at and only is None]
        order = partial(self._order, departure, person, accesses, done, is_again=is_again)
        outcomes = []
        if only is Step.SUSPENDED_THERE or (departure.suspends and only is None):
            outcomes.append(await order(Step.SUSPENDED_THERE, self._members.suspend))
        if only in (None, Step.SIGNED_OUT_THERE):
            outcomes.append(await order(Step.SIGNED_OUT_THERE, self._members.order_sign_out))
        return outcomes

    async def _order(
        self,
        departure: Departure,
        person: Person,
        accesses: Sequence[Access],
        done: Sequence[Proof],
        step: Step,
        work: Callable[[Access, Person], Awaitable[bool]],
        *,
        is_again: bool,
    ) -> StepOutcome:
        """One step at every tenant, unless it was done or refused before."""
        if (before := _outcome_before(step, done)) is not None:
            return before
        count, problems = 0, []
        try:
            for access in accesses:
                try:
                    count += await work(access, person)
                except (ApiError, NotThisMember) as problem:
                    if isinstance(problem, Unavailable):
                        raise
                    problems.append(str(problem))
            if problems or not count:
                return await self._left_over(departure, step, "; ".join(problems) or _NOBODY)
            record = await self._directory.departures.prove(departure, step, count, self._clock())
        except Exception as error:  # whatever it is, the other steps must be done
            return await self._failed(departure, step, error, is_again=is_again)
        return StepOutcome(step=step, count=count, record=record)

    async def _left_over(self, departure: Departure, step: Step, why: str) -> StepOutcome:
        """Record that an administrator has to do a step at LINE WORKS."""
        record = await self._directory.departures.prove(
            departure, Step.REFUSED_THERE, 1, self._clock(), f"{LEFT_OVER[step]}: {why}"
        )
        return StepOutcome(step=step, record=record, problem=why, is_final=True)

    async def _person(self, departure: Departure) -> Person | None:
        """Who leaves, as they are known here; None if they were removed since."""
        account_id = departure.subject_id.removeprefix(SUBJECT_PREFIX)
        if account_id != departure.subject_id:
            account = await self._directory.account_by_id(account_id)
            return None if account is None else account.person
        remembered = await self._directory.people.find(departure.subject_id)
        return None if remembered is None else remembered.person


def _outcome_before(step: Step, done: Sequence[Proof]) -> StepOutcome | None:
    """The outcome of a step that was done, or refused, at an earlier try; the last one counts."""
    for proof in reversed(done):
        if proof.step is step:
            return StepOutcome(step=step, count=proof.count, record=proof.record)
        if proof.left_over is step:
            why = proof.detail.partition(": ")[2]
            return StepOutcome(step=step, record=proof.record, problem=why, is_final=True)
    return None


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
