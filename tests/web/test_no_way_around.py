"""Attempts to bypass a second factor, a rule, a source or a user key."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.installation import (
    CALLBACK,
    EXTERNAL_KEY,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    code_of,
    installed,
)
from tests.web import company
from tests.web.test_imap_login import ask
from tests.web.test_sign_in_steps import enrolled

from worksgate.settings.sources import PythonSettings
from worksgate.sources import PersonNotAllowed

NEW_PASSWORD = "seven green ladders sing"
THEIR_PASSWORD = "own words of theirs"
HOURS = 6 * 3_600


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation with a company's own people beside the built-in directory."""
    company.PEOPLE.clear()
    source = PythonSettings(name="corp", function="tests.web.company:authenticate")
    async with installed(tmp_path, sources=(source,)) as installation:
        yield installation


def joins(name: str, **facts: object) -> None:
    """Somebody is a person of the company's own from now on."""
    company.PEOPLE[name] = {"username": name, "id": name, "password": THEIR_PASSWORD, **facts}


async def at_another_client(installation: Installation, browser: Browser, **settings: Any) -> None:
    """From now on the browser comes from another tenant of LINE WORKS."""
    made = await installation.administration.clients.add("Beta", redirect_uris=(CALLBACK,))
    await installation.administration.clients.change("Beta", **settings)
    await installation.settle()
    browser.client_id = made.client.client_id


async def test_r83_an_old_session_sets_up_no_factor(installation: Installation) -> None:
    browser = installation.browser()
    assert (await browser.sign_in()).status_code == 303
    installation.clock.advance(HOURS)
    await at_another_client(installation, browser, second_factor="required")
    response = await browser.arrive()
    assert 'name="password"' in response.text
    assert "Set up two-step verification" not in response.text
    page = LoginPage.of(response)
    for step in ("enrol", "password", "resume"):
        fields = {"otp": "000000", "new_password": NEW_PASSWORD}
        assert (await browser.submit(page, step=step, **fields)).status_code == 409


async def test_who_says_to_be_the_app_is_also_treated_as_a_browser(
    installation: Installation,
) -> None:
    await enrolled(installation)
    await installation.change_client(second_factor="off", rules=["second_factor kind=web"])
    response = await installation.browser().sign_in(userAgent="LineWorks")
    assert "Confirm that it is you" in response.text


@pytest.mark.parametrize("state", ["enabled", "disabled", "removed"])
async def test_r56_a_source_cannot_give_somebody_another_persons_key(
    two: Installation, state: str
) -> None:
    joins("mallory", external_key=EXTERNAL_KEY)
    if state == "disabled":
        await two.administration.users.disable(USERNAME)
    elif state == "removed":
        await two.administration.users.remove(USERNAME)
    response = await two.browser().sign_in("mallory", THEIR_PASSWORD)
    assert response.status_code == 403
    assert "Your account is not linked to" in response.text


async def test_r56_a_key_moves_when_an_administrator_lets_it_go(two: Installation) -> None:
    joins("hanako", external_key=EXTERNAL_KEY)
    await two.administration.users.remove(USERNAME)
    assert (await two.browser().sign_in("hanako", THEIR_PASSWORD)).status_code == 403
    (released,) = await two.administration.user_keys.release(EXTERNAL_KEY)
    assert released.key.value == EXTERNAL_KEY
    token = await two.access_token(await two.browser().code("hanako", THEIR_PASSWORD))
    assert (await two.user_info(token)).json() == {"user_id": EXTERNAL_KEY}
    joins("other", external_key=EXTERNAL_KEY)
    assert (await two.browser().sign_in("other", THEIR_PASSWORD)).status_code == 403


async def test_r55_an_app_password_ends_with_who_has_left_long_ago(two: Installation) -> None:
    joins("bob", external_key="bob")
    await two.change_client(imap_login=True)
    browser = two.browser()
    await browser.sign_in_to_account("bob", THEIR_PASSWORD)
    made = await browser.post_to_account("/app-passwords", {"name": "phone"})
    found = re.search(r"([0-9a-z]{4}(?:-[0-9a-z]{4}){5})", made.text)
    assert found is not None
    assert (await ask(two, "bob", found[1])).status_code == 200
    two.clock.advance(41 * 86_400)
    assert (await ask(two, "bob", found[1])).status_code == 401


