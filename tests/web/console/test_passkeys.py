"""Passkeys of the console: adding one, signing in by it alone, step-up; with one in software."""

import asyncio
import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import query
from tests.provider.factors.authenticator import Authenticator
from tests.web.console.console import ORIGIN, PASSWORD, AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_access import become, link_of, name_oneself

from worksgate.administration.console.passkeys import ANSWERED_WITHIN, Purpose
from worksgate.administration.errors import Refused
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict
from worksgate.directory.factors import LastFactor, OnlyInConsole, Passkey
from worksgate.provider.factors import FactorRefused, Holder, RelyingParty


def console_key() -> Authenticator:
    return Authenticator(rp_id="console.example.com", origin=ORIGIN)


def options_of(browser: AdminBrowser) -> str:
    found = re.search(r'data-options="([^"]*)"', browser.page.text)
    assert found is not None, browser.page.text
    return html.unescape(found[1])


async def add_passkey(browser: AdminBrowser, key: Authenticator) -> None:
    """In a session whose second factor was used a moment ago."""
    await browser.get("/me")
    await browser.post("/me/passkey")
    made = key.create(options_of(browser))
    asked = browser.hidden("asked")
    await browser.post("/me/passkey/add", asked=asked, passkey=made, name="office laptop")


async def sign_in_by(console: ConsoleUnderTest, key: Authenticator) -> AdminBrowser:
    browser = await console.browser()
    await browser.get("/sign-in")
    answer = key.get(options_of(browser))
    await browser.post("/sign-in/passkey", asked=browser.hidden("asked"), passkey=answer)
    return browser


async def is_in(browser: AdminBrowser) -> bool:
    return (await browser.get("/me")).status_code == 200


async def owner_with_passkey(console: ConsoleUnderTest) -> tuple[AdminBrowser, Authenticator]:
    await console.make("owner", Role.OWNER)
    browser, key = await console.signed_in("owner"), console_key()
    await add_passkey(browser, key)
    assert browser.page.status_code == 303, browser.page.text
    return browser, key


async def test_r190_a_passkey_signs_in_alone(console: ConsoleUnderTest) -> None:
    first, key = await owner_with_passkey(console)
    assert "office laptop" in (await first.get("/me")).text
    browser = await sign_in_by(console, key)
    assert browser.page.status_code == 303
    assert await is_in(browser)
    sessions = query(console.database, "SELECT assurance FROM console_sessions")
    assert ("passkey",) in sessions


