"""POST /accessToken, as LINE WORKS calls it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest
from tests.installation import SESSION_COOKIE, Installation, assert_refused, code_of

from worksgate.administration import Refused
from worksgate.audit import Event
from worksgate.clients.registry import WRONG_SECRETS_A_MINUTE
from worksgate.oauth.errors import (
    AccessDenied,
    InvalidAccess,
    InvalidAuthorization,
    InvalidRequest,
    OAuthError,
    RequestTooLarge,
    TooManyWrongSecrets,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedMediaType,
)
from worksgate.oauth.model import ClientSecret, Profile

DAY = 86_400
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DESCRIPTIONS = {
    "101": ("access_denied", "Request from unauthorized client"),
    "201": ("invalid_request", "Missing or invalid request"),
    "203": ("unsupported_grant_type", "The grant_type is not supported"),
    "301": ("unauthorized_client", "Invalid client ID or secret"),
    "302": ("invalid_authorization", "Invalid authorization code"),
    "303": ("invalid_access", "Access token verification failed"),
}
STATUSES = {"101": 403, "201": 400, "203": 400, "301": 401, "302": 400, "303": 401}


async def post(
    installation: Installation,
    content: str | bytes,
    headers: Mapping[str, str] = FORM,
    path: str = "/accessToken",
) -> httpx2.Response:
    return await installation.http().post(path, content=content, headers=dict(headers))


async def refresh(installation: Installation, token: str, **changes: str) -> httpx2.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": installation.client.client.client_id,
        "client_secret": installation.client.client_secret,
        "refresh_token": token,
        **changes,
    }
    return await installation.http().post("/accessToken", data=form)


# What a success looks like


async def test_r33_a_code_has_256_bits_and_is_never_the_same(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    codes = [code_of(await browser.arrive()) for _ in range(20)]
    assert len(set(codes)) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{54}", code) for code in codes)


async def test_r34_a_code_lives_sixty_seconds(installation: Installation) -> None:
    browser = installation.browser()
    late, timely = await browser.code(), code_of(await browser.arrive())
    installation.clock.advance(58)
    assert (await installation.exchange(timely)).status_code == 200
    installation.clock.advance(3)
    assert_refused(await installation.exchange(late), InvalidAuthorization)


async def test_r34_a_client_may_have_another_life_of_codes(installation: Installation) -> None:
    await installation.change_client(code_lifetime=10)
    code = await installation.browser().code()
    installation.clock.advance(11)
    assert_refused(await installation.exchange(code), InvalidAuthorization)


@pytest.mark.parametrize(("parameters", "seconds"), [({}, 600), ({"userAgent": "LineWorks"}, 900)])
async def test_expires_in_depends_on_the_kind_of_login(
    installation: Installation, parameters: dict[str, str], seconds: int
) -> None:
    await installation.change_client(expires_in_web=600, expires_in_app=900)
    code = code_of(await installation.browser().sign_in(**parameters))
    assert (await installation.exchange(code)).json()["expires_in"] == seconds


async def test_expires_in_can_be_left_out(installation: Installation) -> None:
    await installation.change_client(announce_expires_in=False)
    body = (await installation.exchange(await installation.browser().code())).json()
    assert body == {"access_token": body["access_token"], "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("profile", "web", "app"),
    [
        (Profile.LINE_WORKS, DAY, 30 * DAY),
        (Profile.NAVER_WORKS, DAY, 30 * DAY),
        (Profile.NAVER_WORKS_PUBLIC, 3_600, DAY),
    ],
)
async def test_a_profile_sets_the_defaults_of_expires_in(
    installation: Installation, profile: Profile, web: int, app: int
) -> None:
    new = await installation.administration.clients.add(
        "Other", profile=profile, redirect_uris=("https://auth.worksmobile.com/cb",)
    )
    await installation.settle()
    identity = {"client_id": new.client.client_id, "client_secret": new.client_secret}
    browser = installation.browser()
    await browser.code()
    for parameters, seconds in (({}, web), ({"userAgent": "LineWorks"}, app)):
        code = code_of(await browser.arrive(client_id=new.client.client_id, **parameters))
        response = await installation.exchange(code, **identity)
        assert response.json()["expires_in"] == seconds


async def test_a_redirect_uri_and_unknown_fields_are_ignored(installation: Installation) -> None:
    code = await installation.browser().code()
    response = await installation.exchange(
        code, redirect_uri="https://evil.example/", scope="x", code_verifier="y"
    )
    assert response.status_code == 200


# The code, once


async def test_r35_another_client_s_code_is_neither_used_nor_revoked(
    installation: Installation,
) -> None:
    other = await installation.administration.clients.add("Other")
    await installation.settle()
    stranger = {"client_id": other.client.client_id, "client_secret": other.client_secret}
    browser = installation.browser()
    code = await browser.code()
    assert_refused(await installation.exchange(code, **stranger), InvalidAuthorization)
    token = await installation.access_token(code)
    assert_refused(await installation.exchange(code, **stranger), InvalidAuthorization)
    assert (await installation.user_info(token)).status_code == 200


async def test_r36_the_second_use_is_refused_and_revokes_the_token(
    installation: Installation,
) -> None:
    code = await installation.browser().code()
    token = await installation.access_token(code)
    assert (await installation.user_info(token)).status_code == 200
    assert_refused(await installation.exchange(code, client_secret="wrong"), UnauthorizedClient)
    assert (await installation.user_info(token)).status_code == 200
    assert_refused(await installation.exchange(code), InvalidAuthorization)
    assert_refused(await installation.user_info(token), InvalidAccess)


async def test_r37_a_replay_is_seen_each_time_and_after_the_code_s_life(
    installation: Installation,
) -> None:
    code = await installation.browser().code()
    await installation.access_token(code)
    for seconds in (0, 1, 120):
        installation.clock.advance(seconds)
        assert_refused(await installation.exchange(code), InvalidAuthorization)
    await installation.administration.upkeep.purge()
    assert_refused(await installation.exchange(code), InvalidAuthorization)
    assert len(await installation.audit(event=Event.CODE_REPLAYED)) == 4


async def test_r38_of_parallel_uses_on_two_nodes_one_wins(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    async with installation.another_node() as other:
        for _ in range(5):
            code = code_of(await browser.arrive())
            responses = await asyncio.gather(
                *(node.exchange(code) for node in (installation, other) for _ in range(6))
            )
            statuses = sorted(response.status_code for response in responses)
            assert statuses == [200] + [400] * 11


@pytest.mark.slow
@pytest.mark.deadlines
async def test_r39_a_code_that_was_answered_503_is_still_good(
    installation: Installation,
) -> None:
    code = await installation.browser().code()
    with installation.locked():
        assert (await installation.exchange(code)).status_code == 503
    assert (await installation.exchange(code)).status_code == 200
    used = installation.rows("SELECT count(*) FROM codes WHERE used = 1")
    assert used == installation.rows("SELECT count(*) FROM access_tokens") == [(1,)]


async def test_r40_a_wrong_secret_does_not_burn_the_code(installation: Installation) -> None:
    code = await installation.browser().code()
    for _ in range(3):
        assert_refused(await installation.exchange(code, client_secret="x"), UnauthorizedClient)
    assert (await installation.exchange(code)).status_code == 200


async def test_r41_no_secret_passes_for_one_of_another_kind(installation: Installation) -> None:
    await installation.change_client(refresh_tokens=True)
    browser = installation.browser()
    code = await browser.code()
    body = (await installation.exchange(code)).json()
    session = browser.cookie(SESSION_COOKIE)
    unused = code_of(await browser.arrive())
    for secret in (body["access_token"], body["refresh_token"], session):
        assert_refused(await installation.exchange(secret), InvalidAuthorization)
    for secret in (body["access_token"], unused, session):
        assert_refused(await refresh(installation, secret), InvalidAuthorization)
    for secret in (body["refresh_token"], unused, session):
        assert_refused(await installation.user_info(secret), InvalidAccess)
    for secret in (body["access_token"], body["refresh_token"], unused):
        stranger = installation.browser()
        stranger.set_cookie(SESSION_COOKIE, secret)
        assert not await stranger.is_signed_in()
    assert (await installation.exchange(unused)).status_code == 200
    assert (await installation.user_info(body["access_token"])).status_code == 200


# The form


async def test_r42_anything_but_post_is_405_in_json(installation: Installation) -> None:
    http = installation.http()
    for path in ("/accessToken", "/userInfo"):
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            response = await http.request(method, path)
            assert response.status_code == 405, method
            assert response.headers["allow"] == "POST"
            assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_r43_r50_another_content_type_is_415_in_json(installation: Installation) -> None:
    code = await installation.browser().code()
    form = installation.token_form(code)
    types = ("application/json", "multipart/form-data; boundary=x", "text/plain", "")
    for content_type in types:
        response = await post(installation, json.dumps(form), {"Content-Type": content_type})
        assert_refused(response, UnsupportedMediaType)
    missing = await installation.http().post("/accessToken", content=b"grant_type=x")
    assert_refused(missing, UnsupportedMediaType)
    compressed = {**FORM, "Content-Encoding": "gzip"}
    assert_refused(await post(installation, b"x", compressed), UnsupportedMediaType)
    charset = {"Content-Type": f"{FORM['Content-Type']}; charset=UTF-8"}
    assert (await post(installation, _encoded(form), charset)).status_code == 200


async def test_r44_parameters_in_the_address_are_never_read(installation: Installation) -> None:
    form = installation.token_form(await installation.browser().code())
    for name in form:
        rest = {key: value for key, value in form.items() if key != name}
        response = await installation.http().post(
            "/accessToken", params={name: form[name]}, data=rest
        )
        assert_refused(response, InvalidRequest)
    basic = await installation.http().post(
        "/accessToken",
        data={"grant_type": "authorization_code", "code": form["code"]},
        auth=(form["client_id"], form["client_secret"]),
    )
    assert_refused(basic, InvalidRequest)
    assert (await installation.exchange(form["code"])).status_code == 200


async def test_r45_a_missing_empty_or_repeated_parameter_is_201(
    installation: Installation,
) -> None:
    form = installation.token_form("some-code")
    for name in form:
        missing = {key: value for key, value in form.items() if key != name}
        assert_refused(await post(installation, _encoded(missing)), InvalidRequest)
        assert_refused(await post(installation, _encoded({**form, name: ""})), InvalidRequest)
        twice = f"{_encoded(form)}&{name}={form[name]}"
        assert_refused(await post(installation, twice), InvalidRequest)
    for body in (b"", b"&&&", b"%FF%FE=1", b"\xff\xfe", b"grant_type", b"=x"):
        assert_refused(await post(installation, body), InvalidRequest)


async def test_r51_a_body_beyond_the_limits_is_refused(installation: Installation) -> None:
    form = _encoded(installation.token_form(await installation.browser().code()))
    for body, error in (
        (f"{form}&x={'a' * 17_000}", RequestTooLarge),
        (f"{form}&x={'a' * 4_200}", InvalidRequest),
        (form + "".join(f"&x{number}=1" for number in range(40)), InvalidRequest),
    ):
        assert_refused(await post(installation, body), error)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 1_000

    response = await installation.http().post("/accessToken", content=chunks(), headers=FORM)
    assert_refused(response, RequestTooLarge)
    assert response.headers["connection"] == "close"
    assert (await post(installation, form)).status_code == 200


# The client


async def test_r46_a_secret_is_made_by_us_and_kept_as_a_digest(
    installation: Installation,
) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", installation.client.client_secret)
    for chosen in ({"secrets": (ClientSecret("x"),)}, {"client_secret": "chosen"}):
        with pytest.raises(Refused):
            await installation.administration.clients.change("Acme", **chosen)
    kept = installation.rows("SELECT digest FROM client_secrets")
    assert [len(str(value)) for (value,) in kept] == [64]


async def test_r47_two_secrets_are_valid_during_a_rotation(installation: Installation) -> None:
    old = installation.client.client_secret
    new = (
        await installation.administration.clients.rotate_secret("Acme", overlap=3_600)
    ).client_secret
    await installation.settle()
    browser = installation.browser()
    await browser.code()
    for secret in (old, new):
        code = code_of(await browser.arrive())
        assert (await installation.exchange(code, client_secret=secret)).status_code == 200
    installation.clock.advance(3_601)
    code = code_of(await browser.arrive())
    assert_refused(await installation.exchange(code, client_secret=old), UnauthorizedClient)
    assert (await installation.exchange(code, client_secret=new)).status_code == 200


async def test_r47_a_rotation_without_overlap_ends_the_old_secret(
    installation: Installation,
) -> None:
    old = installation.client.client_secret
    await installation.administration.clients.rotate_secret("Acme", overlap=0)
    await installation.settle()
    assert_refused(await installation.exchange("x", client_secret=old), UnauthorizedClient)


async def test_r48_wrong_secrets_are_limited_and_lock_nobody_out(
    installation: Installation,
) -> None:
    form = installation.token_form("x", client_secret="wrong")
    for _ in range(WRONG_SECRETS_A_MINUTE):
        with pytest.raises(UnauthorizedClient):
            await installation.calls.exchange_code(form, "203.0.113.7")
    assert_refused(await installation.exchange("x", client_secret="wrong"), TooManyWrongSecrets)
    elsewhere = installation.http(address="203.0.113.8")
    assert_refused(
        await installation.exchange("x", elsewhere, client_secret="wrong"), UnauthorizedClient
    )
    code = await installation.browser().code()
    assert (await installation.exchange(code)).status_code == 200


async def test_r48_a_flood_of_strangers_does_not_fill_the_audit_log(
    installation: Installation,
) -> None:
    for _ in range(300):
        with pytest.raises(UnauthorizedClient):
            await installation.calls.exchange_code(
                installation.token_form("x", client_id="nobody"), "203.0.113.7"
            )
    assert len(await installation.audit(event=Event.CLIENT_REFUSED, limit=1_000)) <= 60


async def test_r49_unknown_client_and_wrong_secret_look_alike(
    installation: Installation,
) -> None:
    for changes in ({}, {"error_style": "text"}, {"error_status": "always_200"}):
        await installation.change_client(**changes)
        unknown = await installation.exchange("x", client_id="nobody")
        wrong = await installation.exchange("x", client_secret="wrong")
        assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
        assert unknown.headers == wrong.headers


# Errors, word for word


@pytest.mark.parametrize("style", ["code", "text"])
@pytest.mark.parametrize("status", ["standard", "always_200"])
async def test_r50_every_error_has_the_form_that_the_client_asks_for(
    installation: Installation, style: str, status: str
) -> None:
    await installation.change_client(error_style=style, error_status=status)
    answers = {
        "201": await installation.exchange(""),
        "203": await installation.exchange("x", grant_type="password"),
        "301": await installation.exchange("x", client_secret="wrong"),
        "302": await installation.exchange("x"),
        "303": await installation.user_info("x"),
    }
    await installation.change_client(allowed_addresses=("192.0.2.0/24",))
    answers["101"] = await installation.exchange("x")
    for number, response in answers.items():
        message, description = DESCRIPTIONS[number]
        wanted = {
            "code": {"error": number, "error_description": f"{message}: {description}"},
            "text": {"error": message, "error_description": description},
        }
        assert response.json() == wanted[style]
        assert response.status_code == (STATUSES[number] if status == "standard" else 200)
        assert response.headers["cache-control"] == "no-store"


async def test_the_first_of_several_mistakes_is_the_one_that_is_reported(
    installation: Installation,
) -> None:
    """Shape 201, then grant type 203, client 301, its state and address 101, code 302."""
    await installation.change_client(allowed_addresses=("192.0.2.0/24",))
    wrong = {
        "client_id": installation.client.client.client_id,
        "client_secret": "wrong",
        "grant_type": "password",
        "code": "",
    }
    right = installation.token_form("x")
    expected: list[tuple[str, type[OAuthError]]] = [
        ("code", InvalidRequest),
        ("grant_type", UnsupportedGrantType),
        ("client_secret", UnauthorizedClient),
    ]
    for corrected, error in expected:
        response = await installation.http().post("/accessToken", data=wrong)
        assert_refused(response, error)
        wrong[corrected] = right[corrected]
    assert_refused(await installation.http().post("/accessToken", data=wrong), AccessDenied)
    await installation.change_client(allowed_addresses=())
    assert_refused(await installation.http().post("/accessToken", data=wrong), InvalidAuthorization)


async def test_a_disabled_client_is_101_and_comes_back_as_it_was(
    installation: Installation,
) -> None:
    code = await installation.browser().code()
    await installation.administration.clients.disable("Acme")
    await installation.settle()
    assert_refused(await installation.exchange(code), AccessDenied)
    assert_refused(await installation.user_info("x"), AccessDenied)
    assert_refused(await installation.exchange(code, client_secret="wrong"), UnauthorizedClient)
    await installation.administration.clients.enable("Acme")
    await installation.settle()
    assert (await installation.exchange(code)).status_code == 200


async def test_a_removed_client_is_unknown(installation: Installation) -> None:
    code = await installation.browser().code()
    await installation.administration.clients.remove("Acme")
    await installation.settle()
    assert_refused(await installation.exchange(code), UnauthorizedClient)


@pytest.mark.parametrize(
    ("allowed", "address", "error"),
    [
        ("198.51.100.0/24", "198.51.100.200", None),
        ("198.51.100.0/24", "198.51.101.1", AccessDenied),
        ("198.51.100.0/24", "::ffff:198.51.100.200", None),
        ("198.51.100.0/24", "::ffff:198.51.101.1", AccessDenied),
        ("198.51.100.7/32", "198.51.100.7", None),
        ("2001:db8::/32", "2001:db8::7", None),
        ("2001:db8::/32", "2001:db9::7", AccessDenied),
        ("2001:db8::/32", "198.51.100.7", AccessDenied),
        ("0.0.0.0/0", "2001:db8::7", AccessDenied),
        ("198.51.100.0/24", "unknown", AccessDenied),
    ],
)
async def test_only_listed_addresses_may_call(
    installation: Installation, allowed: str, address: str, error: type[OAuthError] | None
) -> None:
    await installation.change_client(allowed_addresses=(allowed,))
    http = installation.http(address=address)
    assert_refused(await installation.exchange("x", http), error or InvalidAuthorization)
    assert_refused(await installation.user_info("x", http), error or InvalidAccess)


async def test_a_path_below_is_404_in_json(installation: Installation) -> None:
    for path in ("/accessToken/", "/accessToken/x", "/userInfo/"):
        response = await post(installation, "x=1", path=path)
        assert response.status_code == 404
        assert response.json()["error"] == "201"


# Refresh tokens


async def test_refresh_tokens_are_off_by_default(installation: Installation) -> None:
    body = (await installation.exchange(await installation.browser().code())).json()
    assert "refresh_token" not in body
    assert_refused(await refresh(installation, "x"), UnsupportedGrantType)


async def test_a_refresh_token_is_replaced_at_each_use(installation: Installation) -> None:
    await installation.change_client(refresh_tokens=True)
    first = (await installation.exchange(await installation.browser().code())).json()
    second = await refresh(installation, first["refresh_token"])
    assert second.status_code == 200
    body = second.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert body["expires_in"] == DAY
    assert body["refresh_token"] != first["refresh_token"]
    assert (await installation.user_info(body["access_token"])).json() == {"user_id": "user1"}


async def test_reuse_of_a_refresh_token_revokes_the_grant(installation: Installation) -> None:
    await installation.change_client(refresh_tokens=True)
    first = (await installation.exchange(await installation.browser().code())).json()
    second = (await refresh(installation, first["refresh_token"])).json()
    assert_refused(await refresh(installation, first["refresh_token"]), InvalidAuthorization)
    assert_refused(await refresh(installation, second["refresh_token"]), InvalidAuthorization)
    for body in (first, second):
        assert_refused(await installation.user_info(body["access_token"]), InvalidAccess)


async def test_reuse_of_the_code_revokes_the_refresh_token(installation: Installation) -> None:
    await installation.change_client(refresh_tokens=True)
    code = await installation.browser().code()
    body = (await installation.exchange(code)).json()
    assert_refused(await installation.exchange(code), InvalidAuthorization)
    assert_refused(await refresh(installation, body["refresh_token"]), InvalidAuthorization)


async def test_a_refresh_token_is_the_client_s_own_and_expires(
    installation: Installation,
) -> None:
    await installation.change_client(refresh_tokens=True, refresh_token_lifetime=1_000)
    other = await installation.administration.clients.add("Other", refresh_tokens=True)
    await installation.settle()
    body = (await installation.exchange(await installation.browser().code())).json()
    stranger = {"client_id": other.client.client_id, "client_secret": other.client_secret}
    token = body["refresh_token"]
    assert_refused(await refresh(installation, token, **stranger), InvalidAuthorization)
    assert_refused(await refresh(installation, ""), InvalidRequest)
    installation.clock.advance(1_001)
    assert_refused(await refresh(installation, token), InvalidAuthorization)


async def test_disabling_a_person_ends_their_refresh_tokens(installation: Installation) -> None:
    await installation.change_client(refresh_tokens=True)
    body = (await installation.exchange(await installation.browser().code())).json()
    await installation.administration.users.disable("user1@example.com")
    assert_refused(await refresh(installation, body["refresh_token"]), InvalidAuthorization)


def _encoded(form: Mapping[str, str]) -> str:
    return str(httpx2.QueryParams(dict(form)))
