"""Tokens, limits, hosts, bots, the audit log, and the record of all of that."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from tests.conformance.directory_api.worlds import NOON, Answer, World, world_of

from worksgate.conformance.directory_api import (
    Bot,
    Member,
    Operation,
    RateHeaders,
    Rules,
    SignIn,
    made_up_members,
)

RATE = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-ssed")
DAY = 86_400


def rate(answer: Answer) -> list[str | None]:
    return [answer.headers.get(name) for name in RATE]


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer unknown", "Bearer "])
async def test_call_without_a_good_token_is_challenged(header: str | None) -> None:
    with world_of() as world:
        headers = {} if header is None else {"Authorization": header}
        answer = await world.http.get("/v1.0/users", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
        challenge = answer.headers["www-authenticate"]
        is_bearer = header is not None and header.startswith("Bearer")
        assert challenge.startswith("Bearer realm=")
        assert ('error="invalid_token"' in challenge) is is_bearer


async def test_missing_scope_is_forbidden() -> None:
    with world_of() as world:
        for method, path, scope in (
            ("GET", "/users", "bot"),
            ("POST", "/users/s000001@example.com/suspend", "user.read"),
            ("POST", "/bots/1/channels/2/messages", "directory"),
            ("GET", "/audits/logs/download", "directory"),
        ):
            answer = await world.call(method, path, scope=scope)
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), path


@pytest.mark.parametrize("path", ["/users", "/v1.1/users", "/v1.0users", "/v1.0/users/", "/v1.0"])
async def test_path_is_exact(path: str) -> None:
    with world_of() as world:
        headers = {"Authorization": f"Bearer {await world.token()}"}
        assert (await world.http.get(path, headers=headers)).status_code in (401, 404)
        assert world.simulator.calls[-1].operation in (None, Operation.GET_USER)


async def test_each_host_answers_for_itself() -> None:
    hosts: dict[str, Any] = {"auth_host": "auth.example", "api_host": "api.example"}
    with world_of(**hosts) as world:
        assert (await world.grant()).status_code == 404
        form = world.form()
        granted = await world.http.post("http://auth.example/oauth2/v2.0/token", data=form)
        headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
        for host, status in (("api.example", 200), ("auth.example", 404), ("line.works", 404)):
            answer = await world.http.get(f"http://{host}/v1.0/users", headers=headers)
            assert answer.status_code == status, host


# Limits


async def test_each_operation_has_its_calls_a_minute() -> None:
    with world_of(rules=Rules(calls_a_minute=2)) as world:
        token = await world.token()
        first = await world.call("GET", "/users", token=token)
        world.clock.advance(20.5)
        second = await world.call("GET", "/users", token=token)
        third = await world.call("GET", "/users", token=token)
        other = await world.call("GET", "/users/external-keys", token=token)
        assert [each.status_code for each in (first, second, third, other)] == [200, 200, 429, 200]
        assert rate(first) == ["2", "1", "60", "1"]
        assert rate(third) == ["2", "0", "40", "2"]
        assert third.content == (
            b'{"code":"TOO_MANY_REQUESTS","description":"API rate limit exceeded"}'
        )
        assert "retry-after" not in third.headers
        world.clock.advance(39.5)
        assert (await world.call("GET", "/users", token=token)).status_code == 200


@pytest.mark.parametrize(
    ("spelling", "name"), [(RateHeaders.SPELT, "ratelimit-used"), (RateHeaders.NONE, None)]
)
async def test_headers_of_the_limit_may_be_spelt_otherwise(
    spelling: RateHeaders, name: str | None
) -> None:
    with world_of(rules=Rules(rate_headers=spelling)) as world:
        answer = await world.call("GET", "/users")
        found = {each for each in answer.headers if each.startswith("ratelimit-")}
        assert found == (set() if name is None else {*RATE[:3], name})


async def test_calls_at_the_same_time_are_noted_or_refused() -> None:
    people = [Member(user_id="u-1", email="a@example.com", last_name="A")]
    for refuses in (False, True):
        rules = Rules(write_takes=0.05, refuses_concurrent_calls=refuses)
        with world_of(people, rules) as world:
            token = await world.token()
            answers = await asyncio.gather(
                world.call("POST", "/users/u-1/suspend", token=token),
                world.call("GET", "/users", token=token),
            )
            assert answers[1].status_code == (429 if refuses else 200)
            assert max(call.in_flight for call in world.simulator.calls) == 2


# Bots


async def send(world: World, path: str, content: object) -> Answer:
    return await world.call("POST", path, body={"content": content}, scope="bot.message")


async def test_message_reaches_people_who_can_read_it() -> None:
    people = [
        Member(user_id="u-1", email="a@example.com", last_name="A"),
        Member(user_id="u-2", email="b@example.com", last_name="B", is_suspended=True),
    ]
    with world_of(people, bots=[Bot("7", channels=("c",)), Bot("8", is_published=False)]) as world:
        text = {"type": "text", "text": "Hello"}
        for path in ("/bots/7/users/u-1", "/bots/7/users/b@example.com", "/bots/7/channels/c"):
            assert (await send(world, f"{path}/messages", text)).status_code == 201
        messages = world.simulator.state().messages
        assert [(each.to, each.reaches) for each in messages] == [
            *(("u-1", True), ("u-2", False), ("c", True))
        ]
        unpublished = await send(world, "/bots/8/users/u-1/messages", text)
        assert (unpublished.status_code, unpublished.json()["code"]) == (403, "ACCESS_DENIED")
        assert (await send(world, "/bots/9/users/u-1/messages", text)).status_code == 404
        assert (await send(world, "/bots/7/channels/d/messages", text)).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": "x" * 2001},
        {"type": "text", "text": ""},
        {"type": "text", "text": "x", "colour": "red"},
        {"type": "poem", "text": "x"},
        "x",
    ],
)
async def test_message_of_another_form_is_refused(content: object) -> None:
    with world_of(bots=[Bot("7")]) as world:
        answer = await send(world, "/bots/7/users/s000001@example.com/messages", content)
        assert answer.status_code == 400
        assert world.simulator.state().messages == ()


# The audit log

SIGN_INS = [SignIn(NOON - hour * 3600, f"p{hour}@example.com", "Success") for hour in range(4)]
START, END = "2026-11-28T00:00:00+09:00", "2026-12-01T00:00:00+09:00"


def download(start: str = START, end: str = END, service: str = "auth") -> str:
    times = f"startTime={quote(start, safe='')}&endTime={quote(end, safe='')}"
    return f"/audits/logs/download?service={service}&{times}"


async def test_log_is_fetched_behind_a_redirect_that_lapses() -> None:
    with world_of(sign_ins=SIGN_INS) as world:
        token = await world.token("audit.read")
        redirect = await world.call("GET", download(), token=token)
        assert redirect.status_code == 302
        assert rate(redirect) == [None] * 4
        place = redirect.headers["location"]
        assert (await world.http.get(place)).status_code == 401
        own = {"Authorization": f"Bearer {token}"}
        file = await world.http.get(place, headers=own)
        assert file.headers["content-type"].startswith("text/csv")
        assert file.text.splitlines()[0].startswith("Date,User,")
        assert file.text.count("@example.com") == 4
        world.clock.advance(60)
        assert (await world.http.get(place, headers=own)).status_code == 404


async def test_log_that_breaks_off_says_so_in_its_last_line() -> None:
    with world_of(sign_ins=SIGN_INS, rules=Rules(audit_log_breaks_off=True)) as world:
        token = await world.token("audit.read")
        place = (await world.call("GET", download(), token=token)).headers["location"]
        file = await world.http.get(place, headers={"Authorization": f"Bearer {token}"})
        assert file.status_code == 200
        assert file.text.splitlines()[-1].startswith("downloadLogs error")
        assert file.text.count("@example.com") == 2


@pytest.mark.parametrize(
    "path",
    [
        download(service="mail"),
        download(end="2026-12-30T00:00:00+09:00"),
        download(start=END, end=START),
        download(start="2026-11-28"),
        f"/audits/logs/download?service=auth&startTime={START}&endTime={END}",
        "/audits/logs/download?service=auth",
    ],
)
async def test_log_of_another_span_is_refused(path: str) -> None:
    with world_of() as world:
        assert (await world.call("GET", path, scope="audit.read")).status_code == 400


async def test_log_is_downloaded_ten_times_a_minute() -> None:
    with world_of() as world:
        token = await world.token("audit.read")
        statuses = [
            (await world.call("GET", download(), token=token)).status_code for _ in range(11)
        ]
        assert statuses == [302] * 10 + [429]


# The record


async def test_record_tells_what_was_called_with_which_result() -> None:
    with world_of(made_up_members(3)) as world:
        await world.set_keys(("s000001@example.com", "a"), ("s000002@example.com", "a"))
        granted, set_keys = world.simulator.calls
        assert (granted.operation, granted.status) == (Operation.TOKEN, 200)
        assert granted.scopes == {"directory"}
        assert (set_keys.operation, set_keys.status, set_keys.code, set_keys.people) == (
            *(Operation.SET_KEYS, 400, "INVALID_PARAMETER", 2),
        )
        assert set_keys.client_id == world.simulator.registered.app.client_id
        assert world.simulator.calls_of(Operation.SET_KEYS) == (set_keys,)


async def test_r214_record_and_state_hold_no_secret() -> None:
    with world_of(made_up_members(30)) as world:
        token = await world.token()
        await world.grant(client_secret="a wrong secret")
        await world.call("GET", "/users", token=token)
        pages = [page async for page in world.pages("/users?count=10")]
        cursor = pages[0]["responseMetaData"]["nextCursor"]
        state = world.simulator.state()
        shown = f"{world.simulator.calls} {state} {state.as_json()} {world.simulator.registered}"
        registered = world.simulator.registered
        for secret in (
            token,
            cursor,
            "a wrong secret",
            registered.app.client_secret,
            registered.private_key.splitlines()[1],
            world.assertion(),
        ):
            assert secret not in shown