async def test_r190_the_browser_is_asked_for_one_that_signs_in_alone(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/me")
    await browser.post("/me/passkey")
    asked = json.loads(options_of(browser))["authenticatorSelection"]
    assert asked["residentKey"] == asked["userVerification"] == "required"


async def test_r190_one_that_does_not_verify_its_person_is_not_added(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser, key = await console.signed_in("owner"), console_key()
    key.verified = False
    await add_passkey(browser, key)
    assert browser.page.status_code == 400
    assert "It must make sure that it is you" in browser.page.text
    assert "office laptop" not in (await browser.get("/me")).text


async def test_r190_an_answer_counts_once_in_its_browser_and_for_its_purpose(
    console: ConsoleUnderTest,
) -> None:
    _, key = await owner_with_passkey(console)
    browser, thief = await console.browser(), await console.browser()
    await browser.get("/sign-in")
    await thief.get("/sign-in")
    asked, answer = browser.hidden("asked"), key.get(options_of(browser))
    await thief.post("/sign-in/passkey", asked=asked, passkey=answer)
    assert "another window was used" in thief.page.text
    assert not await is_in(thief)
    await browser.post("/sign-in/passkey", asked=asked, passkey=answer)
    assert await is_in(browser)
    console.clock.advance(600)
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="owner", role="auditor")
    proof = {"proof_asked": asked, "proof_passkey": answer}
    await browser.post("/administrators/role", username="owner", role="auditor", **proof)
    assert browser.page.status_code == 401
    assert "was not accepted" in browser.page.text


async def test_r190_the_same_browser_cannot_send_an_answer_twice(
    console: ConsoleUnderTest,
) -> None:
    _, key = await owner_with_passkey(console)
    key.counts = False  # as synced passkeys: no counter tells
    key.sign_count = 0
    browser = await console.browser()
    await browser.get("/sign-in")
    form = {
        "csrf": browser.hidden("csrf"),
        "asked": browser.hidden("asked"),
        "passkey": key.get(options_of(browser)),
    }
    cookies = dict(browser.http.cookies)
    opened = await browser.http.post("/sign-in/passkey", data=form)
    assert "__Host-wg_console=" in opened.headers["set-cookie"]
    again = await console.browser()
    again.http.cookies.update(cookies)
    answered = await again.http.post("/sign-in/passkey", data=form)
    assert "__Host-wg_console=" not in answered.headers.get("set-cookie", "")
    assert not await is_in(again)


async def test_r190_an_answer_comes_in_time(console: ConsoleUnderTest) -> None:
    _, key = await owner_with_passkey(console)
    browser = await console.browser()
    await browser.get("/sign-in")
    answer = key.get(options_of(browser))
    console.clock.advance(ANSWERED_WITHIN[Purpose.SIGN_IN] + 1)
    await browser.post("/sign-in/passkey", asked=browser.hidden("asked"), passkey=answer)
    assert not await is_in(browser)


@pytest.mark.parametrize("why", ["unverified", "no role", "disabled", "another origin", "garbage"])
async def test_r190_whoever_is_no_administrator_by_passkey_learns_nothing(
    console: ConsoleUnderTest, why: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    key = console_key()
    await add_passkey(await console.signed_in("admin"), key)
    match why:
        case "unverified":
            key.verified = False
        case "no role":
            await console.administration.administrators.set_role("admin", None)
        case "disabled":
            await console.administration.users.disable("admin")
        case "another origin":
            key.origin = "https://sso.example.com"
        case _:
            key.credential_id = b"unknown"
    browser = await sign_in_by(console, key)
    assert browser.page.status_code == 401
    assert "does not belong to an administrator" in browser.page.text
    assert not await is_in(browser)
    assert await console.refusals() == ["unknown passkey"]


@pytest.mark.parametrize("kind", ["asked", "made up", "again"])
async def test_r190_guesses_of_passkeys_are_throttled(tmp_path: Path, kind: str) -> None:
    async with console_of(tmp_path, login_failures_per_address=3) as console:
        console.clock.stop()  # the first wait is short: a busy machine might sit it out
        browser, statuses = await console.browser(), []
        first = ""
        for _ in range(5):
            await browser.get("/sign-in")
            first = first or browser.hidden("asked")
            asked = {"asked": browser.hidden("asked"), "made up": "x", "again": first}[kind]
            form = {"asked": asked, "passkey": "{}"}
            statuses.append((await browser.post("/sign-in/passkey", **form)).status_code)
    assert statuses == [401, 401, 401, 429, 429]


async def test_r190_step_up_by_a_passkey_keeps_the_form(console: ConsoleUnderTest) -> None:
    browser, key = await owner_with_passkey(console)
    await console.make("person", None)
    console.clock.advance(600)
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="person", role="auditor")
    assert "Is it you?" in browser.page.text
    assert 'name="role" value="auditor"' in browser.page.text
    wrong = {"proof_asked": browser.hidden("proof_asked"), "proof_passkey": "{}"}
    await browser.post("/administrators/role", username="person", role="auditor", **wrong)
    assert browser.page.status_code == 401
    for name in ("role", "proof_asked", "proof_passkey"):  # twice, it would be refused
        assert browser.page.text.count(f'name="{name}"') == (2 if name == "role" else 1)
    await browser.post(
        "/administrators/role",
        username="person",
        role="auditor",
        proof_asked=browser.hidden("proof_asked"),
        proof_passkey=key.get(options_of(browser)),
    )
    assert browser.page.status_code == 303
    assert (await console.administration.users.get("person")).role == "auditor"
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="person", role="admin")
    assert browser.page.status_code == 303, "a factor that has just been used is fresh"


async def test_r190_step_up_by_a_passkey_verifies_its_person(console: ConsoleUnderTest) -> None:
    browser, key = await owner_with_passkey(console)
    console.clock.advance(600)
    await browser.get("/me")
    await browser.post("/me/passkey")
    assert json.loads(options_of(browser))["userVerification"] == "required"
    key.verified = False
    proof = key.get(options_of(browser))
    await browser.post(
        "/me/passkey", proof_asked=browser.hidden("proof_asked"), proof_passkey=proof
    )
    assert browser.page.status_code == 401


async def test_r190_somebody_elses_passkey_proves_nothing(console: ConsoleUnderTest) -> None:
    _, owners = await owner_with_passkey(console)
    await console.make("admin", Role.ADMIN)
    browser, own = await console.signed_in("admin"), console_key()
    await add_passkey(browser, own)
    console.clock.advance(600)
    await browser.get("/me")
    await browser.post("/me/passkey")
    owners.user_handle = own.user_handle
    proof = owners.get(options_of(browser))
    await browser.post(
        "/me/passkey", proof_asked=browser.hidden("proof_asked"), proof_passkey=proof
    )
    assert browser.page.status_code == 401


