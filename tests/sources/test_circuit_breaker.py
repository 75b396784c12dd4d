"""The circuit breaker on its own."""

import asyncio

import pytest
from tests.databases import Clock

from worksgate.sources import PersonDisabled, SourceUnavailable
from worksgate.sources.circuit_breaker import Circuit, CircuitOpen


def circuit(clock: Clock) -> Circuit:
    return Circuit("company", failures=3, seconds=10, clock=clock)


def fail(made: Circuit, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SourceUnavailable) as refused, made.attempt():
            raise SourceUnavailable
        assert not isinstance(refused.value, CircuitOpen)


def succeed(made: Circuit) -> None:
    with made.attempt():
        pass


def is_refused(made: Circuit) -> bool:
    try:
        succeed(made)
    except CircuitOpen:
        return True
    return False


def test_outages_in_a_row_open_it() -> None:
    made = circuit(Clock())
    fail(made, 2)
    succeed(made)
    fail(made, 2)
    assert not made.is_open
    fail(made)
    assert made.is_open
    assert is_refused(made)


def test_somebody_who_is_disabled_shows_that_the_source_works() -> None:
    made = circuit(Clock())
    fail(made, 2)
    with pytest.raises(PersonDisabled), made.attempt():
        raise PersonDisabled
    fail(made, 2)
    assert not made.is_open


def test_one_probe_at_a_time_closes_it() -> None:
    clock = Clock()
    made = circuit(clock)
    fail(made, 3)
    clock.now += 9.9
    assert is_refused(made)
    clock.now += 0.1
    with made.attempt():
        assert is_refused(made)
    assert not is_refused(made)
    fail(made, 2)
    assert not made.is_open


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    clock = Clock()
    made = circuit(clock)
    fail(made, 3)
    clock.now += 10
    fail(made)
    clock.now += 9.9
    assert is_refused(made)
    clock.now += 0.1
    succeed(made)


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyError])
def test_a_probe_that_says_nothing_lets_another_through(error: type[BaseException]) -> None:
    clock = Clock()
    made = circuit(clock)
    fail(made, 3)
    clock.now += 10
    with pytest.raises(error), made.attempt():
        raise error
    succeed(made)
    assert not made.is_open


def test_a_call_from_before_that_fails_late_takes_no_probe_away() -> None:
    clock = Clock()
    made = circuit(clock)
    late = made.attempt()
    late.__enter__()
    fail(made, 3)
    clock.now += 10
    with made.attempt():
        late.__exit__(SourceUnavailable, SourceUnavailable(), None)
        assert is_refused(made)
    succeed(made)
