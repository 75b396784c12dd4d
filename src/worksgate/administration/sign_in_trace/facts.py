"""What is known about a person and their sign-ins: everything that a verdict is based on.

No field can hold a password, a code, a token or the digest of one.
"""

from dataclasses import dataclass
from enum import StrEnum, auto

from worksgate.administration.line_works_members import Matched
from worksgate.administration.sign_in_trace.outages import SourceOutage
from worksgate.administration.sign_in_trace.question import Question
from worksgate.administration.sign_in_trace.tries import Try
from worksgate.audit import AuditEvent, Reason
from worksgate.clients.access_rules import Decision
from worksgate.directory.factors import Enrolled
from worksgate.oauth.model import UserKey
from worksgate.sources import Person

_NAMES = 3
"""Typed names of a person that are asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPerson:
    """A person as known here; times are seconds since the epoch.

    ``has_password`` is None if another source checks it; ``password_expires_at`` is the end of a
    temporary one. ``changed_by`` is the record of who enabled or disabled them last.
    """

    person: Person
    source: str
    enabled: bool
    known_since: float
    last_login_at: float | None = None
    has_password: bool | None = None
    password_expires_at: float | None = None
    changed_by: AuditEvent | None = None


class SourceState(StrEnum):
    """What the person's source says."""

    ANSWERS = auto()
    GONE = auto()
    """It answers, and has no such person, or has disabled them."""
    DOWN = auto()
    CANNOT_BE_ASKED = auto()
    """It knows people only when they sign in."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """The answer of a source, and after how many milliseconds."""

    state: SourceState
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Passwords are not checked for a while: why, and until when at the latest."""

    reason: Reason
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedClient:
    """The client that a sign-in is for, without its secrets."""

    client_id: str
    name: str
    enabled: bool
    user_key: UserKey
    sources: tuple[str, ...] = ()
    domain: str | None = None

    def takes(self, source: str) -> bool:
        """Whether people of a source may use it."""
        return not self.sources or source in self.sources


class KeyState(StrEnum):
    """The person's user key of the client's kind."""

    PRESENT = auto()
    MISSING = auto()
    ANOTHERS = auto()
    MALFORMED = auto()
    """LINE WORKS would not accept its characters."""


@dataclass(frozen=True, slots=True)
class PresentKey:
    """The key that LINE WORKS would receive."""

    state: KeyState
    value: str | None = None


class LineWorksAnswer(StrEnum):
    """Whether LINE WORKS says who the person is there."""

    NOT_ASKED = auto()
    NOT_SET_UP = auto()
    """The client has no app of the LINE WORKS API."""
    NO_ANSWER = auto()
    REFUSED = auto()
    ANSWERS = auto()


@dataclass(frozen=True, slots=True)
class PersonAtLineWorks:
    """The person at LINE WORKS; ``matched`` if it answers."""

    state: LineWorksAnswer
    matched: Matched | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was found; None is what could not be found out.

    ``decision`` is that of the client's rules for a browser at ``address``, the one of the last
    try. ``can_add_passkey`` is whether people can set one up at a sign-in. ``others`` are names
    that were typed without success at the same address, or that resemble the person's;
    ``unknown_names`` were typed in the tries, and are nobody's here; ``elsewhere`` are the sources
    whose people are known from their first sign-in. ``outage`` is the one that the
    last try met. ``were_pages_opened`` is whether anybody opened a sign-in page in the minutes in
    question.
    """

    question: Question
    now: float
    since: float
    person: KnownPerson | None = None
    client: AskedClient | None = None
    source: SourceAnswer = SourceAnswer(SourceState.UNKNOWN)
    waiting: Waiting | None = None
    is_waiting_known: bool = False
    enrolled: Enrolled | None = None
    can_add_passkey: bool = False
    decision: Decision | None = None
    address: str | None = None
    key: PresentKey | None = None
    there: PersonAtLineWorks = PersonAtLineWorks(LineWorksAnswer.NOT_ASKED)
    tries: tuple[Try, ...] = ()
    outage: SourceOutage | None = None
    unknown_names: frozenset[str] = frozenset()
    elsewhere: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    were_pages_opened: bool = False

    def names_of(self, person: Person) -> list[str]:
        """The names under which passwords of a person are counted: the last typed, and theirs."""
        typed = [each.username for each in self.tries if each.username]
        return list(dict.fromkeys([*typed[:_NAMES], person.username]))

    def may_wait(self, longest: float) -> bool:
        """Whether they wait, or a browser of theirs may, since it was stopped ``longest`` ago."""
        since = self.now - longest
        return self.waiting is not None or any(
            each.was_throttled and each.stopped_at > since for each in self.tries
        )
