"""How failures delay the next sign-in (R-78), and why nobody can be locked out by others (R-79)."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.audit import Reason
from worksgate.credentials.usernames import username_key
from worksgate.provider.throttle import (
    COUNTERS_PER_CHECK,
    Attempt,
    Throttle,
    ThrottlePolicy,
    TooManyAttempts,
)
from worksgate.provider.throttle import counters as throttle_counters
from worksgate.provider.throttle.admission import ALLOWED_FOR, KNOWN_FOR
from worksgate.sources import SourceUnavailable
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

POLICY = ThrottlePolicy()
NOW = 1_000_000.0
GUESS = Attempt("hanako", "203.0.113.7")
DEVICE = Attempt("hanako", "198.51.100.1", device_id="a device that has signed in as hanako")


class InterleavingStore(MemoryStore):
    """Lets every other task run before each of the throttle's verbs, as a real store would."""

    async def bump(self, counter: str, window: float, now: float) -> int:
        await asyncio.sleep(0)
        return await super().bump(counter, window, now)

    async def count(self, counter: str, now: float) -> int:
        await asyncio.sleep(0)
        return await super().count(counter, now)


class NamingStore(MemoryStore):
    """Knows the names of all counters that there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.bumped: set[str] = set()

    async def bump(self, counter: str, window: float, now: float) -> int:
        self.bumped.add(counter)
        return await super().bump(counter, window, now)


class WritingStore(MemoryStore):
    """Knows by which verbs counters were written, each of which is a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self._is_inside = False

    async def bump(self, counter: str, window: float, now: float) -> int:
        async with self._one("bump"):
            return await super().bump(counter, window, now)

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        async with self._one("bump_all"):
            return await super().bump_all(windows, now)

    async def lower(self, *counters: str) -> None:
        async with self._one("lower"):
            await super().lower(*counters)

    async def reset(self, *counters: str) -> None:
        async with self._one("reset"):
            await super().reset(*counters)

    async def recount(self, **counters: Any) -> None:
        async with self._one("recount"):
            await super().recount(**counters)

    @asynccontextmanager
    async def _one(self, verb: str) -> AsyncIterator[None]:
        """A verb, unless another one is made of it."""
        if self._is_inside:
            yield
            return
        self.written.append(verb)
        self._is_inside = True
        try:
            yield
        finally:
            self._is_inside = False


async def guess(throttle: Throttle, attempt: Attempt, now: float) -> bool:
    """Try a wrong password; whether it came as far as the hash."""
    try:
        async with throttle.attempt(attempt, now) as admission:
            await asyncio.sleep(0)  # the hash
            admission.refused()
    except TooManyAttempts:
        return False
    return True


async def succeed(throttle: Throttle, attempt: Attempt, now: float) -> None:
    """Type the right password."""
    async with throttle.attempt(attempt, now) as admission:
        admission.succeeded()


async def delay_of(throttle: Throttle, attempt: Attempt, now: float) -> float:
    with pytest.raises(TooManyAttempts) as refusal:
        async with throttle.attempt(attempt, now):
            pass
    return refusal.value.retry_after


#


async def test_r119_a_guess_at_a_person_who_has_none_left_counts_against_the_network() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, per_address=12))

    async def by_name(name: str) -> bool:
        async with throttle.attempt(Attempt(name, GUESS.address), NOW) as admission:
            is_admitted = await admission.admits("ldap:1")
            admission.refused()
        return is_admitted

    async def not_even_refused(name: str) -> bool:
        async with throttle.attempt(Attempt(name, GUESS.address), NOW) as admission:
            return await admission.admits("ldap:1")

    assert [await by_name("hanako") for _ in range(10)] == [True] * 10
    assert [await not_even_refused("hanako@acme.example") for _ in range(2)] == [False] * 2
    with pytest.raises(TooManyAttempts):
        await not_even_refused("h.yamada")


async def test_what_is_counted_for_one_purpose_slows_no_other() -> None:
    store = MemoryStore()
    throttles = [Throttle(store, POLICY, purpose) for purpose in ("", "imap", "factor")]
    for throttle in throttles:
        guesses = [await guess(throttle, GUESS, NOW) for _ in range(11)]
        assert guesses == [True] * 10 + [False]


@pytest.mark.parametrize("store", [MemoryStore, InterleavingStore])
async def test_r78_hundred_parallel_guesses_cause_at_most_ten_checks(
    store: type[MemoryStore],
) -> None:
    throttle = Throttle(store(), POLICY)
    checks = await asyncio.gather(*(guess(throttle, GUESS, NOW) for _ in range(100)))
    assert sum(checks) == 10


