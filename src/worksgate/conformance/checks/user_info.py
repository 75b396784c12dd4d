"""The User info return API: whom a token stands for, in the words of LINE WORKS."""

from typing import Final

from worksgate.conformance.checks.calls import (
    disabled_client_of,
    expect_all_required,
    expect_no_query,
    expect_none_empty,
    expect_none_repeated,
    other_client_of,
    stranger,
    wrong_secret_of,
)
from worksgate.conformance.checks.expectations import (
    expect_error,
    expect_json_type,
    expect_no_store,
    expect_success,
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
    "query",
    "Parameters in the address are not accepted",
    "Addresses are logged, so client secrets would be (RFC 6749 §2.3.1).",
    page=_ERRORS,
)
async def query(run: Run) -> None:
    await expect_no_query(run, run.target.endpoints.user_info, run.user_info_form(), read="303")


@USER_INFO.check(
    "unknown_token",
    "An unknown token is error 303",
    "Nobody is signed in by a token that was made up.",
    page=_ERRORS,
)
async def unknown_token(run: Run) -> None:
    expect_error(await run.user_info(made_up()), "303")


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
    "A token alone must not be enough: it passes through more hands than the secret.",
    page=_ERRORS,
)
async def wrong_secret(run: Run) -> None:
    expect_error(await run.user_info(await _token(run), credentials=wrong_secret_of(run)), "301")


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
    "other_client",
    "A token is refused to another client",
    "Otherwise one company's client asks about the people of another.",
    page=_ERRORS,
)
async def other_client(run: Run) -> None:
    other = other_client_of(run)
    expect_error(await run.user_info(await run.access_token(), credentials=other), "303")


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
