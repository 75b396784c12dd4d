"""Passwords: how they are stored and checked (R-73 to R-77)."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import HashingError, VerificationError
from argon2.low_level import Type

from worksgate.credentials.password_hashing import (
    ARGON2,
    MAX_PASSWORD_BYTES,
    HashingBusy,
    PasswordHashing,
    normalise_password,
)
from worksgate.credentials.password_policy import WeakPassword

pytestmark = pytest.mark.hashing

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def hashing() -> AsyncIterator[PasswordHashing]:
    hashing = PasswordHashing(threads=1, waiting=8)
    yield hashing
    hashing.close()


async def test_new_passwords_are_looked_at_in_the_pool(hashing: PasswordHashing) -> None:
    assert await hashing.check_new(PASSWORD, ("hanako",), whose="h") == PASSWORD
    with pytest.raises(WeakPassword, match="first that anybody would try"):
        await hashing.check_new("hanakohanakohanako", ("hanako",), whose="h")


@pytest.mark.parametrize("spelling", ["ｶ\uff9eﾗｽ", "カ\u3099ラス", "ガラス"])
def test_r73_spellings_of_one_text_are_one_password(spelling: str) -> None:
    assert normalise_password(spelling) == "ガラス".encode()


def test_r73_case_and_blanks_are_kept() -> None:
    assert normalise_password(" Aa ") == b" Aa "


async def test_r73_whole_password_is_verified(hashing: PasswordHashing) -> None:
    password = "é" * 100
    encoded = await hashing.hash(password)
    assert await hashing.verify("e\u0301" * 100, encoded)
    for wrong in (password[:-1], password + "é", password[:72], "É" * 100, password + "\0"):
        assert not await hashing.verify(wrong, encoded)


async def test_r75_argon2id_at_owasps_line_with_a_salt_of_its_own(hashing: PasswordHashing) -> None:
    first, second = await hashing.hash(PASSWORD), await hashing.hash(PASSWORD)
    parameters = extract_parameters(first)
    assert first != second
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert parameters.salt_len >= 16
    assert PASSWORD not in first


async def test_r75_hash_of_other_parameters_still_verifies_and_asks_for_a_rehash(
    hashing: PasswordHashing,
) -> None:
    old = "$argon2id$v=19$m=8,t=1,p=1$" + ARGON2.hash("x").split("$")[4] + "$AAAA"
    assert hashing.needs_rehash(old)
    assert not hashing.needs_rehash(await hashing.hash(PASSWORD))


@pytest.mark.parametrize("size", [MAX_PASSWORD_BYTES + 1, 1_000_000])
def test_r76_longer_input_is_refused_before_it_is_hashed(size: int) -> None:
    assert normalise_password("x" * MAX_PASSWORD_BYTES)
    for password in ("x" * size, "é" * (size // 2 + 1), ""):
        with pytest.raises(ValueError, match=r"too long|empty"):
            normalise_password(password)


@pytest.mark.parametrize("password", ["", "x" * 5_000, "\udcff"])
async def test_r76_password_that_cannot_be_hashed_is_simply_wrong(
    hashing: PasswordHashing, password: str
) -> None:
    assert not await hashing.verify(password, await hashing.hash(PASSWORD))
    with pytest.raises(ValueError, match=r"."):
        await hashing.hash(password)


@pytest.mark.parametrize("encoded", ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_broken_hash_is_a_refusal(hashing: PasswordHashing, encoded: str) -> None:
    assert not await hashing.verify(PASSWORD, encoded)


async def test_r77_unknown_person_costs_a_hash_of_the_same_parameters() -> None:
    """With one thread and no queue, work that is done is work that keeps others out."""
    hashing = PasswordHashing(threads=1, waiting=0)
    try:
        encoded = await hashing.hash(PASSWORD)
        for kept in (None, encoded):
            first = asyncio.ensure_future(hashing.verify("wrong", kept))
            await asyncio.sleep(0)
            with pytest.raises(HashingBusy):
                await hashing.verify("wrong", kept)
            assert not await first
        assert extract_parameters(hashing._decoy) == extract_parameters(encoded)
    finally:
        hashing.close()


async def test_r77_nobody_has_the_decoys_password(hashing: PasswordHashing) -> None:
    for password in (PASSWORD, "-", hashing._decoy):
        assert not await hashing.verify(password, None)


def test_a_second_start_makes_no_other_decoy(hashing: PasswordHashing) -> None:
    """To make one takes as long as to check a password."""
    another = PasswordHashing(threads=1)
    assert another._decoy is hashing._decoy
    another.close()


# the pool


async def test_f24_no_more_than_threads_and_queue_are_taken_on() -> None:
    hashing = PasswordHashing(threads=1, waiting=2)
    try:
        encoded = await hashing.hash(PASSWORD)
        answers = await asyncio.gather(
            *(hashing.verify(PASSWORD, encoded) for _ in range(10)), return_exceptions=True
        )
        assert answers.count(True) == 3
        assert sum(isinstance(answer, HashingBusy) for answer in answers) == 7
        assert hashing.pool.refused == 7
        assert await hashing.verify(PASSWORD, encoded), "room comes back"
    finally:
        hashing.close()


async def test_r136_strangers_leave_a_quarter_of_the_places_to_who_is_known() -> None:
    hashing = PasswordHashing(threads=1, waiting=8)
    try:
        encoded = await hashing.hash(PASSWORD)
        under_way = [asyncio.ensure_future(hashing.verify(PASSWORD, encoded)) for _ in range(6)]
        await asyncio.sleep(0)
        hashing.check_capacity(is_known=False)
        under_way.append(asyncio.ensure_future(hashing.verify(PASSWORD, encoded)))
        await asyncio.sleep(0)
        with pytest.raises(HashingBusy):
            hashing.check_capacity(is_known=False)
        hashing.check_capacity(is_known=True)
        await asyncio.gather(*under_way)
    finally:
        hashing.close()


async def test_f24_whether_there_is_room_is_known_before_there_is_work() -> None:
    hashing = PasswordHashing(threads=1, waiting=1)
    try:
        encoded = await hashing.hash(PASSWORD)
        hashing.check_capacity()
        under_way = [asyncio.ensure_future(hashing.verify(PASSWORD, encoded)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HashingBusy):
            hashing.check_capacity()
        assert hashing.pool.refused == 1
        assert await asyncio.gather(*under_way) == [True, True]
        hashing.check_capacity()
    finally:
        hashing.close()


async def test_f21_cancelled_logins_give_their_room_back() -> None:
    hashing = PasswordHashing(threads=1, waiting=2)
    try:
        encoded = await hashing.hash(PASSWORD)
        for _ in range(3):
            logins = [asyncio.ensure_future(hashing.verify("x", encoded)) for _ in range(3)]
            await asyncio.sleep(0)
            for login in logins:
                login.cancel()
            await asyncio.gather(*logins, return_exceptions=True)
            await hashing._run(int)  # behind the one that had begun
        answers = await asyncio.gather(*(hashing.verify(PASSWORD, encoded) for _ in range(3)))
        assert answers == [True] * 3
    finally:
        hashing.close()


@pytest.mark.parametrize("verb", ["verify", "hash"])
async def test_f29_without_memory_nothing_is_said_of_a_password(
    hashing: PasswordHashing, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = await hashing.hash(PASSWORD)
    monkeypatch.setattr(PasswordHasher, "verify", _without_memory(VerificationError))
    monkeypatch.setattr(PasswordHasher, "hash", _without_memory(HashingError))
    with pytest.raises(HashingBusy, match="not enough memory"):
        await (hashing.hash(PASSWORD) if verb == "hash" else hashing.verify(PASSWORD, encoded))


def _without_memory(kind: type[Exception]) -> Callable[..., str]:
    """What argon2 does where 19 MiB are not to be had."""

    def fails(*_: object) -> str:
        raise kind("Memory allocation error")

    return fails


async def test_f29_without_another_thread_people_are_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashing = PasswordHashing(threads=1, waiting=1)

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    hashed: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        for number in range(5):
            with pytest.raises(HashingBusy):
                await hashing._run(partial(hashed.append, number))
    await hashing._run(partial(hashed.append, 5))
    assert hashed == [5]  # nobody waits for the others any more, and nobody waits behind them
    hashing.close()


async def test_f24_hashing_yields_the_processor_to_everything_else() -> None:
    hashing = PasswordHashing(threads=1)
    try:
        niceness = await hashing._run(
            lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        )
        own = os.getpriority(os.PRIO_PROCESS, os.getpid())
        assert niceness > own or own == 19, "nobody can yield more"
    finally:
        hashing.close()


async def test_f24_new_passwords_take_no_thread_from_those_who_sign_in(
    hashing: PasswordHashing,
) -> None:
    encoded = await hashing.hash(PASSWORD)
    done = threading.Event()
    estimate = asyncio.ensure_future(hashing._estimate(lambda: done.wait(60), {"h"}))
    queued = [
        asyncio.ensure_future(hashing.check_new(PASSWORD, whose=f"{number}"))
        for number in range(hashing.pool.places)
    ]
    await asyncio.sleep(0)
    with pytest.raises(HashingBusy):
        await hashing.check_new(PASSWORD, whose="one too many")
    assert await hashing.verify(PASSWORD, encoded)
    assert not estimate.done()
    done.set()
    assert await asyncio.gather(*queued) == [PASSWORD] * hashing.pool.places


async def test_f24_who_waits_for_the_interpreter_s_lock_waits_for_no_slow_thread(
    hashing: PasswordHashing,
) -> None:
    niceness = await hashing._estimates.run(
        lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    )
    assert niceness == os.getpriority(os.PRIO_PROCESS, os.getpid())


async def test_f24_a_person_has_one_place_among_the_estimates() -> None:
    """Whatever they send at once, and whether they wait for the answers or not."""
    hashing = PasswordHashing(threads=1, waiting=1)
    done = threading.Event()
    try:
        working = asyncio.ensure_future(hashing._estimate(lambda: done.wait(60), {"a"}))
        await asyncio.sleep(0)
        working.cancel()
        forms = [asyncio.ensure_future(hashing.check_new(PASSWORD, whose="a")) for _ in range(9)]
        meter = asyncio.ensure_future(hashing.strength(PASSWORD, whose="a"))
        other = asyncio.ensure_future(hashing.check_new(PASSWORD, whose="b"))
        await asyncio.sleep(0)
        done.set()
        assert await other == PASSWORD
        assert await asyncio.gather(*forms) == [PASSWORD] * 9
        assert (await meter).weakness is None
    finally:
        done.set()
        hashing.close()


async def test_closing_never_holds_up_the_event_loop() -> None:
    hashing = PasswordHashing(threads=1)
    begun, closed = threading.Barrier(3), threading.Event()

    def work() -> bool:
        begun.wait(60)
        return closed.wait(60)

    working = [
        asyncio.ensure_future(hashing._run(work)),
        asyncio.ensure_future(hashing._estimate(work, {"h"})),
    ]
    await asyncio.to_thread(begun.wait, 60)
    hashing.close()
    closed.set()
    assert await asyncio.gather(*working) == [True, True]


def test_f24_one_core_is_left_for_the_calls_of_line_works() -> None:
    hashing = PasswordHashing()
    try:
        assert hashing._pool.threads == max(1, (os.cpu_count() or 2) - 1)
    finally:
        hashing.close()
