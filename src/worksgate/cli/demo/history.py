"""Four weeks of sign-ins of the demonstrated company, as audit records.

Working days with a rush at nine, a small one after lunch and little at weekends; one sign-in in
twelve does not go right at once, for reasons that the trace of a sign-in knows. Chance is the same
at every start; the weeks are those before the start. Records of sign-ins look like those that
``provider`` writes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final

from worksgate.audit import AuditEvent, Event, Reason

SEED: Final = 4
WEEKS: Final = 4
DAY: Final = 86_400.0

COMES: Final = 0.45
"""Share of the people who sign in on a working day; the others still have a session."""
COMES_AT_WEEKEND: Final = 0.03
HAS_SESSION: Final = 0.35
"""Share of those who need no password."""
STUMBLES: Final = 0.08
GIVES_UP: Final = 0.2
"""Share of those who stumble, and do not try again."""
LINE_WORKS: Final = "203.0.113.80"
OFFICES: Final = ("198.51.100.", "192.0.2.", "203.0.113.")
BROWSERS: Final = (
    "Chrome on Windows",
    "Edge on Windows",
    "Safari on iPhone",
    "Chrome on Android",
    "Safari on Mac",
)

OUTAGE_BEGAN, OUTAGE_ENDED = time(9, 0), time(9, 45)
ASKED_ABOUT = time(9, 20, 30)
"""When several people certainly failed in the outage: a newcomer is led to this minute."""
_TUESDAY: Final = 1
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class RecordedPerson:
    """Somebody who signs in, by the names that records have of them."""

    subject_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Stumble:
    """How a sign-in can go wrong. ``weight`` is how often, compared with the others.

    ``is_known`` is whether the person was known by then, so that the record has their subject;
    ``took`` is about how many milliseconds the request took.
    """

    event: Event
    reason: Reason
    detail: str
    weight: int
    is_known: bool = False
    took: float = 80.0


STUMBLES_OF: Final = (
    Stumble(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD, "wrong name or password", 52),
    Stumble(Event.LOGIN_THROTTLED, Reason.WAITING, "too many wrong passwords before", 6),
    Stumble(Event.LOGIN_REFUSED, Reason.FORM_EXPIRED, "the form is too old", 10),
    Stumble(
        Event.LOGIN_REFUSED, Reason.OTHER_BROWSER, "the transaction belongs to another browser", 6
    ),
    Stumble(Event.LOGIN_REFUSED, Reason.COOKIES_OFF, "the browser sent no cookie with the form", 4),
    Stumble(Event.LOGIN_STEP_DUE, Reason.SECOND_FACTOR_DUE, "a second factor", 8, is_known=True),
    Stumble(Event.FACTOR_FAILED, Reason.WRONG_CODE, "TOTP: wrong code", 8, is_known=True),
    Stumble(
        Event.FACTOR_FAILED,
        Reason.CLOCK_BEHIND,
        "TOTP: wrong code, the clock of the phone is 90 s slow",
        3,
        is_known=True,
    ),
    Stumble(Event.LOGIN_REFUSED, Reason.RULE, "rule: outside of the networks", 3, is_known=True),
)


def outage_day(now: datetime) -> date:
    """The last Tuesday whose morning is over."""
    is_over = now.time() >= OUTAGE_ENDED
    latest = now.date() if is_over else now.date() - timedelta(days=1)
    return latest - timedelta(days=(latest.weekday() - _TUESDAY) % 7)


def working_days(now: datetime, count: int) -> list[date]:
    """The last working days before today, the newest first."""
    days = (now.date() - timedelta(days=ago) for ago in range(1, 2 * count + 3))
    return [day for day in days if day.weekday() < _SATURDAY][:count]


def joining(now: datetime) -> float:
    """When somebody new has come, in seconds since the epoch: at eight, two working days ago."""
    return moment(working_days(now, 2)[1], time(8))


def moment(day: date, at: time) -> float:
    """In seconds since the epoch, when clocks here showed that: a day may be in summer time."""
    return datetime.combine(day, at).timestamp()


class History:
    """Makes the records of one client until ``now``, a local time."""

    def __init__(self, client_id: str, now: datetime) -> None:
        self._client_id = client_id
        self._now = now
        self._chance = Random(SEED)  # noqa: S311  # weeks that look real, not secrets

    def of_weeks(
        self, own: Sequence[RecordedPerson], partners: Sequence[RecordedPerson]
    ) -> Iterator[AuditEvent]:
        """All sign-ins; those of the partner company are interrupted while its provider is down."""
        down = outage_day(self._now)
        for ago in range(7 * WEEKS, -1, -1):
            day = self._now.date() - timedelta(days=ago)
            for who in own:
                if self._comes(day):
                    yield from self._at(self._moment(day), who)
            for number, who in enumerate(partners):
                if day == down:
                    yield from self._while_down(day, who, is_asked_about=number < 2)
                elif self._comes(day):
                    yield from self._at(self._moment(day), who)

    def without_key(self, who: RecordedPerson) -> Iterator[AuditEvent]:
        """Somebody whose password is right, and who has nothing to tell LINE WORKS."""
        detail = "no external key"
        for day, hour, minute in ((1, 9, 2), (1, 9, 4), (0, 8, 51), (0, 8, 53), (0, 13, 20)):
            at = moment(working_days(self._now, 2)[day], time(hour, minute))
            refused = Stumble(Event.LOGIN_REFUSED, Reason.NO_USER_KEY, detail, 1, is_known=True)
            yield self._stumble(at, self._login_id(at), who, refused, self._address(who))

    def not_listed(self, client_id: str, detail: str) -> Iterator[AuditEvent]:
        """Sign-ins of another client whose return address is not on its list: nobody is known."""
        for day in working_days(self._now, 2):
            for minute in (1, 3, 4, 9, 12, 26, 41):
                at = moment(day, time(9, minute))
                yield AuditEvent(
                    event=Event.LOGIN_REFUSED,
                    at=at,
                    login_id=self._login_id(at),
                    client_id=client_id,
                    address=f"198.51.100.{self._chance.randint(200, 230)}",
                    detail=detail,
                    reason=Reason.REDIRECT_NOT_LISTED,
                    elapsed_ms=self._took(2),
                )

    # Days and hours

    def _comes(self, day: date) -> bool:
        is_weekend = day.weekday() >= _SATURDAY
        return self._chance.random() < (COMES_AT_WEEKEND if is_weekend else COMES)

    def _moment(self, day: date) -> float:
        """When somebody signs in: most begin at nine, some after lunch, the others in between."""
        kind = self._chance.random()
        if kind < 0.6:
            hour = self._chance.gauss(8.9, 0.35)
        elif kind < 0.78:
            hour = self._chance.gauss(13.1, 0.3)
        else:
            hour = self._chance.uniform(9.5, 18.5)
        return moment(day, time(0)) + 3_600 * min(max(hour, 6.0), 21.0)

    # Sign-ins

    def _at(self, at: float, who: RecordedPerson) -> Iterator[AuditEvent]:
        """One sign-in, perhaps not right at once; nothing if it would be in the future."""
        if at >= self._now.timestamp():
            return
        login_id, address = self._login_id(at), self._address(who)
        if self._chance.random() < STUMBLES:
            [how] = self._chance.choices(STUMBLES_OF, [each.weight for each in STUMBLES_OF])
            yield self._stumble(at - self._chance.uniform(6, 50), login_id, who, how, address)
            if self._chance.random() < GIVES_UP:
                return
        yield from self._completed(at, login_id, who, address)

    def _while_down(
        self, day: date, who: RecordedPerson, *, is_asked_about: bool
    ) -> Iterator[AuditEvent]:
        down = Stumble(
            Event.LOGIN_INTERRUPTED,
            Reason.SOURCE_UNAVAILABLE,
            "partner: the provider did not respond in time",
            1,
            took=3_000.0,
        )
        address = self._address(who)
        for number in range(self._chance.randint(1, 3)):
            at = moment(day, OUTAGE_BEGAN) + self._chance.uniform(60, 2_640)
            if is_asked_about and number == 0:
                at = moment(day, ASKED_ABOUT) + self._chance.uniform(0, 20)
            yield self._stumble(at, self._login_id(at), who, down, address)
        at = moment(day, OUTAGE_ENDED) + self._chance.uniform(120, 3_600)
        if at < self._now.timestamp():
            yield from self._completed(at, self._login_id(at), who, address)

    def _stumble(
        self, at: float, login_id: str, who: RecordedPerson, how: Stumble, address: str
    ) -> AuditEvent:
        return AuditEvent(
            event=how.event,
            at=at,
            login_id=login_id,
            client_id=self._client_id,
            subject_id=who.subject_id if how.is_known else None,
            username=who.username,
            address=address,
            detail=how.detail,
            reason=how.reason,
            elapsed_ms=self._took(how.took),
        )

    def _completed(
        self, at: float, login_id: str, who: RecordedPerson, address: str
    ) -> Iterator[AuditEvent]:
        yield self._event(
            Event.LOGIN_REQUESTED, at - self._chance.uniform(2, 20), login_id, address, took=3
        )
        if self._chance.random() >= HAS_SESSION:
            browser = self._chance.choice(BROWSERS)
            yield self._event(
                Event.LOGIN_SUCCEEDED, at, login_id, address, who, took=95, detail=browser
            )
        yield self._event(Event.CODE_ISSUED, at, login_id, address, who, took=95)
        yield self._event(Event.CODE_REDEEMED, at + 0.2, login_id, LINE_WORKS, who, took=4)
        yield self._event(Event.USER_INFO_RETURNED, at + 0.4, login_id, LINE_WORKS, who)

    def _event(
        self,
        event: Event,
        at: float,
        login_id: str,
        address: str,
        who: RecordedPerson | None = None,
        *,
        took: float | None = None,
        detail: str | None = None,
    ) -> AuditEvent:
        is_call = event in (Event.CODE_REDEEMED, Event.USER_INFO_RETURNED)
        return AuditEvent(
            event=event,
            at=at,
            login_id=login_id,
            client_id=self._client_id,
            subject_id=None if who is None else who.subject_id,
            username=None if who is None or is_call else who.username,
            address=address,
            detail=detail,
            elapsed_ms=None if took is None else self._took(took),
        )

    def _took(self, about: float) -> float:
        """Milliseconds: about as many, and now and then a few times more."""
        return round(about * self._chance.lognormvariate(0, 0.4), 1)

    def _login_id(self, at: float) -> str:
        """An ID that begins with its time, as those of ``credentials.secrets`` do."""
        return f"{int(at * 1_000):011x}{self._chance.getrandbits(56):014x}"

    def _address(self, who: RecordedPerson) -> str:
        """Mostly the same one for somebody, from one of three offices."""
        own = Random(who.username)  # noqa: S311  # an address, not a secret
        return f"{own.choice(OFFICES)}{own.randint(10, 190)}"
