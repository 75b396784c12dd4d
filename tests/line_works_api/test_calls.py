"""Calls of the API: what is sent, what is retried, how fast, and where a redirect may lead."""

import asyncio
import inspect
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from tests.line_works_api.fake_api import (
    HOSTS,
    JSON,
    SECRET,
    FakeApi,
    Watch,
    app,
    done,
    opened,
    page,
)

from worksgate.limits.outages import Unavailable
from worksgate.line_works_api import directory_api
from worksgate.line_works_api.calling import ATTEMPTS, MAX_ANSWER, Caller, Operation, person_path
from worksgate.line_works_api.directory_api import BATCH
from worksgate.line_works_api.errors import AccessRefused, ApiError, ApiRefused, ApiUnavailable
from worksgate.line_works_api.hosts import Hosts, NoHosts
from worksgate.line_works_api.pacing import PER_MINUTE, PER_MINUTE_OF_LONG_RUNS, Pace
from worksgate.line_works_api.people import ApiPerson, MemberKey
from worksgate.oauth.model import Profile
from worksgate.settings import checks
from worksgate.settings.options import Settings

USER = {"domainId": 1, "userId": "u1", "email": "Aoi@Example.com", "news": {"of": "later"}}


def holder(id_: str, key: str | None = None) -> dict[str, Any]:
    return {"domainId": 1, "id": id_, "email": f"{id_}@example.com", "externalKey": key}


# What is sent


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("u1", "/users/u1"),
        ("aoi@example.com", "/users/aoi%40example.com"),
        ("externalKey:E+1 2", "/users/externalKey%3AE%2B1%202"),
        ("../bots", "/users/..%2Fbots"),
        ("葵?x#y%", "/users/%E8%91%B5%3Fx%23y%25"),
    ],
)
async def test_an_id_is_encoded_whole(id_: str, path: str) -> None:
    api = FakeApi(done())
    async with opened(api) as directory:
        await directory.force_logout(id_)
    (asked,) = api.calls
    assert (asked.method, asked.url) == ("POST", f"{HOSTS.api}{path}/force-logout")


@pytest.mark.parametrize("id_", ["", ".", "..", "me", "external-keys"])
def test_what_names_no_person_is_refused(id_: str) -> None:
    with pytest.raises(ValueError, match="not the ID"):
        person_path(id_)


async def test_keys_are_written_as_documented() -> None:
    api = FakeApi(done())
    async with opened(api) as directory:
        await directory.set_keys({"u1": "S-0001", "u2": None})
    (asked,) = api.calls
    assert (asked.method, asked.url) == ("POST", f"{HOSTS.api}/users/external-keys")
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.json == {
        "users": [{"id": "u1", "externalKey": "S-0001"}, {"id": "u2", "externalKey": None}]
    }


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {str(number): None for number in range(BATCH + 1)},
        {"u1": "a/b"},
        {"u1": ""},
        {"u1": "x" * 101},
        {"u1": "same", "u2": "same"},
    ],
)
async def test_keys_that_line_works_would_refuse_are_not_sent(keys: dict[str, str | None]) -> None:
    api = FakeApi()
    async with opened(api) as directory:
        with pytest.raises(ValueError, match="key"):
            await directory.set_keys(keys)
    assert not api.asked


async def test_a_person_is_read_and_unknown_members_are_ignored() -> None:
    document = USER | {
        "userName": {"lastName": "田中", "firstName": "葵"},
        "userExternalKey": "S-1",
        "isSuspended": True,
        "suspendedReason": "LOGIN_FAIL",
        "leaveOfAbsence": {"isLeaveOfAbsence": True},
    }
    api = FakeApi(httpx2.Response(200, json=document))
    async with opened(api) as directory:
        person = await directory.person("u1")
    assert person == ApiPerson(
        id="u1",
        account="aoi@example.com",
        name="田中 葵",
        external_key="S-1",
        is_suspended=True,
        suspended_reason="LOGIN_FAIL",
        is_on_leave=True,
    )
    assert not person.is_in_use


async def test_whole_numbers_are_exact() -> None:
    api = FakeApi(
        httpx2.Response(
            200, content=b'{"userId": 9007199254740993123, "email": "a@b"}', headers=JSON
        )
    )
    async with opened(api) as directory:
        assert (await directory.person("u1")).id == "9007199254740993123"


# Lists


@pytest.mark.parametrize("end", [None, "", {"nextCursor": None}])
async def test_a_list_ends_without_a_next_cursor(end: Any) -> None:
    last = page(holder("u3")) if end is None else page(holder("u3"), cursor="")
    if isinstance(end, dict):
        last = httpx2.Response(200, json={"users": [holder("u3")], "responseMetaData": end})
    api = FakeApi(page(holder("u1"), holder("u2"), cursor="a+b/c="), page(cursor="d"), last)
    async with opened(api) as directory:
        found = [each async for each in directory.key_holders(has_key=False)]
    assert [each.id for each in found] == ["u1", "u2", "u3"]
    list_url = f"{HOSTS.api}/users/external-keys?hasExternalKey=false&count=100"
    assert [each.url for each in api.calls] == [
        list_url,
        f"{list_url}&cursor=a%2Bb%2Fc%3D",
        f"{list_url}&cursor=d",
    ]


