"""The comparison of the audit log with its seals, in the background of the console."""

import asyncio
from collections.abc import Callable, Mapping

from worksgate.directory.audit.seal_verification import Finding, Problem, Verified
from worksgate.web.console.verification import SHOWN, Verification

FINDING = Finding(problem=Problem.CHANGED, text="record 3 was changed")
VERIFIED = Verified(records=9, findings=SHOWN + 5)


class Comparison:
    """Finds more than is kept, once it may go on; counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.is_broken = False

    async def __call__(
        self,
        expected: Mapping[int, str],
        find: Callable[[Finding], None],
        progress: Callable[[int], None],
    ) -> Verified:
        self.begun += 1
        progress(7)
        await self.may_end.wait()
        if self.is_broken:
            raise RuntimeError("secret-of-an-address")
        for _ in range(SHOWN + 5):
            find(FINDING)
        return VERIFIED


async def test_a_comparison_runs_once_at_a_time_and_keeps_a_few_findings() -> None:
    compare, verification = Comparison(), Verification(lambda: 1_000.0)
    for _ in range(3):
        verification.begin(compare)
        await verification.finished(0.01)
    assert (compare.begun, verification.done, verification.latest) == (1, 7, None)
    compare.may_end.set()
    await verification.finished(5)
    latest = verification.latest
    assert latest is not None
    assert (latest.at, latest.verified, len(latest.findings)) == (1_000.0, VERIFIED, SHOWN)
    compare.is_broken = True
    verification.begin(compare)
    await verification.finished(5)
    assert (compare.begun, verification.latest) == (2, latest)


async def test_a_comparison_ends_with_the_console() -> None:
    verification = Verification(lambda: 1_000.0)
    await verification.close()
    verification.begin(Comparison())
    await verification.finished(0.01)
    assert verification.is_running
    await verification.close()
    assert not verification.is_running
