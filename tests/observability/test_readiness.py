"""Readiness of a server, and what is reported to whom."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from tests.observability.site import Site, site
from tests.served import wait_until
from tests.unhurried import tries

from worksgate.observability.instruments import SourceFigures
from worksgate.sources import SourceUnavailable
from worksgate.sources.circuit_breaker import Circuit
from worksgate.store import StoreUnavailable
from worksgate.web.operations.readiness import Check, Readiness

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("ready"), answer_deadline=1.0) as server:
        yield server


def test_operators_see_each_part_with_its_seconds(server: Site) -> None:
    for each in tries():
        with each:
            told = server.operations.get("/readyz").json()
            assert told["status"] == "ok"
            assert {"store", "directory", "clients", "master_key", "sources"} == set(told["checks"])
            for name in ("store", "directory", "clients"):
                assert told["checks"][name]["status"] == "ok"
                assert 0 <= told["checks"][name]["seconds"] < 1
            assert told["checks"]["sources"] == {"directory": {"status": "ok", "failures": 0}}


def test_r107_the_public_address_says_ok_and_no_more(server: Site) -> None:
    for each in tries():
        with each:
            assert server.http.get("/readyz").json() == {"status": "ok"}


def test_a_locked_store_is_reported_in_words_in_public_and_in_full_to_operators(
    server: Site,
) -> None:
    file = server.folder / "worksgate.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        wait_until(lambda: server.http.get("/readyz").status_code == 503)
        for each in tries():
            with each:
                _check_what_is_said_of_a_locked_store(server)
        connection.execute("ROLLBACK")
    wait_until(lambda: server.http.get("/readyz").status_code == 200)


def _check_what_is_said_of_a_locked_store(server: Site) -> None:
    public = server.http.get("/readyz")
    operators = server.operations.get("/readyz")
    assert public.status_code == operators.status_code == 503
    assert public.headers["retry-after"] == "1"
    assert public.json() == {
        "status": "unavailable",
        "checks": {
            "store": {"status": "too slow"},
            "directory": {"status": "ok"},
            "clients": {"status": "ok"},
        },
    }
    assert operators.json()["checks"]["store"]["reason"] == "no response in 1 seconds"


async def answers() -> None:
    """A part that is there."""


async def never_answers() -> None:
    await asyncio.Event().wait()


async def is_gone() -> None:
    raise StoreUnavailable("SQLITE_IOERR at 10.1.2.3")


async def crashes() -> None:
    raise RuntimeError("the password is canary-5d1c")


@pytest.mark.parametrize(
    ("check", "word", "reason"),
    [
        (never_answers, "too slow", "no response in 0.05 seconds"),
        (is_gone, "unavailable", "SQLITE_IOERR at 10.1.2.3"),
        (crashes, "failed", "RuntimeError"),
    ],
)
async def test_r107_what_fails_makes_it_unready_and_is_reported_in_fixed_words(
    check: Check, word: str, reason: str
) -> None:
    report = await Readiness({"store": check, "directory": answers}, (), 0.05).report()
    assert not report.is_ready
    assert report.for_public() == {
        "status": "unavailable",
        "checks": {"store": {"status": word}, "directory": {"status": "ok"}},
    }
    full = report.for_operators()["checks"]["store"]
    assert (full["status"], full["reason"]) == (word, reason)


async def test_r107_what_some_people_need_is_told_to_operators_and_makes_nobody_unready(
    logged: Callable[[], str],
) -> None:
    readiness = Readiness({"store": answers}, (), 1.0, {"master_key": is_gone})
    for _ in range(3):
        report = await readiness.report()
        readiness._checked_at = float("-inf")  # a second later
    assert report.is_ready
    assert report.for_public() == {"status": "ok"}
    told = report.for_operators()["checks"]["master_key"]
    assert (told["status"], told["reason"]) == ("unavailable", "SQLITE_IOERR at 10.1.2.3")
    assert logged().count("readiness.impaired") == 1


async def test_what_is_impaired_is_logged_again_only_after_it_has_recovered(
    logged: Callable[[], str],
) -> None:
    states = iter((False, True, True, False, True))

    async def sometimes() -> None:
        if next(states):
            await is_gone()

    readiness = Readiness({"store": answers}, (), 1.0, {"master_key": sometimes})
    for _ in range(5):
        await readiness.report()
        readiness._checked_at = float("-inf")
    assert logged().count("readiness.impaired") == 2
    assert logged().count("readiness.recovered") == 1


async def test_while_the_store_is_away_nothing_is_said_of_what_depends_on_it(
    logged: Callable[[], str],
) -> None:
    report = await Readiness({"store": is_gone}, (), 1.0, {"master_key": is_gone}).report()
    assert not report.is_ready
    assert set(report.for_public()["checks"]) == {"store"}
    assert "readiness.impaired" not in logged()


async def test_nothing_asked_yet_is_not_ready() -> None:
    assert not (await Readiness({}, (), 1.0).report()).is_ready


async def test_the_parts_are_asked_once_a_second_at_most() -> None:
    asked = 0

    async def count() -> None:
        nonlocal asked
        asked += 1

    readiness = Readiness({"store": count}, (), 1.0)
    for _ in range(50):
        assert (await readiness.report()).is_ready
    assert asked == 1


async def test_a_source_that_is_down_is_reported_and_makes_nobody_unready() -> None:
    circuit = Circuit("ldap", failures=2, seconds=60)
    figures = SourceFigures("ldap", breakers=lambda: (circuit,))
    readiness = Readiness({"store": answers}, (figures,), 1.0)
    assert (await readiness.report()).for_operators()["checks"]["sources"] == {
        "ldap": {"status": "ok", "failures": 0}
    }
    for _ in range(2):
        with suppress(SourceUnavailable), circuit.attempt():
            raise SourceUnavailable("down")
    report = await readiness.report()
    assert report.is_ready
    assert report.for_public() == {"status": "ok"}
    assert report.for_operators()["checks"]["sources"] == {
        "ldap": {"status": "down", "failures": 2}
    }
