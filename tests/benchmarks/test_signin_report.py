"""The results page for sign-ins: which budgets are met, and what is omitted."""

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("signin_report")


@pytest.fixture
def profiling(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("profiling")


def rounds(rate: float, *, loop: float = 100.0, database: float = 0.0) -> list[dict[str, float]]:
    """Three rounds that are alike."""
    one = {
        "rate": rate,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "server_us": loop,
        "loop_us": loop,
        "database_us": database,
    }
    return [one, one, one]


def measured() -> dict[str, Any]:
    """Where every budget is just met."""
    sqlite = {
        "token": rounds(1_000, loop=300),
        "code": rounds(330),
        "page": rounds(600, loop=800),
        "form": rounds(500, loop=800),
        "userinfo": rounds(2_000, loop=300),
    }
    postgres = {kind: rounds(one[0]["rate"], database=250) for kind, one in sqlite.items()}
    return {
        "sqlite": sqlite,
        "postgres": postgres | {"code": rounds(250)},
        "paced": {
            "pace": 50,
            "hashing_threads": 2,
            "form": rounds(50, loop=3_000),
            "token": rounds(50, loop=1_000),
        },
        "tls": {
            kind: {"token": rounds(900), "handshake": rounds(1_000)} for kind in ("full", "resumed")
        },
        "left_out": {},
    }


def unmet(report: Any, found: dict[str, Any]) -> list[str]:
    return [line.what for line in report.lines(found) if line.is_met is False]


def test_what_is_just_enough_meets_every_budget(report: Any) -> None:
    found = measured()

    assert unmet(report, found) == []
    judged = [line for line in report.lines(found) if line.is_met is not None]
    assert len(judged) == 10


@pytest.mark.parametrize(
    ("store", "kind", "slower", "what"),
    [
        ("sqlite", "code", rounds(329), "code by a live session ÷ token call, SQLite"),
        ("postgres", "code", rounds(249), "code by a live session ÷ token call, PostgreSQL"),
        ("sqlite", "page", rounds(599, loop=800), "sign-in page ÷ token call, SQLite"),
        ("paced", "form", rounds(50, loop=3_001), "form with its hash, 50/s"),
        (
            "postgres",
            "userinfo",
            rounds(2_000, database=251),
            "sign-ins a second that one core of PostgreSQL carries",
        ),
        (
            "sqlite",
            "userinfo",
            rounds(2_000, loop=323),
            "sign-ins a second that one event loop carries, SQLite",
        ),
    ],
)
def test_what_is_too_slow_misses_its_budget(
    report: Any, store: str, kind: str, slower: list[dict[str, float]], what: str
) -> None:
    found = measured()
    found[store] = found[store] | {kind: slower}

    (missed,) = unmet(report, found)

    assert missed.startswith(what)


def test_a_form_has_a_budget_of_its_loop_and_one_of_its_process(report: Any) -> None:
    found = measured()
    found["sqlite"]["form"] = [one | {"server_us": 1_001.0} for one in rounds(500, loop=800)]

    assert unmet(report, found) == ["form, without its hash, warm: process"]


def test_resumed_handshakes_have_the_same_budget(report: Any) -> None:
    found = measured()
    found["tls"]["resumed"]["token"] = rounds(899)

    assert unmet(report, found) == ["token calls, a resumed TLS connection each ÷ handshakes alone"]


def test_a_pace_that_the_machine_cannot_keep_is_not_judged(report: Any) -> None:
    found = measured()
    found["paced"] |= {"pace": 20, "form": rounds(20, loop=9_000)}

    assert unmet(report, found) == []


def test_what_could_not_be_measured_is_named_with_its_reason(report: Any) -> None:
    found = measured() | {"left_out": {"ldap": "OpenLDAP is not installed"}}

    page = "\n".join(report.section(found))

    assert "Left out: people of an LDAP directory (OpenLDAP is not installed)." in page


def test_a_profile_counts_what_c_code_does_for_the_file_that_called_it(profiling: Any) -> None:
    stacks = """\
thread (0x1): MainThread;run (/x/site-packages/uvloop/loop.py:9);find (/r/src/worksgate/a.py:3) 30
thread (0x1): MainThread;run (/x/site-packages/uvloop/loop.py:9) 10
thread (0x2): group-commit;run (/r/src/worksgate/b.py:1) 500
"""

    assert profiling.shares(stacks) == {
        "worksgate/a.py": 0.75,
        "uvloop/loop.py": 0.25,
        "others": 0.0,
    }
