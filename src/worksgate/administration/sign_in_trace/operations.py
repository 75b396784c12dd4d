"""``SignInTrace``: from what an administrator typed to the answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from worksgate.administration.errors import Refused, found
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.administration.sign_in_trace.localized import Speaker
from worksgate.administration.sign_in_trace.question import Kind, Question, read_question
from worksgate.administration.sign_in_trace.reading import FactReader, SignInParts
from worksgate.administration.sign_in_trace.report import SpokenTrace
from worksgate.administration.sign_in_trace.verdict import Verdict, verdict_of
from worksgate.administration.user_keys import KeyAdministration
from worksgate.directory.database import Directory
from worksgate.directory.people_search import FoundPerson, PeopleSearch
from worksgate.oauth.model import Client
from worksgate.provider.factors.passkeys import RelyingParty
from worksgate.settings.options import Settings
from worksgate.sources import Person

__all__ = ["Ambiguous", "SignInParts", "SignInTrace", "Trace"]

LOOK_BACK = 7 * 86_400.0
"""Seconds of records that are read by default."""


class Ambiguous(Refused):
    """Several people match: ``people``, at most ten."""

    def __init__(self, text: str, people: tuple[FoundPerson, ...]) -> None:
        names = ", ".join(f"{each.username} ({each.subject_id})" for each in people)
        super().__init__(f"several people match {text!r}; give one of {names}")
        self.people = people


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known, and the verdict on it."""

    facts: Facts
    verdict: Verdict

    def spoken(self, speaker: Speaker) -> SpokenTrace:
        """The trace in words."""
        return SpokenTrace.of(self.facts, self.verdict, speaker)


class SignInTrace:
    """Answers why somebody cannot get in. ``parts`` are those of the sign-in that can be asked.

    Without them it is unknown whether the source responds and whether somebody has to wait; without
    ``members``, who somebody is at LINE WORKS.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        user_keys: KeyAdministration,
        parts: SignInParts | None = None,
        members: LineWorksMembers | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        party = RelyingParty.of(settings.public_url, settings.company_name)
        self._directory = directory
        self._people = PeopleSearch(directory)
        self._clock = clock
        self._reader = FactReader(
            settings,
            directory,
            user_keys,
            parts,
            clock,
            members,
            passkeys_usable=party.is_usable,
        )

    async def of(
        self,
        text: str,
        *,
        client: str | None = None,
        since: float | None = None,
        zone: tzinfo = UTC,
        asks_line_works: bool = True,
    ) -> Trace:
        """The trace of a person, a reference or ID of a sign-in, an address or a time.

        ``client`` is a name or an ID. ``since`` is how far back records are read, in seconds since
        the epoch; a time of day is one in ``zone``. ``asks_line_works``: LINE WORKS is asked who
        the person is there, which takes up to five seconds. Raises Ambiguous, NotFound for an
        unknown client, Refused for an empty text, or DatabaseUnavailable.
        """
        if not text.strip():
            raise Refused("a name, mail address, key, reference, address or time is needed")
        now = self._clock()
        wanted = None
        if client is not None:
            wanted = found(await self._directory.client(client), "client", client)
        question, subject_id = await self._resolved(read_question(text, now, zone))
        back_to = now - LOOK_BACK if since is None else since
        return await self._read(
            question, subject_id, wanted, back_to, asks_line_works=asks_line_works
        )

    async def of_person(self, person: Person, *, asks_line_works: bool = False) -> Trace:
        """The trace of a person who is known already. Raises DatabaseUnavailable."""
        question = Question(person.username, Kind.PERSON)
        since = self._clock() - LOOK_BACK
        return await self._read(
            question, person.subject_id, None, since, asks_line_works=asks_line_works
        )

    async def find(self, text: str) -> Sequence[FoundPerson]:
        """People of whom something is exactly this; without any, people with it in their name.

        At most ten. Raises DatabaseUnavailable.
        """
        return await self._people.find(text)

    async def _read(
        self,
        question: Question,
        subject_id: str | None,
        client: Client | None,
        since: float,
        *,
        asks_line_works: bool,
    ) -> Trace:
        facts = await self._reader.read(
            question, subject_id, client, since, asks_line_works=asks_line_works
        )
        return Trace(facts, verdict_of(facts))

    async def _resolved(self, question: Question) -> tuple[Question, str | None]:
        """What was meant, and the person if it was one."""
        if question.kind not in (Kind.PERSON, Kind.REFERENCE):
            return question, None
        people = tuple(await self._people.find(question.text))
        if len(people) > 1:
            raise Ambiguous(question.text, people)
        if people:
            return replace(question, kind=Kind.PERSON), people[0].subject_id
        if question.kind is Kind.REFERENCE or await self._reader.is_in_use(question.text):
            return replace(question, kind=Kind.REFERENCE), None
        return replace(question, kind=Kind.NAME), None
