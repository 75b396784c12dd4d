"""``kill -9`` under load, repeatedly: acknowledged data survives (F-01, F-02, I-1 to I-4).

Some ten seconds on a machine that has little else to do; with ``WORKSGATE_LONG_TESTS=1`` minutes.
"""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.postgres_server import giving_back, shared_postgres, url_for
from tests.store.artifacts import NOW, buys, code, key_of, portions, together
from tests.store.redeemer import CALLERS, SHARED
from tests.store.stores import ADDRESSES, STORES, database_in

from worksgate.oauth.model import AuthorizationCode
from worksgate.store import RedemptionOutcome

pytestmark = pytest.mark.programs

LONG = os.environ.get("WORKSGATE_LONG_TESTS") == "1"
KILLS = {"sqlite": 100 if LONG else 14, "postgres": 100 if LONG else 8}
START_TIME = 120.0
PROCESSES = 2
ENOUGH = 20
"""Codes that each process redeems before it is killed."""
SAMPLE = 1_000


@dataclass
class Ledger:
    """What the processes were told, and what is in the database after the last one died."""

    shared: str
    kills: int
    saved: set[str] = field(default_factory=set)
    redeemed: Counter[str] = field(default_factory=Counter)
    bought: dict[str, str] = field(default_factory=dict)
    won: Counter[str] = field(default_factory=Counter)
    used: dict[str, bool] = field(default_factory=dict)
    """By digest, for every code in the database."""
    tokens: set[str] = field(default_factory=set)
    issued: list[str] = field(default_factory=list)
    """The login of each record of a code that was saved."""
    redemptions: list[str] = field(default_factory=list)
    """The login of each record of a redemption."""
    logins_of_used: set[str] = field(default_factory=set)
    torn: int = 0
    """Codes of no competition that are used without a token, or the other way round."""

    def read_acknowledgements(self, file: Path) -> None:
        for line in file.read_text().splitlines():
            match line.split("\t"):
                case ["S", name]:
                    self.saved.add(name)
                case ["R", name, token]:
                    self.redeemed[name] += 1
                    self.bought[name] = token
                case ["W", name, _]:
                    self.won[name] += 1

    def read_database(self, folder: Path) -> None:
        rows = _READERS[self.shared]
        self.used = {
            key: int(used) == 1 for key, used in rows(folder, "SELECT key, used FROM codes")
        }
        self.tokens = {key for (key,) in rows(folder, "SELECT key FROM access_tokens")}
        ((torn,),) = rows(
            folder,
            "SELECT count(*) FROM codes LEFT JOIN access_tokens USING (grant_id) "
            "WHERE (used = 1) <> (access_tokens.key IS NOT NULL) "
            "AND grant_id NOT LIKE 'grant of shared%'",
        )
        self.torn = int(torn)
        recorded = "SELECT login_id FROM audit WHERE event = '{}'"
        self.issued = [login for (login,) in rows(folder, recorded.format("code.issued"))]
        self.redemptions = [login for (login,) in rows(folder, recorded.format("code.redeemed"))]
        self.logins_of_used = {
            login for (login,) in rows(folder, "SELECT login_id FROM codes WHERE used = 1")
        }


def _sqlite_rows(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(database_in(folder))) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return db.execute(sql).fetchall()


def _postgres_rows(folder: Path, sql: str) -> list[Any]:
    return shared_postgres().query(sql, url_for(folder).rpartition("/")[2])


_READERS: Mapping[str, Callable[[Path, str], list[Any]]] = {
    "sqlite": _sqlite_rows,
    "postgres": _postgres_rows,
}
"""How to look into each store that keeps on a disk what it has acknowledged."""