@pytest.mark.parametrize("store", [MemoryStore, InterleavingStore])
async def test_r78_parallel_guesses_after_a_delay_cause_one_check(store: type[MemoryStore]) -> None:
    throttle = Throttle(store(), POLICY)
    await asyncio.gather(*(guess(throttle, GUESS, NOW) for _ in range(100)))
    later = NOW + POLICY.longest_delay
    checks = await asyncio.gather(*(guess(throttle, GUESS, later) for _ in range(100)))
    assert sum(checks) == 1


@pytest.mark.parametrize("store", [MemoryStore, InterleavingStore])
async def test_r78_guesses_from_many_networks_are_at_most_a_hundred_in_a_row(
    store: type[MemoryStore],
) -> None:
    throttle = Throttle(store(), POLICY)
    attempts = [Attempt("hanako", f"203.0.113.{number}") for number in range(250)] * 2
    checks = await asyncio.gather(*(guess(throttle, attempt, NOW) for attempt in attempts))
    assert sum(checks) == POLICY.strangers
    assert await delay_of(throttle, Attempt("hanako", "192.0.2.1"), NOW) == POLICY.longest_delay


async def test_r78_addresses_of_one_ipv6_network_count_together() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    attempts = [Attempt("hanako", f"2001:db8::{number:x}") for number in range(100)]
    assert sum([await guess(throttle, attempt, NOW) for attempt in attempts]) == 10


async def test_r78_spellings_of_one_account_count_together() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    spellings = ["hanako", "HANAKO", " Hanako ", "ｈａｎａｋｏ", "\u3000hanako"]
    attempts = [Attempt(name, "203.0.113.7") for name in spellings * 10]
    assert sum([await guess(throttle, attempt, NOW) for attempt in attempts]) == 10


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 1), (10, 1), (11, 2), (12, 4), (15, 32), (19, 512), (20, 900), (50, 900), (10**9, 900)],
)
def test_r78_delay_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    assert POLICY.delay(failures) == seconds


async def test_r78_each_further_failure_doubles_the_delay() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    now = NOW
    assert [await guess(throttle, GUESS, now) for _ in range(10)] == [True] * 10
    for expected in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        assert await delay_of(throttle, GUESS, now) == expected
        assert not await guess(throttle, GUESS, now + expected - 0.01)
        now += expected
        assert await guess(throttle, GUESS, now)


async def test_r78_a_day_of_guessing_is_at_most_a_hundred_checks() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    checks = [await guess(throttle, GUESS, NOW + second) for second in range(0, 86_400, 10)]
    assert 90 <= sum(checks) <= 100


async def test_refused_attempts_make_the_delay_no_longer() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(500):
        await guess(throttle, GUESS, NOW)
    assert await delay_of(throttle, GUESS, NOW) == POLICY.first_delay
    assert await guess(throttle, GUESS, NOW + POLICY.first_delay)


async def test_success_sets_the_person_back() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(20):
        await guess(throttle, GUESS, NOW)
    await succeed(throttle, GUESS, NOW + POLICY.first_delay)
    assert [await guess(throttle, GUESS, NOW) for _ in range(11)] == [True] * 10 + [False]


async def test_failures_are_forgotten_after_the_window() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(20):
        await guess(throttle, GUESS, NOW)
    later = NOW + POLICY.window
    assert [await guess(throttle, GUESS, later) for _ in range(11)] == [True] * 10 + [False]


#


async def test_r79_known_device_is_not_locked_out_by_guesses_from_elsewhere() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for second in range(1_000):
        await guess(throttle, GUESS, NOW + second)
        await guess(throttle, Attempt("hanako", DEVICE.address), NOW + second)
    await succeed(throttle, DEVICE, NOW + 1_000)


async def test_r79_known_device_has_its_own_limit() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    assert sum([await guess(throttle, DEVICE, NOW) for _ in range(100)]) == 10
    assert await guess(throttle, GUESS, NOW)


async def test_r79_device_of_one_person_is_no_help_against_another() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(20):
        await guess(throttle, DEVICE, NOW)
    other = Attempt("taro", DEVICE.address, device_id=DEVICE.device_id)
    assert not set(other.counters) & set(DEVICE.counters)
    assert await guess(throttle, other, NOW)


