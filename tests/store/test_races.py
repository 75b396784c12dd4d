"""Single use under races: of many concurrent callers one wins (R-38, F-28)."""

import asyncio
import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.store.artifacts import (
    NOW,
    buys,
    code,
    interim,
    issued,
    key_of,
    named,
    portions,
    refresh_token,
    session,
    spent_transaction,
    together,
)
from tests.store.stores import ADDRESSES, STORES

from worksgate.oauth.model import (
    AccessToken,
    AuthorizationCode,
    Interim,
    RefreshToken,
    Session,
)
from worksgate.store import RedemptionOutcome, Store
from worksgate.store.postgres.store import PostgresStore

pytestmark = pytest.mark.programs

ROUNDS = 1_000
CODES = 2_000
CALLERS = 8


async def race(stores: list[Store], number: int) -> list[RedemptionOutcome]:
    """Eight callers with one code, spread over the stores."""
    redemptions = await together(
        stores[caller % len(stores)].redeem(
            AuthorizationCode, key_of(f"code {number}"), "tenant", buys(f"{number}/{caller}"), NOW
        )
        for caller in range(CALLERS)
    )
    return [redemption.outcome for redemption in redemptions]


async def check_races(stores: list[Store]) -> None:
    # A database server is a process for each connection: it takes longer, and fewer at a time.
    rounds, at_once = (300, 8) if isinstance(stores[0], PostgresStore) else (ROUNDS, 50)
    await stores[0].save(*(code(f"code {number}") for number in range(rounds)))

    for numbers in portions(range(rounds), at_once):
        for outcomes in await together(race(stores, number) for number in numbers):
            assert Counter(outcomes) == {
                RedemptionOutcome.REDEEMED: 1,
                RedemptionOutcome.REPLAYED: CALLERS - 1,
            }

    # The losers came after the winner, so all that was bought is revoked.
    for number in range(0, rounds, 50):
        for caller in range(CALLERS):
            assert await stores[-1].find(AccessToken, key_of(f"{number}/{caller}")) is None


async def test_r38_one_of_eight_callers_redeems(store: Store) -> None:
    await check_races([store])


