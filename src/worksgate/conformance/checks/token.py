"""The Access Token Return API: a code becomes a token, once; and each of its errors."""

import asyncio
from typing import Final

from worksgate.conformance.checks.calls import (
    barred_client_of,
    disabled_client_of,
    expect_all_required,
    expect_no_crash,
    expect_no_json,
    expect_no_query,
    expect_none_empty,
    expect_none_repeated,
    expect_one_answer,
    nearly,
    other_client_of,
    stranger,
    wrong_clients_of,
    wrong_secret_of,
)
from worksgate.conformance.checks.expectations import (
    expect_error,
    expect_json_type,
    expect_no_store,
    expect_success,
    expect_text,
    outcome_of,
)
from worksgate.conformance.checks.recording import json_type
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import Exchange

TOKEN: Final = Family(
    "token", official="sso-sp-oauth-token", page="protocol.md#access-token-return-api"
)
_ERRORS: Final = "protocol.md#errors"

SHORTEST_TOKEN: Final = 16
"""Characters, as for a code."""
RACERS: Final = 8
"""How many callers redeem the same code at once."""
_LONG: Final = 20_000
_OTHER_GRANTS: Final = ("password", "client_credentials", "worksgate_check")


# A code becomes a token


@TOKEN.check(
    "exchange",
    "A code is exchanged for an access token without redirect_uri",
    "LINE WORKS sends grant_type, client_id, client_secret and code, no more. Servers that follow "
    "RFC 6749 §4.1.3 refuse that: the most frequent reason why one cannot be used as it is.",
)
async def exchange(run: Run) -> None:
    expect_success(await run.token(), "access_token")


@TOKEN.check(
    "token_type",
    "token_type is Bearer",
    "The documentation names no other.",
)
async def token_type(run: Run) -> None:
    answer = await granted(run)
    if expect_text(answer, "token_type").lower() != "bearer":
        raise Finding("wrong_value", exchange=answer, member="token_type", wanted="Bearer")


@TOKEN.check(
    "expires_in",
    "expires_in is a whole number of seconds, not a text; it may be left out",
    "It decides how long people stay signed in to LINE WORKS, if Set Expire Time is on.",
)
async def expires_in(run: Run) -> None:
    answer = await granted(run)
    value = (answer.json or {}).get("expires_in")
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise Finding(
            "wrong_type",
            exchange=answer,
            member="expires_in",
            wanted="value.whole_number",
            got=json_type(value),
        )
    if value <= 0:
        raise Finding("wrong_value", exchange=answer, member="expires_in", wanted="> 0")


@TOKEN.check(
    "json",
    "The answer is declared as JSON",
    "HTTP libraries parse an answer by its Content-Type.",
)
async def as_json(run: Run) -> None:
    expect_json_type(await granted(run))


@TOKEN.check(
    "no_store",
    "No cache may keep the token",
    "RFC 6749 §5.1 requires Cache-Control: no-store where an answer has a token.",
)
async def no_store(run: Run) -> None:
    expect_no_store(await granted(run))


@TOKEN.check(
    "is_random",
    "Each access token is another one, and long enough that nobody guesses it",
    "With the client secret it opens a person's account. RFC 6749 §10.10 asks for 128 bits.",
)
async def is_random(run: Run) -> None:
    first = await run.access_token()
    if len(first) < SHORTEST_TOKEN:
        raise Finding("token_too_short", length=len(first), shortest=SHORTEST_TOKEN)
    second = (await run.app_journey()).access_token
    if second is None:
        raise Untested("no_app")
    if first == second:
        raise Finding("token_repeated")


@TOKEN.check(
    "one_time",
    "A code works once",
    "A second use gets 302. Codes are in addresses, histories and logs: a used one must be worth "
    "nothing.",
)
async def one_time(run: Run) -> None:
    _, second, _ = await _replayed(run)
    expect_error(second, "302")


@TOKEN.check(
    "replay_revokes",
    "A second use of a code revokes the token of the first",
    "One of the two callers has stolen the code, and nobody knows which (RFC 6749 §4.1.2). The "
    "token then gets 303.",
)
async def replay_revokes(run: Run) -> None:
    _, _, user_info = await _replayed(run)
    expect_error(user_info, "303")


@TOKEN.check(
    "two_codes",
    "A code stays valid while the same person signs in again",
    "People open LINE WORKS on the phone and on the computer at the same moment. Where a new code "
    "replaces the old one, one of the two sign-ins fails.",
)
async def two_codes(run: Run) -> None:
    run.automatic()
    first, second = await run.code(), await run.code()
    for code in (first, second):
        expect_success(await run.exchange_code(code), "access_token")


