"""``kill -9`` under load, again and again: what was acknowledged stands (F-01, F-02, I-1 to I-4).

Ten seconds; a minute with ``WORKSGATE_LONG_TESTS=1``.
"""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.store.artifacts import NOW, buys, code, key_of, portions, together
from tests.store.redeemer import CALLERS, SHARED
from tests.store.stores import database_in, open_sqlite

from worksgate.oauth.model import AuthorizationCode
from worksgate.store import Outcome

SECONDS = 60 if os.environ.get("WORKSGATE_LONG_TESTS") == "1" else 10
PROCESSES = 2
SAMPLE = 1_000


@dataclass
class Ledger:
    """What the processes were told, and what is in the file after the last one died."""

    kills: int
    saved: set[str] = field(default_factory=set)
    redeemed: Counter[str] = field(default_factory=Counter)
    bought: dict[str, str] = field(default_factory=dict)
    won: Counter[str] = field(default_factory=Counter)
    used: dict[str, bool] = field(default_factory=dict)
    """By digest, for every code in the file."""
    tokens: set[str] = field(default_factory=set)
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

    def read_database(self, file: Path) -> None:
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            self.used = {key: bool(used) for key, used in db.execute("SELECT key, used FROM codes")}
            self.tokens = {key for (key,) in db.execute("SELECT key FROM access_tokens")}
            (self.torn,) = db.execute(
                "SELECT count(*) FROM codes LEFT JOIN access_tokens USING (grant_id) "
                "WHERE used <> (access_tokens.key IS NOT NULL) "
                "AND grant_id NOT LIKE 'grant of shared%'"
            ).fetchone()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Ledger:
    """Some seconds of load and of kills."""
    asyncio.run(_prepare(folder))
    ledger = Ledger(kills=_kill_for(SECONDS, folder))
    ledger.read_acknowledgements(folder / "ledger")
    ledger.read_database(database_in(folder))
    return ledger


async def _prepare(folder: Path) -> None:
    store = await open_sqlite(folder)
    for numbers in portions(range(SHARED), 5_000):
        await store.save(*(code(f"shared {number}") for number in numbers))
    await store.close()


def _kill_for(seconds: float, folder: Path) -> int:
    """Keep some processes running, and kill one after the other; the number of kills."""
    chance = random.Random(9)
    running: list[subprocess.Popen[bytes]] = []
    kills = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        while len(running) < PROCESSES:
            running.append(_start(folder, f"process {kills + len(running)}"))
        time.sleep(0.3 + chance.random() * 0.6)
        kills += _kill(running.pop(0))
    return kills + sum(_kill(process) for process in running)


def _start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.store.redeemer",
            str(database_in(folder)),
            str(folder / "ledger"),
            name,
        ],
        cwd=Path(__file__).parents[2],
    )


def _kill(process: subprocess.Popen[bytes]) -> int:
    assert process.poll() is None, "it has ended before it was killed"
    process.kill()
    process.wait()
    return 1


def test_there_was_something_to_lose(ledger: Ledger) -> None:
    assert ledger.kills >= SECONDS
    assert len(ledger.redeemed) > 100
    assert len(ledger.won) > 100


def test_i1_no_code_was_redeemed_twice(ledger: Ledger) -> None:
    assert set(ledger.redeemed.values()) == {1}
    assert set(ledger.won.values()) == {1}


def test_i2_every_acknowledged_redemption_is_in_the_file(ledger: Ledger) -> None:
    for name, token in ledger.bought.items():
        assert ledger.used[key_of(name)]
        assert key_of(token) in ledger.tokens
    assert all(ledger.used[key_of(name)] for name in ledger.won)


def test_i2_every_acknowledged_code_is_in_the_file(ledger: Ledger) -> None:
    assert all(key_of(name) in ledger.used for name in ledger.saved)


def test_r39_no_code_is_used_without_a_token_nor_the_other_way_round(ledger: Ledger) -> None:
    assert ledger.torn == 0


def test_f01_unanswered_codes_are_not_more_than_the_requests_in_flight(ledger: Ledger) -> None:
    unanswered = [
        name for name in ledger.saved if ledger.used[key_of(name)] and name not in ledger.redeemed
    ]
    assert len(unanswered) <= ledger.kills * CALLERS


async def test_i3_a_code_that_is_not_used_is_still_good(ledger: Ledger, folder: Path) -> None:
    unused = sorted(name for name in ledger.saved if not ledger.used[key_of(name)])
    assert unused

    outcomes = await _redeem_again(folder, unused[-SAMPLE:])

    assert set(outcomes) == {Outcome.REDEEMED}


async def test_i4_a_used_code_never_becomes_good_again(ledger: Ledger, folder: Path) -> None:
    used = [*list(ledger.redeemed)[-SAMPLE:], *list(ledger.won)[-SAMPLE:]]

    outcomes = await _redeem_again(folder, used)

    assert set(outcomes) == {Outcome.REPLAYED}


async def _redeem_again(folder: Path, names: list[str]) -> list[Outcome]:
    store = await open_sqlite(folder)
    redemptions = []
    for portion in portions(names):
        redemptions += await together(
            store.redeem(AuthorizationCode, key_of(name), "tenant", buys(f"{name}, late"), NOW)
            for name in portion
        )
    await store.close()
    return [redemption.outcome for redemption in redemptions]
