"""Each check notices its planted fault, and none complains of what is right in another way."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.implementation import (
    FAULTS,
    LATE,
    LIFETIME,
    WAYS,
    Implementations,
    nobody_waits,
    serving,
)
from tests.conformance.raw_servers import case_sensitive, smuggling, switching
from tests.conformance.runs import NEEDS_MORE, Done, run_all, run_checks, target_at
from tools.links import heading_names

from worksgate.conformance.checks.examination import CHECKS
from worksgate.conformance.checks.meter import MOST_REQUESTS
from worksgate.conformance.checks.registry import Check
from worksgate.conformance.checks.target import Target
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.exchange import TimeLimits

pytestmark = pytest.mark.slow

ELSEWHERE = {
    *("reach.https", "reach.port", "reach.handshake", "reach.chain", "reach.name"),
    *("reach.validity", "time.connect"),
}
"""Checks whose faults are planted in ``test_reach.py``."""
BELOW_HTTP = {
    "framing.upgrade": (smuggling, "wrong_error"),
    "framing.smuggling": (smuggling, "smuggled"),
    "framing.keep_alive": (smuggling, "out_of_step"),
    "framing.lower_case": (case_sensitive, "wrong_error"),
}
"""Checks whose faults no framework has, a server that has each, and what is found."""
OF_UPGRADES = ("framing.upgrade", "framing.smuggling")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def implementations() -> Implementations:
    return Implementations()


@pytest.fixture(scope="module")
def origin(implementations: Implementations) -> Iterator[str]:
    with serving(implementations) as address:
        yield address


@pytest.fixture(scope="module")
def done(origin: str, implementations: Implementations) -> dict[str, Done]:
    """What is said of each broken implementation, and of each that is right in its own way.

    Of a broken one only the check is run that it is broken for.
    """
    runs = {name: run_of_fault(origin, name) for name in FAULTS}
    for way in WAYS:
        is_short = way == "short-lived"
        lifetime = LIFETIME if is_short else None
        target = target_at(origin, way, code_lifetime=lifetime, token_lifetime=lifetime)
        runs[way] = target, (["token.expired", "userinfo.expired"] if is_short else [])
    with nobody_waits():
        return asyncio.run(run_all(runs, implementations))


def run_of_fault(origin: str, fault: str) -> tuple[Target, list[str]]:
    check = check_of(fault)
    target = target_at(origin, fault)
    if check in ("token.expired", "userinfo.expired"):
        target = target_at(origin, fault, code_lifetime=LIFETIME, token_lifetime=LIFETIME)
    if check == "userinfo.account_form":
        target = target_at(origin, fault, key_is_account=True)
    if check == "operation.overload":
        target = target_at(origin, fault, overload=10)
    if check == "operation.late_sign_in":
        target = target_at(origin, fault, late_after=LATE)
    if check == "time.answer":
        target = target_at(origin, fault, limits=TimeLimits(1.0, 0.5))
    if check == "imap.code":
        return target, [check, "imap.wrong_password"]  # it is the wrong password that locks
    return target, [check]


def check_of(fault: str) -> str:
    return fault.partition("/")[0]


def test_r200_every_check_has_a_planted_fault() -> None:
    assert set(map(check_of, FAULTS)) | ELSEWHERE | set(BELOW_HTTP) == CHECKS.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_r200_a_planted_fault_is_noticed(fault: str, done: dict[str, Done]) -> None:
    result = done[fault].results[check_of(fault)]
    assert result.outcome is Outcome.FAIL, (FAULTS[fault], result.message)
    assert result.message is not None


@pytest.mark.parametrize("way", WAYS)
def test_r200_what_is_right_in_another_way_passes(way: str, done: dict[str, Done]) -> None:
    failed = {
        name: (result.message, result.sent)
        for name, result in done[way].results.items()
        if result.outcome is Outcome.FAIL
    }
    assert failed == {}


def test_r200_of_a_right_implementation_nearly_everything_is_tested(
    done: dict[str, Done],
) -> None:
    assert done["plain"].ids(Outcome.NOT_TESTED) == {
        *("reach.https", "reach.port", "reach.handshake", "reach.chain", "reach.name"),
        *("reach.validity", *NEEDS_MORE),
    }
    assert done["refresh"].results["refresh.reuse_revokes"].outcome is Outcome.PASS
    assert done["lasting-refresh"].results["refresh.works"].outcome is Outcome.PASS
    assert done["short-lived"].ids(Outcome.PASS) == {"token.expired", "userinfo.expired"}
    assert done["accounts"].results["userinfo.account_form"].outcome is Outcome.PASS


def test_r202_a_run_stays_far_below_its_bounds(done: dict[str, Done]) -> None:
    assert max(each.requests for each in done.values()) < MOST_REQUESTS * 0.75


@pytest.mark.parametrize("check", BELOW_HTTP)
async def test_r200_a_fault_below_http_is_noticed(check: str) -> None:
    server, finding = BELOW_HTTP[check]
    async with server() as origin:
        target = target_at(origin, "raw", person=None, mailbox=None)
        result = (await run_checks(target, only=[check])).results[check]
    assert result.message is not None
    assert (result.outcome, result.message.key) == (Outcome.FAIL, finding)


async def test_r200_an_upgrade_that_is_carried_out_passes() -> None:
    async with switching() as origin:
        target = target_at(origin, "raw", person=None, mailbox=None)
        done = await run_checks(target, only=OF_UPGRADES)
    assert done.ids(Outcome.PASS) == set(OF_UPGRADES)


async def test_r200_a_server_that_closes_each_connection_passes() -> None:
    async with case_sensitive() as origin:
        target = target_at(origin, "raw", person=None, mailbox=None)
        done = await run_checks(target, only=["framing.keep_alive", "framing.http10"])
    assert len(done.ids(Outcome.PASS)) == 2


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.id)
def test_each_check_leads_to_a_page_that_is_there(check: Check) -> None:
    page, _, anchor = check.page.partition("#")
    assert anchor in heading_names(DOCS / page)
