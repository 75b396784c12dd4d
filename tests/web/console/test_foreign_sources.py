"""Administrators of a real LDAP server, and of a real OpenID provider, sign in to the console."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.openid_provider.real import CLIENT_ID, CLIENT_SECRET, real_provider
from tests.slapd import GROUPS, PASSWORD, Authority, running_slapd
from tests.web.console.console import ORIGIN, AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_administrators_of_sources import first_step, is_in

from worksgate.administration.console.sessions import TOUCHED
from worksgate.administration.roles import Role
from worksgate.directory.administrators import AdministratorAccount
from worksgate.settings.sources import OidcSettings
from worksgate.sources import Person
from worksgate.sources.openid.source import subject_id

pytestmark = pytest.mark.programs


async def appoint(console: ConsoleUnderTest, source: str, person: Person) -> None:
    """Give the role of an administrator, and an app, to somebody who has signed in before."""
    people = console.administration.people._directory.people
    await people.remember(source, person, console.clock())
    await console.enrol(person.username, person.subject_id)
    await console.administration.administrators.set_role(person.username, Role.ADMIN, source=source)


async def administrators(console: ConsoleUnderTest) -> list[AdministratorAccount]:
    return await console.administration.administrators.all()


async def second_step(console: ConsoleUnderTest, browser: AdminBrowser, username: str) -> None:
    code = console.code(username)
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=code)
    assert browser.page.status_code == 303, browser.page.text


async def test_r191_a_person_of_openldap_signs_in_as_an_administrator(tmp_path: Path) -> None:
    with running_slapd(tmp_path / "company", Authority(tmp_path)) as company:
        company.add_person("tanaka", employeeNumber="E-7", cn="田中 葵")
        suzuki = company.add_person("suzuki", employeeNumber="E-8", cn="鈴木 彩花")
        groups = (f"auditor: cn=staff,{GROUPS}",)
        by_group = company.settings(console_groups=groups, found_lifetime=0.0)
        async with console_of(tmp_path, sources=(by_group,)) as console:
            opened = await (await console.inside()).sign_in.sources._sources(frozenset({"company"}))
            tanaka = await opened.passwords["company"].authenticate("tanaka", PASSWORD)
            assert tanaka is not None
            await appoint(console, "company", tanaka)

            assert (await first_step(console, "tanaka", "wrong")).page.status_code == 401
            assert (await first_step(console, "suzuki", PASSWORD)).page.status_code == 401
            browser = await first_step(console, "tanaka", PASSWORD)
            assert browser.page.status_code == 200, browser.page.text
            await second_step(console, browser, "tanaka")
            assert await is_in(browser)
            assert "田中 葵" in browser.page.text

            # a group of the server gives a role, for as long as it has the person.
            group = company.add_group("staff", suzuki)
            browser = await first_step(console, "suzuki", PASSWORD)
            assert browser.page.status_code == 403, browser.page.text  # without an app
            (found,) = await console.administration.people._directory.people.named("suzuki")
            await console.enrol("suzuki", found.person.subject_id)
            browser = await first_step(console, "suzuki", PASSWORD)
            await second_step(console, browser, "suzuki")
            assert (await browser.get("/audit")).status_code == 200
            company.remove(group)
            console.clock.advance(TOUCHED + 1)
            assert not await is_in(browser)


async def test_r191_a_person_of_node_oidc_provider_signs_in_as_an_administrator(
    tmp_path: Path,
) -> None:
    with real_provider([f"{ORIGIN}/sign-in/return"]) as provider:
        partner = OidcSettings(
            name="partner",
            label="Partner",
            issuer=provider.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            external_key_claim="employee_number",
            scopes=("openid", "profile", "groups"),
            console_groups=("auditor: guests",),
        )
        async with console_of(tmp_path, sources=(partner,)) as console:
            await console.make("owner", Role.OWNER)
            subject = subject_id("partner", provider.issuer, "mei")
            mei = Person(subject_id=subject, username="mei@partner.example", name="Mei")
            await appoint(console, "partner", mei)
            browser = await console.browser()
            await browser.get("/sign-in")
            await browser.post("/sign-in/provider", source="partner")
            there = re.search(r'content="0; url=([^"]*)"', browser.page.text)
            assert there is not None, browser.page.text
            with provider.visit(unescape(there[1])) as visit:
                back = visit.log_in("mei").left_for
            assert back is not None
            assert back.startswith(f"{ORIGIN}/sign-in/return?")
            await browser.get(f"/sign-in/return?{urlsplit(back).query}")
            assert browser.page.status_code == 200, browser.page.text
            await second_step(console, browser, mei.username)
            assert await is_in(browser)
            # Without that role, the group counts that the provider has named.
            await console.administration.administrators.set_role(subject, None)
            found = {each.subject_id: each for each in await administrators(console)}
            assert (found[subject].group_role, found[subject].role_group) == ("auditor", "guests")
