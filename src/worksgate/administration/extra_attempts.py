"""One more sign-in attempt for somebody who has to wait after too many wrong passwords.

It is allowed where they have to wait: from the network where they tried last, and from those where
they have signed in before. Whoever guesses from elsewhere cannot use it up, and gets no guess by it
from the many networks where they tried the name earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused
from worksgate.administration.people import PeopleAdministration
from worksgate.administration.sign_in_trace import SignInParts, SignInTrace
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.audit import Event
from worksgate.directory.database import Directory
from worksgate.provider.throttle import Attempt, Throttle
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person, identify


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may make one more attempt, until when in seconds since the epoch."""

    person: Person
    until: float


class ExtraAttemptAdministration:
    """Allows attempts, through the counters of the sign-in page."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        trace: SignInTrace,
        parts: SignInParts | None,
        people: PeopleAdministration,
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._trace = trace
        self._parts = parts
        self._people = people
        self._actor = actor

    async def allow_one(self, name: str, source: str | None = None) -> Allowed:
        """Allow a person of any source one more attempt; ``name`` is as for ``people.named``.

        It is allowed where they have to wait: from where they tried last, and from where they have
        signed in before. Raises NotFound, Forbidden, Refused for somebody who does not have to wait
        there, or an outage of the store or of their source.
        """
        if self._parts is None or self._settings.store_url == "memory:":
            raise Refused("with store_url = memory: the server would not know of it")
        person = await self._people.named(name, source)
        facts = (await self._trace.of_person(person)).facts
        throttle = await self._parts.throttle()
        places = await _where_waiting(facts, person, throttle)
        if not places:
            raise Refused(f"{person.username} does not have to wait where they tried last")
        names = facts.names_of(person)
        counted = [*names, *await self._accounts(source or BUILT_IN, names)]
        await self._directory.record(
            [self._actor.person_event(person, Event.USER_CHANGED, "one more attempt allowed")]
        )
        until = await throttle.allow_one(
            [Attempt(each, address) for address in places for each in counted],
            self._actor.now(),
        )
        return Allowed(person, until)

    async def _accounts(self, source: str, names: Sequence[str]) -> list[str]:
        """What else is counted for these names: the person whom the source finds by them."""
        if self._parts is None:
            return []
        sources = await self._parts.sources()
        asked = None if source == BUILT_IN else sources.passwords.get(source)
        found = [
            (None if asked is None else (await identify(asked, each)).account)
            or sources.name_at(source, each)
            for each in names
        ]
        return [each for each in found if each is not None]


async def _where_waiting(facts: Facts, person: Person, throttle: Throttle) -> list[str]:
    """The addresses of the last sign-ins from which no password would be checked now.

    Anybody may have typed the name: of those from which the person has never signed in, it is the
    newest only.

    A known browser has counters of its own, which only its sign-ins tell of: where one was stopped
    a moment ago, it still waits.
    """
    since = facts.now - throttle.policy.longest_delay
    places: dict[str, bool] = {}
    for each in facts.tries:
        if each.address is not None:
            stopped = each.was_throttled and each.stopped_at > since
            places[each.address] = places.get(each.address, False) or stopped
    waiting: list[str] = []
    for address, stopped in places.items():  # the newest first
        attempts = [Attempt(name, address) for name in facts.names_of(person)]
        refusals = [await throttle.refusal_of(each, facts.now) for each in attempts]
        if (stopped or any(refusals)) and (
            not waiting or await throttle.knows_any(attempts, facts.now)
        ):
            waiting.append(address)
    return waiting
