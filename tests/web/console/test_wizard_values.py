"""Step 6 of the set-up wizard: a client whose secret is shown once, and values that were seen."""

import html
import re

import pytest
from tests.web.console.console import AdminBrowser, ConsoleUnderTest
from tests.web.console.test_wizard import WIZARD, owner

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import Profile, UserKey

__all__ = ["owner"]


def value_of(page: str, field: str) -> str:
    found = re.search(rf'<code id="v-{field}"[^>]*>([^<]*)</code>', page)
    return html.unescape(found[1]) if found else ""


async def test_r167_the_secret_of_a_client_is_on_one_page_and_nowhere_else(
    console: ConsoleUnderTest,
    owner: AdminBrowser,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await owner.get("/wizard/values")
    await owner.post("/wizard/values/client", name="Works")
    secret = value_of(owner.page.text, "client_secret")
    assert len(secret) == 43
    (client,) = await console.administration.clients.all()
    assert value_of(owner.page.text, "client_id") == client.client_id
    for path in (*WIZARD, "/", "/audit"):
        assert secret not in (await owner.get(path)).text, path
    await owner.get("/wizard/values")
    made_at = owner.hidden("made_at")
    await owner.post("/wizard/values/secret", made_at=made_at)
    renewed = value_of(owner.page.text, "client_secret")
    assert renewed not in ("", secret)
    (client,) = await console.administration.clients.all()
    assert len(client.secrets) == 2  # the old one for another day
    await owner.post("/wizard/values/secret", made_at=made_at)
    assert owner.page.status_code == 409  # sent twice, it would end the one that LINE WORKS has
    assert (await console.administration.clients.all()) == (client,)
    told = caplog.text + "".join(capfd.readouterr())
    for each in (secret, renewed):
        assert each not in told
        assert each.encode() not in console.database.read_bytes()


async def test_r167_a_secret_needs_the_second_factor_again(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    console.clock.advance(400)
    await owner.get("/wizard/values")
    await owner.post("/wizard/values/client", name="Works")
    assert "Is it you?" in owner.page.text
    assert await console.administration.clients.all() == ()
    await owner.post("/wizard/values/client", name="Works", proof=console.code("owner"))
    assert value_of(owner.page.text, "client_secret")


async def test_the_client_is_made_of_what_was_answered(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    await owner.get("/wizard/where")
    await owner.post(
        "/wizard/where",
        profile="naver_works_public",
        domain="works.example.com",
        plan="paid",
        language="ja",
    )
    await owner.get("/wizard/keys")
    await owner.post("/wizard/keys", kind="works_account")
    await owner.get("/wizard/values")
    await owner.post("/wizard/values/client", name="Works")
    (client,) = await console.administration.clients.all()
    assert (client.profile, client.domain) == (Profile.NAVER_WORKS_PUBLIC, "works.example.com")
    assert client.user_key is UserKey.WORKS_ACCOUNT
    page = owner.page.text
    assert value_of(page, "login_url") == "https://sso.example.com/login"
    assert value_of(page, "access_token") == "https://sso.example.com/accessToken"
    assert value_of(page, "user_info") == "https://sso.example.com/userInfo"
    assert value_of(page, "logout_url") == "https://sso.example.com/logout"
    assert "LINE WORKS Account, as in step 4" in page
    assert "1 hour in browsers, 24 hours in apps" in page
    await owner.post("/wizard/values/client", name="Another")
    assert owner.page.status_code == 409
    await owner.get("/wizard/keys")
    await owner.post("/wizard/keys", kind="external_key", version=owner.hidden("version"))
    (client,) = await console.administration.clients.all()
    assert client.user_key is UserKey.EXTERNAL_KEY


async def test_a_value_is_marked_when_it_was_used_or_confirmed(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    new = await console.administration.clients.add("Works")
    page = (await owner.get("/wizard/values")).text
    assert page.count("not used yet") == 5
    assert page.count("not confirmed yet") == 4
    now, client_id = console.clock(), new.client.client_id
    for event in (Event.LOGIN_REQUESTED, Event.CODE_ISSUED, Event.CODE_REDEEMED):
        await _record(console, AuditEvent(event=event, at=now, client_id=client_id))
    page = (await owner.get("/wizard/values")).text
    assert page.count("used, ") == 4
    console.clock.advance(100)
    page = (await owner.get("/wizard/values")).text
    assert "One value does not work: User info return API." in page
    assert page.count("should have been used by now") == 1
    await owner.post("/wizard/values", field="expire_time", is_so="yes")
    assert owner.page.headers["location"] == "/wizard/values#expire_time"
    page = (await owner.get("/wizard/values")).text
    assert "confirmed, " in page
    assert '<span translate="no">owner</span> said so' in page
    assert "5 of 11 confirmed" in page


async def _record(console: ConsoleUnderTest, event: AuditEvent) -> None:
    await console.administration.audit_log._directory.record([event])


async def test_several_clients_are_set_up_one_after_another(
    console: ConsoleUnderTest, owner: AdminBrowser
) -> None:
    first = (await console.administration.clients.add("A")).client
    second = (await console.administration.clients.add("B")).client
    assert value_of((await owner.get("/wizard/values")).text, "client_id") == first.client_id
    await owner.post("/wizard/values/choose", client=second.client_id)
    assert value_of((await owner.get("/wizard/values")).text, "client_id") == second.client_id