async def test_who_comes_twice_is_one() -> None:
    api = FakeApi(
        page(holder("u1", "S-1"), holder("u2"), cursor="1"), page(holder("u2"), holder("u3"))
    )
    async with opened(api) as directory:
        found = [each async for each in directory.key_holders(has_key=True)]
    assert found[0] == MemberKey(id="u1", account="u1@example.com", name="", external_key="S-1")
    assert [each.id for each in found] == ["u1", "u2", "u3"]
    assert directory.met_twice == 1


async def test_who_is_given_a_key_meanwhile_comes_again_with_it_and_is_counted() -> None:
    api = FakeApi(page(holder("u1"), holder("u2")), page(holder("u2", "S-2"), holder("u3", "S-3")))
    async with opened(api) as directory:
        found = [(each.id, each.external_key) async for each in directory.members()]
    assert found == [("u1", None), ("u2", None), ("u2", "S-2"), ("u3", "S-3")]
    assert directory.met_twice == 1


async def test_cursors_that_go_in_a_circle_end_in_an_error() -> None:
    api = FakeApi(page(cursor="1"), page(cursor="2"), page(cursor="1"))
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="circle"):
            _ = [each async for each in directory.people()]


@pytest.mark.parametrize("document", [[], {}, {"users": 7}, {"users": [{}]}, {"users": ["u1"]}])
async def test_a_list_of_another_form_is_no_list(document: Any) -> None:
    api = FakeApi(httpx2.Response(200, json=document))
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match=r"form|read"):
            _ = [each async for each in directory.people()]


# Refusals and outages


async def test_a_refusal_says_what_line_works_said() -> None:
    api = FakeApi(
        httpx2.Response(409, json={"code": "EXTERNAL_KEY_ALREADY_EXIST", "description": "taken"}),
        httpx2.Response(404),
        httpx2.Response(403, json={"code": "FORBIDDEN"}),
    )
    async with opened(api) as directory:
        with pytest.raises(ApiRefused) as taken:
            await directory.set_keys({"u1": "S-1"})
        with pytest.raises(ApiRefused) as gone:
            await directory.suspend("u1")
        with pytest.raises(AccessRefused, match="FORBIDDEN"):
            await directory.suspend("u1")
    assert taken.value.reason == "status 409, EXTERNAL_KEY_ALREADY_EXIST: taken"
    assert taken.value.is_about_content
    assert gone.value.reason == "status 404"
    assert not isinstance(gone.value, Unavailable)


async def test_a_refused_token_is_fetched_anew_once() -> None:
    api = FakeApi(httpx2.Response(401), done(), httpx2.Response(401), httpx2.Response(401))
    async with opened(api) as directory:
        await directory.suspend("u1")
        assert len(api.token_calls) == 2
        with pytest.raises(AccessRefused):
            await directory.suspend("u1")
    assert len(api.calls) == 4


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("down"),
        httpx2.ConnectTimeout("slow"),
        httpx2.RemoteProtocolError("cut"),
        httpx2.Response(500),
        httpx2.Response(502, html="<html></html>"),
        httpx2.Response(503),
    ],
)
async def test_what_is_safe_to_repeat_is_repeated(failure: Any) -> None:
    api, watch = FakeApi(failure, failure, done()), Watch()
    async with opened(api, watch) as directory:
        await directory.set_keys({"u1": "S-1"})
    assert watch.slept == [2.0, 4.0]
    assert len({each.body for each in api.calls}) == 1


async def test_an_outage_is_not_waited_out_for_ever() -> None:
    api, watch = FakeApi(*[httpx2.Response(503)] * ATTEMPTS), Watch()
    async with opened(api, watch) as directory:
        with pytest.raises(ApiUnavailable, match="status 503"):
            await directory.suspend("u1")
    assert watch.slept == [2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    ("failure", "calls"),
    [(httpx2.ConnectError("down"), 1), (httpx2.Response(500), 1), (httpx2.Response(429), 2)],
)
async def test_what_is_not_safe_to_repeat_is_repeated_only_if_nothing_was_done(
    failure: Any, calls: int
) -> None:
    api = FakeApi(failure, done())
    create = Operation(
        name="create", method="POST", does="create somebody", scopes=("user",), is_repeatable=False
    )
    caller = Caller(app(), HOSTS, timing=Watch().timing, transport=api)
    try:
        if calls == 1:
            with pytest.raises(ApiUnavailable):
                await caller.call(create, "/users")
        else:
            await caller.call(create, "/users")
    finally:
        await caller.close()
    assert len(api.calls) == calls