async def test_r38_one_of_eight_callers_redeems_over_two_stores(
    shared: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        stores: list[Store] = []
        for _ in range(2):
            stores.append(await STORES[shared](tmp_path))
            stack.push_async_callback(stores[-1].close)
        await check_races(stores)


async def test_f28_each_code_is_redeemed_by_one_of_four_in_two_processes(
    shared: str, tmp_path: Path
) -> None:
    store = await STORES[shared](tmp_path)
    for numbers in portions(range(CODES)):
        await store.save(*(code(f"code {number}") for number in numbers))
    racers = [await _start_racer(ADDRESSES[shared](tmp_path), seed) for seed in range(2)]
    for process in racers:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    answers = await together(process.communicate() for process in racers)
    await store.close()

    won = [json.loads(output) for output, _ in answers]
    assert Counter(number for numbers in won for number in numbers) == dict.fromkeys(
        range(CODES), 1
    )
    assert all(won), "one process was alone: that was no race"


async def _start_racer(address: str, seed: int) -> asyncio.subprocess.Process:
    """A process with its store open, waiting for a word on its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.racer", address, str(CODES), str(seed)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_one_of_eight_callers_takes(store: Store) -> None:
    for number in range(50):
        kept = code(f"code {number}")
        await store.save(kept)
        taken = await together(store.take(AuthorizationCode, kept.key) for _ in range(CALLERS))
        assert Counter(taken) == {kept: 1, None: CALLERS - 1}


async def test_one_of_eight_callers_adds(store: Store) -> None:
    for number in range(50):
        added = await together(store.add(spent_transaction(f"{number}")) for _ in range(CALLERS))
        assert sum(added) == 1


async def test_r20_of_eight_that_add_with_more_one_leaves_something(store: Store) -> None:
    """The seven others leave nothing: no code, no session, and the session before stays."""
    for number in range(50):
        before = session(f"before {number}")
        await store.save(before)
        added = await together(
            store.add(
                spent_transaction(f"{number}"),
                code(f"{number}/{caller}", subject=f"person {number}"),
                session(f"{number}/{caller}", subject=f"person {number}"),
                removed=[named(before)],
                records=[issued(f"{number}/{caller}")],
            )
            for caller in range(CALLERS)
        )
        assert sum(added) == 1
        winner = code(f"{number}/{added.index(True)}", subject=f"person {number}")
        assert await store.held(AuthorizationCode, f"person {number}") == (winner,)
        assert len(await store.held(Session, f"person {number}")) == 1
        assert await store.find(Session, before.key) is None


async def test_a_person_may_be_forgotten_while_they_sign_in(store: Store) -> None:
    """Both remove what was there; neither waits for the other."""
    for number in range(30):
        await store.save(session("before"), interim("under way"))
        await together(
            [
                store.forget("anna"),
                store.add(
                    spent_transaction(f"{number}"),
                    code(f"{number}"),
                    removed=[named(interim("under way")), named(session("before"))],
                ),
            ]
        )
        assert await store.held(Session, "anna") == ()
        assert await store.held(Interim, "anna") == ()


async def test_r78_no_count_is_lost(store: Store) -> None:
    counts = await together(store.bump("c", 60, NOW) for _ in range(200))

    assert sorted(counts) == list(range(1, 201))


async def test_r78_no_count_is_lost_where_several_are_counted_and_set_back(store: Store) -> None:
    """All name the same counters, each in an order of its own, and nobody waits in a circle."""
    orders = ({"a": 60.0, "b": 60.0, "c": 60.0}, {"c": 60.0, "b": 60.0, "a": 60.0})
    calls = [store.bump_all(orders[number % 2], NOW) for number in range(60)]
    others = [
        store.recount(reset=[f"z{number}", "y"], begun={f"x{number}": 60}, now=NOW)
        for number in range(20)
    ]
    counts, _ = await asyncio.gather(together(calls), together(others))

    named = [dict(zip(orders[n % 2], each, strict=True)) for n, each in enumerate(counts)]
    for counter in "abc":
        assert sorted(each[counter] for each in named) == list(range(1, 61))


async def test_r30_a_person_who_is_forgotten_in_the_middle_keeps_nothing(store: Store) -> None:
    """Whatever is redeemed at that moment: no token is left that was not bought afterwards."""
    for number in range(60):
        await store.save(
            *(code(f"{number}/{n}", subject="anna", grant=f"g{number}/{n}") for n in range(4)),
            refresh_token(f"{number}", subject="anna", grant=f"r{number}"),
        )
        redeeming = [
            store.redeem(
                AuthorizationCode,
                key_of(f"{number}/{n}"),
                "tenant",
                buys(f"token {number}/{n}", f"refresh {number}/{n}"),
                NOW,
            )
            for n in range(4)
        ]
        rotating = store.redeem(
            RefreshToken,
            key_of(f"{number}"),
            "tenant",
            buys(f"token {number}", f"refresh {number}"),
            NOW,
        )
        await asyncio.gather(*redeeming[:2], store.forget("anna"), *redeeming[2:], rotating)
        for kind in (AuthorizationCode, AccessToken, RefreshToken):
            assert await store.held(kind, "anna") == (), number


async def test_r36_a_replay_while_the_grant_is_renewed_leaves_nothing_of_it(store: Store) -> None:
    for number in range(60):
        grant = f"g{number}"
        await store.save(code(f"{number}", grant=grant))
        first = buys(f"a{number}", f"r{number}")
        await store.redeem(AuthorizationCode, key_of(f"{number}"), "tenant", first, NOW)

        replay, _ = await asyncio.gather(
            store.redeem(AuthorizationCode, key_of(f"{number}"), "tenant", buys("x"), NOW),
            store.redeem(
                RefreshToken,
                key_of(f"r{number}"),
                "tenant",
                buys(f"b{number}", f"s{number}"),
                NOW,
            ),
        )

        assert replay.outcome is RedemptionOutcome.REPLAYED
        assert await store.held(AccessToken, "anna") == ()
        assert [
            each
            for each in await store.held(RefreshToken, "anna")
            if each.key == key_of(f"s{number}")
        ] == []
