"""Who has got in since APPLY, who has not, and whether LINE WORKS comes at all.

One count is kept for all who look, and goes on from where it was: a page on every wall of a company
costs the database no more than one. Records are read again for a minute after their time, since
some are written late; everything here may be counted twice without a difference. What the player of
the wizard does is not counted: neither is the person in whose name it signs in, nor has LINE WORKS
come.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from worksgate.administration.alerts.watching import SILENCE
from worksgate.administration.going_live.examination import Finding
from worksgate.administration.going_live.operations import Rehearsal
from worksgate.administration.set_up.trial import TRIALS, PastTrial, past_trials
from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.localized import At, Text
from worksgate.administration.sign_in_trace.tries import Ending, Stop
from worksgate.audit import Event, Reason
from worksgate.credentials.usernames import username_key
from worksgate.directory.audit.live_records import FAILURES, MOST, LiveRecord, LiveRecords
from worksgate.directory.database import Directory
from worksgate.directory.going_live import FindingRow
from worksgate.oauth.model import UserKey
from worksgate.sources import Person

WATCHED: Final = 3_600.0
"""Seconds after the start for which silence is still an alarm, once somebody has come."""
REREAD: Final = 60.0
FRESH: Final = 2.0
"""Seconds for which an answer is good for all who ask."""
SHOWN: Final = 20
"""People who are not in, of those that are shown; of the others the number."""
GOT_IN_SHOWN: Final = 5
NOT_SEEN_SHOWN: Final = 50
BARS: Final = 45
_PAGE: Final = 500
_PAGES: Final = 4
"""Pages of expected people that are looked through at a time."""
_MOST_FAILURES: Final = 5_000
_ANSWERED_WITHIN: Final = 10.0
"""Seconds in which LINE WORKS comes for a code."""
_FINISHED_WITHIN: Final = 120.0
"""Seconds that a second step may take."""
_SPANS: Final = (1, 2, 4, 10, 32)
"""Minutes of a bar: the first with which all of them fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last time that somebody, or LINE WORKS itself, was refused."""

    at: float
    stop: Stop
    login_id: str | None = None
    subject_id: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Somebody who tried; ``in_at`` is when they got in since. ``text`` is said in words.

    ``name`` is None if it was LINE WORKS itself.
    """

    at: float
    name: str | None
    subject_id: str | None
    login_id: str | None
    text: Text
    in_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """What the live view shows; times are seconds since the epoch.

    ``bars`` are the ends of periods of ``minutes`` minutes, each with how many were in by then.
    ``is_behind`` says that not all records are counted yet.
    """

    start: float
    now: float
    people_in: int
    last_minute: int
    minutes: int
    bars: tuple[tuple[float, int], ...]
    outside: tuple[Outside, ...]
    outside_count: int
    got_in: tuple[Outside, ...]
    got_in_count: int
    not_seen: tuple[FindingRow, ...]
    expected: int | None
    last_came_at: float | None
    is_behind: bool

    @property
    def not_seen_count(self) -> int | None:
        if self.expected is None:
            return None
        return max(0, self.expected - self.people_in - self.outside_count)

    @property
    def is_silent(self) -> bool:
        """Whether LINE WORKS should have come by now."""
        since = max(self.start, self.last_came_at or self.start)
        is_watched = self.last_came_at is None or self.now - self.start <= WATCHED
        is_done = self.expected is not None and self.people_in >= self.expected > 0
        return self.now - since >= SILENCE and is_watched and not (is_done or self.is_behind)


