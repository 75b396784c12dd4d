"""A mail app's sign-in: what LINE WORKS forwards, how it reads the response, what is shown."""

import base64
import html
import json
import logging
import re

import httpx2
import pytest
from tests.conformance.simulator.fake_sso import CLIENT, MAILBOX, PASSWORD
from tests.conformance.simulator.worlds import HASTY, World, sign_in, states_in, text_of

from worksgate.conformance.line_works import Endpoints
from worksgate.conformance.simulator import SimulatorSettings, create_simulator

STEPS = 8


async def connect(browser: httpx2.AsyncClient, password: str = PASSWORD) -> httpx2.Response:
    return await browser.post("/mail", data={"email": f" {MAILBOX} ", "password": password})


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_mail_app_is_let_in_after_eight_steps(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await connect(browser)
    assert page.status_code == 200
    assert "The mail app is signed in" in page.text
    assert states_in(page) == ["done"] * STEPS
    assert "key-of-hana" in page.text
    assert [name for name, _ in world.sso.seen] == ["mail", "token", "user_info"]
    starts = [int(n) for n in re.findall(r'<ol class="steps"[^>]*start="(\d+)"', page.text)]
    assert starts == [1, 2, 8]


async def test_e_mail_and_password_go_out_in_base64(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await connect(browser)
    expected = {"email": base64_of(MAILBOX), "password": base64_of(PASSWORD)}
    assert world.sso.seen[0] == ("mail", expected)


@pytest.mark.parametrize("password", [PASSWORD, "wrong, and found nowhere", "short"])
async def test_r59_the_password_is_shown_and_logged_in_no_form(
    world: World, browser: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    caplog.set_level(logging.DEBUG)
    page = await connect(browser, password)
    # What the test's own browser and server say of each other is not what the simulator says.
    others = ("httpcore2", "uvicorn")
    logged = [r.getMessage() for r in caplog.records if not r.name.startswith(others)]
    shown = html.unescape(page.text) + "".join(logged)
    encoded = base64_of(password)
    assert states_in(page)[1] == "done"
    assert [form for form in (password, encoded, encoded.rstrip("=")) if form in shown] == []
    assert [secret for secret in world.sso.secrets() if secret in shown] == []


async def test_an_echoed_password_is_masked(world: World, browser: httpx2.AsyncClient) -> None:
    told = f"{PASSWORD} or {base64_of(PASSWORD)}"
    body = json.dumps({"error": "invalid_grant", "error_description": told}).encode()
    world.sso.mail_answer = (401, body)
    page = await connect(browser)
    assert PASSWORD not in page.text
    assert base64_of(PASSWORD) not in page.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, b'{"error": "invalid_grant"}'), "gave no code, so LINE WORKS lets nobody in"),
        ((400, b'{"error": "201"}'), "gave no code, so LINE WORKS lets nobody in"),
        ((200, b'{"error": "invalid_grant"}'), "gave no code, so LINE WORKS lets nobody in"),
        ((503, b'{"error": "server_error"}'), "gave no usable answer in time"),
        ((200, b'{"code": ""}'), "The answer has no code"),
        ((200, b"<html>not json</html>"), "The answer has no code"),
        ((200, b"x" * 200_000), "gave no usable answer in time"),
    ],
)
async def test_whatever_is_no_code_keeps_the_mail_app_out(
    world: World, browser: httpx2.AsyncClient, answer: tuple[int, bytes], words: str
) -> None:
    world.sso.mail_answer = answer
    page = await connect(browser)
    assert words in text_of(page)
    assert states_in(page) == ["done"] * 2 + ["failed"] + ["not-reached"] * 5
    assert [name for name, _ in world.sso.seen] == ["mail"]


async def test_a_late_answer_keeps_the_mail_app_out(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.limits.set_to(HASTY)
    world.sso.mail_delay = 2 * HASTY.answer
    page = await connect(browser)
    assert "gave no usable answer in time" in text_of(page)
    assert "over the limit" in page.text


async def test_a_code_that_buys_nothing_is_reported_where_it_fails(
    world: World, browser: httpx2.AsyncClient
) -> None:
    world.sso.token_body = b'{"error": "302"}'
    page = await connect(browser)
    assert "The code was good for nothing" in text_of(page)
    assert states_in(page)[4] == "failed"
    world.sso.token_body, world.sso.user_info_body = None, b"{}"
    page = await connect(browser)
    assert "nobody knows whose mailbox it is" in text_of(page)
    assert states_in(page)[6] == "failed"


async def test_it_is_shown_to_the_browser_that_asked_and_to_no_other(
    world: World, browser: httpx2.AsyncClient
) -> None:
    page = await connect(browser)
    async with httpx2.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(str(page.url))).status_code == 404


async def test_a_form_of_another_site_is_refused(world: World, browser: httpx2.AsyncClient) -> None:
    sent = await browser.post("/mail", headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 403
    assert world.sso.seen == []


async def test_no_session_of_the_browser_comes_of_it(
    world: World, browser: httpx2.AsyncClient
) -> None:
    await connect(browser)
    assert "Session active" not in (await browser.get("/")).text
    await sign_in(browser)
    assert "Session active" in (await browser.get("/")).text


async def test_without_the_api_nothing_of_it_is_offered() -> None:
    endpoints = Endpoints(*("https://sso.example/x",) * 5)
    app = create_simulator(SimulatorSettings("http://sim.example", endpoints, CLIENT))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sim.example") as http:
        assert "/mail" not in (await http.get("/")).text
        assert (await http.post("/mail")).status_code == 404
        assert "/misbehave/mail" not in (await http.get("/misbehave")).text
        assert (await http.post("/misbehave/mail_bad_base64")).status_code == 404
        assert (await http.get("/codes")).status_code == 404


@pytest.mark.parametrize("language", ["en", "ja", "ko"])
async def test_every_outcome_is_there_in_every_language(
    world: World, browser: httpx2.AsyncClient, language: str
) -> None:
    browser.cookies.set("simulator-language", language)
    pages = [await connect(browser), await connect(browser, "wrong"), await browser.get("/codes")]
    for answer in ((200, b"{}"), (503, b"")):
        world.sso.mail_answer = answer
        pages.append(await connect(browser))
    world.sso.mail_answer = None
    world.sso.user_info_body = b"{}"
    pages.append(await connect(browser))
    world.sso.token_body = b"{}"
    pages.append(await connect(browser))
    for page in pages:
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text
        assert "{product}" not in page.text
        assert "{sso}" not in page.text


# What people's authenticator apps show


async def test_present_codes_are_shown_and_handed_to_the_script(
    browser: httpx2.AsyncClient,
) -> None:
    for path in ("/", "/codes"):
        page = await browser.get(path)
        assert "123 456" in page.text
        assert "changes in 30 s" in page.text
    codes = await browser.get("/codes.json")
    assert codes.json() == {"yuna": {"digits": "123456", "seconds_left": 30}}
    assert codes.headers["cache-control"] == "no-store"


async def test_the_home_page_says_what_each_person_signs_in_with(
    world: World, browser: httpx2.AsyncClient
) -> None:
    home = await browser.get("/")
    tries = re.findall(r'class="badge(?: info)?">([^<]+)<', home.text)
    assert tries == ["Password", "Password and a code", "Another provider"]
    assert f'href="{world.sso.origin}/account"' in home.text
