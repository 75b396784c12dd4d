"""The memory of the simulator is bounded in number and in time."""

from worksgate.conformance.simulator.memory import Memory


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_oldest_is_forgotten_when_full() -> None:
    memory: Memory[int] = Memory(Clock(), size=3)
    for number in range(10):
        memory.keep(str(number), number)
    assert len(memory) == 3
    assert memory.find("6") is None
    assert memory.find("7") == 7


def test_everything_is_forgotten_in_time_however_often_it_is_kept() -> None:
    clock = Clock()
    memory: Memory[int] = Memory(clock, seconds=10)
    memory.keep("a", 1)
    clock.now += 9
    memory.keep("a", 2)
    assert memory.find("a") == 2
    clock.now += 2
    assert memory.find("a") is None
    assert len(memory) == 0


def test_what_was_taken_is_gone() -> None:
    memory: Memory[int] = Memory(Clock())
    memory.keep("a", 1)
    assert memory.take("a") == 1
    assert memory.take("a") is None