async def test_r190_adding_and_removing_need_a_fresh_factor(console: ConsoleUnderTest) -> None:
    browser, key = await owner_with_passkey(console)
    console.clock.advance(600)
    for path in ("/me/passkey", "/me/passkey/add", "/me/passkey/remove"):
        await browser.get("/me")
        await browser.post(path, id=key.id)
        assert "Is it you?" in browser.page.text, path


async def test_r190_removing_a_passkey_ends_the_sessions_but_the_last_factor_stays(
    console: ConsoleUnderTest,
) -> None:
    browser, key = await owner_with_passkey(console)
    other = await sign_in_by(console, key)
    subject = (await console.administration.users.get("owner")).person.subject_id
    rows = console.administration.people._directory.factors
    stored = query(console.database, "SELECT secret FROM totp_secrets")
    assert len(stored) == 1
    await browser.get("/me")
    await browser.post("/me/passkey/remove", id=key.id)
    assert browser.page.headers["location"] == "/sign-in"
    assert not await is_in(browser)
    assert not await is_in(other)
    assert not (await rows.in_console("console.example.com").enrolled(subject)).passkeys


async def test_a_passkey_opens_nothing_beside_a_temporary_password(
    console: ConsoleUnderTest,
) -> None:
    _, key = await owner_with_passkey(console)
    inside = await console.inside()
    await console.administration.users.set_password("owner", PASSWORD, temporary=True)
    assert (await sign_in_by(console, key)).page.status_code == 403
    assert await console.refusals() == ["the password is temporary"]
    assert inside.sign_in.has_app("a step of the previous version, or none") is True


async def test_an_administrator_s_passkey_gets_another_name(console: ConsoleUnderTest) -> None:
    browser, key = await owner_with_passkey(console)
    console.clock.advance(600)  # it needs no second factor again
    await browser.get("/me")
    await browser.post("/me/passkey/rename", id=key.id, name="  home <b> ")
    assert browser.page.headers["location"] == "/me?done=passkey_renamed"
    page = (await browser.get("/me?done=passkey_renamed")).text
    assert "The passkey is renamed." in page
    assert "home &lt;b&gt;" in page
    for refused in ("x" * 65, "two\nlines"):
        await browser.post("/me/passkey/rename", id=key.id, name=refused)
        assert browser.page.status_code == 400
        assert "This name cannot be used." in browser.page.text
    await browser.post("/me/passkey/rename", id="another", name="x")
    assert browser.page.headers["location"] == "/me"
    rows = "SELECT detail FROM audit WHERE event = 'factor.renamed'"
    assert query(console.database, rows) == [("passkey renamed: office laptop → home <b>",)]


async def test_r190_the_last_second_factor_is_not_removed(console: ConsoleUnderTest) -> None:
    _, key = await owner_with_passkey(console)
    subject = (await console.administration.users.get("owner")).person.subject_id
    from worksgate.audit import AuditEvent, Event

    event = AuditEvent(event=Event.FACTOR_REMOVED, at=console.clock(), subject_id=subject)
    await console.administration.people._directory.factors.remove_totp(subject, event)
    browser = await sign_in_by(console, key)
    await browser.get("/me")
    await browser.post("/me/passkey/remove", id=key.id)
    assert browser.page.status_code == 409
    assert "last second factor" in browser.page.text
    assert await is_in(browser)
    again = await console.browser()
    await again.get("/sign-in")
    await again.post("/sign-in", username="owner", password=PASSWORD)
    assert again.page.status_code == 200
    assert "Use a passkey" in again.page.text


async def test_whoever_has_no_app_is_asked_for_a_recovery_code_instead(
    console: ConsoleUnderTest,
) -> None:
    browser, key = await owner_with_passkey(console)
    await browser.get("/me")
    await browser.post("/me/app/remove")
    again = await sign_in_by(console, key)
    console.clock.advance(700)
    await again.get("/me")
    await again.post("/me/passkey/remove", id=key.id)
    assert "Is it you?" in again.page.text
    assert 'name="proof"' not in again.page.text
    assert 'name="proof_passkey"' in again.page.text
    again = await console.browser()
    await again.get("/sign-in")
    for path, typed in (("/sign-in", ""), ("/sign-in/code", "0000-0000-0000")):
        fields = {"step": again.hidden("step"), "recovery": "1"} if typed else {}
        await again.post(path, username="owner", password=PASSWORD, recovery_code=typed, **fields)
        assert 'name="recovery_code"' in again.page.text
        assert 'name="switch"' not in again.page.text


