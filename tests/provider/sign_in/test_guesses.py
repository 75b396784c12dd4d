"""What counts as a guess, and against whom: a definite no does, an outage does not (R-119, R-120).

The store is a real one; sources and factors are small classes that answer as they are told.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from worksgate.audit import AuditEvent, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy
from worksgate.database import DatabaseUnavailable
from worksgate.oauth.model import Client
from worksgate.provider.factors import FACTOR_POLICY, MAX_FACTOR_FAILURES, FactorRefused
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.password_refusals import TOO_MANY_BEFORE
from worksgate.provider.sign_in.attempt import Browser, Proof, SignInAttempt, SignInProgress
from worksgate.provider.sign_in.audit_trail import AuditTrail
from worksgate.provider.sign_in.errors import (
    TooManyWrongFactors,
    UnknownPasskey,
    WrongFactor,
    WrongPassword,
)
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.steps import SignInSteps
from worksgate.provider.sign_in.transaction import SignInTransaction, TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import Attempt, Throttle, ThrottlePolicy, TooManyAttempts
from worksgate.settings.options import Settings
from worksgate.sources import (
    Identified,
    NoAnswer,
    PasswordExpired,
    Person,
    PersonDisabled,
    Source,
    SourceUnavailable,
)
from worksgate.store.memory import MemoryStore

NOW = 1_000_000.0
POLICY = ThrottlePolicy()
CLIENT = Client(client_id="acme", name="Acme")
HANA = Person(subject_id="ldap:1", username="hana", name="Hana")
RIGHT, WRONG = "correct horse battery", "a guess 8f3a"
HOME = Browser(address="203.0.113.7", secret="a browser's own")
ELSEWHERE = Browser(address="198.51.100.9", secret="another browser's")


@dataclass
class People:
    """A source that knows one password, and only that name."""

    name: str = "directory"
    knows: str = "hana"
    password: str = RIGHT
    person: Person = HANA
    fails: BaseException | None = None
    asked: list[str] = field(default_factory=list)

    async def authenticate(self, username: str, password: str) -> Person | None:
        self.asked.append(username)
        if self.fails is not None:
            raise self.fails
        return self.person if (username, password) == (self.knows, self.password) else None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen


@dataclass
class ManyNames(People):
    """A source that finds its person by several names, before it checks a password."""

    name: str = "ldap"
    names: Mapping[str, str] = field(default_factory=dict)
    in_vain: int = 0

    async def identify(self, username: str) -> Identified:
        return Identified(username, self.names.get(username, f"nobody {username}"))

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        if not admitted:
            self.in_vain += 1
            return None
        known = identified.account is not None and not identified.account.startswith("nobody")
        return await self.authenticate(self.knows if known else "", password)


class Audit:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None: ...

    async def flush(self) -> None: ...


@dataclass
class FactorDesk:
    """Second factors, of which one code is right."""

    fails: BaseException | None = None
    unseen = 0
    """How many answers were refused without a look."""

    def refused_unseen(self, *_: object) -> None:
        self.unseen += 1

    async def check_totp(self, holder: object, code: str, now: float) -> bool:
        self._fail()
        return code == "123456"

    async def check_passkey(self, *_: object, require_user_verification: bool) -> str:
        self._fail()
        raise FactorRefused("it is none of ours")

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails


class Desk:
    """Where people sign in with passwords and second factors."""

    def __init__(self, *sources: Source) -> None:
        self.store = MemoryStore()
        self.audit = Audit()
        self.factors = FactorDesk()
        signer = TransactionSigner(b"k" * 32)
        factors = cast("Factors", self.factors)
        self.passwords = PasswordCheck(
            SourcesInUse({each.name: each for each in sources}),
            factors,
            Throttle(self.store, POLICY),
            signer,
            AuditTrail(self.audit),
        )
        self.steps = SignInSteps(
            Settings(),
            ClientRegistry(self._no_clients),
            self.store,
            factors,
            Throttle(self.store, FACTOR_POLICY, "factor"),
            self.passwords.known_device,
        )

    async def _no_clients(self) -> Mapping[str, Client]:
        return {}

    async def sign_in(
        self, password: str, username: str = "hana", browser: Browser = HOME, now: float = NOW
    ) -> str:
        """What comes of it, in a word."""
        try:
            await self.passwords.check(login(), CLIENT, username, password, browser, now)
        except WrongPassword:
            return "wrong"
        except TooManyAttempts:
            return "throttled"
        except BusyRefusal:
            return "busy"
        except (SourceUnavailable, HashingBusy, DatabaseUnavailable):
            return "outage"
        except PersonDisabled:
            return "disabled"
        return "right"

    async def guesses(self, count: int, username: str = "hana", **how: Any) -> list[str]:
        return [await self.sign_in(WRONG, username, **how) for _ in range(count)]

    async def prove(self, attempt: SignInAttempt, code: str) -> str:
        try:
            await self.steps.verify_second_factor(attempt, Proof(code=code))
        except WrongFactor as wrong:
            return f"{wrong.left} left"
        except TooManyWrongFactors:
            return "over"
        except TooManyAttempts:
            return "throttled"
        except (DatabaseUnavailable, HashingBusy, asyncio.CancelledError):
            return "outage"
        return "right"


def login() -> SignInTransaction:
    return SignInTransaction.begin_for_account("https://sso.example/account", HOME.secret, NOW)


def second_step(now: float = NOW) -> SignInAttempt:
    progress = SignInProgress(source="ldap", person=HANA)
    return SignInAttempt(CLIENT, login(), progress, HOME, now)


# A definite no counts, an outage does not


async def test_right_passwords_are_never_throttled() -> None:
    desk = Desk(People())
    assert [await desk.sign_in(RIGHT) for _ in range(30)] == ["right"] * 30


async def test_right_passwords_of_somebody_disabled_are_never_throttled() -> None:
    desk = Desk(People(fails=PersonDisabled()))
    assert [await desk.sign_in(RIGHT) for _ in range(30)] == ["disabled"] * 30


@pytest.mark.parametrize(
    ("why", "recorded"),
    [
        (PersonDisabled(), "the person is disabled"),
        (PersonDisabled("outside required_groups"), "outside required_groups"),
        (PasswordExpired(), "the password has expired"),
        (PasswordExpired("yesterday"), "the password has expired"),
    ],
)
async def test_r105_it_is_recorded_why_a_right_password_was_not_enough(
    why: Exception, recorded: str
) -> None:
    desk = Desk(People(fails=why))
    assert await desk.sign_in(RIGHT) == "disabled"
    (event,) = desk.audit.events
    assert (event.event, event.username, event.detail) == (Event.LOGIN_FAILED, "hana", recorded)


async def test_r105_who_is_throttled_is_recorded_under_the_name_that_was_typed() -> None:
    desk = Desk(People())
    assert await desk.guesses(11) == ["wrong"] * 10 + ["throttled"]
    assert [each.event for each in desk.audit.events[-2:]] == [
        Event.LOGIN_FAILED,
        Event.LOGIN_THROTTLED,
    ]
    assert desk.audit.events[-1].username == "hana"
    assert desk.audit.events[0].detail == "wrong name or password"


@dataclass
class Full(People):
    """A source that has no room for those whom it does not know."""

    def check_capacity(self, *, is_known: bool) -> None:
        if not is_known:
            raise HashingBusy


async def test_in_a_flood_known_browsers_are_served_and_others_wait_for_nothing() -> None:
    people = Full()
    desk = Desk(people)
    known = replace(HOME, devices=[desk.passwords.new_device("hana", HANA.subject_id)])
    assert await desk.sign_in(RIGHT, browser=known) == "right"
    assert await desk.sign_in(RIGHT) == "outage"
    assert await desk.sign_in(RIGHT, "taro", known) == "outage"  # known by another name
    assert people.asked == ["hana"]


def everywhere(count: int) -> list[Browser]:
    """Browsers in so many networks."""
    return [replace(HOME, address=f"192.0.2.{number}") for number in range(count)]


@pytest.mark.parametrize("outage", [SourceUnavailable(), HashingBusy(), DatabaseUnavailable()])
async def test_r120_an_outage_of_the_only_source_costs_no_guess(outage: Exception) -> None:
    people = People(fails=outage)
    desk = Desk(people)
    assert {await desk.sign_in(RIGHT, browser=each) for each in everywhere(200)} == {"outage"}
    assert await desk.guesses(50) == ["outage"] * 50
    people.fails = None
    assert await desk.guesses(11) == ["wrong"] * 10 + ["throttled"]


# What a source leaves open


@pytest.mark.parametrize("username", ["hana", "nobody-of-that-name"])
async def test_r282_guesses_at_a_source_that_never_says_no_end_with_what_strangers_have(
    username: str,
) -> None:
    """Some delay a no for longer than anybody waits; a right password is accepted at once."""
    people = People(fails=NoAnswer())
    desk = Desk(people)
    guesses = [await desk.sign_in(WRONG, username, each) for each in everywhere(150)]
    assert guesses == ["outage"] * POLICY.strangers + ["throttled"] * 50
    assert len(people.asked) == POLICY.strangers


async def test_r282_who_waits_in_vain_for_an_answer_is_kept_from_nothing_where_they_are_known() -> (
    None
):
    people = People()
    desk = Desk(people)
    assert await desk.sign_in(RIGHT) == "right"
    people.fails = NoAnswer()
    assert await desk.guesses(150) == ["outage"] * 150
    people.fails = None
    assert await desk.guesses(11) == ["wrong"] * 10 + ["throttled"]


async def test_r282_an_attempt_that_is_cancelled_meanwhile_is_left_open_too() -> None:
    people = People(fails=asyncio.CancelledError())
    desk = Desk(people)
    for each in everywhere(POLICY.strangers):
        with pytest.raises(asyncio.CancelledError):
            await desk.sign_in(WRONG, browser=each)
    assert await desk.sign_in(WRONG) == "throttled"


async def test_r282_a_right_password_ends_what_was_left_open_before() -> None:
    people = People(fails=NoAnswer())
    desk = Desk(people)
    last = POLICY.strangers - 1
    assert {await desk.sign_in(RIGHT, browser=each) for each in everywhere(last)} == {"outage"}
    people.fails = None
    assert await desk.sign_in(RIGHT) == "right"
    people.fails = NoAnswer()
    assert {await desk.sign_in(RIGHT, browser=each) for each in everywhere(last)} == {"outage"}


async def test_r282_a_failure_after_the_answer_leaves_nothing_open() -> None:
    desk = Desk(People(fails=SourceUnavailable()), People("ldap", fails=HashingBusy()))
    assert {await desk.sign_in(RIGHT, browser=each) for each in everywhere(150)} == {"outage"}


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("username", ["hana", "nobody-of-that-name"])
async def test_r120_a_no_of_one_source_counts_although_another_is_down(
    username: str,
    in_order: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    people, ldap = People(), People("ldap", fails=SourceUnavailable())
    desk = Desk(people, ldap) if in_order else Desk(ldap, people)
    assert await desk.guesses(250, username) == ["outage"] * 10 + ["throttled"] * 240
    assert len(people.asked) == 10


async def test_a_right_password_counts_as_right_although_another_source_is_down() -> None:
    desk = Desk(People("ldap", fails=SourceUnavailable()), People())
    assert [await desk.sign_in(RIGHT) for _ in range(30)] == ["right"] * 30


async def test_where_no_source_is_asked_guesses_count_too() -> None:
    assert await Desk().guesses(11) == ["wrong"] * 10 + ["throttled"]


async def test_a_passkey_that_is_refused_counts_against_the_network() -> None:
    desk = Desk(People())
    for number in range(POLICY.per_address + 1):
        refused = TooManyAttempts if number == POLICY.per_address else UnknownPasskey
        with pytest.raises(refused):
            await desk.passwords.check_passkey(login(), CLIENT, "{}", HOME, NOW)


async def test_r120_an_outage_while_a_passkey_is_checked_counts_for_nothing() -> None:
    desk = Desk(People())
    desk.factors.fails = HashingBusy()
    transaction = login()
    for _ in range(POLICY.per_address + 50):
        with pytest.raises(HashingBusy):
            await desk.passwords.check_passkey(transaction, CLIENT, "{}", HOME, NOW)
    desk.factors.fails = None
    with pytest.raises(UnknownPasskey):
        await desk.passwords.check_passkey(transaction, CLIENT, "{}", HOME, NOW)


# One budget for a person of several names

NAMES = {"hana": "ldap:1", "hana@acme.example": "ldap:1", "h.yamada@acme.example": "ldap:1"}


async def test_r119_a_person_of_three_names_has_one_guessing_budget() -> None:
    ldap = ManyNames(names=NAMES)
    desk = Desk(ldap)
    for _ in range(30):
        for name in NAMES:
            await desk.sign_in(WRONG, name)
    assert len(ldap.asked) == 10


async def test_r119_a_person_without_guesses_left_is_answered_like_a_wrong_password() -> None:
    """An answer of its own would tell that two names are one person's."""
    ldap = ManyNames(names=NAMES)
    desk = Desk(ldap)
    assert await desk.guesses(10, "hana") == ["wrong"] * 10
    for name in ("hana@acme.example", "nobody@acme.example"):
        assert await desk.guesses(11, name) == ["wrong"] * 10 + ["throttled"]
    assert ldap.in_vain == 10
    assert await desk.sign_in(RIGHT, "h.yamada@acme.example") == "wrong"
    assert desk.audit.events[-1].detail == TOO_MANY_BEFORE


