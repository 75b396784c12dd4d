"""In operation: somebody is late, somebody is disabled, the store is gone.

Each check needs half an hour, or an operator who changes something at the other end. They come
last, because they leave a person and a client disabled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from worksgate.conformance.checks.expectations import (
    expect_answer,
    expect_error,
    expect_success,
    outcome_of,
)
from worksgate.conformance.checks.operator import Deed
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.sign_in import Stuck
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import ERROR_NUMBERS, Exchange, Failure

OPERATION: Final = Family("operation", official="sso-sp-oauth", page="protocol.md#the-sign-in-page")
_ERRORS: Final = "protocol.md#errors"

_REFUSED: Final = (Stuck.PAGE, Stuck.ERROR_PAGE, Stuck.REFUSED)
_TRIES: Final = 4
_PAUSE: Final = 1.0
"""Seconds between two looks: a change may take a moment to reach every node."""


@OPERATION.check(
    "late_sign_in",
    "A sign-in that took longer than 30 minutes leads to no code",
    "LINE WORKS refuses it after that, and shows an error. Your page can say to start again there.",
)
async def late_sign_in(run: Run) -> None:
    waits = run.target.late_after
    if waits is None:
        raise Untested("no_late_sign_in")
    run.automatic()
    run.signed_in(await run.journey())
    if run.sign_in is None or run.target.person is None:
        raise Untested("no_person")
    late = run.sign_in.as_other(run.target.person)
    try:
        arrival = await run.authorize(run.redirect_uri(), sign_in=late, waits=waits)
    finally:
        await late.aclose()
    if arrival.code:
        raise Finding("late_code", exchange=arrival.exchange)
    if arrival.stuck not in _REFUSED:
        raise Untested("not_signed_in")


@OPERATION.check(
    "overload",
    "Of many calls at once, each succeeds or is HTTP 503; none is an error of the list",
    "A limit that is reached says nothing about the token: 303 would end the sign-in of somebody "
    "who did everything right, and be looked for in the wrong place.",
    page=_ERRORS,
)
async def overload(run: Run) -> None:
    if not run.target.overload:
        raise Untested("no_overload")
    token = expect_success(await run.exchange_code(await run.code()), "access_token")
    answers = await run.flood(token, run.target.overload)
    answered = [each for each in answers if each.failure in (None, Failure.NOT_JSON)]
    for each in answered:
        _expect_no_blame(each)
    # Whoever got no answer tells nothing by it; a server that never comes back does.
    expect_success(await _settled(lambda: run.user_info(token), "value.success"), "user_id")


@OPERATION.check(
    "outage",
    "A store that is out of reach is HTTP 503, and no error of the list",
    "302 or 303 would say that the code or the token is wrong, 301 that the client is: LINE WORKS "
    "would pass on what is not true, and the administrator would fix what is not broken.",
    page=_ERRORS,
)
async def outage(run: Run) -> None:
    run.operator.require(Deed.OUTAGE, Deed.RECOVERY)
    token = expect_success(await run.exchange_code(await run.code()), "access_token")
    code = await run.code()
    try:
        await run.operator.do(Deed.OUTAGE)
        answers = [await run.exchange_code(code), await run.user_info(token)]
    finally:
        await run.operator.do(Deed.RECOVERY)
    for each in answers:
        _expect_no_blame(each)
    if all(outcome_of(each) == "value.success" for each in answers):
        raise Untested("no_outage")


@OPERATION.check(
    "disabled_person",
    "The token of somebody who has been disabled is error 303",
    "Who has left the company must not be let in by a sign-in of a moment before.",
    page=_ERRORS,
)
async def disabled_person(run: Run) -> None:
    token = await run.once("disabled_person", _token_of_disabled)
    expect_error(await _settled(lambda: run.user_info(token), "303"), "303")


@OPERATION.check(
    "disabled_sign_in",
    "Somebody who has been disabled gets no code, neither by a session nor by the password",
    "A session lives for hours or days: it must not outlive its person.",
)
async def disabled_sign_in(run: Run) -> None:
    await run.once("disabled_person", _token_of_disabled)
    arrival = await run.authorize(run.redirect_uri())
    for _ in range(_TRIES - 1):
        if not arrival.code:
            return
        await asyncio.sleep(_PAUSE)
        arrival = await run.authorize(run.redirect_uri())
    raise Finding("disabled_signed_in", exchange=arrival.exchange)


@OPERATION.check(
    "disabled_client",
    "Once the client is disabled, both calls are error 101",
    "A tenant that may no longer sign in must be told so, whatever it sends.",
    page=_ERRORS,
)
async def disabled_client(run: Run) -> None:
    run.operator.require(Deed.DISABLE_CLIENT)
    await run.operator.do(Deed.DISABLE_CLIENT)
    expect_error(await _settled(lambda: run.exchange_code(made_up()), "101"), "101")
    expect_error(await run.user_info(made_up()), "101")


async def _token_of_disabled(run: Run) -> str:
    """Return a token of the test person, who is disabled after it was issued. Raises Untested."""
    run.operator.require(Deed.DISABLE_PERSON)
    token = (await run.exchange_code(await run.code())).value("access_token")
    if token is None:
        raise Untested("no_token")
    await run.operator.do(Deed.DISABLE_PERSON)
    return token


async def _settled(call: Callable[[], Awaitable[Exchange]], wanted: str) -> Exchange:
    """Return the answer to a call once it is this one, or what it still is after a while."""
    answer = await call()
    for _ in range(_TRIES - 1):
        if outcome_of(answer) == wanted:
            break
        await asyncio.sleep(_PAUSE)
        answer = await call()
    return answer


def _expect_no_blame(answer: Exchange) -> None:
    """Expect success, or an error of the server; where all errors have HTTP 200, one of its own."""
    expect_answer(answer)
    got, status = outcome_of(answer), answer.status or 0
    if got == "value.success":
        return
    is_of_server = status >= 500 or (status == 200 and answer.error is not None)
    if got in ERROR_NUMBERS.values() or not is_of_server:
        raise Finding("blamed", exchange=answer, got=got)