# The first link


async def ask_for_passkey(console: ConsoleUnderTest, link: str, username: str) -> AdminBrowser:
    """A browser that has been asked to make the passkey of the first owner."""
    browser = await console.browser()
    await name_oneself(browser, link, username)
    return browser


async def become_by_passkey(
    browser: AdminBrowser,
    key: Authenticator,
    username: str = "first",
    *,
    asked_in: AdminBrowser | None = None,
    **changed: str,
) -> int:
    """Answer the question of this browser, or that of another one."""
    form = {name: browser.hidden(name) for name in ("token", "subject", "asked")}
    form |= {"name": "First", "username": username, "way": "passkey", **changed}
    await browser.post("/first", **form, passkey=key.create(options_of(asked_in or browser)))
    return browser.page.status_code


async def test_r153_the_first_owner_needs_nothing_but_a_passkey(
    console: ConsoleUnderTest,
) -> None:
    link, key = await link_of(console), console_key()
    browser = await ask_for_passkey(console, link, "first")
    assert "Passkeys need JavaScript" in browser.page.text
    assert await become_by_passkey(browser, key) == 200
    assert len(re.findall(r"<li><code>", browser.page.text)) == 10
    assert "worksgate user reset-link first" in browser.page.text
    assert await is_in(browser)
    account = await console.administration.users.get("first")
    assert (account.role, account.password_hash) == ("owner", None)
    assert await is_in(await sign_in_by(console, key))
    assert (await (await console.browser()).get(link)).status_code == 410
    with pytest.raises(Refused, match="there is an owner already"):
        await link_of(console)


@pytest.mark.parametrize("why", ["unverified", "another browser", "another account", "late"])
async def test_r153_a_passkey_that_does_not_answer_the_link_makes_nobody(
    console: ConsoleUnderTest, why: str
) -> None:
    link, key, changed = await link_of(console), console_key(), {}
    browser = thief = await ask_for_passkey(console, link, "first")
    match why:
        case "unverified":
            key.verified = False
        case "another browser":
            thief = await ask_for_passkey(console, link, "first")
            changed = {name: thief.hidden(name) for name in ("asked", "subject")}
        case "another account":
            changed = {"subject": "directory:somebody-else"}
        case _:
            console.clock.advance(ANSWERED_WITHIN[Purpose.ADD] + 1)
    assert await become_by_passkey(browser, key, asked_in=thief, **changed) == 400
    assert await console.administration.administrators.all() == []
    assert query(console.database, "SELECT count(*) FROM passkeys") == [(0,)]
    assert (await browser.get(link)).status_code == 200


async def test_r153_of_two_browsers_at_once_one_wins_also_by_passkey(
    console: ConsoleUnderTest,
) -> None:
    link = await link_of(console)
    by_passkey = await ask_for_passkey(console, link, "first")
    statuses = await asyncio.gather(
        become_by_passkey(by_passkey, console_key()),
        become(console, await console.browser(), link, "second"),
    )
    assert sorted(statuses)[0] == 200
    assert sorted(statuses)[1] in (409, 410)
    assert len(await console.administration.administrators.all()) == 1


async def owner_by_passkey(console: ConsoleUnderTest) -> Authenticator:
    key = console_key()
    browser = await ask_for_passkey(console, await link_of(console), "first")
    assert await become_by_passkey(browser, key) == 200
    return key


async def test_r151_an_owner_without_a_password_counts_and_keeps_the_passkey(
    console: ConsoleUnderTest,
) -> None:
    key = await owner_by_passkey(console)
    subject = (await console.administration.users.get("first")).person.subject_id
    ((passkey,),) = query(console.database, "SELECT id FROM passkeys")
    await console.enrol("first", subject)
    with pytest.raises(Conflict, match="the last owner signs in by a passkey alone"):
        await console.administration.people.reset_factors("first")
    await console.make("second", Role.OWNER)
    await console.administration.users.disable("second")  # the other one can sign in
    browser = await sign_in_by(console, key)
    await browser.get("/me")
    await browser.post("/me/passkey/remove", id=passkey)
    assert browser.page.status_code == 409  # an app is no second step without a first one
    await console.administration.users.enable("second")
    changed = await console.administration.administrators.set_role("first", Role.ADMIN)
    assert changed.role == Role.ADMIN