async def test_r119_a_right_password_sets_name_and_person_back() -> None:
    ldap = ManyNames(names=NAMES)
    desk = Desk(ldap)
    for _ in range(3):
        assert await desk.guesses(9, "hana") == ["wrong"] * 9
        assert await desk.sign_in(RIGHT, "hana@acme.example") == "right"
        assert await desk.sign_in(RIGHT, "hana") == "right"


async def test_r119_strangers_keep_nobody_out_of_a_known_network() -> None:
    desk = Desk(ManyNames(names=NAMES))
    assert await desk.sign_in(RIGHT) == "right"
    for number in range(150):
        browser = replace(ELSEWHERE, address=f"192.0.2.{number}")
        await desk.sign_in(WRONG, [*NAMES][number % 3], browser)
    assert await desk.sign_in(RIGHT, "h.yamada@acme.example", ELSEWHERE) == "wrong"
    assert await desk.sign_in(RIGHT) == "right"


async def test_r119_a_known_browser_goes_on_when_strangers_may_not() -> None:
    desk = Desk(ManyNames(names=NAMES))
    for number in range(150):
        browser = replace(ELSEWHERE, address=f"192.0.2.{number}")
        await desk.sign_in(WRONG, "hana@acme.example", browser)
    known = replace(ELSEWHERE, devices=[desk.passwords.new_device("hana", HANA.subject_id)])
    assert await desk.sign_in(RIGHT, "hana", known) == "right"


