"""Refresh tokens: nobody has to issue them, but those that are issued must work."""

from typing import Final

from worksgate.conformance.checks.expectations import expect_error, expect_success
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.token import granted
from worksgate.conformance.checks.verdicts import Untested
from worksgate.conformance.exchange import Exchange

REFRESH: Final = Family(
    "refresh", official="sso-sp-oauth-token", page="protocol.md#access-token-return-api"
)


@REFRESH.check(
    "works",
    "A refresh token that was issued gets a new access token",
    "What is offered must work. Leave refresh_token out if you do not support it.",
)
async def works(run: Run) -> None:
    _, renewed = await _refreshed(run)
    expect_success(renewed, "access_token")


@REFRESH.check(
    "reuse",
    "A refresh token that was replaced is refused",
    "A second use shows that it was stolen (RFC 9700 §4.14).",
)
async def reuse(run: Run) -> None:
    old, renewed = await _refreshed(run)
    if renewed.value("refresh_token") in (None, old):
        raise Untested("no_rotation")
    expect_error(await run.refresh(old), "302", "303")


@REFRESH.check(
    "off",
    "Without refresh tokens, grant_type=refresh_token is error 203",
    "A grant that is not supported is said to be so, and never granted.",
    page="protocol.md#errors",
)
async def off(run: Run) -> None:
    if (await granted(run)).value("refresh_token") is not None:
        raise Untested("refresh_tokens_are_on")
    # With a code too, or a server may just as well miss it first, and say 201.
    form = [*run.token_form(grant_type="refresh_token"), ("refresh_token", made_up())]
    expect_error(await run.post(run.target.endpoints.access_token, form), "203")


async def _refreshed(run: Run) -> tuple[str, Exchange]:
    """Return the first refresh token and what came of its use; once in a run."""
    return await run.once("refresh", _refresh)


async def _refresh(run: Run) -> tuple[str, Exchange]:
    first = (await granted(run)).value("refresh_token")
    if first is None:
        raise Untested("no_refresh_token")
    return first, await run.refresh(first)
