"""The queue of the thread for imported hashes, with a fake clock."""

from dataclasses import dataclass

from worksgate.credentials.imported_hashes.turns import ASSUMED, WITHIN, Turns

AT_ONCE = int(WITHIN / ASSUMED)


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(turns: Turns, of: int = 20) -> int:
    """How many of so many get a turn at this moment."""
    return sum(turns.take() is not None for _ in range(of))


def test_r145_as_many_have_a_turn_as_are_checked_in_time() -> None:
    clock = Clock()
    turns = Turns(clock)
    assert taken(turns) == AT_ONCE
    clock.now += ASSUMED
    assert taken(turns) == 1
    clock.now += 3_600.0
    assert taken(turns) == AT_ONCE, "an idle hour is not saved up"


def test_r145_a_slower_check_leaves_fewer_turns_for_an_hour() -> None:
    clock = Clock()
    turns = Turns(clock)
    for seconds in (0.01, 0.5, 0.01):
        turns.note(seconds)
    assert taken(turns) == 2
    clock.now += 3_600.0
    turns.note(0.01)
    assert taken(turns) == AT_ONCE


def test_the_slowest_of_all_checks_has_a_turn_when_nobody_waits() -> None:
    clock = Clock()
    turns = Turns(clock)
    turns.note(60.0)
    assert taken(turns) == 1
    clock.now += WITHIN
    assert taken(turns) == 1


def test_what_cannot_have_passed_of_a_turn_is_given_back() -> None:
    clock = Clock()
    turns = Turns(clock)
    turn = turns.take()
    assert turn is not None
    assert taken(turns) == AT_ONCE - 1
    clock.now += ASSUMED / 4
    turns.release(turn)
    assert taken(turns) == 1


def test_r145_a_turn_that_has_passed_gives_nobody_another() -> None:
    clock = Clock()
    turns = Turns(clock)
    turn = turns.take()
    assert turn is not None
    clock.now += WITHIN
    assert taken(turns) == AT_ONCE
    turns.release(turn)
    assert taken(turns) == 0


def test_a_turn_that_is_given_back_late_keeps_nobody_waiting() -> None:
    clock = Clock()
    turns = Turns(clock)
    turn = turns.take()
    assert turn is not None
    clock.now += 10 * WITHIN
    turns.release(turn)
    assert taken(turns) == AT_ONCE
