"""What only somebody with access to the implementation can do in the middle of a run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final

from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.verdicts import Untested

COMMAND_TIMEOUT: Final = 120.0
"""Seconds for a command."""

_STDERR: Final = 2
"""Standard output may be the report."""

Act = Callable[[], Awaitable[None]]


class Deed(StrEnum):
    """What the operator is asked for."""

    OUTAGE = "outage"
    RECOVERY = "recovery"
    DISABLE_PERSON = "disable_person"
    DISABLE_CLIENT = "disable_client"


class Operator:
    """Does what a check asks for, in the way that was given for it."""

    def __init__(self, acts: Mapping[Deed, Act], meter: Meter) -> None:
        self._acts = acts
        self._meter = meter

    @property
    def deeds(self) -> tuple[Deed, ...]:
        """Everything that this operator can do, in the order in which it is asked for."""
        return tuple(deed for deed in Deed if deed in self._acts)

    def require(self, *deeds: Deed) -> None:
        """Raise Untested if there is no way for one of these."""
        if any(deed not in self._acts for deed in deeds):
            raise Untested(f"needs_{deeds[0]}")

    async def do(self, deed: Deed) -> None:
        """Have it done; the time for it is not counted. Raises Untested if it failed."""
        with self._meter.waiting_for_a_person():
            await self._acts[deed]()


def command(line: str) -> Act:
    """Return an act that runs a command of the shell; its output goes to standard error."""

    async def run() -> None:
        process = await asyncio.create_subprocess_shell(
            line, stdin=asyncio.subprocess.DEVNULL, stdout=_STDERR
        )
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Untested("command_timeout", seconds=f"{COMMAND_TIMEOUT:g}") from None
        if status != 0:
            raise Untested("command_failed", status=status)

    return run
