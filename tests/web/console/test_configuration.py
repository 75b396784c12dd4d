"""The settings that the console shows, and a test of the alerts."""

from pathlib import Path
from typing import Any

import pytest
from tests.mail_server import mail_server
from tests.web.console.console import ConsoleUnderTest, console_of

from worksgate.administration import Actor, Forbidden, Refused
from worksgate.administration.roles import Role
from worksgate.settings.loading import load

SECRET = "a-secret-of-the-webhook-with-enough-characters"


async def test_settings_are_shown_with_their_place_and_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "worksgate.toml"
    file.write_text('audit_retention = 864000\nalert_mail = ["ops@example.com"]\n')
    given: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "sso@example.com"}
    environ = {f"WORKSGATE_{name.upper()}": value for name, value in given.items()}
    environ["WORKSGATE_ALERT_WEBHOOK"] = "https://hooks.example.com/very-secret-path"
    environ["WORKSGATE_ALERT_WEBHOOK_SECRET"] = SECRET
    read = load(file, environ, {})
    wanted = ("alert_mail", "alert_webhook", "alert_webhook_secret", "audit_retention", "origins")
    values: dict[str, Any] = {name: getattr(read, name) for name in wanted}
    async with console_of(tmp_path, **given, **values) as console:
        await console.make("owner", Role.OWNER)
        page = (await (await console.signed_in("owner")).get("/settings")).text
    assert "10 days" in page
    assert f"{file}: audit_retention" in page
    assert "WORKSGATE_ALERT_WEBHOOK<" in page
    assert "hooks.example.com" in page
    assert "very-secret-path" not in page
    assert SECRET not in page
    assert "not set: the default" in page


async def test_an_owner_tests_the_alerts(tmp_path: Path) -> None:
    with mail_server() as server:
        mail: dict[str, Any] = {"smtp_url": server.url, "mail_from": "sso@example.com"}
        async with console_of(tmp_path, **mail, alert_mail=("ops@example.com",)) as console:
            await console.make("owner", Role.OWNER)
            await console.make("auditor", Role.AUDITOR)
            assert (
                "/settings/test-alert"
                not in (await (await console.signed_in("auditor")).get("/settings")).text
            )
            owner = await console.signed_in("owner")
            await owner.get("/settings")
            await owner.post("/settings/test-alert")
            assert "See whether it has arrived" in owner.page.text
            (sent,) = await server.wait_for(1)
            assert str(sent.message["subject"]) == "A test of the alerts"
            (record, *_) = await console.administration.audit_log.search(limit=1)
            assert (record.actor, record.detail) == (
                "console:owner",
                "a test alert was sent; mail: taken",
            )
            assert await console.administration.alerts.latest(10) == []


async def test_r101_only_an_owner_tests_the_alerts_whatever_the_way(
    console: ConsoleUnderTest,
) -> None:
    test = (await console.inside()).alert_test
    with pytest.raises(Forbidden):
        await test.send(Actor("console:admin", console.clock, role=Role.ADMIN))
    with pytest.raises(Refused, match="no alerts are set up"):
        await test.send(Actor("console:owner", console.clock, role=Role.OWNER))


async def test_a_test_says_what_does_not_work_and_where_nothing_is_set_up(
    tmp_path: Path, console: ConsoleUnderTest
) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    await owner.get("/me")
    assert (await owner.post("/settings/test-alert")).status_code == 409
    mail: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "sso@example.com"}
    async with console_of(
        tmp_path, database="other.db", **mail, alert_mail=("ops@example.com",)
    ) as other:
        await other.make("owner", Role.OWNER)
        owner = await other.signed_in("owner")
        await owner.get("/settings")
        for expected in (200, 200, 200, 200, 200, 429):
            await owner.post("/settings/test-alert")
            assert owner.page.status_code == expected
            if expected == 200:
                assert "Not taken" in owner.page.text