async def test_r79_wrong_passwords_keep_no_mail_client_with_an_app_password_out(
    installation: Installation,
) -> None:
    installation.clock.stop()  # the first wait is short: a busy machine might sit it out
    await installation.change_client(imap_login=True)
    browser = installation.browser()
    await browser.sign_in_to_account()
    made = await browser.post_to_account("/app-passwords", {"name": "phone"})
    found = re.search(r"([0-9a-z]{4}(?:-[0-9a-z]{4}){5})", made.text)
    assert found is not None
    for _ in range(40):
        await ask(installation, password="wrong")
    assert (await ask(installation, password="wrong")).status_code == 429
    assert (await ask(installation, password=found[1])).status_code == 200


async def test_another_sign_for_at_does_not_lead_around_the_provider(tmp_path: Path) -> None:
    company.PEOPLE.clear()
    owner = PythonSettings(
        name="corp", function="tests.web.company:authenticate", domains=("example.com",)
    )
    async with installed(tmp_path, sources=(owner,)) as installation:
        for name in (USERNAME, USERNAME.replace("@", "＠"), USERNAME.upper()):
            assert (await installation.browser().sign_in(name)).status_code == 403


async def test_r85_the_second_factor_comes_before_the_new_password(
    installation: Installation,
) -> None:
    app, _ = await enrolled(installation)
    given = await installation.administration.users.set_password(USERNAME, temporary=True)
    assert given.password is not None
    browser = installation.browser()
    page = LoginPage.of(await browser.sign_in(password=given.password))
    response = await browser.submit(page, step="password", new_password=NEW_PASSWORD)
    assert response.status_code == 409
    page = LoginPage.of(await browser.sign_in(password=given.password))
    code = app.at(int(installation.clock()))
    response = await browser.submit(page, step="prove", otp=code)
    assert "Choose your own password" in response.text
    page = LoginPage.of(response)
    response = await browser.submit(page, step="password", new_password=NEW_PASSWORD)
    assert code_of(response)


async def test_r82_a_page_without_passkeys_comes_when_too_many_are_asked_for(
    installation: Installation,
) -> None:
    browsers = [installation.browser() for _ in range(80)]
    responses = await asyncio.gather(*(browser.arrive() for browser in browsers))
    assert {response.status_code for response in responses} == {200}


async def test_who_was_refused_has_not_signed_in(two: Installation) -> None:
    joins("jiro", external_key="E-9")
    await two.change_client(rules=["allow group=sales", "deny"])
    assert (await two.browser().sign_in("jiro", THEIR_PASSWORD)).status_code == 403
    assert (await two.browser().sign_in()).status_code == 403
    (person,) = await two.administration.people.remembered("corp")
    assert person.last_login_at is None
    assert (await two.administration.users.get(USERNAME)).last_login_at is None
    await two.change_client(rules=[])
    assert (await two.browser().sign_in("jiro", THEIR_PASSWORD)).status_code == 303
    assert (await two.browser().sign_in()).status_code == 303
    async with asyncio.timeout(60):  # it is noted in the background
        while (await two.administration.users.get(USERNAME)).last_login_at is None:  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.05)
    (person,) = await two.administration.people.remembered("corp")
    assert person.last_login_at == person.vouched_at


async def test_r118_a_group_whose_name_has_two_lines_is_one_group(two: Installation) -> None:
    joins("mallory", external_key="E-9", groups=["all\nsales"])
    browser = two.browser()
    await browser.sign_in_to_account("mallory", THEIR_PASSWORD)
    await two.change_client(rules=["allow group=sales", "deny"])
    assert (await browser.arrive()).status_code == 403
    await two.change_client(rules=["allow"])
    assert (await browser.arrive()).status_code == 303


async def test_who_is_not_among_those_let_in_is_not_said_to_be_disabled(
    two: Installation,
) -> None:
    joins("jiro", refusal=PersonNotAllowed("the person is in none of required_groups"))
    response = await two.browser().sign_in("jiro", THEIR_PASSWORD)
    assert response.status_code == 403
    assert "is not allowed to sign in here" in response.text
    assert "has been disabled" not in response.text
    (event,) = await two.audit(event="login.failed")
    assert event.detail == "the person is in none of required_groups"