async def test_r79_success_from_a_known_place_sets_strangers_back_too() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    strangers = [Attempt("hanako", f"192.0.2.{number}") for number in range(POLICY.strangers)]
    for stranger in strangers:
        assert await guess(throttle, stranger, NOW)
    assert not await guess(throttle, GUESS, NOW)
    await succeed(throttle, DEVICE, NOW)
    assert await guess(throttle, GUESS, NOW)


@pytest.mark.parametrize("attacker", ["192.0.2.1", "2001:db8::1"])
async def test_r79_who_attacks_from_elsewhere_locks_nobody_out(attacker: str) -> None:
    """An attacker who asks all day long never stands in the way of another network."""
    throttle = Throttle(MemoryStore(), POLICY)
    for second in range(0, 6 * 3_600, 5):
        await guess(throttle, Attempt("hanako", attacker), NOW + second)
        if second % 600 == 0:
            await succeed(throttle, GUESS, NOW + second)


async def test_r79_a_network_that_is_known_goes_on_when_strangers_may_not() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await succeed(throttle, GUESS, NOW)
    for number in range(250):
        await guess(throttle, Attempt("hanako", f"192.0.2.{number}"), NOW)
    assert not await guess(throttle, Attempt("hanako", "198.51.100.200"), NOW)
    assert await guess(throttle, GUESS, NOW)
    later = NOW + KNOWN_FOR
    for number in range(250):
        await guess(throttle, Attempt("hanako", f"192.0.2.{number}"), later)
    assert not await guess(throttle, GUESS, later)


async def test_r136_guesses_at_an_account_without_guesses_left_leave_no_counters() -> None:
    store = NamingStore()
    throttle = Throttle(store, POLICY)
    for number in range(POLICY.strangers):
        assert await guess(throttle, Attempt("hanako", f"192.0.2.{number}"), NOW)
    before = set(store.bumped)
    for number in range(50):
        assert not await guess(throttle, Attempt("hanako", f"198.51.100.{number}"), NOW)
    assert set(store.bumped) == before


async def test_r136_a_check_leaves_at_most_so_many_counters_as_the_page_says() -> None:
    """Also where the name is somebody's, of whom there is a count by all names."""
    store = NamingStore()
    throttle = Throttle(store, POLICY)
    for number in range(50):
        attempt = Attempt(f"name{number}", f"192.0.2.{number}")
        before = len(store.bumped)
        async with throttle.attempt(attempt, NOW) as admission:
            assert await admission.admits("ldap:1")
            admission.refused()
        others = 1 if number == 0 else 0  # that of the person from everywhere, once
        assert len(store.bumped) - before <= COUNTERS_PER_CHECK + others


# names and networks without end

A_DAY, PORTION, SHARED = 20, 10, 8


@pytest.fixture
def small_day() -> Iterator[None]:
    with (
        patch.object(throttle_counters, "COUNTERS_A_DAY", A_DAY),
        patch.object(throttle_counters, "PORTION", PORTION),
        patch.object(throttle_counters, "SHARED", SHARED),
    ):
        yield


def nobody(number: int) -> Attempt:
    """A name that nobody has, from a network that nobody knows."""
    return Attempt(f"nobody{number}", f"2001:db8:{number:x}::1")


async def used_up(throttle: Throttle, now: float = NOW) -> None:
    """Nothing is left of what strangers may begin today."""
    for number in range(1_000, 1_000 + A_DAY + PORTION):
        await guess(throttle, nobody(number), now)


@pytest.mark.usefixtures("small_day")
async def test_r142_any_number_of_names_and_networks_leave_so_many_counters() -> None:
    store = NamingStore()
    throttle = Throttle(store, POLICY)
    for number in range(500):
        with suppress(TooManyAttempts):
            async with throttle.attempt(nobody(number), NOW) as admission:
                await admission.admits(f"ldap has no nobody{number}")
                admission.refused()
        await asyncio.sleep(0)  # a portion is asked for
    budget = 1
    at_once = COUNTERS_PER_CHECK + 1  # of the check that used the last one up
    assert len(store.bumped) <= A_DAY + PORTION + at_once + 2 * SHARED + budget


@pytest.mark.usefixtures("small_day")
async def test_r142_a_new_day_has_new_counters() -> None:
    store = NamingStore()
    throttle = Throttle(store, POLICY)
    await used_up(throttle)
    assert await guess(throttle, GUESS, NOW)
    assert GUESS.strangers_counter not in store.bumped
    later = NOW + 86_400
    await guess(throttle, nobody(1), later)
    await asyncio.sleep(0.01)  # it asks for more
    assert await guess(throttle, GUESS, later)
    assert GUESS.strangers_counter in store.bumped


