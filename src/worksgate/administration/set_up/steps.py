"""The nine steps of the set-up, and how far each one is: facts in, states out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Final

from worksgate.administration.set_up.console_values import OPTIONAL, ConsoleField, ShownField
from worksgate.administration.set_up.outside_check import Outside
from worksgate.directory.going_live import AnswerName
from worksgate.directory.wizard_answers import Answer
from worksgate.oauth.model import Client, Profile, UserKey


class Step(StrEnum):
    """A step, by the last part of its address, in order."""

    WHERE = auto()
    ADDRESS = auto()
    PEOPLE = auto()
    KEYS = auto()
    TELL = auto()
    VALUES = auto()
    REHEARSE = auto()
    PLAN = auto()
    APPLY = auto()

    @property
    def number(self) -> int:
        """From 1."""
        return list(Step).index(self) + 1


class State(StrEnum):
    """How far a step is."""

    DONE = auto()
    MIND = auto()
    """Something is wrong, or not yet sure."""
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is, and when that was last looked at, in seconds since the epoch."""

    step: Step
    state: State
    at: float | None = None


SOURCE_PREFIX: Final = "source."
"""The answers about sources: ``source.NAME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What is known of a set-up. ``people`` and ``fields`` are counted and read by the caller.

    ``client`` is the one being set up, of all ``clients``; None if there is none.
    """

    public_url: str
    answers: Mapping[str, Answer]
    clients: Sequence[Client]
    client: Client | None
    people: int
    fields: Sequence[ShownField] = ()
    suspicious: ConsoleField | None = None

    @property
    def profile(self) -> Profile:
        """The product: that of the client, or else as answered."""
        if self.client is not None:
            return self.client.profile
        given = self._value("where").get("profile")
        return Profile(given) if given in list(Profile) else Profile.LINE_WORKS

    @property
    def domain(self) -> str:
        """The domain of the tenant, or nothing."""
        if self.client is not None:
            return self.client.domain or ""
        return str(self._value("where").get("domain") or "")

    @property
    def user_key(self) -> UserKey:
        """The kind of key: that of the client, or else as answered, or else the product's."""
        if self.client is not None:
            return self.client.user_key
        given = self._value("key_kind").get("kind")
        if given in list(UserKey):
            return UserKey(given)
        is_workbox = self.profile is Profile.WORKBOX
        return UserKey.WORKS_ACCOUNT if is_workbox else UserKey.EXTERNAL_KEY

    @property
    def outside(self) -> tuple[Outside, float] | None:
        """The last check from outside of this very address, and when it was."""
        answer = self._of_address("address.outside")
        return None if answer is None else (Outside.of(answer.value), answer.at)

    @property
    def inside(self) -> Answer | None:
        """The last check of this very address from the server itself."""
        return self._of_address("address.inside")

    def progress(self) -> list[Progress]:
        """All steps, in order."""
        return [
            self._where(),
            self._address(),
            self._sources(),
            self._keys(),
            self._told(),
            self._values(),
            self._rehearsed(),
            self._noted(Step.PLAN, AnswerName.PLAN),
            self._noted(Step.APPLY, AnswerName.START),
        ]

    def _where(self) -> Progress:
        return self._noted(Step.WHERE, "where")

    def _address(self) -> Progress:
        """Done by a good check from outside alone: this machine sees another way (R-166)."""
        if (outside := self.outside) is not None:
            judged, at = outside
            return Progress(Step.ADDRESS, State.DONE if judged.is_good else State.MIND, at)
        if (inside := self.inside) is not None:
            return Progress(Step.ADDRESS, State.MIND, inside.at)
        return Progress(Step.ADDRESS, State.OPEN)

    def _sources(self) -> Progress:
        tests = [each for name, each in self.answers.items() if name.startswith(SOURCE_PREFIX)]
        if not tests:
            return Progress(Step.PEOPLE, State.DONE if self.people > 1 else State.OPEN)
        newest = max(tests, key=lambda each: each.at)
        state = State.DONE if newest.value.get("worst") == "ok" else State.MIND
        return Progress(Step.PEOPLE, state, newest.at)

    def _keys(self) -> Progress:
        answer = self.answers.get("keys")
        if answer is None or answer.value.get("kind") != self.user_key.value:
            return Progress(Step.KEYS, State.OPEN)
        counted = answer.value
        everybody = counted.get("people", 0)
        is_well = everybody > 0 and counted.get("ready") == everybody and not counted.get("unasked")
        return Progress(Step.KEYS, State.DONE if is_well else State.MIND, answer.at)

    def _told(self) -> Progress:
        """LINE WORKS knows its own accounts; external keys it has to be told."""
        if self.user_key is UserKey.WORKS_ACCOUNT:
            return Progress(Step.TELL, State.DONE)
        return self._noted(Step.TELL, "told")

    def _values(self) -> Progress:
        at = max((each.seen_at for each in self.fields if each.seen_at is not None), default=None)
        if self.client is None or not self.fields:
            return Progress(Step.VALUES, State.OPEN)
        if self.suspicious is not None or any(each.is_so is False for each in self.fields):
            return Progress(Step.VALUES, State.MIND, at)
        needed = [each for each in self.fields if each.field not in OPTIONAL]
        is_done = all(each.is_confirmed for each in needed)
        return Progress(Step.VALUES, State.DONE if is_done else State.OPEN, at)

    def _rehearsed(self) -> Progress:
        answer = self.answers.get(AnswerName.REHEARSAL)
        if answer is not None and answer.value.get("ready") != answer.value.get("total"):
            return Progress(Step.REHEARSE, State.MIND, answer.at)
        return self._noted(Step.REHEARSE, AnswerName.REHEARSAL)

    def _noted(self, step: Step, name: str) -> Progress:
        """Done once there is an answer; going live keeps its own."""
        answer = self.answers.get(name)
        if answer is None:
            return Progress(step, State.OPEN)
        return Progress(step, State.DONE, answer.at)

    def _value(self, name: str) -> Mapping[str, Any]:
        answer = self.answers.get(name)
        return {} if answer is None else answer.value

    def _of_address(self, name: str) -> Answer | None:
        answer = self.answers.get(name)
        return None if answer is None or answer.value.get("url") != self.public_url else answer