@TOKEN.check(
    "race",
    "Of several callers with the same code at the same moment, one gets a token",
    "A server that first looks a code up and then deletes it lets two in between.",
)
async def race(run: Run) -> None:
    code = await run.code()
    answers = await asyncio.gather(*(run.exchange_code(code) for _ in range(RACERS)))
    winners = [each for each in answers if outcome_of(each) == "value.success"]
    if len(winners) != 1:
        raise Finding("race", winners=len(winners), racers=RACERS)
    for each in answers:
        if each is not winners[0]:
            expect_error(each, "302")


@TOKEN.check(
    "expired",
    "A code expires",
    "Ten minutes at most, says RFC 6749 §4.1.2; LINE WORKS redeems a code within seconds.",
)
async def expired(run: Run) -> None:
    lifetime = run.target.code_lifetime
    if lifetime is None:
        raise Untested("no_lifetime")
    code = await run.code()
    await asyncio.sleep(lifetime + 1)
    expect_error(await run.exchange_code(code), "302")


@TOKEN.check(
    "other_client",
    "A code is refused to another client",
    "Otherwise one company's client redeems what was issued to another.",
)
async def other_client(run: Run) -> None:
    other = other_client_of(run)
    expect_error(await run.exchange_code(await run.code(), credentials=other), "302")


@TOKEN.check(
    "exact_code",
    "A code is compared whole, and letter by letter",
    "All values are case-sensitive (RFC 6749 §1.5). A database that ignores case, or a comparison "
    "of beginnings, makes codes easier to guess.",
)
async def exact_code(run: Run) -> None:
    for each in nearly(await run.spare_code()):
        expect_error(await run.exchange_code(each), "201", "302")


# Errors


@TOKEN.check(
    "missing",
    "A missing parameter is error 201",
    "LINE WORKS shows and logs the number. All four parameters are required.",
    page=_ERRORS,
)
async def missing(run: Run) -> None:
    await expect_all_required(run, run.target.endpoints.access_token, run.token_form())


@TOKEN.check(
    "empty",
    "An empty parameter is error 201",
    "An empty value counts as a missing one (RFC 6749 §3.2).",
    page=_ERRORS,
)
async def empty(run: Run) -> None:
    await expect_none_empty(run, run.target.endpoints.access_token, run.token_form())


@TOKEN.check(
    "duplicate",
    "A parameter that is sent twice is error 201",
    "Of two values a proxy may check the one and the server use the other (RFC 6749 §3.2).",
    page=_ERRORS,
)
async def duplicate(run: Run) -> None:
    await expect_none_repeated(run, run.target.endpoints.access_token, run.token_form())


@TOKEN.check(
    "json_body",
    "A body in JSON is error 201",
    "The API takes a form. What is parsed in a second way is checked in a second way.",
    page=_ERRORS,
)
async def json_body(run: Run) -> None:
    await expect_no_json(run, run.target.endpoints.access_token, run.token_form())


@TOKEN.check(
    "query",
    "Parameters in the address are not accepted",
    "Addresses are logged, so client secrets would be (RFC 6749 §2.3.1).",
    page=_ERRORS,
)
async def query(run: Run) -> None:
    await expect_no_query(run, run.target.endpoints.access_token, run.token_form(), read="302")


@TOKEN.check(
    "long_code",
    "A code of 20,000 characters is refused with 201 or 302",
    "Not with a crash: what anybody can send must not be an error of the server.",
    page=_ERRORS,
)
async def long_code(run: Run) -> None:
    expect_error(await run.exchange_code("x" * _LONG), "201", "302")


@TOKEN.check(
    "malformed",
    "A code that is no text is refused with 201 or 302",
    "Tried: a broken escape, bytes that are no UTF-8, and a NUL. What anybody can send must not be "
    "an error of the server.",
    page=_ERRORS,
)
async def malformed(run: Run) -> None:
    await expect_no_crash(run, run.target.endpoints.access_token, run.token_form(), "302")


@TOKEN.check(
    "extra_parameter",
    "A parameter that nobody knows, or a redirect_uri, is ignored",
    "RFC 6749 §3.2 asks for it, and LINE WORKS may send a new one tomorrow.",
)
async def extra_parameter(run: Run) -> None:
    form = [*run.token_form(), ("redirect_uri", run.redirect_uri()), ("worksgate_check", "1")]
    expect_error(await run.post(run.target.endpoints.access_token, form), "302")