@dataclass(slots=True)
class Count:
    """What has happened since a start; ``add`` takes records in any order, also twice."""

    start: float
    read_until: float
    is_behind: bool = False
    in_at: dict[str, float] = field(default_factory=dict)
    """By subject."""
    per_minute: Counter[int] = field(default_factory=Counter)
    subjects: dict[str, str] = field(default_factory=dict)
    """By the key of a name that was typed."""
    strangers: set[str] = field(default_factory=set)
    """Keys of names that were typed, and are nobody's or several people's."""
    codes: dict[str, Failure] = field(default_factory=dict)
    """Codes for which nobody has come yet, by sign-in."""
    mail: dict[str, float] = field(default_factory=dict)
    """Sign-ins of mail programs."""
    failures: dict[str, Failure] = field(default_factory=dict)
    last_came_at: float | None = None
    not_in_after: int = 0
    """The number of an expected person before whom everybody is in, by the rehearsal below."""
    rehearsal: str = ""
    trials: Sequence[PastTrial] = ()
    trial_ids: set[str] = field(default_factory=set)
    """Sign-ins of the player."""

    def add(self, records: Iterable[LiveRecord]) -> None:
        for each in records:
            self._add(each)
        while len(self.failures) > _MOST_FAILURES:
            self.failures.pop(next(iter(self.failures)))

    def _add(self, record: LiveRecord) -> None:
        if self._is_trial(record):
            return
        self.last_came_at = max(record.at, self.last_came_at or 0.0)
        if record.username and record.subject_id:
            self.subjects[username_key(record.username)] = record.subject_id
        if record.reason is Reason.COUNTED:
            return
        if record.event in FAILURES:
            self._fail(record)
        elif record.event is Event.IMAP_SUCCEEDED and record.login_id:
            self.mail[record.login_id] = record.at
            self.codes.pop(record.login_id, None)
        elif record.event is Event.CODE_ISSUED and record.login_id:
            if record.login_id not in self.mail:
                self.codes[record.login_id] = _failure(record, Ending.NO_CALL)
        elif record.event is Event.CODE_REDEEMED and record.login_id in self.codes:
            waiting = self.codes[record.login_id]
            self.codes[record.login_id] = Failure(
                at=waiting.at,
                stop=Ending.NO_USER_INFO,
                login_id=waiting.login_id,
                subject_id=waiting.subject_id,
                username=waiting.username,
            )
        elif record.event is Event.USER_INFO_RETURNED and record.subject_id:
            self._let_in(record, record.subject_id)

    def _is_trial(self, record: LiveRecord) -> bool:
        """Whether a record is of the player, or may be and says of nobody that they came."""
        if record.login_id is not None and record.login_id in self.trial_ids:
            return True
        names = {each.name_key for each in self.trials if each.holds(record.client_id, record.at)}
        if not names:
            return False
        if record.username is None and record.subject_id is None:
            return True
        is_named = record.username is not None and username_key(record.username) in names
        theirs = {self.subjects.get(each) for each in names}
        if not is_named and (record.subject_id is None or record.subject_id not in theirs):
            return False
        if record.login_id is not None:
            self.trial_ids.add(record.login_id)
        return True

    def _fail(self, record: LiveRecord) -> None:
        who = record.subject_id or (username_key(record.username) if record.username else "")
        key = who or f"{record.event} {record.reason} {record.client_id}"
        self.failures.pop(key, None)  # so that the newest is the last
        self.failures[key] = _failure(record, (record.event, record.reason))

    def _let_in(self, record: LiveRecord, subject_id: str) -> None:
        if record.login_id is not None:
            self.codes.pop(record.login_id, None)
            if record.login_id in self.mail:
                return
        before = self.in_at.get(subject_id)
        if before is None or record.at < before:
            if before is not None:
                self.per_minute[self._minute(before)] -= 1
            self.in_at[subject_id] = record.at
            self.per_minute[self._minute(record.at)] += 1

    def _minute(self, at: float) -> int:
        return int((at - self.start) // 60)

    def bars(self, now: float) -> tuple[int, tuple[tuple[float, int], ...]]:
        """Minutes of a bar, and the bars."""
        passed = self._minute(now) + 1
        minutes = next((each for each in _SPANS if passed <= each * BARS), _SPANS[-1])
        ends = range(minutes, passed + minutes, minutes)
        bars, total, minute = [], 0, 0
        for end in ends:
            total += sum(self.per_minute[each] for each in range(minute, end))
            minute = end
            bars.append((min(now, self.start + 60.0 * end), total))
        return minutes, tuple(bars[:BARS])

    def failed(self, now: float) -> tuple[list[tuple[Failure, float | None]], int]:
        """Those who tried, the newest first, each with when they got in since; and how many not.

        Who was in before is not among them, nor who is still at it.
        """
        found: dict[str, tuple[Failure, float | None]] = {}
        waiting = [each for each in self.codes.values() if self._is_unanswered(each, now)]
        for each in sorted([*self.failures.values(), *waiting], key=lambda each: each.at):
            is_due = not isinstance(each.stop, Ending) and each.stop[0] is Event.LOGIN_STEP_DUE
            if is_due and now - each.at < _FINISHED_WITHIN:
                continue
            typed = username_key(each.username) if each.username else ""
            who = each.subject_id or self.subjects.get(typed) or typed or repr(each.stop)
            in_at = self.in_at.get(who)
            if in_at is not None and in_at <= each.at:
                continue
            found.pop(who, None)
            found[who] = (each, in_at)
        newest_first = list(reversed(found.values()))
        return newest_first, sum(in_at is None for _, in_at in newest_first)

    def _is_unanswered(self, code: Failure, now: float) -> bool:
        """Whether nobody has come for a code; clocks of servers differ by moments."""
        in_at = self.in_at.get(code.subject_id or "")
        has_come = in_at is not None and abs(in_at - code.at) < _ANSWERED_WITHIN
        return now - code.at >= _ANSWERED_WITHIN and not has_come

    def unresolved(self) -> list[str]:
        """Some names that were typed in vain lately, and of whom it is not known whose they are."""
        newest_first = [each.username for each in reversed(self.failures.values()) if each.username]
        return [
            name
            for name in newest_first[:SHOWN]
            if (key := username_key(name)) not in self.subjects and key not in self.strangers
        ]

    def forget_old(self, now: float) -> None:
        """Drop what no later record can be about."""
        old = [key for key, at in self.mail.items() if at < now - 10 * REREAD]
        for key in old:
            del self.mail[key]


def _failure(record: LiveRecord, stop: Stop) -> Failure:
    return Failure(
        at=record.at,
        stop=stop,
        login_id=record.login_id,
        subject_id=record.subject_id,
        username=record.username,
    )


class LiveWatch:
    """Looks at the records for all who watch; every method may raise DatabaseUnavailable."""

    def __init__(self, directory: Directory, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._records = LiveRecords(directory)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._count: Count | None = None
        self._view: LiveView | None = None

    async def look(self, start: float, rehearsal: Rehearsal | None) -> LiveView:
        """The view since a start; who is expected is known from a rehearsal."""
        async with self._lock:
            now, view = self._clock(), self._view
            is_fresh = view is not None and view.start == start and 0 <= now - view.now < FRESH
            if view is None or not is_fresh:
                view = self._view = await self._look(start, rehearsal, now)
            return view

    async def _look(self, start: float, rehearsal: Rehearsal | None, now: float) -> LiveView:
        count = self._count
        if count is None or count.start != start:
            count = self._count = Count(start, start)
        count.trials = past_trials((await self._directory.set_up.answers()).get(TRIALS))
        await self._resolve([each.name_key for each in count.trials if each.until >= start], count)
        await self._read(count, now)
        await self._resolve(count.unresolved(), count)
        failed, failures = count.failed(now)
        outside = [each for each in failed if each[1] is None]
        got_in = [each for each in failed if each[1] is not None]
        minutes, bars = count.bars(now)
        people_in = len(count.in_at)
        return LiveView(
            start=start,
            now=now,
            people_in=people_in,
            last_minute=sum(at > now - 60.0 for at in count.in_at.values()),
            minutes=minutes,
            bars=bars,
            outside=await self._named(outside[:SHOWN], count),
            outside_count=failures,
            got_in=await self._named(got_in[:GOT_IN_SHOWN], count),
            got_in_count=len(got_in),
            not_seen=() if rehearsal is None else await self._not_seen(count, rehearsal, now),
            expected=None if rehearsal is None else rehearsal.total,
            last_came_at=count.last_came_at,
            is_behind=count.is_behind,
        )

    async def _read(self, count: Count, now: float) -> None:
        """Read on; what is left after a bounded number of records is for the next time."""
        records = await self._records.since(count.read_until)
        count.add(records)
        count.is_behind = len(records) == MOST
        if count.is_behind:
            count.read_until = records[-1].at
        else:
            count.read_until = max(count.read_until, count.start, now - REREAD)
        count.forget_old(now)

    async def _resolve(self, names: Sequence[str], count: Count) -> None:
        """Find out whose names were typed: one may fail by one name, and be in by another."""
        for name in names:
            key = username_key(name)
            if not key or key in count.subjects or key in count.strangers:
                continue
            subject_id = await self._subject_of(name)
            if subject_id is None:
                count.strangers.add(key)
            else:
                count.subjects[key] = subject_id

    async def _subject_of(self, name: str) -> str | None:
        account = await self._directory.account_by_username(name)
        if account is not None:
            return account.person.subject_id
        people = await self._directory.people.named(name)
        return people[0].person.subject_id if len(people) == 1 else None

    async def _named(
        self, failed: Sequence[tuple[Failure, float | None]], count: Count
    ) -> tuple[Outside, ...]:
        return tuple([await self._outside(each, in_at, count) for each, in_at in failed])

    async def _outside(self, failure: Failure, in_at: float | None, count: Count) -> Outside:
        typed = failure.username or ""
        subject_id = failure.subject_id or count.subjects.get(username_key(typed))
        person = None if subject_id is None else await self._directory.person(subject_id)
        return Outside(
            at=failure.at,
            name=_name_of(person) if person else failure.username,
            subject_id=person.subject_id if person else None,
            login_id=failure.login_id,
            text=_sentence(failure),
            in_at=in_at,
        )

    async def _not_seen(
        self, count: Count, rehearsal: Rehearsal, now: float
    ) -> tuple[FindingRow, ...]:
        """The first people who were ready, and of whom nothing has been seen."""
        if count.rehearsal != rehearsal.id:
            count.rehearsal, count.not_in_after = rehearsal.id, 0
        failed = {_subject_of(each, count) for each, _ in count.failed(now)[0]}
        found: list[FindingRow] = []
        after, are_all_in = count.not_in_after, True
        for _ in range(_PAGES):
            page = await self._directory.going_live.findings(
                rehearsal.id, Finding.READY.value, after, _PAGE
            )
            for row in page:
                if row.subject_id not in count.in_at:
                    are_all_in = False
                    if row.subject_id not in failed:
                        found.append(row)
                elif are_all_in:
                    count.not_in_after = row.number
            if len(page) < _PAGE or len(found) >= NOT_SEEN_SHOWN:
                break
            after = page[-1].number
        return tuple(found[:NOT_SEEN_SHOWN])


def _subject_of(failure: Failure, count: Count) -> str | None:
    if failure.subject_id is not None or not failure.username:
        return failure.subject_id
    return count.subjects.get(username_key(failure.username))


def _name_of(person: Person) -> str:
    return person.name or person.username


def _sentence(failure: Failure) -> Text:
    """What the trace says of such a failure."""
    saying = sentences.saying_of(failure.stop)
    stop = failure.stop
    return Text(
        saying.sentence,
        {
            "time": At(failure.at),
            "kind": Text(sentences.KEY_KINDS[UserKey.EXTERNAL_KEY]),
            "detail": str(stop if isinstance(stop, Ending) else stop[0]),
        },
    )
