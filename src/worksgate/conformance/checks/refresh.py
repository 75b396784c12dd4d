"""Refresh tokens: nobody has to issue them, but those that are issued must work."""

from typing import Final

from worksgate.conformance.checks.calls import other_client_of, wrong_secret_of
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
    "unknown_token",
    "An unknown refresh token is error 302 or 303",
    "Nobody stays signed in by a token that was made up.",
    page="protocol.md#errors",
)
async def unknown_token(run: Run) -> None:
    await _refreshed(run)
    expect_error(await run.refresh(made_up()), "302", "303")


@REFRESH.check(
    "wrong_secret",
    "A wrong client secret is error 301, even with a good refresh token",
    "Whoever has found a refresh token must not be able to use it (RFC 6749 §6).",
    page="protocol.md#errors",
)
async def wrong_secret(run: Run) -> None:
    old, renewed = await _refreshed(run)
    token = renewed.value("refresh_token") or old
    expect_error(await run.refresh(token, credentials=wrong_secret_of(run)), "301")


@REFRESH.check(
    "other_client",
    "A refresh token is refused to another client",
    "It belongs to the client that it was issued to (RFC 6749 §6).",
)
async def other_client(run: Run) -> None:
    other = other_client_of(run)
    old, renewed = await _refreshed(run)
    token = renewed.value("refresh_token") or old
    expect_error(await run.refresh(token, credentials=other), "203", "302", "303")


@REFRESH.check(
    "no_access_token",
    "A refresh token is no access token",
    "It is valid for longer, and for one purpose alone.",
)
async def no_access_token(run: Run) -> None:
    old, renewed = await _refreshed(run)
    expect_error(await run.user_info(renewed.value("refresh_token") or old), "303")


@REFRESH.check(
    "reuse",
    "A refresh token that was replaced is refused",
    "A second use shows that it was stolen (RFC 9700 §4.14).",
)
async def reuse(run: Run) -> None:
    expect_error(await run.once("reuse", _reuse), "302", "303")


@REFRESH.check(
    "reuse_revokes",
    "A second use of a replaced refresh token ends the one that replaced it",
    "One of the two callers has stolen it, and nobody knows which (RFC 9700 §4.14).",
)
async def reuse_revokes(run: Run) -> None:
    await run.once("reuse", _reuse)
    _, renewed = await _refreshed(run)
    expect_error(await run.refresh(renewed.value("refresh_token") or ""), "302", "303")


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


async def _reuse(run: Run) -> Exchange:
    """Use the replaced refresh token again. Raises Untested if it was not replaced."""
    old, renewed = await _refreshed(run)
    if renewed.value("refresh_token") in (None, old):
        raise Untested("no_rotation")
    return await run.refresh(old)


async def _refreshed(run: Run) -> tuple[str, Exchange]:
    """Return the first refresh token and what came of its use; once in a run."""
    return await run.once("refresh", _refresh)


async def _refresh(run: Run) -> tuple[str, Exchange]:
    first = (await granted(run)).value("refresh_token")
    if first is None:
        raise Untested("no_refresh_token")
    return first, await run.refresh(first)