@TOKEN.check(
    "grant_type",
    "Another grant_type is error 203",
    "The password grant in particular must not be answered by a server for codes. Tried: password, "
    "client_credentials, and one that nobody knows.",
    page=_ERRORS,
)
async def grant_type(run: Run) -> None:
    for each in _OTHER_GRANTS:
        expect_error(await run.exchange_code(made_up(), grant_type=each), "203")


@TOKEN.check(
    "unknown_client",
    "An unknown client is error 301",
    "An administrator who has mistyped the ID is told so by LINE WORKS with this number.",
    page=_ERRORS,
)
async def unknown_client(run: Run) -> None:
    code = await _some_code(run)
    expect_error(await run.exchange_code(code, credentials=stranger(run)), "301")


@TOKEN.check(
    "wrong_secret",
    "A wrong client secret is error 301",
    "The secret is what keeps everybody else from redeeming codes. Tried: one that is made up, and "
    "the right one with a character more, one less, and upper and lower case exchanged.",
    page=_ERRORS,
)
async def wrong_secret(run: Run) -> None:
    code = await _some_code(run)
    for each in wrong_clients_of(run):
        expect_error(await run.exchange_code(code, credentials=each), "301")


@TOKEN.check(
    "says_not_which",
    "An unknown client and a wrong secret get the same answer",
    "Whoever tells them apart can find out which client IDs exist.",
    page=_ERRORS,
)
async def says_not_which(run: Run) -> None:
    unknown = await run.exchange_code(made_up(), credentials=stranger(run))
    wrong = await run.exchange_code(made_up(), credentials=wrong_secret_of(run))
    expect_one_answer(unknown, wrong)


@TOKEN.check(
    "disabled_client",
    "A disabled client is error 101",
    "A tenant that may no longer sign in must be told so, whatever it sends.",
    page=_ERRORS,
)
async def disabled_client(run: Run) -> None:
    disabled = disabled_client_of(run)
    expect_error(await run.exchange_code(made_up(), credentials=disabled), "101")


@TOKEN.check(
    "barred_client",
    "A client that may not call from this address is error 101",
    "Where the addresses of callers are restricted, a stolen client secret is worth nothing "
    "elsewhere.",
    page=_ERRORS,
)
async def barred_client(run: Run) -> None:
    barred = barred_client_of(run)
    expect_error(await run.exchange_code(made_up(), credentials=barred), "101")


@TOKEN.check(
    "unknown_code",
    "An unknown code is error 302",
    "It is what LINE WORKS gets where a person took too long: they are asked to sign in again.",
    page=_ERRORS,
)
async def unknown_code(run: Run) -> None:
    expect_error(await run.exchange_code(made_up()), "302")


@TOKEN.check(
    "error_form",
    "An error has error and error_description, both texts",
    'The documentation has both members. A number, 302 in place of "302", is another JSON type.',
    page=_ERRORS,
)
async def error_form(run: Run) -> None:
    answer = await run.exchange_code(made_up())
    expect_error(answer, "302")
    for member in ("error", "error_description"):
        expect_text(answer, member)


@TOKEN.check(
    "error_headers",
    "An error is declared as JSON, and no cache may keep it",
    "A kept error would answer the next sign-in too.",
    page=_ERRORS,
)
async def error_headers(run: Run) -> None:
    answer = await run.exchange_code(made_up())
    expect_json_type(answer)
    expect_no_store(answer)


# What several checks look at


async def granted(run: Run) -> Exchange:
    """Return the answer with the token of the browser's sign-in. Raises Untested."""
    answer = await run.token()
    if answer.value("access_token") is None:
        raise Untested("no_token")
    return answer


async def _some_code(run: Run) -> str:
    """Return a good code where there is one: a made-up one proves less."""
    try:
        return await run.spare_code()
    except Untested:
        return made_up()


async def _replayed(run: Run) -> tuple[Exchange, Exchange, Exchange]:
    """Use a code twice, then the token of the first use; once in a run."""
    return await run.once("replay", _replay)


async def _replay(run: Run) -> tuple[Exchange, Exchange, Exchange]:
    code = await run.code()
    first = await run.exchange_code(code)
    access_token = first.value("access_token")
    if access_token is None:
        raise Untested("no_token")
    second = await run.exchange_code(code)
    return first, second, await run.user_info(access_token)
