"""The simulator against a small SSO system of the test's own, both on real sockets."""

import html
import json
import logging
import re
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.conformance.simulator.fake_sso import CLIENT, DISABLED, PASSWORD
from tests.conformance.simulator.worlds import (
    HASTY,
    PATIENT,
    World,
    settings_for,
    sign_in,
    states_in,
    text_of,
)

from worksgate.conformance.line_works import LOGIN_LIFETIME, LineWorks
from worksgate.conformance.simulator import (
    SimulatorSettings,
    create_simulator,
    diagram,
    misbehaviour,
)
from worksgate.conformance.simulator import sign_in as sign_in_steps

# The flow


async def test_sign_in_goes_through_all_eleven_steps(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser)
    assert page.status_code == 200
    assert states_in(page) == ["done"] * 2 + ["unseen"] * 2 + ["done"] * 7
    assert "key-of-hana" in page.text
    assert [name for name, _ in world.sso.seen] == ["login", "token", "user_info"]
    assert "key-of-hana" in (await browser.get("/")).text


async def test_steps_are_an_ordered_list_that_opens_step_by_step(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser)
    starts = [int(n) for n in re.findall(r'<ol class="steps"[^>]*start="(\d+)"', page.text)]
    assert starts == [1, 7, 11]
    assert page.text.count("<details") == page.text.count("<summary") == 11
    assert re.findall(r"Step (\d+):", page.text) == [str(n) for n in range(1, 12)]


async def test_browser_sends_what_line_works_sends(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser, worksId=" hana@acme ")
    _, query = world.sso.seen[0]
    redirect_uri = query.pop("redirect_uri")
    assert query == {"response_type": "code", "client_id": "demo-client", "worksId": "hana@acme"}
    assert re.fullmatch(
        re.escape(f"{world.origin}/oauth/callback?state=") + r"[\w-]{32}", redirect_uri
    )


async def test_app_sends_user_agent_and_a_session_key(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser, kind="app")
    _, query = world.sso.seen[0]
    assert query["userAgent"] == "LineWorks"
    assert query["sessionKey"] not in page.text
    assert "was told that it is valid" in page.text


async def test_session_key_is_confirmed_once(world: World, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser, kind="app")
    first, second = world.sso.session_key_answers
    assert '{code: "00"' in first
    assert '{code: "12"' in second
    with pytest.raises(ValueError, match="Expecting property name"):
        json.loads(first)