async def test_the_page_of_a_proxy_is_no_proof_that_keys_were_written() -> None:
    api = FakeApi(*[httpx2.Response(200, html="<html>sign in</html>")] * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="not JSON"):
            await directory.set_keys({"u1": "S-1"})


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b""])
async def test_what_is_no_json_is_no_answer(body: bytes) -> None:
    api = FakeApi(*[httpx2.Response(200, content=body, headers=JSON)] * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="not JSON"):
            await directory.person("u1")


# Where to


def elsewhere(location: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"Location": location})


async def test_r215_one_redirect_of_a_get_is_followed_within_the_api() -> None:
    api = FakeApi(elsewhere("/v1.0/users/u2"), httpx2.Response(200, json=USER))
    async with opened(api) as directory:
        assert (await directory.person("u1")).id == "u1"
    assert [each.url for each in api.calls] == [f"{HOSTS.api}/users/u1", f"{HOSTS.api}/users/u2"]


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/v1.0/users/u1",
        "http://www.worksapis.com/v1.0/users/u1",
        "https://www.worksapis.com:8443/v1.0",
        "https://auth.worksmobile.com/",
        "https://www.worksapis.com@evil.example/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1",
        "",
    ],
)
async def test_r215_no_redirect_takes_the_token_elsewhere(location: str) -> None:
    api = FakeApi(*[elsewhere(location)] * 2 * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="redirect"):
            await directory.person("u1")
    assert {each.url for each in api.calls} == {f"{HOSTS.api}/users/u1"}


async def test_r215_neither_a_second_redirect_nor_that_of_a_post_is_followed() -> None:
    api = FakeApi(*[elsewhere("/v1.0/users/u2")] * 2 * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="second redirect"):
            await directory.person("u1")
    api = FakeApi(*[elsewhere("/v1.0/users/u2", 307)] * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="redirect"):
            await directory.suspend("u1")
    assert len(api.calls) == ATTEMPTS


async def test_r215_a_huge_or_compressed_answer_is_not_read() -> None:
    huge = httpx2.Response(200, content=b" " * (MAX_ANSWER + 1), headers=JSON)
    api = FakeApi(*[huge] * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="too long"):
            await directory.person("u1")
    assert api.calls[0].headers["Accept-Encoding"] == "identity"


async def test_r215_errors_show_neither_token_nor_secret() -> None:
    api = FakeApi(*[httpx2.ConnectError(f"token-1 {SECRET}")] * ATTEMPTS)
    async with opened(api) as directory:
        with pytest.raises(ApiError) as failed:
            await directory.suspend("u1")
    shown = str(failed.value) + repr(failed.value)
    assert "token-1" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_r215_an_error_that_quotes_the_token_is_shown_without_it(status: int) -> None:
    said = {"code": "BAD token-1", "description": f"Bearer token-1 of {quote(SECRET)} is not known"}
    api = FakeApi(*[httpx2.Response(status, json=said, headers=JSON) for _ in range(2)])
    async with opened(api) as directory:
        with pytest.raises(ApiRefused) as failed:
            await directory.suspend("u1")
    assert (failed.value.code, failed.value.description) == ("BAD …", "Bearer … of … is not known")
    assert "token-1" not in str(failed.value)


@pytest.mark.parametrize(
    ("profile", "api", "auth"),
    [
        (Profile.LINE_WORKS, "www.worksapis.com", "auth.worksmobile.com"),
        (Profile.NAVER_WORKS, "www.worksapis.com", "auth.worksmobile.com"),
        (Profile.NAVER_WORKS_PUBLIC, "gov.worksapis.com", "auth.gov-naverworks.com"),
    ],
)
def test_each_profile_has_its_hosts(profile: Profile, api: str, auth: str) -> None:
    hosts = Hosts.of(Settings(), profile)
    assert (hosts.api, hosts.auth) == (f"https://{api}/v1.0", f"https://{auth}/oauth2/v2.0")


def test_the_hosts_of_workbox_are_asked_for() -> None:
    with pytest.raises(NoHosts, match="line_works_api_urls"):
        Hosts.of(Settings(), Profile.WORKBOX)


