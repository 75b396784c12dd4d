"""What an administrator does about a departure: plan it, begin it, try a step again, drop it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from worksgate.administration.actor import Actor
from worksgate.administration.departures.steps import DepartureSteps, StepOutcome
from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused
from worksgate.administration.people import PeopleAdministration
from worksgate.credentials.usernames import username_key
from worksgate.directory.database import Directory
from worksgate.directory.departures import CheckSeen, Departure, Failure, Proof, Step
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody decides on: when a departure was planned, if it was, and which person.

    Without ``version`` the person may have changed since.
    """

    planned_at: float | None
    version: int | None = None

    def check(self, version: int | None, planned_at: float | None) -> None:
        """Raise Outdated if it is not so any more."""
        if planned_at != self.planned_at or self.version not in (None, version):
            raise Outdated("this person or their departure has been changed meanwhile")


class DepartureAdministration:
    """Departures of people of any source; ``source`` is None for the built-in directory.

    If it is not as in ``seen`` by the time of the change, Outdated is raised, and nothing is done.
    """

    def __init__(
        self,
        directory: Directory,
        people: PeopleAdministration,
        steps: DepartureSteps,
        actor: Actor,
    ) -> None:
        self._directory = directory
        self._people = people
        self._steps = steps
        self._actor = actor

    async def leave(
        self,
        name: str,
        source: str | None = None,
        *,
        suspends: bool = False,
        seen: Seen | None = None,
    ) -> tuple[Departure, list[StepOutcome]]:
        """Disable a person and end everything they hold, now.

        Where its API is set up, LINE WORKS is then asked to sign them out, after suspending them if
        ``suspends``. Steps that fail are tried again by the servers. Raises NotFound, Forbidden,
        Outdated, or Refused if several people have this name, or for the last owner of the console.
        """
        departure = await self._departure(name, source, self._actor.now(), suspends=suspends)
        await self._directory.departures.plan(departure, check_seen=_check(seen))
        try:
            return departure, await self._steps.carry_out(departure)
        except Refused:
            await self._directory.departures.finish(departure)
            raise

    async def plan(
        self,
        name: str,
        due_at: float,
        source: str | None = None,
        *,
        suspends: bool = False,
        seen: Seen | None = None,
    ) -> Departure:
        """Have a server do the same at a time, in seconds since the epoch.

        Replaces an earlier plan for this person. Raises as ``leave``, and Refused for a time in the
        past.
        """
        now = self._actor.now()
        if due_at <= now:
            raise Refused("this time is in the past; without a time, they leave now")
        departure = await self._departure(name, source, due_at, suspends=suspends)
        on = datetime.fromtimestamp(due_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = departure.event(now, f"on {on}")
        await self._directory.departures.plan(departure, event, check_seen=_check(seen))
        return departure

    async def try_step(
        self, name: str, step: Step, source: str | None = None
    ) -> tuple[Departure, StepOutcome]:
        """Try one step of a departure that is due again, also one that LINE WORKS has refused.

        Raises NotFound without such a departure, Forbidden, or Refused as
        ``DepartureSteps.try_step``.
        """
        person = await self._people.named(name, source)
        departure = await self.of(person.subject_id)
        if departure is None:
            departure = await self._carried_out(person, step, source)
        if departure.due_at > self._actor.now():
            raise Refused("this departure is not due yet")
        tried = replace(departure, actor=self._actor.name)
        return departure, await self._steps.try_step(tried, step)

    async def _carried_out(self, person: Person, step: Step, source: str | None) -> Departure:
        """A departure of which a step was refused by LINE WORKS. Raises NotFound."""
        proofs = await self.proofs(person.subject_id)
        if not any(proof.left_over is step for proof in proofs):
            raise NotFound(f"nothing like that is left of a departure of {person.username}")
        return Departure(
            subject_id=person.subject_id,
            source=source or BUILT_IN,
            username=person.username,
            due_at=proofs[0].at,
            planned_at=proofs[0].at,
            role=await self._role_of(person),
        )

    async def cancel(
        self, name: str, source: str | None = None, *, seen: Seen | None = None
    ) -> Departure:
        """Drop a plan, or what is left of a departure.

        ``name`` is also the username of that time. Raises NotFound, Outdated, or Forbidden for
        one's own.
        """
        drop = partial(self._directory.departures.cancel, check_seen=_check(seen))
        subject_id = await self._subject_id(name, source)
        if subject_id is not None and subject_id == self._actor.subject_id:
            raise Forbidden("nobody drops their own departure")
        for departure in await self._directory.departures.all():
            if subject_id is None:  # they may have been removed or renamed since
                key, place = username_key(departure.username), departure.source
                is_theirs = (key, place) == (username_key(name), source or BUILT_IN)
            else:
                is_theirs = departure.subject_id == subject_id
            event = departure.event(self._actor.now(), "no longer")
            if is_theirs and await drop(departure.subject_id, event):
                return departure
        raise NotFound(f"no departure of {name} is planned")

    async def planned(self) -> list[Departure]:
        """All that are planned or not finished, the next one first."""
        return await self._directory.departures.all()

    async def of(self, subject_id: str) -> Departure | None:
        """The departure of a person that is planned or not finished."""
        return await self._directory.departures.of(subject_id)

    async def next(self, limit: int) -> list[Departure]:
        """The next ones, of everybody."""
        return await self._directory.departures.next(limit)

    async def proofs(self, subject_id: str) -> list[Proof]:
        """What has been done of a person's last departure, with the records of that."""
        return await self._directory.departures.proofs(subject_id)

    async def failures(self, subject_id: str, since: float) -> Mapping[Step, Failure]:
        """Why each step of a person's departure failed when it was last tried, since a time."""
        return await self._directory.departures.failures(subject_id, since)

    async def _subject_id(self, name: str, source: str | None) -> str | None:
        try:
            return (await self._people.named(name, source)).subject_id
        except NotFound:
            return None

    async def _departure(
        self, name: str, source: str | None, due_at: float, *, suspends: bool
    ) -> Departure:
        person = await self._people.named(name, source)
        return Departure(
            subject_id=person.subject_id,
            source=source or BUILT_IN,
            username=person.username,
            due_at=due_at,
            planned_at=self._actor.now(),
            actor=self._actor.name,
            role=await self._role_of(person),
            suspends=suspends,
            session=self._actor.session,
            request_id=self._actor.request_id,
        )

    async def _role_of(self, person: Person) -> str | None:
        """Their role in the console, if any."""
        found = await self._directory.administrators.by_subject(person.subject_id)
        return None if found is None else found.effective_role


def _check(seen: Seen | None) -> CheckSeen | None:
    return None if seen is None else seen.check