@pytest.mark.usefixtures("small_day")
async def test_r142_a_person_who_is_found_is_guessed_at_a_hundred_times_in_a_flood_too() -> None:
    """By whatever names, and whatever becomes of others meanwhile."""
    throttle = Throttle(MemoryStore(), POLICY)
    await used_up(throttle)
    admitted = 0
    for number in range(150):
        async with throttle.attempt(nobody(number), NOW) as admission:
            admitted += await admission.admits("ldap:1", is_found=True)
            admission.refused()
        await succeed(throttle, Attempt("taro", f"192.0.2.{number}"), NOW)
    assert admitted == POLICY.strangers


@pytest.mark.usefixtures("small_day")
async def test_r142_a_shared_counter_ends_guessing_and_nobody_sets_it_back() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await used_up(throttle)
    checks = 0
    for number in range(200):
        checks += await guess(throttle, Attempt("hanako", nobody(number).address), NOW)
        with suppress(TooManyAttempts):  # one's own success takes nothing of others' away
            await succeed(throttle, nobody(number), NOW)
    assert POLICY.strangers // 2 < checks <= POLICY.strangers


@pytest.mark.usefixtures("small_day")
async def test_r142_where_all_counters_are_full_people_go_on_where_they_are_known() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, per_address=10**6))
    known = Attempt("jiro", "198.51.100.77")
    await succeed(throttle, known, NOW)
    await used_up(throttle)
    for number in range(2 * SHARED * POLICY.strangers):
        await guess(throttle, nobody(number), NOW)
    assert not await guess(throttle, Attempt("hanako", known.address), NOW)
    await succeed(throttle, known, NOW)
    await succeed(throttle, DEVICE, NOW)


@pytest.mark.usefixtures("small_day")
async def test_r142_a_success_takes_back_what_it_has_counted_in_a_shared_counter() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await used_up(throttle)
    for number in range(3 * SHARED * POLICY.strangers):
        await succeed(throttle, nobody(number), NOW)


@pytest.mark.usefixtures("small_day")
async def test_r142_an_account_keeps_its_own_counter_when_the_day_is_used_up() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, strangers=40, per_address=10**6))
    guesses = [Attempt("hanako", nobody(number).address) for number in range(41)]
    assert await guess(throttle, guesses[0], NOW)
    await used_up(throttle)
    assert [await guess(throttle, each, NOW) for each in guesses[1:]] == [True] * 39 + [False]


@pytest.mark.usefixtures("small_day")
async def test_r142_a_network_keeps_its_own_counter_when_the_day_is_used_up() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, strangers=10**6, per_address=40))
    guesses = [Attempt(f"name {number}", GUESS.address) for number in range(41)]
    assert await guess(throttle, guesses[0], NOW)
    await used_up(throttle)
    assert [await guess(throttle, each, NOW) for each in guesses[1:]] == [True] * 39 + [False]


@pytest.mark.usefixtures("small_day")
async def test_r142_a_place_meets_its_own_gate_when_the_day_is_used_up() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    assert await guess(throttle, GUESS, NOW)
    await used_up(throttle)
    came = [await guess(throttle, GUESS, NOW) for _ in range(POLICY.free)]
    assert came == [True] * (POLICY.free - 1) + [False]


@pytest.mark.usefixtures("small_day")
async def test_r142_networks_share_too_and_fail_together() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, per_address=30, strangers=10**6))
    await used_up(throttle)
    checks = [await guess(throttle, nobody(number), NOW) for number in range(2_000)]
    assert sum(checks) <= SHARED * 30
    assert await delay_of(throttle, nobody(3_000), NOW) == POLICY.address_window


@pytest.mark.usefixtures("small_day")
async def test_r142_processes_share_their_counters_and_nobody_else_can_tell_which() -> None:
    one, two, other = (b"k" * 32, b"k" * 32, b"o" * 32)
    names = [f"strangers {number}" for number in range(64)]

    def shared(key: bytes) -> list[str]:
        counters = Throttle(MemoryStore(), POLICY, key=key)._counters
        return [counters.shared(name) for name in names]

    assert shared(one) == shared(two)
    assert shared(one) != shared(other)
    assert len(set(shared(one))) == SHARED


@pytest.mark.usefixtures("small_day")
async def test_a_network_that_failed_once_is_not_refused_for_those_who_share() -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, strangers=10**6, per_address=3))
    assert await guess(throttle, GUESS, NOW)
    await used_up(throttle)
    for number in range(500):
        await guess(throttle, nobody(number), NOW)
    assert not await guess(throttle, nobody(3_000), NOW), "all that is shared is full"
    assert await guess(throttle, Attempt("taro", GUESS.address), NOW)


