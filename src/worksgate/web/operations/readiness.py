"""Whether this installation can serve, and if not, which part is down.

Everybody may ask, so the parts are checked at most once a second, each for a limited time; and the
public address says ok and no more, or which part fails, in fixed words (R-107). The operations port
shows everything. A source that is down is shown there without affecting readiness: signed-in people
do not need it, and others may have another one. The same goes for a missing master key: passwords
and calls of LINE WORKS need none. And for too few connections to PostgreSQL: everything is served,
only later; and for its full disk, which all nodes have in common, and which refuses some writes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from worksgate.limits.outages import Unavailable
from worksgate.observability.instruments import SourceFigures
from worksgate.web.crashes import report

Check = Callable[[], Awaitable[object]]
"""Returns if a part responds, or raises."""

_log = structlog.get_logger(__name__)

READY_FOR = 1.0
"""Seconds for which a result is cached."""

OK = "ok"
UNAVAILABLE = "unavailable"
TOO_SLOW = "too slow"
FAILED = "failed"
DOWN = "down"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: a word, its duration in seconds, and the operator's reason."""

    status: str
    seconds: float
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """The results; empty if nothing has been checked yet."""

    findings: Mapping[str, CheckResult] = field(default_factory=dict)
    sources: Sequence[SourceFigures] = ()
    impairments: Mapping[str, CheckResult] = field(default_factory=dict)
    """What became of the checks that make nobody unready."""

    @property
    def is_ready(self) -> bool:
        findings = self.findings.values()
        return bool(findings) and all(each.status == OK for each in findings)

    def for_public(self) -> Mapping[str, Any]:
        """Fixed words only: no name, no address, no duration, no text of an error."""
        if self.is_ready:
            return {"status": OK}
        checks = {name: {"status": each.status} for name, each in self.findings.items()}
        return {"status": UNAVAILABLE, "checks": checks}

    def for_operators(self) -> Mapping[str, Any]:
        """All details."""
        checks: dict[str, Any] = {
            name: {"status": each.status, "seconds": each.seconds}
            | ({"reason": each.reason} if each.reason else {})
            for name, each in {**self.findings, **self.impairments}.items()
        }
        checks["sources"] = {
            each.name: {"status": OK if each.is_up else DOWN, "failures": each.failures}
            for each in self.sources
        }
        return {"status": OK if self.is_ready else UNAVAILABLE, "checks": checks}


class Readiness:
    """Checks the parts; ``patience`` is the time limit of each in seconds.

    If one of ``impairing`` fails, some people are not served, or later, and the server stays ready.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        sources: Sequence[SourceFigures],
        patience: float,
        impairing: Mapping[str, Check] | None = None,
    ) -> None:
        self._needed = tuple(checks)
        self._checks = {**checks, **(impairing or {})}
        self._sources = sources
        self._patience = patience
        self._checked_at = float("-inf")
        self._found: Mapping[str, CheckResult] = {}
        self._impaired: set[str] = set()

    async def report(self) -> Report:
        """The result of the last second; during a check callers get the previous one."""
        now = time.monotonic()
        if now - self._checked_at >= READY_FOR:
            self._checked_at = now
            names = tuple(self._checks)
            results = await asyncio.gather(*(self._find(name) for name in names))
            found = dict(zip(names, results, strict=True))
            self._log_changes(found)
            self._found = found
        needed = {name: each for name, each in self._found.items() if name in self._needed}
        others = {name: each for name, each in self._found.items() if name not in needed}
        return Report(needed, self._sources, others)

    def _log_changes(self, found: Mapping[str, CheckResult]) -> None:
        """Log failures that no load balancer can see, once when one begins and once when it ends.

        While a part fails that everybody needs, nothing is known about the others.
        """
        if any(found[name].status != OK for name in self._needed):
            return
        for name in self._checks:
            if found[name].status == OK and name in self._impaired:
                self._impaired.discard(name)
                _log.info("readiness.recovered", check=name)
            elif found[name].status != OK and name not in self._impaired:
                self._impaired.add(name)
                _log.warning("readiness.impaired", check=name, reason=found[name].reason)

    async def _find(self, name: str) -> CheckResult:
        began = time.monotonic()
        status, reason = await self._outcome(name)
        return CheckResult(status, round(time.monotonic() - began, 3), reason)

    async def _outcome(self, name: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._patience):
                await self._checks[name]()
        except TimeoutError:
            return TOO_SLOW, f"no response in {self._patience:g} seconds"
        except Unavailable as outage:
            return UNAVAILABLE, str(outage)
        except Exception as error:  # unexpected
            report("readiness.failed", error, check=name)
            return FAILED, type(error).__name__
        return OK, ""
