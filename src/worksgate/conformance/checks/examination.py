"""All checks in their order, and how they are run: one after the other, within bounds."""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from worksgate.conformance.checks.framing import FRAMING
from worksgate.conformance.checks.imap import IMAP
from worksgate.conformance.checks.login import LOGIN
from worksgate.conformance.checks.logout import LOGOUT
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.operation import OPERATION
from worksgate.conformance.checks.operator import Operator
from worksgate.conformance.checks.reach import REACH, TIME
from worksgate.conformance.checks.recording import Sent
from worksgate.conformance.checks.refresh import REFRESH
from worksgate.conformance.checks.registry import Check, Family
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.sign_in import SignIn
from worksgate.conformance.checks.target import Target
from worksgate.conformance.checks.token import TOKEN
from worksgate.conformance.checks.user_info import USER_INFO
from worksgate.conformance.checks.verdicts import Finding, Message, Outcome, Untested

FAMILIES: Final[tuple[Family, ...]] = (
    REACH,
    LOGIN,
    TOKEN,
    USER_INFO,
    REFRESH,
    FRAMING,
    IMAP,
    LOGOUT,
    TIME,
    OPERATION,
)
CHECKS: Final = {check.id: check for family in FAMILIES for check in family.checks}

_PATIENCE: Final = 3.0
"""Seconds in which something must listen at each address."""


class CouldNotRunError(Exception):
    """Nothing listens there, or the name is unknown. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check, and the requests that it made, without their secrets."""

    check: Check
    outcome: Outcome
    message: Message | None = None
    sent: tuple[Sent, ...] = ()


def chosen(only: Collection[str], without: Collection[str]) -> list[Check]:
    """Return the checks by their ids or their families, in their order.

    Raises ValueError, with the name, for one that does not exist.
    """
    known = {*CHECKS, *(family.name for family in FAMILIES)}
    for each in (*only, *without):
        if each not in known:
            raise ValueError(each)

    def is_named(check: Check, names: Collection[str]) -> bool:
        return check.id in names or check.family in names

    return [
        check
        for check in CHECKS.values()
        if (not only or is_named(check, only)) and not is_named(check, without)
    ]


async def examine(
    target: Target,
    checks: Collection[Check],
    sign_in: SignIn | None,
    meter: Meter,
    operator: Operator | None = None,
) -> AsyncIterator[Result]:
    """Run the checks and yield each result at once. Raises CouldNotRunError before the first."""
    await _look_for(target)
    run = Run(target, sign_in, meter, operator)
    try:
        is_trusted = await _is_trusted(run)
        for check in checks:
            if is_trusted or check.family == "reach":
                yield await _examine(run, check)
            else:
                yield Result(check, Outcome.NOT_TESTED, Message("not_trusted"))
    finally:
        await run.aclose()


async def _examine(run: Run, check: Check) -> Result:
    mark = run.meter.mark()
    outcome, message, shown = Outcome.PASS, None, None
    try:
        await check.body(run)
    except Finding as finding:
        outcome, message, shown = Outcome.FAIL, finding.message, finding.exchange
    except Untested as untested:
        outcome, message = Outcome.NOT_TESTED, untested.message
    sent = run.meter.sent_since(mark)
    earlier = None if shown is None else run.meter.sent(shown)
    if earlier is not None and earlier not in sent:
        sent = (earlier, *sent)
    return Result(check, outcome, message and _redacted(message, run.meter), sent)


def _redacted(message: Message, meter: Meter) -> Message:
    """Return the message without secrets: some values are the server's own words."""
    return Message(message.key, {name: meter.hide(each) for name, each in message.values.items()})


async def _is_trusted(run: Run) -> bool:
    """Whether secrets may be sent there: not in plain, and not without a good certificate."""
    for check in REACH.checks:
        is_allowed = check.id == "reach.https" and run.target.allows_plain_http
        if is_allowed or check.id == "reach.port":
            continue
        try:
            await check.body(run)
        except Finding:
            return False
        except Untested:
            continue
    return True


async def _look_for(target: Target) -> None:
    """Raise CouldNotRunError if nothing listens: there is nothing to judge."""
    for host, port in _addresses(target):
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(host, port)
        except socket.gaierror:
            raise CouldNotRunError(f"the name {host} cannot be resolved") from None
        except TimeoutError:
            continue  # the family "time" says so
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CouldNotRunError(f"nothing answers at {host}, port {port}: {reason}") from None
        writer.transport.abort()


def _addresses(target: Target) -> Iterator[tuple[str, int]]:
    yield from dict.fromkeys(map(target.address, target.urls))


def host_of(target: Target) -> str:
    """Return the name that a report calls the implementation by."""
    return urlsplit(target.endpoints.access_token).netloc