@pytest.mark.usefixtures("small_day")
def test_names_and_networks_never_share_a_counter() -> None:
    counters = Throttle(MemoryStore(), POLICY, key=b"k" * 32)._counters
    kinds = [
        {counters.shared(f"{kind} {number}") for number in range(200)}
        for kind in ("strangers", "address")
    ]
    assert kinds[0].isdisjoint(kinds[1])


@pytest.mark.parametrize("attempt", [GUESS, DEVICE], ids=["stranger", "device"])
@pytest.mark.parametrize("purpose", ["", "factor"])
async def test_the_first_counters_are_those_that_an_attempt_reads_first(
    attempt: Attempt, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = MemoryStore(), list[list[str]]()
    throttle, count_all = Throttle(store, POLICY, purpose), store.count_all

    async def noted(counters: Collection[str], now: float) -> Mapping[str, int]:
        read.append([*counters])
        return await count_all(counters, now)

    monkeypatch.setattr(store, "count_all", noted)
    assert await guess(throttle, attempt, NOW)
    assert read[0] == [*throttle.first_counters(attempt)]


async def test_why_an_attempt_would_be_refused_is_told_and_nothing_counts() -> None:
    store = WritingStore()
    throttle = Throttle(store, replace(POLICY, strangers=5))
    known = Attempt("hanako", "198.51.100.9")
    await succeed(throttle, known, NOW)
    assert await throttle.refusal_of(GUESS, NOW) is None
    for number in range(5):
        assert await guess(throttle, Attempt("hanako", f"192.0.{number}.1"), NOW)
    written = [*store.written]
    refusals = [await throttle.refusal_of(each, NOW) for each in (GUESS, known, DEVICE)]
    assert [each and each.reason for each in refusals] == [Reason.WAITING_STRANGERS, None, None]
    assert store.written == written


async def test_who_has_signed_in_from_a_network_is_known_there() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    known, elsewhere = GUESS, Attempt("hanako", "192.0.2.1")
    assert await throttle.knows_any([known, elsewhere], NOW) is False
    await succeed(throttle, known, NOW)
    assert await throttle.knows_any([elsewhere, known], NOW) is True
    assert await throttle.knows_any([elsewhere], NOW) is False


async def test_r79_strangers_may_go_on_when_the_day_is_over() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for number in range(250):
        await guess(throttle, Attempt("hanako", f"192.0.2.{number}"), NOW)
    assert not await guess(throttle, GUESS, NOW + POLICY.window - 1)
    assert await guess(throttle, GUESS, NOW + POLICY.window)


async def test_r79_answer_is_the_same_whether_the_account_exists_or_not() -> None:
    """The throttle never learns which names exist: only the name can differ."""
    answers = []
    for name in ("hanako", "nobody-of-that-name", "", "\udcff", "'; DROP TABLE"):
        throttle = Throttle(MemoryStore(), POLICY)
        attempt = Attempt(name, "203.0.113.7")
        admitted = [await guess(throttle, attempt, NOW) for _ in range(30)]
        answers.append((admitted, await delay_of(throttle, attempt, NOW)))
    assert all(answer == answers[0] for answer in answers)


async def test_r79_accounts_do_not_slow_each_other() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(20):
        await guess(throttle, GUESS, NOW)
    assert await guess(throttle, Attempt("taro", GUESS.address), NOW)


# one address against many accounts


async def test_address_that_fails_too_often_has_to_wait() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    attempts = [Attempt(f"person-{number}", "203.0.113.7") for number in range(300)]
    assert sum([await guess(throttle, attempt, NOW) for attempt in attempts]) == 200
    assert await delay_of(throttle, attempts[0], NOW) == POLICY.address_window
    assert await guess(throttle, attempts[0], NOW + POLICY.address_window)


async def test_address_that_has_to_wait_is_no_hindrance_to_others() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for number in range(300):
        await guess(throttle, Attempt(f"person-{number}", DEVICE.address), NOW)
    assert await guess(throttle, Attempt("hanako", "203.0.113.7"), NOW)
    assert await guess(throttle, DEVICE, NOW), "a device that is known behind the same address"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("", "unknown", False),
    ],
)
def test_addresses_of_one_network_count_as_one(one: str, other: str, alike: bool) -> None:  # noqa: FBT001  # pytest calls it
    counters = {Attempt("hanako", address).address_counter for address in (one, other)}
    assert (len(counters) == 1) is alike


