"""The sources in the console: whether one answers, and what it would say of somebody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.web.console.console import AdminBrowser, CannedExaminer, ConsoleUnderTest, console_of

from worksgate.administration.roles import Role
from worksgate.audit import Event
from worksgate.doctor import fail
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.oauth.model import UserKey
from worksgate.settings.options import Settings
from worksgate.settings.sources import (
    LdapSettings,
    OidcSettings,
    PythonSettings,
    SourceSettings,
)
from worksgate.web.console.wizard_people import key_origin

HIDDEN = "the password of the service account"
PASSWORD = "a person's own password"
LDAP = LdapSettings(
    name="tokyo",
    servers=("ldaps://ldap.example.com",),
    base_dn="dc=example,dc=com",
    bind_dn="cn=worksgate",
    bind_password=HIDDEN,
    external_key_attribute="employeeNumber",
)
OIDC = OidcSettings(
    name="entra", issuer="https://login.example.com", client_id="us", client_secret=HIDDEN
)
OWN = PythonSettings(name="own", function="tests.web.console.own_function:authenticate")


@asynccontextmanager
async def office(
    folder: Path, examiner: CannedExaminer | None = None
) -> AsyncIterator[tuple[ConsoleUnderTest, AdminBrowser]]:
    def opened(settings: Settings) -> CannedExaminer | ConsoleExaminer:
        return ConsoleExaminer(settings) if examiner is None else examiner

    async with console_of(folder, examiner=opened, sources=(LDAP, OIDC, OWN)) as console:
        await console.make("owner", Role.OWNER)
        yield console, await console.signed_in("owner")


@pytest.fixture
def examiner() -> CannedExaminer:
    return CannedExaminer(Settings())


async def test_r169_the_pages_have_no_secret_and_ask_nobody(
    tmp_path: Path, examiner: CannedExaminer
) -> None:
    async with office(tmp_path, examiner) as (_, browser):
        page = (await browser.get("/sources")).text
        assert "tokyo" in page
        assert "not asked yet" in page
        for name in ("tokyo", "entra", "own"):
            page += (await browser.get(f"/source?name={name}")).text
        assert HIDDEN not in page
        assert "bind_password_file = " in page
        assert "base_dn = &#34;dc=example,dc=com&#34;" in page
        assert examiner.asked == []
        assert (await browser.get("/source?name=nobody")).status_code == 404


async def test_r168_a_password_is_tried_once_for_each_form(
    tmp_path: Path, examiner: CannedExaminer, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(tmp_path, examiner) as (console, browser):
        await browser.get("/source?name=tokyo")
        form = {"name": "tokyo", "username": "hanako", "form": browser.hidden("form")}
        await browser.post("/source/test", **form, password=PASSWORD)
        assert browser.page.status_code == 200
        assert "it responds, from this machine" in browser.page.text
        again = await browser.post("/source/test", **form, password=PASSWORD)
        assert again.status_code == 409
        assert "The password was not tried again." in again.text
        await browser.post("/source/test", name="tokyo", username="hanako", password=PASSWORD)
        assert browser.page.status_code == 409
        assert examiner.asked == [("tokyo", "hanako", PASSWORD)]
        assert PASSWORD not in again.text + caplog.text
        assert PASSWORD.encode() not in console.database.read_bytes()
        (record, *_) = reversed(await console.administration.audit_log.search(event=Event.SYSTEM))
        assert record.detail == "set-up: source tokyo was asked about hanako, with a password: ok"


async def test_r168_a_name_has_three_tests_with_a_password_in_a_quarter_of_an_hour(
    tmp_path: Path, examiner: CannedExaminer
) -> None:
    async with office(tmp_path, examiner) as (console, browser):
        for username, status in (
            *(("hanako", 200), ("HANAKO", 200), (" hanako", 200)),
            *(("hanako", 429), ("jiro", 200)),
        ):
            await browser.get("/source?name=tokyo")
            form = browser.hidden("form")
            await browser.post(
                "/source/test", name="tokyo", form=form, username=username, password=PASSWORD
            )
            assert browser.page.status_code == status, username
        assert len(examiner.asked) == 4
        for number in range(5):
            await browser.get("/source?name=tokyo")
            form, name = browser.hidden("form"), f"person-{number}"
            await browser.post(
                "/source/test", name="tokyo", form=form, username=name, password=PASSWORD
            )
        assert browser.page.status_code == 200
        await browser.get("/source?name=tokyo")
        form = browser.hidden("form")
        await browser.post(
            "/source/test", name="tokyo", form=form, username="one-more", password=PASSWORD
        )
        assert browser.page.status_code == 429
        assert len(examiner.asked) == 9
        console.clock.advance(901)
        await browser.get("/source?name=tokyo")
        await browser.post(
            "/source/test",
            name="tokyo",
            form=browser.hidden("form"),
            username="hanako",
            password=PASSWORD,
        )
        assert browser.page.status_code == 200


async def test_a_test_without_a_password_says_what_fails(
    tmp_path: Path, examiner: CannedExaminer
) -> None:
    examiner.findings = (fail("source tokyo", "it does not respond", "look at the firewall"),)
    async with office(tmp_path, examiner) as (_, browser):
        await browser.get("/source?name=tokyo")
        page = (await browser.post("/source/test", name="tokyo", username="hanako")).text
        assert "Not all of it works" in page
        assert "look at the firewall" in page
        assert "with the set-up" not in page
        assert "failed, " in (await browser.get("/sources")).text
        await browser.get("/source?name=tokyo")
        page = (
            await browser.post(
                "/source/test", name="tokyo", form=browser.hidden("form"), password=PASSWORD
            )
        ).text
        assert "To test a password, enter its user name." in page


async def test_the_doctor_answers_for_the_built_in_directory_and_for_a_function(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as (console, browser):
        await console.administration.users.add("aoi", external_key="A1")
        await browser.get("/source?name=directory")
        page = (await browser.post("/source/test", name="directory", username="aoi")).text
        assert "aoi: " in page
        assert "external key A1" in page
        page = (await browser.post("/source/test", name="directory", username="nobody")).text
        assert "Not all of it works" in page
        await browser.get("/source?name=own")
        form = browser.hidden("form")
        page = (
            await browser.post(
                "/source/test", name="own", form=form, username="ben", password="right"
            )
        ).text
        assert "external key B1" in page
        page = (await browser.post("/source/test", name="own", username="ben")).text
        assert "can only be asked with a password" in page


@pytest.mark.parametrize(
    ("source", "kind", "origin"),
    [
        (LDAP, UserKey.EXTERNAL_KEY, "employeeNumber"),
        (LDAP, UserKey.WORKS_ACCOUNT, ""),
        (OIDC, UserKey.EXTERNAL_KEY, ""),
        (OWN, UserKey.EXTERNAL_KEY, None),
    ],
)
def test_the_wizard_says_where_a_key_comes_from(
    source: SourceSettings, kind: UserKey, origin: str | None
) -> None:
    assert key_origin(source, kind) == origin


async def test_the_doctor_counts_the_keys_of_the_built_in_directory(tmp_path: Path) -> None:
    async with office(tmp_path) as (console, _):
        await console.administration.users.add("aoi", external_key="A1")
        await console.administration.users.add("ben")
        counted = await ConsoleExaminer(console.settings).keys("directory", UserKey.EXTERNAL_KEY)
        assert (counted.people, counted.ready, counted.none) == (3, 2, 1)
