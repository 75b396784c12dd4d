"""Whether this installation can serve, and if not, what of it does not answer.

Everybody may ask, so the parts are asked at most once a second, each for a bounded time; and the
public address says ok and no more, or which part fails, in fixed words (R-107). Who operates the
server is told all, on a port of their own. A source that is down is told there and makes nobody
unready: who is signed in needs it no more, and others may have another one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worksgate.measures import SourceFigures
from worksgate.outages import Unavailable
from worksgate.web.crashes import report

Check = Callable[[], Awaitable[object]]
"""Returns if a part answers, or raises."""

READY_FOR = 1.0
"""Seconds that an answer is good for."""

OK = "ok"
UNAVAILABLE = "unavailable"
TOO_SLOW = "too slow"
FAILED = "failed"
DOWN = "down"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one check: a word, the seconds that it took, and why, for the operator."""

    status: str
    seconds: float
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """What has been found; empty where nothing has been asked yet."""

    findings: Mapping[str, CheckResult] = field(default_factory=dict)
    sources: Sequence[SourceFigures] = ()

    @property
    def is_ready(self) -> bool:
        findings = self.findings.values()
        return bool(findings) and all(each.status == OK for each in findings)

    def for_everybody(self) -> Mapping[str, Any]:
        """Words of ours alone: no name, no address, no duration, no text of an error."""
        if self.is_ready:
            return {"status": OK}
        checks = {name: {"status": each.status} for name, each in self.findings.items()}
        return {"status": UNAVAILABLE, "checks": checks}

    def for_operators(self) -> Mapping[str, Any]:
        """All that is known."""
        checks: dict[str, Any] = {
            name: {"status": each.status, "seconds": each.seconds}
            | ({"reason": each.reason} if each.reason else {})
            for name, each in self.findings.items()
        }
        checks["sources"] = {
            each.name: {"status": OK if each.is_up else DOWN, "failures": each.failures}
            for each in self.sources
        }
        return {"status": OK if self.is_ready else UNAVAILABLE, "checks": checks}


class Readiness:
    """Asks the parts; ``patience`` is the seconds that each may take."""

    def __init__(
        self, checks: Mapping[str, Check], sources: Sequence[SourceFigures], patience: float
    ) -> None:
        self._checks = checks
        self._sources = sources
        self._patience = patience
        self._asked_at = float("-inf")
        self._findings: Mapping[str, CheckResult] = {}

    async def report(self) -> Report:
        """What was found in the last second; who comes while we ask is told what was before."""
        now = time.monotonic()
        if now - self._asked_at >= READY_FOR:
            self._asked_at = now
            names = tuple(self._checks)
            found = await asyncio.gather(*(self._find(name) for name in names))
            self._findings = dict(zip(names, found, strict=True))
        return Report(self._findings, self._sources)

    async def _find(self, name: str) -> CheckResult:
        began = time.monotonic()
        status, reason = await self._outcome(name)
        return CheckResult(status, round(time.monotonic() - began, 3), reason)

    async def _outcome(self, name: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._patience):
                await self._checks[name]()
        except TimeoutError:
            return TOO_SLOW, f"no answer in {self._patience:g} seconds"
        except Unavailable as outage:
            return UNAVAILABLE, str(outage)
        except Exception as error:  # nobody foresaw it
            report("readiness.failed", error, check=name)
            return FAILED, type(error).__name__
        return OK, ""
