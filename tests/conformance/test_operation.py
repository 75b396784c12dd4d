"""What is tested with an operator: it is asked in order, and nothing stays as it should not."""

from collections.abc import Iterator

import pytest
from tests.conformance.implementation import (
    LATE,
    Implementation,
    Implementations,
    Way,
    nobody_waits,
    serving,
)
from tests.conformance.runs import acts_on, run_checks, target_at

from worksgate.conformance.checks.examination import CHECKS
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.operator import Deed, Operator, command
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.verdicts import Outcome, Untested

OPERATION = {each for each in CHECKS if each.startswith("operation.")}


@pytest.fixture(scope="module")
def implementations() -> Implementations:
    return Implementations()


@pytest.fixture(scope="module")
def origin(implementations: Implementations) -> Iterator[str]:
    with serving(implementations) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        Way(page_lifetime=LATE / 2),
        Way(page_lifetime=LATE / 2, always_200=True, style="text", capacity=5),
        Way(page_lifetime=LATE / 2, has_sessions=False, outage="page", pages="two", capacity=5),
    ],
    ids=["plain", "always-200", "behind-a-proxy"],
)
async def test_r200_what_is_right_in_another_way_passes_with_an_operator(
    way: Way, origin: str, implementations: Implementations
) -> None:
    name = f"operated-{way.outage}-{way.always_200}"
    implementations.all[name] = Implementation(way)
    target = target_at(origin, name, late_after=LATE, overload=10)
    with nobody_waits():
        done = await run_checks(target, ["operation"], acts=acts_on(implementations.all[name]))
    assert done.ids(Outcome.PASS) == OPERATION, {
        name: (each.message, each.sent) for name, each in done.results.items()
    }
    assert not implementations.all[name].is_out


async def test_r200_an_outage_that_nothing_notices_is_not_tested(
    origin: str, implementations: Implementations
) -> None:
    implementations.all["calm"] = Implementation(Way(outage="unnoticed"))
    acts = acts_on(implementations.all["calm"])
    done = await run_checks(target_at(origin, "calm"), ["operation.outage"], acts=acts)
    message = done.results["operation.outage"].message
    assert message is not None
    assert message.key == "no_outage"


async def test_r200_after_an_outage_that_was_caused_by_half_all_is_as_before(
    origin: str, implementations: Implementations
) -> None:
    implementation = implementations.named("half-out")

    async def fail() -> None:
        implementation.is_out = True
        raise Untested("command_failed", status=3)

    acts = {**acts_on(implementation), Deed.OUTAGE: fail}
    done = await run_checks(target_at(origin, "half-out"), ["operation.outage"], acts=acts)
    assert done.ids(Outcome.NOT_TESTED) == {"operation.outage"}
    assert not implementation.is_out


@pytest.mark.programs
async def test_a_command_is_run_by_the_shell() -> None:
    operator = Operator({Deed.OUTAGE: command("test 1 = 1 && exit 0")}, Meter(Redactor()))
    assert operator.deeds == (Deed.OUTAGE,)
    await operator.do(Deed.OUTAGE)
    with pytest.raises(Untested):
        operator.require(Deed.RECOVERY)
    with pytest.raises(Untested):
        await command("exit 1")()