async def test_successes_do_not_count_against_the_address() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for number in range(POLICY.per_address):
        attempt = Attempt(f"person-{number}", "203.0.113.7")
        await succeed(throttle, attempt, NOW)
    for number in range(POLICY.per_address):
        assert await guess(throttle, Attempt(f"other-{number}", "203.0.113.7"), NOW), number
    assert not await guess(throttle, Attempt("one more", "203.0.113.7"), NOW)


# names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hanako", "hanako"),
        (" hanako\n", "hanako"),
        ("ＨＡＮＡＫＯ", "hanako"),
        ("straße", "STRASSE"),
        ("é", "E\u0301"),
        ("ΐ", "Ϊ\u0301"),
        ("ΰ", "ΰ".upper()),
        ("ガ", "ｶﾞ"),
    ],
)
def test_r78_spellings_of_a_name_have_one_key(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(("one", "other"), [("hanako", "hanako1"), ("a b", "ab"), ("ı", "i")])
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert username_key(one) != username_key(other)


@examples(300)
@given(st.text())
def test_r78_key_of_a_key_is_itself(name: str) -> None:
    key = username_key(name)
    assert username_key(key) == key
    assert username_key(f" {unicodedata.normalize('NFD', name)}\t") == key


def test_counters_hold_no_name_of_a_person() -> None:
    for attempt in (GUESS, DEVICE):
        names = (*attempt.counters, attempt.strangers_counter, attempt.known_counter)
        for told in ("hanako", attempt.address, DEVICE.device_id or ""):
            assert all(told not in name for name in (*names, attempt.address_counter))


#


async def test_r62_what_one_purpose_counts_slows_no_other() -> None:
    store = MemoryStore()
    browsers, mail_clients = Throttle(store, POLICY), Throttle(store, POLICY, "imap")
    for number in range(500):
        await guess(mail_clients, GUESS, NOW)
        await guess(mail_clients, Attempt("hanako", f"192.0.2.{number % 250}"), NOW)
        await guess(mail_clients, Attempt(f"person {number}", GUESS.address), NOW)
    assert not await guess(mail_clients, GUESS, NOW)
    assert [await guess(browsers, GUESS, NOW) for _ in range(11)] == [True] * 10 + [False]
    await succeed(mail_clients, Attempt("hanako", GUESS.address, "a device"), NOW)
    assert not await guess(browsers, GUESS, NOW)


def test_a_throttle_reports_its_policy() -> None:
    assert Throttle(MemoryStore(), POLICY, "imap").policy is POLICY


#


async def interrupted(throttle: Throttle, attempt: Attempt, error: BaseException) -> None:
    """Try a password of which nobody can say whether it is right."""
    with pytest.raises(type(error)):
        async with throttle.attempt(attempt, NOW):
            raise error
    await asyncio.sleep(0)  # others run, as they do while a source is asked


@pytest.mark.parametrize(
    "error", [SourceUnavailable(), asyncio.CancelledError(), TimeoutError(), RuntimeError()]
)
async def test_r120_what_ends_an_attempt_without_an_answer_takes_it_back(
    error: BaseException,
) -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for number in range(300):
        await interrupted(throttle, GUESS, error)
        await interrupted(throttle, Attempt("hanako", f"192.0.2.{number % 250}"), error)
    assert [await guess(throttle, GUESS, NOW) for _ in range(9)] == [True] * 9
    await interrupted(throttle, GUESS, error)
    assert await guess(throttle, GUESS, NOW), "the gate that the interrupted one closed is open"
    assert await delay_of(throttle, GUESS, NOW) == POLICY.first_delay


async def test_r120_who_forgets_to_say_what_the_answer_was_has_counted_nothing() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(30):
        async with throttle.attempt(GUESS, NOW):
            pass
    assert [await guess(throttle, GUESS, NOW) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("error", [SourceUnavailable(), asyncio.CancelledError()])
async def test_r120_an_outage_after_a_no_takes_nothing_back(error: BaseException) -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(10):
        with suppress(type(error)):
            async with throttle.attempt(GUESS, NOW) as admission:
                admission.refused()
                raise error
    assert not await guess(throttle, GUESS, NOW)


async def test_r120_an_attempt_that_is_given_up_in_time_opens_no_gate_of_another() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for _ in range(8):
        await guess(throttle, GUESS, NOW)
    with suppress(SourceUnavailable):
        async with throttle.attempt(GUESS, NOW):  # the ninth, which is free
            assert await guess(throttle, GUESS, NOW), "the tenth, which closes the gate"
            raise SourceUnavailable
    assert not await guess(throttle, GUESS, NOW)


async def test_r120_where_the_store_is_down_the_outage_is_reported_that_came_first() -> None:
    class Broken(MemoryStore):
        async def lower(self, *counters: str) -> None:
            raise StoreUnavailable("down")

    throttle = Throttle(Broken(), POLICY)
    await interrupted(throttle, GUESS, SourceUnavailable())


async def test_r120_a_store_that_fails_midway_leaves_nothing_counted() -> None:
    class Faltering(MemoryStore):
        fails = True

        async def bump(self, counter: str, window: float, now: float) -> int:
            if self.fails and counter.startswith("gate"):
                raise StoreUnavailable("down")
            return await super().bump(counter, window, now)

    store = Faltering()
    throttle = Throttle(store, replace(POLICY, free=1))
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            await guess(throttle, GUESS, NOW)
    assert await store.count(GUESS.counters[0], NOW) == 0
    assert await store.count(GUESS.strangers_counter, NOW) == 0
    store.fails = False
    assert [await guess(throttle, GUESS, NOW) for _ in range(2)] == [True, False]


async def test_r119_a_failure_counts_once_against_the_network_whatever_is_found() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    for number in range(POLICY.per_address):
        async with throttle.attempt(Attempt(f"name {number}", "203.0.113.7"), NOW) as admission:
            assert await admission.admits(f"person {number}")
            admission.refused()
    assert not await guess(throttle, Attempt("one more", "203.0.113.7"), NOW)


async def test_a_success_of_a_known_browser_sets_back_its_network_too() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    without_cookie = replace(DEVICE, device_id=None)
    for _ in range(POLICY.free):
        assert await guess(throttle, without_cookie, NOW)
    assert not await guess(throttle, without_cookie, NOW)
    await succeed(throttle, DEVICE, NOW)
    assert await guess(throttle, without_cookie, NOW)


# How often it writes


@pytest.mark.parametrize("attempt", [GUESS, DEVICE], ids=["a stranger", "a known browser"])
async def test_an_attempt_is_one_commit_before_the_hash_and_one_after_it(attempt: Attempt) -> None:
    store = WritingStore()
    throttle = Throttle(store, POLICY)
    async with throttle.attempt(attempt, NOW) as admission:
        assert store.written == ["bump_all"]
        admission.succeeded()
    assert store.written == ["bump_all", "recount"]


async def test_who_is_known_by_two_names_is_forgiven_by_both_in_one_commit() -> None:
    store = WritingStore()
    throttle = Throttle(store, POLICY)
    async with throttle.attempt(GUESS, NOW) as admission:
        assert await admission.admits("person", is_found=True)
        admission.succeeded()
    assert store.written == ["bump_all", "bump_all", "recount"]
    for account in ("hanako", "person"):
        of_account = replace(GUESS, account=account)
        assert await store.count(of_account.counters[0], NOW) == 0
        assert await store.count(of_account.strangers_counter, NOW) == 0
        assert await store.count(of_account.known_counter, NOW + KNOWN_FOR - 1) == 1


async def test_a_network_is_known_from_the_last_success_on() -> None:
    store = MemoryStore()
    throttle = Throttle(store, POLICY)
    await succeed(throttle, GUESS, NOW)
    await succeed(throttle, GUESS, NOW + 100)
    assert await store.count(GUESS.known_counter, NOW + KNOWN_FOR + 99) == 1
    assert await store.count(GUESS.known_counter, NOW + KNOWN_FOR + 100) == 0


async def test_an_outage_gives_back_all_that_was_counted_in_one_commit() -> None:
    store = WritingStore()
    throttle = Throttle(store, replace(POLICY, free=1))
    await interrupted(throttle, GUESS, SourceUnavailable())
    assert store.written == ["bump_all", "bump", "recount"]
    assert await guess(throttle, GUESS, NOW)


async def test_r79_a_burst_that_a_gate_stops_uses_up_nothing_of_what_all_strangers_have() -> None:
    """All of it come while the gate is open: they are counted, and those stopped give it back."""
    store = InterleavingStore()
    throttle = Throttle(store, POLICY)
    came = await asyncio.gather(*(guess(throttle, GUESS, NOW) for _ in range(60)))
    assert sum(came) == POLICY.free
    assert await store.count(GUESS.strangers_counter, NOW) == POLICY.free


async def test_who_is_given_back_by_a_gate_is_not_given_back_again_by_an_outage() -> None:
    class Cut(InterleavingStore):
        async def lower(self, *counters: str) -> None:
            await super().lower(*counters)
            raise StoreUnavailable("down")

    store = Cut()
    throttle = Throttle(store, replace(POLICY, free=1))
    await asyncio.gather(*(guess(throttle, GUESS, NOW) for _ in range(3)), return_exceptions=True)
    assert await store.count(GUESS.strangers_counter, NOW) == 1  # the one who passed


#


async def shut(throttle: Throttle, attempt: Attempt) -> None:
    """Guess until the next attempt has to wait."""
    for _ in range(POLICY.free):
        await guess(throttle, attempt, NOW)
    assert not await guess(throttle, attempt, NOW)


async def test_r194_one_more_attempt_is_allowed_once_and_counts() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await shut(throttle, GUESS)
    assert await throttle.allow_one([GUESS], NOW) == NOW + ALLOWED_FOR
    assert await throttle.refusal_of(GUESS, NOW) is None
    assert [await guess(throttle, GUESS, NOW) for _ in range(3)] == [True, False, False]
    refusal = await throttle.refusal_of(GUESS, NOW)
    assert refusal is not None
    assert refusal.retry_after == POLICY.delay(POLICY.free + 1)


async def test_r194_of_a_burst_one_makes_the_attempt_that_is_allowed() -> None:
    throttle = Throttle(InterleavingStore(), POLICY)
    await shut(throttle, GUESS)
    await throttle.allow_one([GUESS], NOW)
    made = await asyncio.gather(*(guess(throttle, GUESS, NOW) for _ in range(20)))
    assert sum(made) == 1


async def test_r194_whoever_guesses_from_elsewhere_or_later_cannot_make_it() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    elsewhere = replace(GUESS, address="192.0.2.99")
    another = replace(GUESS, account="mika")
    for each in (GUESS, elsewhere, another):
        await shut(throttle, each)
    await throttle.allow_one([GUESS], NOW)
    assert not await guess(throttle, elsewhere, NOW)
    assert not await guess(throttle, another, NOW)
    # The delay after ten failures is over by then, the limit of all strangers is not.
    for number in range(POLICY.strangers):
        await guess(throttle, Attempt("hanako", f"198.51.{number}.1"), NOW)
    assert not await guess(throttle, GUESS, NOW + ALLOWED_FOR)


@pytest.mark.parametrize("limit", ["strangers", "network"])
async def test_r194_it_is_allowed_against_every_limit_of_the_account_and_its_network(
    limit: str,
) -> None:
    throttle = Throttle(MemoryStore(), replace(POLICY, per_address=12, strangers=12))
    for number in range(12):
        guessed = Attempt("hanako", f"198.51.100.{number}")
        if limit == "network":
            guessed = Attempt(f"somebody {number}", GUESS.address)
        await guess(throttle, guessed, NOW)
    assert not await guess(throttle, GUESS, NOW)
    await throttle.allow_one([GUESS], NOW)
    assert [await guess(throttle, GUESS, NOW) for _ in range(2)] == [True, False]


async def test_r194_the_person_of_a_name_is_allowed_the_same_attempt() -> None:
    throttle = Throttle(MemoryStore(), POLICY)

    async def reaches_the_hash(*, allowed: bool = False) -> bool:
        if allowed:
            await throttle.allow_one([GUESS, replace(GUESS, account="ldap:1")], NOW)
        try:
            async with throttle.attempt(GUESS, NOW) as admission:
                is_admitted = await admission.admits("ldap:1", is_found=True)
                admission.refused()
        except TooManyAttempts:
            return False
        return is_admitted

    for _ in range(POLICY.free):
        await reaches_the_hash()
    assert not await reaches_the_hash()
    assert await reaches_the_hash(allowed=True)
    assert not await reaches_the_hash()


async def test_r194_an_outage_gives_the_attempt_back() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await shut(throttle, GUESS)
    await throttle.allow_one([GUESS], NOW)
    with pytest.raises(SourceUnavailable):
        async with throttle.attempt(GUESS, NOW):
            raise SourceUnavailable("away")
    assert await guess(throttle, GUESS, NOW)


async def test_r194_a_right_password_by_it_sets_the_person_back() -> None:
    throttle = Throttle(MemoryStore(), POLICY)
    await shut(throttle, GUESS)
    await throttle.allow_one([GUESS], NOW)
    await succeed(throttle, GUESS, NOW)
    assert await guess(throttle, GUESS, NOW)
