"""One's own authenticator app, recovery codes and language."""

import re

import pyotp
from tests.databases import query
from tests.web.console import test_administrators_of_sources as of_sources
from tests.web.console.console import AdminBrowser, ConsoleUnderTest
from tests.web.console.test_passkeys import add_passkey, console_key, is_in

from worksgate.administration.roles import Role
from worksgate.provider.factors.recovery import CODES

# The console with sources, in which aoi and ren have accounts.
company = of_sources.console


async def begin_app(browser: AdminBrowser) -> str:
    """Ask for another app; its secret."""
    await browser.get("/me")
    await browser.post("/me/app")
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", browser.page.text)
    assert found is not None, browser.page.text
    return found[1].replace(" ", "")


async def confirm(browser: AdminBrowser, code: str) -> None:
    await browser.post("/me/app/add", app=browser.hidden("app"), code=code)


def code_of(console: ConsoleUnderTest, secret: str) -> str:
    console.clock.advance(31)
    return pyotp.TOTP(secret).at(int(console.clock()))


async def test_r247_another_app_takes_the_place_of_the_first_and_ends_other_sessions(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser, elsewhere = await console.signed_in("owner"), await console.signed_in("owner")
    secret = await begin_app(browser)
    await confirm(browser, "000000")
    assert browser.page.status_code == 400
    await confirm(browser, code_of(console, secret))
    # There were no recovery codes yet: they are shown, once.
    assert browser.page.text.count("<li><code>") == CODES
    assert (await is_in(browser), await is_in(elsewhere)) == (True, False)
    assert f"{CODES} left" in browser.page.text

    console.totp["owner"] = secret
    again = await console.signed_in("owner")
    await again.get("/me")
    await again.post("/me/codes")
    assert again.page.text.count("<li><code>") == CODES


async def test_r247_an_app_of_another_session_is_not_set_up(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser, elsewhere = await console.signed_in("owner"), await console.signed_in("owner")
    secret = await begin_app(browser)
    app = browser.hidden("app")
    await elsewhere.get("/me")
    await elsewhere.post("/me/app/add", app=app, code=code_of(console, secret))
    assert elsewhere.page.status_code == 400
    assert await is_in(browser)


async def test_r247_the_last_second_step_is_never_removed(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    assert "/me/app/remove" not in (await browser.get("/me")).text
    await browser.post("/me/app/remove")
    assert browser.page.status_code == 409
    assert query(console.database, "SELECT count(*) FROM totp_secrets") == [(1,)]
    await add_passkey(browser, console_key())
    assert "/me/app/remove" in (await browser.get("/me")).text
    await browser.post("/me/app/remove")
    assert query(console.database, "SELECT count(*) FROM totp_secrets") == [(0,)]
    assert not await is_in(browser)


async def test_r247_what_changes_a_second_step_needs_one(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    console.clock.advance(301)
    await browser.get("/me")
    for path in ("/me/app", "/me/app/add", "/me/app/remove", "/me/codes"):
        await browser.post(path)
        assert "Is it you?" in browser.page.text, path
    await browser.post("/me/codes", proof=console.code("owner"))
    assert browser.page.text.count("<li><code>") == CODES


async def test_r247_administrators_of_other_sources_manage_theirs(
    company: ConsoleUnderTest,
) -> None:
    subject = await of_sources.remembered(company, "aoi", Role.ADMIN)
    browser = await of_sources.signed_in(company, "aoi")
    secret = await begin_app(browser)
    await confirm(browser, code_of(company, secret))
    company.totp["aoi"] = secret
    assert await of_sources.is_in(await of_sources.signed_in(company, "aoi"))
    codes = f"SELECT count(*) FROM recovery_codes WHERE subject_id = '{subject}'"
    assert query(company.database, codes) == [(CODES,)]


async def test_r247_a_language_is_kept_with_its_administrator(console: ConsoleUnderTest) -> None:
    subject = await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/me")
    await browser.post("/me/language", language="xx")
    assert browser.page.status_code == 409
    await browser.get("/me")
    await browser.post("/me/language", language="ja")
    assert '<html lang="ja">' in (await browser.get("/me")).text
    elsewhere = await console.signed_in("owner")
    assert '<html lang="ja">' in (await elsewhere.get("/people")).text
    assert '<html lang="ko">' in (await elsewhere.get("/people?lang=ko")).text
    directory = (await console.inside()).watch._directory
    assert await directory.preferences.language(subject) == "ja"
    await browser.get("/me")
    await browser.post("/me/language", language="")
    assert '<html lang="en">' in (await browser.get("/me")).text