@pytest.fixture(scope="module", params=_READERS)
def shared(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def folder(shared: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp(f"kill-{shared}")
    with giving_back(folder):
        yield folder


@pytest.fixture(scope="module")
def ledger(shared: str, folder: Path) -> Ledger:
    """Some seconds of load and of kills."""
    asyncio.run(_prepare(shared, folder))
    ledger = Ledger(shared, kills=_kill_some(KILLS[shared], ADDRESSES[shared](folder), folder))
    if shared == "postgres":
        _wait_for_orphans(folder)
    ledger.read_acknowledgements(folder / "ledger")
    ledger.read_database(folder)
    return ledger


async def _prepare(shared: str, folder: Path) -> None:
    store = await STORES[shared](folder)
    for numbers in portions(range(SHARED)):
        await store.save(*(code(f"shared {number}") for number in numbers))
    await store.close()


def _kill_some(number: int, address: str, folder: Path) -> int:
    """Keep some processes running, and kill one after the other; the number of kills."""
    chance = random.Random(9)
    names = [f"process {each}" for each in range(number)]
    running = [(name, _start(address, folder, name)) for name in names[:PROCESSES]]
    for following in (*names[PROCESSES:], *[None] * PROCESSES):
        name, process = running.pop(0)
        _await_work(folder, name)
        time.sleep(0.2 + chance.random() * 0.6)
        _kill(process)
        if following is not None:
            running.append((following, _start(address, folder, following)))
    return number


def _wait_for_orphans(folder: Path) -> None:
    """Return once the server has ended what the last process had sent before it was killed."""
    name = url_for(folder).rpartition("/")[2]
    until = time.monotonic() + START_TIME
    while shared_postgres().query(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}'"):
        assert time.monotonic() < until, "the server still works for it"
        time.sleep(0.02)


def _await_work(folder: Path, name: str) -> None:
    """Return once a process has redeemed some codes, however long it takes to start."""
    until = time.monotonic() + START_TIME
    while _read(folder / "ledger").count(f"\nR\t{name}/") < ENOUGH:
        assert time.monotonic() < until, f"{name} does nothing"
        time.sleep(0.02)


def _read(ledger: Path) -> str:
    return ledger.read_text("utf-8") if ledger.exists() else ""


def _start(address: str, folder: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.store.redeemer",
            address,
            str(folder / "ledger"),
            name,
        ],
        cwd=Path(__file__).parents[2],
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "it has ended before it was killed"
    process.kill()
    process.wait()


def test_there_was_something_to_lose(ledger: Ledger) -> None:
    assert ledger.kills == KILLS[ledger.shared]
    assert len(ledger.redeemed) > 100
    assert len(ledger.won) > 100


def test_i1_no_code_was_redeemed_twice(ledger: Ledger) -> None:
    assert set(ledger.redeemed.values()) == {1}
    assert set(ledger.won.values()) == {1}


def test_i2_every_acknowledged_redemption_is_in_the_database(ledger: Ledger) -> None:
    for name, token in ledger.bought.items():
        assert ledger.used[key_of(name)]
        assert key_of(token) in ledger.tokens
    assert all(ledger.used[key_of(name)] for name in ledger.won)


def test_i2_every_acknowledged_code_is_in_the_database(ledger: Ledger) -> None:
    assert all(key_of(name) in ledger.used for name in ledger.saved)


def test_r39_no_code_is_used_without_a_token_nor_the_other_way_round(ledger: Ledger) -> None:
    assert ledger.torn == 0


def test_r134_every_used_code_has_its_record_and_every_record_its_code(ledger: Ledger) -> None:
    assert len(ledger.redemptions) == len(set(ledger.redemptions)), "one each"
    assert set(ledger.redemptions) == ledger.logins_of_used


def test_r134_every_saved_code_has_its_record_and_every_record_its_code(ledger: Ledger) -> None:
    assert len(ledger.issued) == len(set(ledger.issued)), "one each"
    names = {key_of(login.removeprefix("login of ")) for login in ledger.issued}
    theirs = {key_of(f"shared {number}") for number in range(SHARED)}
    assert names == ledger.used.keys() - theirs


def test_f01_unanswered_codes_are_not_more_than_the_requests_in_flight(ledger: Ledger) -> None:
    unanswered = [
        name for name in ledger.saved if ledger.used[key_of(name)] and name not in ledger.redeemed
    ]
    assert len(unanswered) <= ledger.kills * CALLERS


async def test_i3_a_code_that_is_not_used_is_still_good(ledger: Ledger, folder: Path) -> None:
    unused = sorted(name for name in ledger.saved if not ledger.used[key_of(name)])
    assert unused

    outcomes = await _redeem_again(ledger, folder, unused[-SAMPLE:])

    assert set(outcomes) == {RedemptionOutcome.REDEEMED}


async def test_i4_a_used_code_never_becomes_good_again(ledger: Ledger, folder: Path) -> None:
    used = [*list(ledger.redeemed)[-SAMPLE:], *list(ledger.won)[-SAMPLE:]]

    outcomes = await _redeem_again(ledger, folder, used)

    assert set(outcomes) == {RedemptionOutcome.REPLAYED}


async def _redeem_again(ledger: Ledger, folder: Path, names: list[str]) -> list[RedemptionOutcome]:
    store = await STORES[ledger.shared](folder)
    redemptions = []
    for portion in portions(names, 50):
        redemptions += await together(
            store.redeem(AuthorizationCode, key_of(name), "tenant", buys(f"{name}, late"), NOW)
            for name in portion
        )
    await store.close()
    return [redemption.outcome for redemption in redemptions]
