"""Reads the facts: bounded queries, and one question to the person's source. Nothing is changed.

What cannot be found out, since the source or the store does not respond, is unknown in the facts;
only the database is needed.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from worksgate.administration.errors import Refused
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.administration.set_up.trial import TRIALS, PastTrial, past_trials
from worksgate.administration.sign_in_trace.facts import (
    AskedClient,
    Facts,
    KeyState,
    KnownPerson,
    LineWorksAnswer,
    PersonAtLineWorks,
    PresentKey,
    SourceAnswer,
    SourceState,
    Waiting,
)
from worksgate.administration.sign_in_trace.outages import (
    NEAR,
    OUTAGE,
    SourceOutage,
    outage_at,
)
from worksgate.administration.sign_in_trace.question import Kind, Question
from worksgate.administration.sign_in_trace.similar_names import similar_names
from worksgate.administration.sign_in_trace.tries import JOINED_WITHIN, Try, tries_of, unanswered
from worksgate.administration.user_keys import KeyAdministration, line_works_keys
from worksgate.audit import AuditEvent, Event
from worksgate.clients.access_rules import Decision, Situation, decide_by_texts
from worksgate.credentials.references import beginnings, is_reference
from worksgate.credentials.usernames import username_key
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.audit.sign_in_records import Period, SignInRecords
from worksgate.directory.database import Directory
from worksgate.directory.people import RememberedPerson
from worksgate.limits.outages import Unavailable
from worksgate.line_works_api.errors import ApiError
from worksgate.oauth.model import Client, LoginKind, UserKey
from worksgate.oauth.user_info import check_external_key, check_works_account
from worksgate.oauth.user_key import is_refused
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import Attempt, Throttle
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person

MOST_TRIES = 10
"""Sign-ins that are shown."""
AROUND = 120.0
"""Seconds around a time that was asked for."""
LATELY = 900.0
"""Seconds in which an opened sign-in page may have been theirs."""
_PATIENCE = 5.0
"""Seconds that the source may take."""
_LONGEST_REQUEST = 60.0


class SignInParts(Protocol):
    """Parts of the sign-in that can be asked without signing anybody in.

    Both may raise ValueError for wrong settings, or an outage.
    """

    async def sources(self) -> SourcesInUse: ...

    async def throttle(self) -> Throttle: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Records, and about whom they are."""

    records: Sequence[AuditEvent]
    subject_id: str | None = None
    address: str | None = None
    period: Period