async def test_question_without_sso_type_does_not_use_the_session_key_up(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.check_url = None
    await sign_in(browser, kind="app")
    path = f"/login/check/{world.sso.seen[0][1]['sessionKey']}"
    assert '"12"' in (await browser.post(path)).text
    assert '"00"' in (await browser.post(path, data={"ssoType": "OAUTH"})).text
    assert (await browser.get(path)).status_code == 405


async def test_session_lasts_as_long_as_the_token_says(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.expires_in = 60
    await sign_in(browser)
    world.clock.ahead = 59
    assert "key-of-hana" in (await browser.get("/")).text
    world.clock.ahead = 61
    assert "key-of-hana" not in (await browser.get("/")).text


@pytest.mark.parametrize("value", [None, True, -1, "86400", 10**400, [1]])
async def test_senseless_expires_in_leaves_the_session_to_line_works(
    world: World, browser: httpx2.AsyncClient, value: object
) -> None:
    world.sso.expires_in = value
    page = await sign_in(browser)
    assert page.status_code == 200
    assert "as long as LINE WORKS decides" in text_of(page)


# The callback


async def test_reload_shows_the_result_and_runs_nothing_twice(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser)
    callback = str(page.history[-1].url)
    again = await browser.get(callback)
    assert again.url == page.url
    assert [name for name, _ in world.sso.seen].count("token") == 1


async def test_state_of_another_browser_is_refused_and_its_code_not_used(
    world: World, browser: httpx2.AsyncClient
) -> None:
    begun = await browser.post("/sign-in", data={}, follow_redirects=False)
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as other:
        page = await other.get(begun.headers["location"])
        assert page.status_code == 400
        assert "belongs to another browser" in page.text
        assert CLIENT.client_id not in page.text
    assert [name for name, _ in world.sso.seen] == ["login"]


@pytest.mark.parametrize("query", ["", "?code=abc", "?state=made-up&code=abc", "?state="])
async def test_unknown_state_is_refused(
    world: World, browser: httpx2.AsyncClient, query: str
) -> None:
    page = await browser.get(f"/oauth/callback{query}")
    assert page.status_code == 400
    assert world.sso.seen == []


async def test_result_is_shown_only_to_the_browser_that_began_it(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser)
    async with httpx2.AsyncClient(trust_env=False) as other:
        assert (await other.get(page.url)).status_code == 404


async def test_changed_redirect_uri_is_refused(world: World, browser: httpx2.AsyncClient) -> None:
    begun = await browser.post("/sign-in", data={}, follow_redirects=False)
    redirect_uri = dict(parse_qsl(urlsplit(begun.headers["location"]).query))["redirect_uri"]
    page = await browser.get(f"{redirect_uri}&added=1&code=abcdefghijklmnop")
    assert "redirect_uri was changed on the way" in page.text
    assert states_in(page) == (["done"] * 2 + ["unseen"] * 3 + ["failed"] + ["not-reached"] * 5)
    assert world.sso.seen == []


async def test_late_callback_is_refused(world: World, browser: httpx2.AsyncClient) -> None:
    begun = await browser.post("/sign-in", data={}, follow_redirects=False)
    world.clock.ahead = LOGIN_LIFETIME + 1
    page = await browser.get(begun.headers["location"])
    assert "after more than 30 minutes" in page.text
    assert [name for name, _ in world.sso.seen] == ["login"]


async def test_denial_is_shown_as_one(world: World, browser: httpx2.AsyncClient) -> None:
    world.sso.denies = True
    page = await sign_in(browser)
    assert "with an error instead of a code" in text_of(page)
    assert states_in(page) == (
        ["done"] * 2 + ["unseen"] * 2 + ["not-reached", "failed"] + ["not-reached"] * 5
    )


# Times and failures


async def test_answers_over_the_limit_are_marked_and_end_the_login(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.limits.set_to(HASTY)
    world.sso.token_delay = 2 * HASTY.answer
    page = await sign_in(browser)
    assert '<span class="meter over">' in page.text
    assert "over the limit" in page.text
    assert "No complete answer within 900 ms." in page.text
    assert states_in(page) == (
        ["done"] * 2 + ["unseen"] * 2 + ["done"] * 3 + ["failed"] + ["not-reached"] * 3
    )
    assert "Session active" not in (await browser.get("/")).text


async def test_late_user_info_is_marked_at_step_ten(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.limits.set_to(HASTY)
    world.sso.user_info_delay = 2 * HASTY.answer
    page = await sign_in(browser)
    assert states_in(page) == (
        ["done"] * 2 + ["unseen"] * 2 + ["done"] * 5 + ["failed", "not-reached"]
    )


async def test_times_in_the_limit_are_shown_against_it(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await sign_in(browser)
    words = text_of(page)
    assert len(re.findall(r"Connected [\d.]+ m?s of 20 s", words)) == 2
    assert len(re.findall(r"Answered [\d.]+ m?s of 30 s", words)) == 2
    assert re.search(r"Away [\d.]+ m?s of 30 min", words)
    assert "over the limit" not in words


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not json</html>",
        b"[" * 60_000,
        b'{"access_token": "\\ud800half-a-surrogate-pair"}',
        b'{"error": "\\ud800", "error_description": "<script>alert(1)</script>"}',
        b'{"error": ["a", "list"]}',
        b"\xff\xfe",
        b"",
        b"x" * 200_000,
    ],
)
async def test_nonsense_from_the_other_side_is_shown_and_never_breaks_the_page(
    world: World, browser: httpx2.AsyncClient, body: bytes
) -> None:
    world.sso.token_body = body
    page = await sign_in(browser)
    assert page.status_code == 200
    assert 'class="step is-failed' in page.text
    assert "<script>alert" not in page.text
    assert len(page.content) < 100_000


async def test_user_key_of_odd_characters_is_escaped(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.user_info_body = b'{"user_id": "<b>\\ud800&"}'
    page = await sign_in(browser)
    assert page.status_code == 200
    assert "&lt;b&gt;?&amp;" in page.text


# Misbehaving


@pytest.mark.parametrize("key", list(misbehaviour.SCENARIOS))
async def test_misbehaviour_produces_the_error_of_the_contract(
    world: World, browser: httpx2.AsyncClient, key: str
) -> None:
    page = await browser.post(f"/misbehave/{key}")
    assert page.status_code == 200
    assert "Worksgate did what the contract says." in page.text
    scenario = misbehaviour.SCENARIOS[key]
    expected = "An error page (4xx), no redirect" if scenario.code == "page" else scenario.code
    words = text_of(page)
    assert f"Expected {expected}" in words
    assert f"Got {expected}" in words
    assert "As expected" in (await browser.get("/misbehave")).text


async def test_code_used_twice_shows_that_the_token_is_dead(
    world: World, browser: httpx2.AsyncClient
) -> None:
    words = text_of(await browser.post("/misbehave/code_used_twice"))
    got = re.findall(r"Got (\d+)", words)
    assert got == ["200", "302", "303"]
    assert world.sso.tokens == set()


async def test_server_that_gives_another_error_is_told_so(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.token_body = b'{"error": "201", "error_description": "always this one"}'
    page = await browser.post("/misbehave/unknown_code")
    assert "Worksgate did not do what the contract says." in page.text
    assert "Got 201" in text_of(page)
    assert "Not as expected" in (await browser.get("/misbehave")).text


async def test_error_words_count_as_their_numbers(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.token_body = b'{"error": "invalid_authorization", "error_description": "Invalid"}'
    page = await browser.post("/misbehave/unknown_code")
    assert "Worksgate did what the contract says." in page.text


async def test_right_error_that_comes_too_late_is_wrong(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.limits.set_to(HASTY)
    world.sso.token_delay = 2 * HASTY.answer
    page = await browser.post("/misbehave/unknown_code")
    assert "Worksgate did not do what the contract says." in page.text
    assert "Got no answer in time" in text_of(page)


async def test_all_run_at_once_but_those_that_need_a_sign_in(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await browser.post("/misbehave")
    assert page.text.count("As expected") == len(misbehaviour.SCENARIOS) - 1
    assert "runs 17 of 18." in page.text
    assert "Not as expected" not in page.text
    assert "17 of 17 as expected" in text_of(page)


async def test_the_summary_names_what_was_not_as_expected(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await browser.post("/misbehave/unknown_token")
    world.sso.token_body = b'{"error": "201", "error_description": "always this one"}'
    await browser.post("/misbehave/unknown_code")
    words = text_of(await browser.get("/misbehave"))
    assert "1 of 2 as expected Not as expected: A made-up code" in words


async def test_unknown_misbehaviour_is_not_found(browser: httpx2.AsyncClient) -> None:
    assert (await browser.post("/misbehave/made_up")).status_code == 404


# Signing out


async def test_sign_out_at_line_works_goes_to_the_logout_url(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser)
    page = await browser.post("/sign-out")
    assert world.sso.seen[-1] == ("logout", {"redirect_uri": f"{world.origin}/signed-out"})
    assert page.url.path == "/signed-out"
    assert "has no session at LINE WORKS any more" in text_of(page)
    assert "key-of-hana" not in (await browser.get("/")).text


async def test_sign_out_from_the_other_side_ends_the_session_and_goes_on(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser)
    home = await browser.get("/")
    found = re.search(r'href="([^"]*/view/oauth/sso/logout\?redirect_uri=[^"]*)"', home.text)
    assert found is not None
    page = await browser.get(html.unescape(found[1]))
    assert world.sso.seen[-1][0] == "logout"
    assert page.url.path == "/signed-out"
    assert "key-of-hana" not in (await browser.get("/")).text


async def test_sign_out_that_only_the_sso_system_made_is_reported(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser)
    page = await browser.get("/signed-out")
    assert "still has a session for key-of-hana" in page.text


@pytest.mark.parametrize(
    "destination",
    [
        "https://attacker.example/",
        "//attacker.example",
        "{origin}.attacker.example/",
        "{origin}@attacker.example/",
        "{origin}\\@attacker.example/",
        "javascript:alert(1)",
        "http://[",
        "{origin}/\r\nSet-Cookie: a=b",
    ],
)
async def test_sign_out_leads_to_known_places_only(
    world: World, browser: httpx2.AsyncClient, destination: str
) -> None:
    await sign_in(browser)
    wanted = {"redirect_uri": destination.format(origin=world.origin)}
    page = await browser.get("/view/oauth/sso/logout", params=wanted, follow_redirects=False)
    assert page.status_code == 400
    assert "location" not in page.headers
    assert "key-of-hana" not in (await browser.get("/")).text


async def test_form_of_another_site_is_refused(world: World, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    for headers in ({"Sec-Fetch-Site": "same-site"}, {"Origin": world.sso.origin}):
        for path in ("/sign-out", "/sign-in", "/misbehave", "/misbehave/unknown_code"):
            assert (await browser.post(path, headers=headers)).status_code == 403
    assert "key-of-hana" in (await browser.get("/")).text


# Secrets


async def test_r106_no_page_and_no_log_holds_a_secret(
    world: World, browser: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pages = [
        await sign_in(browser),
        await sign_in(browser, kind="app"),
        await browser.post("/misbehave"),
    ]
    pages += [await browser.post(f"/misbehave/{key}") for key in misbehaviour.SCENARIOS]
    pages += [await browser.get("/misbehave"), await browser.get("/signed-out")]
    home = await browser.get("/")
    shown = "".join(page.text for page in pages) + home.text.replace(PASSWORD, "")
    # At level debug httpcore2 tells the test's own browser where it was redirected to; and the
    # access log, which is off, is revived by pytest's own handler.
    others = ("httpcore2", "uvicorn.access")
    records = [r for r in caplog.records if not r.name.startswith(others)]
    logged = "".join(record.getMessage() for record in records)
    found = [secret for secret in world.sso.secrets() if secret in shown or secret in logged]
    assert len(world.sso.codes) >= 3
    assert found == []


async def test_secret_that_a_server_echoes_is_masked(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.token_body = json.dumps(
        {"error": "301", "error_description": f"got {CLIENT.client_secret}"}
    ).encode()
    page = await sign_in(browser)
    assert "got demo…" in page.text
    assert CLIENT.client_secret not in page.text


def test_settings_hide_secrets_in_their_repr(world: World) -> None:
    shown = repr(world.settings)
    assert CLIENT.client_secret not in shown
    assert DISABLED.client_secret not in shown
    assert PASSWORD not in shown


# Pages


@pytest.mark.parametrize(
    ("accept", "language", "word"),
    [
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja", "ログイン"),
        ("ko", "ko", "로그인"),
        ("fr, de;q=0.5", "en", "Sign in"),
    ],
)
async def test_language_follows_the_browser(
    browser: httpx2.AsyncClient, accept: str, language: str, word: str
) -> None:
    page = await browser.get("/", headers={"Accept-Language": accept})
    assert f'<html lang="{language}">' in page.text
    assert word in page.text


async def test_language_that_was_asked_for_is_remembered(browser: httpx2.AsyncClient) -> None:
    await browser.get("/?lang=ko")
    assert '<html lang="ko">' in (await browser.get("/misbehave")).text
    assert '<html lang="ko">' in (await browser.get("/?lang=xx")).text


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja", "ko"])
async def test_every_page_is_there_in_every_language(
    world: World, browser: httpx2.AsyncClient, language: str
) -> None:
    """An unknown text, or a value that it lacks, would be an exception and so a 500."""
    browser.cookies.set("simulator-language", language)
    pages = [await browser.get("/"), await sign_in(browser, kind="app"), await browser.get("/")]
    pages += [await browser.get("/misbehave"), await browser.post("/misbehave/code_used_twice")]
    pages += [await browser.get("/signed-out"), await browser.post("/sign-out")]
    world.limits.set_to(HASTY)
    world.sso.token_delay = 2 * HASTY.answer
    pages += [await sign_in(browser), await browser.post("/misbehave/unknown_code")]
    assert {page.status_code for page in pages} == {200}
    pages += [await browser.get("/nowhere"), await browser.get("/logins/unknown")]
    pages += [await browser.get("/oauth/callback"), await browser.post("/")]
    pages += [await browser.get("/view/oauth/sso/logout?redirect_uri=https://a.example")]
    assert [page.status_code for page in pages[-5:]] == [404, 404, 400, 405, 400]
    for page in pages:
        assert f'<html lang="{language}">' in page.text
        assert "{product}" not in page.text
        assert "{sso}" not in page.text


async def test_login_under_way_is_drawn_as_waiting(world: World) -> None:
    async with LineWorks(world.settings.endpoints, CLIENT) as line_works:
        login = sign_in_steps.begin(line_works, world.settings.redirect_uri, browser="b", now=0.0)
    states = [step.state.value for part in diagram.draw(login) for step in part.steps]
    assert states == ["done"] * 2 + ["waiting"] * 9


@pytest.mark.parametrize("path", ["/", "/misbehave", "/nowhere", "/static/simulator.css"])
async def test_every_answer_carries_the_security_headers(
    browser: httpx2.AsyncClient, path: str
) -> None:
    headers = (await browser.get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    is_static = path.startswith("/static/")
    assert headers["cache-control"] == ("max-age=300" if is_static else "no-store")


async def test_pages_need_nothing_from_elsewhere(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/")
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', page.text)
    assert loaded
    for url in loaded:
        assert url.startswith("/static/")
        assert (await browser.get(url)).status_code == 200
    assert " style=" not in page.text


async def test_cookie_is_out_of_reach_of_scripts_and_host_bound_on_https(
    world: World, browser: httpx2.AsyncClient
) -> None:
    begun = await browser.post("/sign-in", data={}, follow_redirects=False)
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    secure = SimulatorSettings("https://sim.example", world.sso.endpoints(), CLIENT)
    transport = httpx2.ASGITransport(app=create_simulator(secure))
    async with httpx2.AsyncClient(transport=transport, base_url="https://sim.example") as http:
        begun = await http.post("/sign-in", data={})
    assert begun.headers["set-cookie"].startswith("__Host-simulator-browser=")
    assert "; Secure" in begun.headers["set-cookie"]


async def test_simulator_runs_under_a_path(world: World) -> None:
    settings = settings_for(f"{world.origin}/play", world.sso, PATIENT)
    app = Starlette(routes=[Mount("/play", create_simulator(settings))])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=world.origin) as http:
        home = await http.get("/play/")
        assert 'href="/play/?lang=ja"' in home.text
        assert (await http.get("/play/static/simulator.css")).status_code == 200
        trial = await http.post("/play/misbehave/unknown_token")
        assert trial.headers["location"].startswith("/play/trials/")
        assert (await http.get(trial.headers["location"])).status_code == 200


async def test_other_name_of_the_same_machine_leads_to_the_public_one(world: World) -> None:
    port = urlsplit(world.origin).port
    transport = httpx2.ASGITransport(app=create_simulator(world.settings))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://localhost:{port}") as http:
        answer = await http.get("/")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{world.origin}/"


async def test_form_that_is_too_large_is_refused(browser: httpx2.AsyncClient) -> None:
    page = await browser.post("/sign-in", data={"worksId": "x" * 5000})
    assert page.status_code == 413


async def test_101_is_not_offered_without_a_disabled_client(world: World) -> None:
    settings = SimulatorSettings(world.origin, world.sso.endpoints(), CLIENT)
    transport = httpx2.ASGITransport(app=create_simulator(settings))
    async with httpx2.AsyncClient(transport=transport, base_url=world.origin) as http:
        page = await http.get("/misbehave")
        assert "/misbehave/disabled_client" not in page.text
        assert "the simulator was not given one" in page.text
        assert (await http.post("/misbehave/disabled_client")).status_code == 404