async def test_r119_a_success_in_one_source_gives_back_no_guess_of_another() -> None:
    """Two people of one name: who signs in as the one has no more guesses at the other."""
    ldap = ManyNames(password="another 7b1c", names=NAMES)
    desk = Desk(ldap, People())
    for _ in range(5):
        assert await desk.guesses(9) == ["wrong"] * 9
        assert await desk.sign_in(RIGHT) == "right"
    assert len(ldap.asked) == 10


OTHER = replace(HANA, subject_id="company:9")
"""Somebody else who is called hana in another source."""


@pytest.mark.parametrize("is_first", [True, False])
async def test_r276_who_has_a_name_in_another_source_has_no_more_guesses_at_it_here(
    is_first: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    here = People()
    there = People("company", password="another 7b1c", person=OTHER)
    desk = Desk(*((there, here) if is_first else (here, there)))
    for _ in range(5):
        assert await desk.guesses(9) == ["wrong"] * 9
        assert await desk.sign_in(there.password) == "right"
    assert len(here.asked) == 10


async def test_r276_a_part_of_the_sources_counts_for_each_of_them_too() -> None:
    """As the console, which asks the directory only: a success elsewhere sets back nothing here."""
    here, desk = People(), Desk(People("company", password="another 7b1c", person=OTHER))
    part = PasswordCheck(
        SourcesInUse({here.name: here}, is_part=True),
        cast("Factors", desk.factors),
        Throttle(desk.store, POLICY),
        TransactionSigner(b"k" * 32),
        AuditTrail(desk.audit),
    )
    for _ in range(5):
        for _ in range(9):
            with pytest.raises(WrongPassword):
                await part.check(login(), CLIENT, "hana", WRONG, HOME, NOW)
        assert await desk.sign_in("another 7b1c") == "right"
    assert len(here.asked) == 10


async def test_r276_browsers_of_another_person_of_this_name_are_strangers_here() -> None:
    here, there = People(), People("company", password="another 7b1c", person=OTHER)
    desk = Desk(here, there)
    for number in range(130):
        device = desk.passwords.new_device("hana", OTHER.subject_id)
        browser = replace(ELSEWHERE, address=f"192.0.2.{number}", devices=[device])
        await desk.sign_in(WRONG, "hana", browser)
    assert len(here.asked) == POLICY.strangers
    recorded = {each.detail for each in desk.audit.events}
    assert recorded == {"wrong name or password"}, "it may be nobody's name at a source"
    own = replace(ELSEWHERE, devices=[desk.passwords.new_device("hana", "directory:1")])
    assert await desk.sign_in(RIGHT, "hana", own) == "right"


async def test_r276_browsers_of_another_person_of_this_name_have_no_more_tries_at_factors() -> None:
    desk, outcomes = Desk(People()), []
    for number in range(FACTOR_POLICY.strangers + 30):
        device = desk.passwords.new_device("hana", OTHER.subject_id)
        browser = replace(ELSEWHERE, address=f"192.0.2.{number}", devices=[device])
        outcomes.append(await desk.prove(replace(second_step(), browser=browser), "000000"))
    assert set(outcomes[FACTOR_POLICY.strangers :]) == {"throttled"}
    own = replace(ELSEWHERE, devices=[desk.passwords.new_device("hana", HANA.subject_id)])
    assert await desk.prove(replace(second_step(), browser=own), "123456") == "right"


async def test_r194_r276_one_more_attempt_is_allowed_at_the_source_of_a_name_too() -> None:
    here, there = People(), People("company", password="another 7b1c", person=OTHER)
    desk, part = Desk(here, there), SourcesInUse({}, is_part=True)
    assert await desk.guesses(15) == ["wrong"] * 10 + ["throttled"] * 5
    assert len(here.asked) == 10
    at_source = part.name_at(here.name, "hana")
    assert at_source is not None
    attempts = [Attempt(each, HOME.address) for each in ("hana", at_source)]
    await Throttle(desk.store, POLICY).allow_one(attempts, NOW)
    assert await desk.sign_in(RIGHT) == "right"


async def test_r119_an_outage_gives_the_person_s_guess_back_too() -> None:
    ldap = ManyNames(names=NAMES, fails=SourceUnavailable())
    desk = Desk(ldap)
    for name in NAMES:
        assert await desk.guesses(40, name) == ["outage"] * 40
    ldap.fails = None
    assert await desk.guesses(11) == ["wrong"] * 10 + ["throttled"]


# Hashes that cost more than ours


@dataclass
class Imported(People):
    """A directory with a hash that takes longer to check than that of an unknown name."""

    takes: float = 0.2
    tells_after: float = 0.4

    async def authenticate(self, username: str, password: str) -> Person | None:
        await asyncio.sleep(self.takes if username == self.knows else 0.0)
        return await super().authenticate(username, password)

    async def refusal_time(self) -> float:
        return self.tells_after


async def timed(desk: Desk, password: str, username: str) -> tuple[str, float]:
    began = time.monotonic()
    return await desk.sign_in(password, username), time.monotonic() - began


@pytest.mark.parametrize("is_down", [False, True])
async def test_r121_a_refusal_takes_as_long_as_the_slowest_hash(is_down: bool) -> None:  # noqa: FBT001  # pytest calls it
    ldap = People("ldap", fails=SourceUnavailable() if is_down else None)
    desk = Desk(Imported(), ldap)
    for name in ("hana", "nobody-of-that-name"):
        answer, seconds = await timed(desk, WRONG, name)
        assert answer == ("outage" if is_down else "wrong")
        assert seconds >= 0.39


async def test_r121_a_right_password_waits_for_nothing() -> None:
    answer, seconds = await timed(Desk(Imported(takes=0.0, tells_after=30.0)), RIGHT, "hana")
    assert answer == "right"
    assert seconds < 15


@dataclass
class Crowded(Imported):
    """A directory with imported hashes, for none of which there is a turn; taro has one."""

    async def identify(self, username: str) -> Identified:
        return Identified(username, is_busy=True)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        person = await self.authenticate(identified.username, password)
        if person is None or identified.username == "taro":
            raise BusyRefusal
        return person


@pytest.mark.parametrize("name", ["hana", "taro", "nobody-of-that-name"])
async def test_r145_without_turns_refusals_are_alike_in_answer_time_count_and_record(
    name: str,
) -> None:
    desk = Desk(Crowded(takes=0.0))
    answer, seconds = await timed(desk, WRONG, name)
    assert answer == "busy"
    assert seconds >= 0.39
    (event,) = desk.audit.events
    assert (event.event, event.username) == (Event.LOGIN_FAILED, name)
    assert event.detail == str(BusyRefusal())
    rest = await asyncio.gather(*(desk.sign_in(WRONG, name) for _ in range(11)))
    assert sorted(rest) == ["busy"] * 9 + ["throttled"] * 2


async def test_r145_without_turns_failures_count_against_the_network() -> None:
    desk = Desk(Crowded(takes=0.0, tells_after=0.0))
    names = [f"somebody-{number}" for number in range(POLICY.per_address)]
    assert {await desk.sign_in(WRONG, name) for name in names} == {"busy"}
    assert await desk.sign_in(WRONG) == "throttled"


async def test_r145_without_turns_who_is_in_another_source_gets_in() -> None:
    ldap = People("ldap", knows="taro")
    desk = Desk(Crowded(takes=0.0), ldap)
    assert await desk.sign_in(RIGHT, "taro") == "right"
    assert await desk.sign_in(RIGHT) == "right"
    assert ldap.asked == ["taro"]


# Second factors


async def test_r80_wrong_codes_of_a_person_are_counted_over_all_logins() -> None:
    desk = Desk()
    seen = [await desk.prove(second_step(), "000000") for _ in range(3 * MAX_FACTOR_FAILURES)]
    assert seen == ["4 left"] * MAX_FACTOR_FAILURES + ["throttled"] * (2 * MAX_FACTOR_FAILURES)
    assert desk.factors.unseen == 2 * MAX_FACTOR_FAILURES
    assert await desk.prove(second_step(), "123456") == "throttled"
    assert await desk.prove(second_step(NOW + FACTOR_POLICY.first_delay), "123456") == "right"


async def test_right_codes_are_never_throttled() -> None:
    desk = Desk()
    assert [await desk.prove(second_step(), "123456") for _ in range(20)] == ["right"] * 20


@pytest.mark.parametrize("outage", [DatabaseUnavailable(), HashingBusy(), asyncio.CancelledError()])
async def test_r120_an_outage_uses_up_no_try_of_a_second_factor(outage: BaseException) -> None:
    desk = Desk()
    attempt = second_step()
    desk.factors.fails = outage
    assert [await desk.prove(attempt, "123456") for _ in range(20)] == ["outage"] * 20
    desk.factors.fails = None
    wrong = [await desk.prove(attempt, "000000") for _ in range(MAX_FACTOR_FAILURES)]
    assert wrong == ["4 left", "3 left", "2 left", "1 left", "over"]


async def test_after_five_wrong_codes_a_right_one_does_not_count() -> None:
    desk = Desk()
    transaction, now = second_step(), NOW
    for _ in range(MAX_FACTOR_FAILURES):
        await desk.prove(transaction, "000000")
    now += FACTOR_POLICY.longest_delay
    assert await desk.prove(replace(transaction, now=now - 3_000), "123456") == "over"


def test_an_attempt_names_nobody_in_its_counters() -> None:
    person = Attempt("ldap:1", HOME.address)
    assert all("ldap" not in name for name in (*person.counters, person.strangers_counter))