class FactReader:
    """Reads the facts about one question after the other."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        user_keys: KeyAdministration,
        parts: SignInParts | None,
        clock: Callable[[], float],
        members: LineWorksMembers | None,
        *,
        passkeys_usable: bool,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._records = SignInRecords(directory)
        self._user_keys = user_keys
        self._parts = parts
        self._clock = clock
        self._members = members
        self._can_add_passkey = settings.passkeys and passkeys_usable

    async def read(
        self,
        question: Question,
        subject_id: str | None,
        client: Client | None,
        since: float,
        *,
        asks_line_works: bool,
    ) -> Facts:
        """The facts. Raises DatabaseUnavailable.

        ``subject_id`` is the person, if one is asked about; ``client`` the client, if one is named.
        ``asks_line_works``: who they are there, if its API is set up.
        """
        now = self._clock()
        person = None if subject_id is None else await self._person(subject_id)
        found = await self._found(question, person, subject_id, now, since)
        if person is None and found.subject_id is not None:
            person = await self._person(found.subject_id)
        tries = await self._tries(found, client, now)
        typed = {} if person is not None else await self._of_typed_names(tries)
        if len(typed) == 1:
            person = next(iter(typed.values()))
        asked = client or await self._client(tries, person)
        address = next((each.address for each in tries if each.address), found.address)
        facts = Facts(
            question=question,
            now=now,
            since=since,
            person=person,
            client=None if asked is None else _without_secrets(asked),
            address=address,
            tries=tries,
            can_add_passkey=self._can_add_passkey,
            unknown_names=frozenset(name for name, whose in typed.items() if whose is None),
            elsewhere=tuple(
                each.name for each in self._settings.all_sources if not each.is_built_in
            ),
        )
        if person is not None:
            facts, there = await asyncio.gather(
                self._with_present_state(facts, person, asked),
                self._there(person, asked, asks=asks_line_works),
            )
            facts = replace(facts, there=there)
        return await self._with_surroundings(facts, found)

    async def _with_surroundings(self, facts: Facts, found: _Found) -> Facts:
        """The facts with the outage that stopped the last try; without any, with what else was."""
        if not facts.tries:
            return await self._with_others(facts, found)
        last = facts.tries[0]
        return replace(facts, outage=await self._outage(last)) if last.stop == OUTAGE else facts

    async def _outage(self, last: Try) -> SourceOutage | None:
        """From when to when the source of a sign-in did not respond."""
        at = last.stopped_at
        around = Period(since=at - NEAR, until=at + NEAR)
        names = [each.name for each in self._settings.all_sources]
        return outage_at(at, await self._records.interrupted(at, around), names)

    async def _of_typed_names(self, tries: Sequence[Try]) -> dict[str, KnownPerson | None]:
        """Whose the names are that were typed; a failure names no subject."""
        names = dict.fromkeys(each.username for each in tries if each.username)
        return {name: await self._named(name) for name in names}

    async def _named(self, name: str) -> KnownPerson | None:
        account = await self._directory.account_by_username(name)
        if account is not None:
            return await self._person(account.person.subject_id)
        named = await self._directory.people.named(name)
        return await self._person(named[0].person.subject_id) if named else None

    async def is_in_use(self, text: str) -> bool:
        """Whether a text is the reference of a sign-in. Raises DatabaseUnavailable."""
        if not is_reference(text):
            return False
        return bool(await self._ids(Question(text, Kind.REFERENCE), self._clock()))

    # Records

    async def _found(
        self,
        question: Question,
        person: KnownPerson | None,
        subject_id: str | None,
        now: float,
        since: float,
    ) -> _Found:
        period = Period(since=since, until=now)
        match question.kind:
            case Kind.PERSON | Kind.NAME:
                names = {question.text, question.text.lower()} | _names_of(person)
                records = await self._records.of_person(subject_id, names, period)
                return _Found(records=records, period=Period(since=now - LATELY, until=now))
            case Kind.LOGIN_ID | Kind.REFERENCE:
                records = await self._records.of_sign_ins(await self._ids(question, now))
                return _about_one(records, now)
            case Kind.ADDRESS:
                records = await self._records.at_address(question.text, period)
                return _Found(
                    records=records,
                    subject_id=_only_subject(records),
                    address=question.text,
                    period=Period(since=now - LATELY, until=now),
                )
            case Kind.TIME:
                around = Period(
                    since=(question.at or now) - AROUND, until=(question.at or now) + AROUND
                )
                return _Found(records=await self._records.at_time(around), period=around)

    async def _ids(self, question: Question, now: float) -> Collection[str]:
        if question.kind is Kind.LOGIN_ID:
            return [question.text]
        return await self._records.beginning_with(beginnings(question.text, now))

    async def _tries(self, found: _Found, client: Client | None, now: float) -> tuple[Try, ...]:
        """The sign-ins in these records, with all that is recorded of each."""
        newest_first = reversed(found.records)
        ids = list(dict.fromkeys(each.login_id for each in newest_first if each.login_id))
        records = await self._records.of_sign_ins(ids[: 2 * MOST_TRIES])
        tries = tries_of(records, now=now)
        if client is not None:
            tries = tuple(each for each in tries if each.client_id in (client.client_id, None))
        tries = tries[:MOST_TRIES]
        wanted = {each.login_id for each in tries}
        trials = past_trials((await self._directory.set_up.answers()).get(TRIALS))
        tries = tries_of(
            [each for each in records if each.login_id in wanted],
            now=now,
            refused_calls=await self._refused_calls(tries),
            counted=await self._records.counted(
                [Period(since=each.at, until=each.at + 2 * _LONGEST_REQUEST) for each in tries]
            ),
        )
        return tuple(replace(each, is_trial=_is_trial(each, trials)) for each in tries)

    async def _refused_calls(self, tries: Sequence[Try]) -> list[AuditEvent]:
        calls: dict[AuditEvent, None] = {}  # each once: sign-ins follow each other closely
        for each in unanswered(tries):
            if each.client_id is not None:
                around = Period(since=each.at - JOINED_WITHIN, until=each.at + JOINED_WITHIN)
                calls |= dict.fromkeys(await self._records.refused_calls(each.client_id, around))
        return list(calls)

    async def _with_others(self, facts: Facts, found: _Found) -> Facts:
        """The facts with what else happened: names that failed there, pages that were opened."""
        counted = await self._records.counted(
            [replace(found.period, until=found.period.until + 2 * _LONGEST_REQUEST)]
        )
        names: Sequence[str] = _failed_names(found.records)
        if facts.person is not None:
            lately = await self._records.at_time(found.period)
            names = similar_names(_names_of(facts.person), _failed_names(lately))
        opened = any(each.event is Event.LOGIN_REQUESTED for each in counted)
        return replace(facts, others=tuple(names), were_pages_opened=opened)

    # The present state

    async def _person(self, subject_id: str) -> KnownPerson | None:
        if subject_id.startswith(SUBJECT_PREFIX):
            account = await self._directory.account_by_id(subject_id.removeprefix(SUBJECT_PREFIX))
            if account is None:
                return None
            known = self._of_account(account)
        else:
            remembered = await self._directory.people.find(subject_id)
            if remembered is None:
                return None
            known = _of_remembered(remembered)
        changes = [] if known.enabled else await self._records.changes_of(subject_id)
        return replace(known, changed_by=changes[-1] if changes else None)

    def _of_account(self, account: Account) -> KnownPerson:
        given = account.password_changed_at or account.created_at
        lifetime = self._settings.temporary_password_lifetime
        return KnownPerson(
            person=account.person,
            source=BUILT_IN,
            enabled=account.enabled,
            known_since=account.created_at,
            last_login_at=account.last_login_at,
            has_password=account.password_hash is not None,
            password_expires_at=given + lifetime if account.must_change_password else None,
        )

    async def _client(self, tries: Sequence[Try], person: KnownPerson | None) -> Client | None:
        """The client of the last try, or the only one that the person can use."""
        if ids := [each.client_id for each in tries if each.client_id]:
            return await self._directory.client(ids[0])
        clients = await self._directory.clients()
        usable = [
            each
            for each in clients
            if person is None or not each.sources or person.source in each.sources
        ]
        enabled = [each for each in usable if each.enabled] or usable
        return enabled[0] if len(enabled) == 1 else None

    async def _with_present_state(
        self, facts: Facts, known: KnownPerson, client: Client | None
    ) -> Facts:
        source, present = await self._ask_source(known)
        person = present or known.person
        waiting, is_known = await self._waiting(facts, person)
        return replace(
            facts,
            person=replace(known, person=person),
            source=source,
            waiting=waiting,
            is_waiting_known=is_known,
            enrolled=await self._directory.factors.enrolled(person.subject_id),
            decision=None if client is None else _decision(client, known.source, person, facts),
            key=_of_any_kind(person) if client is None else await self._key(client, person),
        )

    async def _ask_source(self, known: KnownPerson) -> tuple[SourceAnswer, Person | None]:
        """What the source says of a person now, without their password."""
        if self._parts is None:
            return SourceAnswer(SourceState.UNKNOWN), None
        # The password may have been changed since: that does not make them another person.
        last_seen = replace(known.person, revision=None)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE):
                sources = await self._parts.sources()
                if known.source in sources.redirects:
                    return SourceAnswer(SourceState.CANNOT_BE_ASKED), None
                if known.source not in sources.passwords:
                    return SourceAnswer(SourceState.UNKNOWN), None
                present = await sources.find(known.source, last_seen)
        except (Unavailable, TimeoutError):
            return SourceAnswer(SourceState.DOWN), None
        except ValueError:  # wrong settings: worksgate doctor says which
            return SourceAnswer(SourceState.UNKNOWN), None
        took = (time.perf_counter() - began) * 1_000
        if present is None:
            state = SourceState.GONE if known.enabled else SourceState.ANSWERS
            return SourceAnswer(state, took), None
        return SourceAnswer(SourceState.ANSWERS, took), present

    async def _there(
        self, known: KnownPerson, client: Client | None, *, asks: bool
    ) -> PersonAtLineWorks:
        """Who LINE WORKS has for a person; bounded, and unknown if it does not answer."""
        if self._members is None or client is None:
            return PersonAtLineWorks(LineWorksAnswer.NOT_SET_UP)
        try:
            access = await self._members.access(client)
            if access is None:
                return PersonAtLineWorks(LineWorksAnswer.NOT_SET_UP)
            if not asks:
                return PersonAtLineWorks(LineWorksAnswer.NOT_ASKED)
            return PersonAtLineWorks(
                LineWorksAnswer.ANSWERS, await self._members.match(access, known.person)
            )
        except Unavailable:
            return PersonAtLineWorks(LineWorksAnswer.NO_ANSWER)
        except (ApiError, Refused):  # worksgate line-works-api test says why
            return PersonAtLineWorks(LineWorksAnswer.REFUSED)

    async def _waiting(self, facts: Facts, person: Person) -> tuple[Waiting | None, bool]:
        """Whether a password would be checked now, from the address of the last try."""
        if self._parts is None or facts.address is None:
            return None, False
        with suppress(Unavailable, ValueError):
            throttle = await self._parts.throttle()
            for name in facts.names_of(person):
                attempt = Attempt(name, facts.address)
                if refusal := await throttle.refusal_of(attempt, facts.now):
                    return Waiting(refusal.reason, facts.now + refusal.retry_after), True
            return None, True
        return None, False

    async def _key(self, client: Client, person: Person) -> PresentKey:
        (conflicts,) = await self._user_keys.conflicts([person])
        problems = [*conflicts, *person.refused_keys]
        (key,) = line_works_keys(person, [client], problems)
        if key.value is None:
            is_anothers = is_refused(client, problems)
            return PresentKey(KeyState.ANOTHERS if is_anothers else KeyState.MISSING)
        try:
            _CHECKS[client.user_key](key.value)
        except ValueError:
            return PresentKey(KeyState.MALFORMED, key.value)
        return PresentKey(KeyState.PRESENT, key.value)


_CHECKS: dict[UserKey, Callable[[str], str]] = {
    UserKey.EXTERNAL_KEY: check_external_key,
    UserKey.WORKS_ACCOUNT: check_works_account,
}


def _is_trial(each: Try, trials: Sequence[PastTrial]) -> bool:
    """Whether a sign-in has the client, the time and the name of a trial."""
    if each.username is None:
        return False
    name = username_key(each.username)
    return any(trial.name_key == name and trial.holds(each.client_id, each.at) for trial in trials)


def _names_of(person: KnownPerson | None) -> set[str]:
    """Names that the person may type."""
    if person is None:
        return set()
    known = person.person
    names = (known.username, known.username.lower(), known.email, known.works_account)
    return {each for each in names if each}


def _failed_names(records: Sequence[AuditEvent]) -> list[str]:
    """The names that were typed in vain, each once."""
    failed = (Event.LOGIN_FAILED, Event.LOGIN_THROTTLED)
    names = [each.username for each in records if each.event in failed and each.username]
    return list(dict.fromkeys(names))


def _about_one(records: Sequence[AuditEvent], now: float) -> _Found:
    """Records of one sign-in, or of the few with the same reference."""
    times = [each.at for each in records] or [now]
    period = Period(since=min(times) - LATELY, until=max(times))
    return _Found(records=records, subject_id=_only_subject(records), period=period)


def _only_subject(records: Sequence[AuditEvent]) -> str | None:
    """The person of these records, if they are about one."""
    subjects = {each.subject_id for each in records if each.subject_id}
    return subjects.pop() if len(subjects) == 1 else None


def _of_remembered(remembered: RememberedPerson) -> KnownPerson:
    return KnownPerson(
        person=remembered.person,
        source=remembered.source,
        enabled=remembered.enabled,
        known_since=remembered.first_login_at,
        last_login_at=remembered.last_login_at,
    )


def _of_any_kind(person: Person) -> PresentKey | None:
    """That there is no user key at all, which every client needs; else it depends on the client."""
    has_none = person.external_key is None and person.works_account is None
    return PresentKey(KeyState.MISSING) if has_none else None


def _without_secrets(client: Client) -> AskedClient:
    return AskedClient(
        client_id=client.client_id,
        name=client.name,
        enabled=client.enabled,
        user_key=client.user_key,
        sources=client.sources,
        domain=client.domain,
    )


def _decision(client: Client, source: str, person: Person, facts: Facts) -> Decision:
    """The decision of the client's rules, as ``worksgate rules explain`` has it."""
    here = Situation(
        kind=LoginKind.WEB,
        address=facts.address or "",
        at=facts.now,
        groups=person.groups,
        source=source,
    )
    return decide_by_texts(client.rules, client.second_factor, here)