async def test_r190_passkeys_of_people_and_of_the_console_are_apart(
    console: ConsoleUnderTest,
) -> None:
    _, key = await owner_with_passkey(console)
    rows = console.administration.people._directory.factors
    here, elsewhere = rows.in_console("console.example.com"), rows.in_console("new.example.com")
    subject = (await console.administration.users.get("owner")).person.subject_id
    (kept,) = (await here.enrolled(subject)).passkeys
    assert kept.console_host == "console.example.com"
    for others in (rows, elsewhere):
        assert (await others.enrolled(subject)).passkeys == ()
        assert await others.passkey(key.id) is None
    person = await console.make("person", None, has_app=False)
    own = replace(kept, id="own", subject_id=person, console_host=None)
    await add_to(console, own)
    assert await here.passkey("own") is None
    assert person in await rows.holders()
    assert person not in await here.holders()
    await console.administration.administrators.set_role("person", Role.ADMIN)
    browser = await console.browser()
    await browser.get("/sign-in")
    await browser.post("/sign-in", username="person", password=PASSWORD)
    assert browser.page.status_code == 403  # their own passkey is no second factor here


async def test_r258_where_a_passkey_alone_protects_the_console_an_app_comes_from_there(
    console: ConsoleUnderTest,
) -> None:
    subject = await console.make("owner", Role.OWNER)
    browser, key = await console.signed_in("owner"), console_key()
    await add_passkey(browser, key)
    rows = console.administration.people._directory.factors
    await console.enrol("owner", subject, in_console=False)  # after a code of the one before
    browser = await sign_in_by(console, key)
    await browser.get("/me")
    await browser.post("/me/app/remove")
    assert browser.page.headers["location"] == "/sign-in"
    with pytest.raises(OnlyInConsole):
        await console.enrol("owner", subject, in_console=False)
    codes = ("digest",)
    event = AuditEvent(event=Event.RECOVERY_CODES_RENEWED, at=0.0, subject_id=subject)
    with pytest.raises(OnlyInConsole):
        await rows.replace_recovery_codes(subject, codes, 0.0, event)
    await rows.in_console("console.example.com").replace_recovery_codes(subject, codes, 0.0, event)
    held = await rows.enrolled(subject)
    assert (held.is_of_console, held.recovery_codes_left, held.any) == (True, 1, False)
    person = await console.make("person", None)
    assert not (await rows.enrolled(person)).is_of_console


async def test_r247_of_two_that_are_removed_at_once_the_last_factor_stays(
    console: ConsoleUnderTest,
) -> None:
    await owner_with_passkey(console)
    subject = (await console.administration.users.get("owner")).person.subject_id
    rows = console.administration.people._directory.factors
    here, elsewhere = rows.in_console("console.example.com"), rows.in_console("old.example.com")
    event = AuditEvent(event=Event.FACTOR_REMOVED, at=0.0, subject_id=subject)
    with pytest.raises(LastFactor):
        await elsewhere.remove_totp(subject, event)  # a passkey of another address is none
    assert await here.remove_totp(subject, event)
    (kept,) = (await here.enrolled(subject)).passkeys
    factors, holder = (await console.inside()).factors, Holder(subject_id=subject, address="")
    with pytest.raises(FactorRefused, match="the last second factor"):
        await factors.remove_passkey(holder, kept.id, 0.0)
    assert (await here.enrolled(subject)).passkeys == (kept,)


async def add_to(console: ConsoleUnderTest, passkey: Passkey) -> None:
    event = AuditEvent(event=Event.FACTOR_ADDED, at=console.clock(), subject_id=passkey.subject_id)
    assert await console.administration.people._directory.factors.add_passkey(passkey, 20, event)


def test_r190_at_the_same_host_name_neither_replaces_the_other() -> None:
    people = RelyingParty.of("https://sso.example.com", "Acme")
    console = RelyingParty.of("https://sso.example.com:9443", "Acme", is_console=True)
    assert people.id == console.id
    assert people.user_handle("directory:1") != console.user_handle("directory:1")
    assert people.origin != console.origin


async def test_an_address_without_a_name_has_no_passkeys(tmp_path: Path) -> None:
    async with console_of(tmp_path, console_url="https://192.0.2.20:9443") as console:
        browser = await console.browser(host="192.0.2.20:9443")
        page = await browser.get("/sign-in")
        assert page.status_code == 200
        assert "data-passkey" not in page.text
        assert "/passkey." not in page.text
