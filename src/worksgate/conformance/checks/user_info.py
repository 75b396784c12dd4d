"""The User info return API: whom a token stands for, in the words of LINE WORKS."""

import asyncio
import re
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
)
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.verdicts import Finding, Untested

USER_INFO: Final = Family(
    "userinfo", official="sso-sp-oauth-userinfo", page="protocol.md#user-info-return-api"
)
_ERRORS: Final = "protocol.md#errors"

LONGEST_KEY: Final = 100
_NOT_IN_KEYS: Final = "%\\#/?"
_ACCOUNT: Final = re.compile(r"(?=.{1,90}\Z)[a-z0-9._-]{2,40}@[^@A-Z\s]+")
_LONG: Final = 20_000


@USER_INFO.check(
    "user_id",
    "A token is answered with user_id, a text",
    'It is the person\'s user key. A number, 1001 in place of "1001", is another JSON type, and '
    "loses leading zeros.",
)
async def user_id(run: Run) -> None:
    expect_success(await run.identified(), "user_id")


@USER_INFO.check(
    "key_form",
    "The user key can be one: 1 to 100 characters, none of % \\ # / ?",
    "LINE WORKS takes no other External Key, so nobody has this one there.",
)
async def key_form(run: Run) -> None:
    key = await _key(run)
    if len(key) > LONGEST_KEY or any(each in key for each in _NOT_IN_KEYS):
        raise Finding("impossible_key", exchange=await run.identified(), length=len(key))


@USER_INFO.check(
    "account_form",
    "A user key that is a LINE WORKS account has the form of one",
    "Lower case, at most 90 characters, 2 to 40 letters, digits, . - _ before the @: nobody has "
    "another one there.",
)
async def account_form(run: Run) -> None:
    if not run.target.key_is_account:
        raise Untested("no_account")
    key = await _key(run)
    if _ACCOUNT.fullmatch(key) is None:
        raise Finding("impossible_key", exchange=await run.identified(), length=len(key))


@USER_INFO.check(
    "expected_key",
    "The user key is the one of the test person",
    "A wrong key signs the person in as somebody else, or not at all. Upper and lower case count.",
)
async def expected_key(run: Run) -> None:
    if run.target.user_key is None:
        raise Untested("no_expected_key")
    if await _key(run) != run.target.user_key:
        raise Finding("other_key", exchange=await run.identified())


@USER_INFO.check(
    "same_person",
    "Browser and app lead to the same user key",
    "A person is one account at LINE WORKS, wherever they sign in.",
)
async def same_person(run: Run) -> None:
    key = await _key(run)
    in_app = (await run.app_journey()).user_key
    if in_app is None:
        raise Untested("no_app")
    if in_app != key:
        raise Finding("two_keys")


@USER_INFO.check(
    "json",
    "The answer is declared as JSON",
    "HTTP libraries parse an answer by its Content-Type.",
)
async def as_json(run: Run) -> None:
    expect_json_type(await run.identified())


@USER_INFO.check(
    "no_store",
    "No cache may keep the answer",
    "A kept answer would sign the next person in as this one.",
)
async def no_store(run: Run) -> None:
    expect_no_store(await run.identified())


@USER_INFO.check(
    "missing",
    "A missing parameter is error 201",
    "All three parameters are required.",
    page=_ERRORS,
)
async def missing(run: Run) -> None:
    await expect_all_required(run, run.target.endpoints.user_info, run.user_info_form())


@USER_INFO.check(
    "empty",
    "An empty parameter is error 201",
    "An empty value counts as a missing one (RFC 6749 §3.2).",
    page=_ERRORS,
)
async def empty(run: Run) -> None:
    await expect_none_empty(run, run.target.endpoints.user_info, run.user_info_form())


@USER_INFO.check(
    "duplicate",
    "A parameter that is sent twice is error 201",
    "Of two values a proxy may check the one and the server use the other (RFC 6749 §3.2).",
    page=_ERRORS,
)
async def duplicate(run: Run) -> None:
    await expect_none_repeated(run, run.target.endpoints.user_info, run.user_info_form())


@USER_INFO.check(
    "json_body",
    "A body in JSON is error 201",
    "The API takes a form. What is parsed in a second way is checked in a second way.",
    page=_ERRORS,
)
async def json_body(run: Run) -> None:
    await expect_no_json(run, run.target.endpoints.user_info, run.user_info_form())


@USER_INFO.check(
    "query",
    "Parameters in the address are not accepted",
    "Addresses are logged, so client secrets would be (RFC 6749 §2.3.1).",
    page=_ERRORS,
)
async def query(run: Run) -> None:
    await expect_no_query(run, run.target.endpoints.user_info, run.user_info_form(), read="303")


@USER_INFO.check(
    "long_token",
    "An access token of 20,000 characters is refused with 201 or 303",
    "Not with a crash: what anybody can send must not be an error of the server.",
    page=_ERRORS,
)
async def long_token(run: Run) -> None:
    expect_error(await run.user_info("x" * _LONG), "201", "303")


@USER_INFO.check(
    "malformed",
    "An access token that is no text is refused with 201 or 303",
    "Tried: a broken escape, bytes that are no UTF-8, and a NUL. What anybody can send must not be "
    "an error of the server.",
    page=_ERRORS,
)
async def malformed(run: Run) -> None:
    await expect_no_crash(run, run.target.endpoints.user_info, run.user_info_form(), "303")


