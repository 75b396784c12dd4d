"""The authorization server: exactly one assertion is good, and each way to miss it is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.conformance.directory_api.worlds import (
    REGISTERED,
    World,
    unsigned,
    with_public_key_as_secret,
    world_of,
)

from worksgate.conformance.directory_api import Fault, Operation, Rules, TokenErrors, register

HOUR = 3600


async def test_assertion_becomes_a_token_for_the_scopes_asked_for() -> None:
    with world_of() as world:
        answer = await world.grant(scope="directory bot.message")
        granted = answer.json()
        assert answer.status_code == 200
        assert set(granted) == {
            *("access_token", "refresh_token", "token_type", "expires_in", "scope")
        }
        assert granted["token_type"] == "Bearer"
        assert granted["expires_in"] == 86_400
        assert set(granted["scope"].split()) == {"directory", "bot.message"}


async def test_tokens_hold_characters_that_have_to_be_escaped() -> None:
    with world_of() as world:
        assert {"+", "/", "="} <= set(await world.token())
        assert {"+", "/", "="} <= set(world.simulator.registered.app.client_secret)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(lambda w: unsigned(w.claims()), "invalid_grant", id="alg none"),
        pytest.param(lambda w: with_public_key_as_secret(w.claims()), "invalid_grant", id="HS256"),
        pytest.param(lambda w: w.assertion({"typ": "at+jwt"}), "invalid_grant", id="typ"),
        pytest.param(lambda w: w.assertion(iss="another"), "invalid_grant", id="iss"),
        pytest.param(lambda w: w.assertion(sub="a@example.com"), "invalid_grant", id="sub"),
        pytest.param(
            lambda w: w.assertion(iat=str(int(w.clock.now))), "invalid_grant", id="iat as text"
        ),
        pytest.param(lambda w: w.assertion(exp=None), "invalid_grant", id="no exp"),
        pytest.param(
            lambda w: w.assertion(iat=int(w.clock.now) + 1, exp=int(w.clock.now) + 1 + HOUR),
            "invalid_grant",
            id="from the future",
        ),
        pytest.param(
            lambda w: w.assertion(iat=int(w.clock.now) - HOUR, exp=int(w.clock.now)),
            "invalid_grant",
            id="expired",
        ),
        pytest.param(
            lambda w: w.assertion(exp=int(w.clock.now) + HOUR - 1), "invalid_grant", id="shorter"
        ),
        pytest.param(
            lambda w: w.assertion(exp=int(w.clock.now) + HOUR + 1), "invalid_grant", id="longer"
        ),
        pytest.param(lambda _: "no.jwt.atall", "invalid_grant", id="rubbish"),
        pytest.param(lambda w: w.assertion()[:-4] + "AAAA", "invalid_grant", id="signature"),
    ],
)
async def test_wrong_assertion_is_refused(make: Callable[[World], str], error: str) -> None:
    with world_of() as world:
        answer = await world.grant(assertion=make(world))
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert world.simulator.state().tokens == 0


async def test_assertion_of_another_key_is_refused() -> None:
    with world_of() as world:
        other = replace(register(), app=REGISTERED.app)
        with world_of(registered=other) as stranger:
            answer = await world.grant(assertion=stranger.assertion())
        assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"scope": "directory mail"}, 400, "invalid_scope"),
        ({"scope": "directory,bot"}, 400, "invalid_scope"),
        ({"scope": None}, 400, "invalid_request"),
        ({"assertion": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_wrong_request_is_refused(
    changes: dict[str, str | None], status: int, error: str
) -> None:
    with world_of() as world:
        answer = await world.grant(**changes)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_request_must_be_a_form_with_each_parameter_once() -> None:
    with world_of() as world:
        as_json = await world.http.post("/oauth2/v2.0/token", json=world.form())
        assert as_json.json()["error"] == "invalid_request"
        twice = {**world.form(), "scope": ["directory", "directory"]}
        repeated = await world.http.post("/oauth2/v2.0/token", data=twice)
        assert repeated.json()["error"] == "invalid_request"


async def test_milder_rules_take_what_the_strict_ones_refuse() -> None:
    rules = Rules(clock_tolerance=300, takes_shorter_assertions=True, takes_commas_in_scope=True)
    with world_of(rules=rules) as world:
        now = int(world.clock.now)
        assertion = world.assertion(iat=now + 299, exp=now + 299 + 300)
        answer = await world.grant(assertion=assertion, scope="directory,bot")
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        (TokenErrors.RETURN_CODE, 400, '"returnCode":"99"'),
        (TokenErrors.RETURN_CODE_200, 200, '"returnMessage":"UnexpectedError"'),
        (TokenErrors.HTML_502, 502, "<html>"),
    ],
)
async def test_refusals_have_other_forms_too(form: TokenErrors, status: int, text: str) -> None:
    with world_of(rules=Rules(token_errors=form)) as world:
        answer = await world.grant(client_secret="wrong")
        assert answer.status_code == status
        assert text in answer.text


async def test_token_ends_with_its_life() -> None:
    hour = register(token_life=HOUR)
    with world_of(registered=hour) as world:
        token = await world.token()
        world.clock.advance(HOUR - 1)
        assert (await world.call("GET", "/users", token=token)).status_code == 200
        world.clock.advance(1)
        assert (await world.call("GET", "/users", token=token)).status_code == 401


@pytest.mark.parametrize("rotates", [False, True])
async def test_refresh_token_is_rotated_if_the_app_wants_it(*, rotates: bool) -> None:
    app = replace(REGISTERED.app, rotates_refresh_tokens=rotates)
    with world_of(registered=replace(REGISTERED, app=app)) as world:
        first = (await world.grant()).json()["refresh_token"]
        refresh = {"grant_type": "refresh_token", "assertion": None, "scope": None}
        again = await world.grant(**refresh, refresh_token=first)
        assert again.status_code == 200
        assert ("refresh_token" in again.json()) is rotates
        third = await world.grant(**refresh, refresh_token=first)
        assert third.status_code == (400 if rotates else 200)


async def test_lifetime_may_come_as_text() -> None:
    with world_of() as world:
        world.simulator.faults.plan(Fault.EXPIRES_IN_AS_TEXT, Operation.TOKEN)
        assert (await world.grant()).json()["expires_in"] == "86400"
        assert (await world.grant()).json()["expires_in"] == 86_400