@pytest.mark.parametrize(
    "entry",
    [
        "line_works=http://www.worksapis.com/v1.0",
        "line_works=ftp://www.worksapis.com",
        "line_works=https://user:pass@www.worksapis.com",
        "line_works=https://www.worksapis.com/v1.0?x=1",
        "line_works=https://www.worksapis.com/v1.0#x",
        "line_works=",
        "https://www.worksapis.com/v1.0",
        "other=https://www.worksapis.com/v1.0",
    ],
)
def test_r215_only_https_or_this_machine_may_be_the_api(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        checks.profile_urls((entry,))


def test_r215_plain_http_is_allowed_to_this_machine_alone() -> None:
    assert checks.profile_urls(("line_works=http://127.0.0.1:8080/v1.0/",)) == (
        "line_works=http://127.0.0.1:8080/v1.0",
    )
    with pytest.raises(ValueError, match="twice"):
        checks.profile_urls(("workbox=https://a.example", "workbox=https://b.example"))


@pytest.mark.parametrize(
    "url", ["http://www.worksapis.com/v1.0", "ftp://127.0.0.1", "https://a@b", ""]
)
def test_r215_the_client_itself_takes_no_other_address(url: str) -> None:
    for hosts in ({"api": url, "auth": HOSTS.auth}, {"api": HOSTS.api, "auth": url}):
        with pytest.raises(ValueError, match="https"):
            Hosts(**hosts)


def test_the_profiles_of_settings_are_those_of_clients() -> None:
    assert set(checks.PROFILES) == set(Profile)


# How fast


async def test_r219_calls_are_made_one_at_a_time() -> None:
    api = FakeApi(*[done()] * 20)
    async with opened(api) as directory:
        await asyncio.gather(*(directory.suspend(f"u{number}") for number in range(20)))
    assert api.most_at_once == 1


async def times_of(
    pace: Pace, watch: Watch, calls: int, operation: str = "list", takes: float = 0.0
) -> list[float]:
    times = []
    for _ in range(calls):
        await pace.turn(operation)
        times.append(watch.clock())
        watch.passed += takes
    return times


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= each < start + 60 for each in times) for start in times)


async def test_r219_no_minute_has_more_calls_of_an_operation_than_are_allowed() -> None:
    watch = Watch()
    pace = Pace(watch.clock, watch.sleep)
    times = await times_of(pace, watch, 1_000, takes=0.05)
    assert most_in_a_minute(times) == PER_MINUTE
    assert times[-1] - times[0] < 4.5 * 60
    before = watch.passed
    await pace.turn("another operation")
    assert watch.passed == before


async def test_r219_who_calls_for_long_calls_half_as_often() -> None:
    watch = Watch()
    times = await times_of(Pace(watch.clock, watch.sleep), watch, 8_000)
    late = [each for each in times if each - times[0] > 1_900]
    assert most_in_a_minute(late) == PER_MINUTE_OF_LONG_RUNS


@pytest.mark.parametrize("used", ["ratelimit-ssed", "rateLimit-used"])
async def test_r219_what_line_works_says_of_its_limits_is_heeded(used: str) -> None:
    watch = Watch()
    pace = Pace(watch.clock, watch.sleep)
    await pace.turn("list")
    headers = httpx2.Headers({"rateLimit-limit": "60", "rateLimit-reset": "37", used: "60"})
    pace.heed("list", headers)
    await pace.turn("list")
    assert watch.slept == [37.0]
    fresh = httpx2.Headers({"rateLimit-limit": "60", "rateLimit-remaining": "59"})
    pace.heed("list", fresh)
    times = await times_of(pace, watch, 200, takes=0.01)
    assert most_in_a_minute(times) <= 57


async def test_r219_other_programs_of_the_tenant_keep_some_calls() -> None:
    watch = Watch()
    pace = Pace(watch.clock, watch.sleep)
    pace.heed("list", httpx2.Headers({"ratelimit-limit": "240", "ratelimit-remaining": "10"}))
    await pace.turn("list")
    assert watch.slept == [60.0]


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "９", "9" * 50])
async def test_headers_that_make_no_sense_are_ignored(text: str) -> None:
    watch = Watch()
    pace = Pace(watch.clock, watch.sleep)
    names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-used")
    pace.heed("list", dict.fromkeys(names, text))
    await pace.turn("list")
    assert watch.slept == []


@pytest.mark.parametrize(("reset", "waited"), [("7", 7.0), (None, 60.0), ("999999", 120.0)])
async def test_r219_after_429_it_waits_until_the_limit_is_fresh(
    reset: str | None, waited: float
) -> None:
    headers = {} if reset is None else {"rateLimit-reset": reset}
    api, watch = FakeApi(httpx2.Response(429, headers=headers), done()), Watch()
    async with opened(api, watch) as directory:
        await directory.suspend("u1")
    assert watch.slept == [waited]


# Nothing deletes


def test_r219_no_operation_deletes_anybody() -> None:
    operations = [each for each in vars(directory_api).values() if isinstance(each, Operation)]
    assert {each.method for each in operations} == {"GET", "POST"}
    folder = Path(inspect.getfile(directory_api)).parent
    source = "".join(file.read_text("utf-8") for file in folder.glob("*.py"))
    assert "forcedelete" not in source
    assert '"DELETE"' not in source