@USER_INFO.check(
    "extra_parameter",
    "A parameter that nobody knows is ignored",
    "LINE WORKS may send a new one tomorrow.",
)
async def extra_parameter(run: Run) -> None:
    form = [*run.user_info_form(), ("worksgate_check", "1")]
    expect_error(await run.post(run.target.endpoints.user_info, form), "303")


@USER_INFO.check(
    "unknown_token",
    "An unknown token is error 303",
    "Nobody is signed in by a token that was made up.",
    page=_ERRORS,
)
async def unknown_token(run: Run) -> None:
    expect_error(await run.user_info(made_up()), "303")


@USER_INFO.check(
    "exact_token",
    "An access token is compared whole, and letter by letter",
    "All values are case-sensitive (RFC 6749 §1.5). A database that ignores case, or a comparison "
    "of beginnings, makes tokens easier to guess.",
)
async def exact_token(run: Run) -> None:
    for each in nearly(await run.access_token()):
        expect_error(await run.user_info(each), "201", "303")


@USER_INFO.check(
    "code",
    "A code is no access token",
    "A code passes through the address of a browser. Nobody may learn by it who a person is.",
    page=_ERRORS,
)
async def code_as_token(run: Run) -> None:
    expect_error(await run.user_info(await run.spare_code()), "303")


@USER_INFO.check(
    "expired",
    "An access token expires",
    "A token that was stolen must not tell for ever who a person is. The server says by expires_in "
    "how long it is valid.",
    page=_ERRORS,
)
async def expired(run: Run) -> None:
    lifetime = run.target.token_lifetime
    if lifetime is None:
        raise Untested("no_token_lifetime")
    token = (await run.exchange_code(await run.code())).value("access_token")
    if token is None:
        raise Untested("no_token")
    await asyncio.sleep(lifetime + 1)
    expect_error(await run.user_info(token), "303")


@USER_INFO.check(
    "unknown_client",
    "An unknown client is error 301",
    "Only the client whose token it is may ask whom it stands for.",
    page=_ERRORS,
)
async def unknown_client(run: Run) -> None:
    expect_error(await run.user_info(await _token(run), credentials=stranger(run)), "301")


@USER_INFO.check(
    "wrong_secret",
    "A wrong client secret is error 301, even with a good token",
    "A token alone must not be enough: it passes through more hands than the secret. Tried: the "
    "same as at the other API.",
    page=_ERRORS,
)
async def wrong_secret(run: Run) -> None:
    token = await _token(run)
    for each in wrong_clients_of(run):
        expect_error(await run.user_info(token, credentials=each), "301")


@USER_INFO.check(
    "says_not_which",
    "An unknown client and a wrong secret get the same answer",
    "Whoever tells them apart can find out which client IDs exist.",
    page=_ERRORS,
)
async def says_not_which(run: Run) -> None:
    unknown = await run.user_info(made_up(), credentials=stranger(run))
    wrong = await run.user_info(made_up(), credentials=wrong_secret_of(run))
    expect_one_answer(unknown, wrong)


@USER_INFO.check(
    "disabled_client",
    "A disabled client is error 101",
    "A tenant that may no longer sign in must be told so, whatever it sends.",
    page=_ERRORS,
)
async def disabled_client(run: Run) -> None:
    disabled = disabled_client_of(run)
    expect_error(await run.user_info(made_up(), credentials=disabled), "101")


@USER_INFO.check(
    "barred_client",
    "A client that may not call from this address is error 101",
    "Where the addresses of callers are restricted, a stolen client secret is worth nothing "
    "elsewhere.",
    page=_ERRORS,
)
async def barred_client(run: Run) -> None:
    barred = barred_client_of(run)
    expect_error(await run.user_info(made_up(), credentials=barred), "101")


@USER_INFO.check(
    "other_client",
    "A token is refused to another client",
    "Otherwise one company's client asks about the people of another.",
    page=_ERRORS,
)
async def other_client(run: Run) -> None:
    other = other_client_of(run)
    expect_error(await run.user_info(await run.access_token(), credentials=other), "303")


@USER_INFO.check(
    "error_form",
    "An error has error and error_description, both texts",
    'The documentation has both members. A number, 303 in place of "303", is another JSON type.',
    page=_ERRORS,
)
async def error_form(run: Run) -> None:
    answer = await run.user_info(made_up())
    expect_error(answer, "303")
    for member in ("error", "error_description"):
        expect_text(answer, member)


@USER_INFO.check(
    "error_headers",
    "An error is declared as JSON, and no cache may keep it",
    "A kept error would answer the next sign-in too.",
    page=_ERRORS,
)
async def error_headers(run: Run) -> None:
    answer = await run.user_info(made_up())
    expect_json_type(answer)
    expect_no_store(answer)


async def _key(run: Run) -> str:
    key = (await run.identified()).value("user_id")
    if key is None:
        raise Untested("no_key")
    return key


async def _token(run: Run) -> str:
    """Return a good token where there is one: a made-up one proves less."""
    try:
        return await run.access_token()
    except Untested:
        return made_up()
