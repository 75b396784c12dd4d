"""POST /userInfo, as LINE WORKS calls it."""

import re

import pytest
from tests.installation import (
    EXTERNAL_KEY,
    SESSION_COOKIE,
    USERNAME,
    Installation,
    assert_refused,
    code_of,
)

from worksgate.credentials.secrets import digest, storage_key
from worksgate.database import Conflict
from worksgate.oauth.errors import (
    InvalidAccess,
    InvalidAuthorization,
    InvalidRequest,
    UnauthorizedClient,
    UnsupportedMediaType,
)

DAY = 86_400


async def test_r53_the_client_is_authenticated_before_the_token(
    installation: Installation,
) -> None:
    token = await installation.access_token()
    for changes in ({"client_secret": "wrong"}, {"client_id": "nobody"}):
        for value in (token, "unknown"):
            response = await installation.user_info(value, **changes)
            assert_refused(response, UnauthorizedClient)
    assert (await installation.user_info(token)).json() == {"user_id": EXTERNAL_KEY}


async def test_r53_another_client_s_token_is_refused(installation: Installation) -> None:
    other = await installation.administration.clients.add("Other")
    await installation.settle()
    token = await installation.access_token()
    stranger = {"client_id": other.client.client_id, "client_secret": other.client_secret}
    assert_refused(await installation.user_info(token, **stranger), InvalidAccess)
    assert (await installation.user_info(token)).status_code == 200


async def test_r54_a_token_lives_as_long_as_announced(installation: Installation) -> None:
    token = await installation.access_token()
    installation.clock.advance(DAY - 10)
    assert (await installation.user_info(token)).status_code == 200
    installation.clock.advance(11)
    assert_refused(await installation.user_info(token), InvalidAccess)


async def test_r54_a_setting_makes_the_life_shorter_than_announced(
    installation: Installation,
) -> None:
    await installation.change_client(access_token_lifetime=300)
    response = await installation.exchange(await installation.browser().code())
    assert response.json()["expires_in"] == DAY
    installation.clock.advance(301)
    token = response.json()["access_token"]
    assert_refused(await installation.user_info(token), InvalidAccess)


async def test_r55_an_altered_token_says_nothing(installation: Installation) -> None:
    token = await installation.access_token()
    flipped = ("A" if token[0] != "A" else "B") + token[1:]
    for value in (flipped, token[:-1], token + "A", token.swapcase(), f" {token}", digest(token)):
        response = await installation.user_info(value)
        assert_refused(response, InvalidAccess)
        assert "user_id" not in response.text


async def test_r55_a_disabled_person_s_token_is_dead_for_good(
    installation: Installation,
) -> None:
    token = await installation.access_token()
    await installation.administration.users.disable(USERNAME)
    assert_refused(await installation.user_info(token), InvalidAccess)
    await installation.administration.users.enable(USERNAME)
    assert_refused(await installation.user_info(token), InvalidAccess)


async def test_r56_a_user_key_is_never_given_to_somebody_else(
    installation: Installation,
) -> None:
    administration = installation.administration
    await administration.users.remove(USERNAME)
    with pytest.raises(Conflict):
        await administration.users.add("heir@example.com", external_key=EXTERNAL_KEY)
    await administration.users.add("user9@example.com", external_key="user9")
    await administration.users.change("user9@example.com", external_key="user10")
    with pytest.raises(Conflict):
        await administration.users.add("heir@example.com", external_key="user9")


async def test_r56_a_new_user_name_keeps_the_key(installation: Installation) -> None:
    await installation.administration.users.change(USERNAME, username="renamed@example.com")
    code = await installation.browser().code("renamed@example.com")
    token = await installation.access_token(code)
    assert (await installation.user_info(token)).json() == {"user_id": EXTERNAL_KEY}


async def test_r57_a_token_is_opaque_hashed_and_of_no_use_elsewhere(
    installation: Installation,
) -> None:
    token = await installation.access_token()
    assert re.fullmatch(r"[A-Za-z0-9_-]{54}", token)  # a time and 256 bits
    assert installation.rows("SELECT key FROM access_tokens") == [(storage_key(token),)]
    browser = installation.browser()
    browser.set_cookie(SESSION_COOKIE, token)
    assert not await browser.is_signed_in()
    assert_refused(await installation.exchange(token), InvalidAuthorization)
    for headers in ({"Authorization": f"Bearer {token}"},):
        response = await installation.http().get("/userInfo", headers=headers)
        assert response.status_code == 405


async def test_a_token_reports_the_same_each_time(installation: Installation) -> None:
    token = await installation.access_token()
    answers = {(await installation.user_info(token)).text for _ in range(3)}
    assert answers == {'{"user_id":"user1"}'}


async def test_a_missing_or_repeated_parameter_is_201(installation: Installation) -> None:
    http = installation.http()
    form = {"client_id": "a", "client_secret": "b", "access_token": "c"}
    for name in form:
        rest = {key: value for key, value in form.items() if key != name}
        assert_refused(await http.post("/userInfo", data=rest), InvalidRequest)
        assert_refused(await http.post("/userInfo", data={**form, name: ""}), InvalidRequest)
        twice = {**form, name: ["x", "y"]}
        assert_refused(await http.post("/userInfo", data=twice), InvalidRequest)
        in_address = await http.post("/userInfo", params={name: form[name]}, data=rest)
        assert_refused(in_address, InvalidRequest)
    assert_refused(await http.post("/userInfo", json=form), UnsupportedMediaType)


async def test_a_key_of_any_script_arrives_whole(installation: Installation) -> None:
    await installation.administration.users.add(
        "user4@example.com", password="yet another horse", external_key="社員-사원-4"
    )
    code = code_of(await installation.browser().sign_in("user4@example.com", "yet another horse"))
    token = await installation.access_token(code)
    assert (await installation.user_info(token)).json() == {"user_id": "社員-사원-4"}
