"""The health of the installation: what doctor finds, the seals, a file without a secret."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import query
from tests.web.console.console import ConsoleUnderTest, console_of

from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.cli.doctor import findings_of
from worksgate.credentials.master_key import MasterKey
from worksgate.database.leases import JOBS, Turn
from worksgate.directory.alerts import Alert, Channel
from worksgate.directory.audit.writer import RECORDS_LOST
from worksgate.directory.jobs import Job, JobKind, JobState
from worksgate.doctor import Finding, fail, ok, warn
from worksgate.settings.options import Settings
from worksgate.web.console.examination import Examination
from worksgate.web.console.examiner import Unexamined

FOUND = (
    ok("settings", "all is well"),
    warn("disk", "0.4 GiB are free", "free some space"),
    fail("clients", "a rule of <b>acme</b> is invalid", "worksgate client set"),
)


class Doctor:
    """Finds the same each time, and counts how often it was asked."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        self.asked = 0

    async def __call__(self) -> AsyncIterator[Finding]:
        self.asked += 1
        for each in self.findings:
            await asyncio.sleep(0)
            yield each


async def examined(console: ConsoleUnderTest, doctor: Doctor) -> None:
    """Let a console ask this doctor."""
    examination = (await console.inside()).examination
    examination._examine = doctor


async def test_r172_health_says_what_doctor_finds_and_today_what_is_worst(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    doctor = Doctor(*FOUND)
    await examined(console, doctor)
    browser = await console.signed_in("owner")
    page = (await browser.get("/health")).text
    assert "1 thing does not work." in page
    assert page.index("acme") < page.index("0.4 GiB are free") < page.index("all is well")
    assert "<b>acme" not in page
    assert "Something does not work. 2 things need your attention." in (await browser.get("/")).text
    await browser.get("/health")
    assert doctor.asked == 1
    console.clock.advance(10)
    await browser.post("/health/run")
    assert (browser.page.status_code, doctor.asked) == (303, 2)
    helper = await console.signed_in("helper")
    assert "acme" not in (await helper.get("/")).text
    assert (await helper.get("/health")).status_code == 403


async def test_an_examination_runs_once_at_a_time_and_a_crash_is_no_result() -> None:
    class Broken(Doctor):
        async def __call__(self) -> AsyncIterator[Finding]:
            self.asked += 1
            await asyncio.sleep(0.02)
            raise RuntimeError("secret-of-an-address")
            yield

    doctor, now = Broken(), 1_000.0
    examination = Examination(doctor, lambda: now)
    for _ in range(3):
        examination.refresh()
    await examination.finished(5)
    assert (doctor.asked, examination.latest) == (1, None)
    await examination.close()
    never = Examination(Unexamined(Settings()).installation, lambda: now)
    never.begin()
    await never.finished(5)
    assert (never.is_possible, never.latest) == (False, None)


async def test_the_audit_log_is_compared_with_its_seals(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    assert "has not been compared" in (await browser.get("/health")).text
    directory = console.administration.audit_log._directory
    await directory.record([AuditEvent(at=console.clock() - 1, event=Event.SYSTEM, detail="a")])
    until, sealed = await directory.seals.settled(), 0
    while await directory.seals.seal_next(until, console.clock()) is not None:
        sealed += 1  # one for each hour: the full hour may be between the records
    assert sealed
    inside = await console.inside()
    await browser.post("/health/verify")
    await inside.verification.finished(60)  # the page itself does not wait so long
    page = (await browser.get("/health")).text
    assert "Nothing was altered" in page
    assert f"Newest seal: {sealed}" in page
    query(console.database, "UPDATE audit SET detail = 'b' WHERE detail = 'a'")
    await browser.post("/health/verify")
    await inside.verification.finished(60)
    assert "somebody has changed records" in (await browser.get("/health")).text


async def test_r248_health_says_which_jobs_went_wrong_and_what_did_not_arrive(
    tmp_path: Path,
) -> None:
    hook = "https://example.com/hook"
    async with console_of(tmp_path, alert_webhook=hook, alert_webhook_secret="s" * 32) as console:
        await console.make("owner", Role.OWNER)
        browser, now = await console.signed_in("owner"), console.clock()
        page = (await browser.get("/health")).text
        assert "all was done for everybody" in page
        assert "none since" in page
        directory = console.administration.audit_log._directory
        assert await Turn(directory.leases, 60, JOBS).take()  # the console must not end them
        done = Job(
            id="fine",
            kind=JobKind.ENABLE,
            arguments={},
            actor="console:owner",
            role="owner",
            state=JobState.DONE,
            created_at=now - 60,
            total=9,
            done=9,
        )
        lost = AuditEvent(at=now, event=Event.SYSTEM, detail=f"7 {RECORDS_LOST}")
        for job in (
            done,
            replace(done, id="partly", failed=2),
            replace(done, id="revoked", state=JobState.REVOKED),
            replace(done, id="open", state=JobState.RUNNING),
            replace(done, id="draft", state=JobState.DRAFT, failed=1),
        ):
            await directory.jobs.add(job, lost)
        alert = Alert(kind="slow", subject="", details={"seconds": 2}, quiet=60)
        await directory.alerts.note([alert], now)
        page = (await browser.get("/health")).text
        assert re.findall(r"/job\?id=(\w+)", page) == ["revoked", "partly"]
        assert "not done for 2 of 9 people" in page
        assert "1 is running or waiting" in page
        assert "none since" not in page
        assert "1 not delivered" in page
        await directory.alerts.note_attempt(alert.key, [Channel.WEBHOOK], now)
        assert "all delivered" in (await browser.get("/health")).text


@pytest.mark.parametrize("is_broken", [False, True])
async def test_r172_the_file_for_support_contains_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_broken: bool
) -> None:
    """With the real doctor, and every secret that settings can have."""
    secrets = {
        "smtp_url": "smtp://someone:hush-smtp-password@127.0.0.1:1",
        "alert_webhook": "http://localhost:1/hush-webhook-path",
        "alert_webhook_secret": "hush-" + "0123456789abcdef" * 2,
        "store_url": "redis://:hush-store-password@127.0.0.1:1/0",
    }
    async with console_of(tmp_path) as console:
        await console.make("owner", Role.OWNER)
        file = tmp_path / "worksgate.toml"
        lines = [f'{name} = "{value}"' for name, value in secrets.items()]
        lines.append(f'database_url = "sqlite:///{console.database}"')
        lines.append('mail_from = "sso@example.com"')
        if is_broken:
            lines.append('no_such_setting = "hush-unknown-value"')
        file.write_text("\n".join(lines))
        file.chmod(0o600)
        monkeypatch.chdir(tmp_path)
        inside = await console.inside()
        inside.examination._examine = lambda: findings_of(file)
        browser = await console.signed_in("owner")
        await browser.get("/health")
        await inside.examination.finished(20)
        answer = await browser.get("/health/bundle")
    document = json.loads(answer.text)
    assert document["findings"]
    assert document["ok"] is False
    assert document["versions"]["worksgate"]
    assert "hush" not in answer.text
    assert "hush" not in browser.page.text


async def test_alerts_are_listed_in_the_language_of_the_page(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    assert "No alerts are sent" in (await browser.get("/health")).text
    alerts = [
        Alert(kind="certificate", subject="", details={"days": 3}, quiet=1.0),
        Alert(kind="of_a_later_version", subject="", details={}, quiet=1.0),
    ]
    await console.administration.alerts.note(alerts, console.clock())
    page = (await browser.get("/health")).text
    assert "expires in 3 days" in page
    assert "of_a_later_version" in page


async def test_r196_the_master_key_is_shown_by_its_id_and_never_its_value(tmp_path: Path) -> None:
    old, new = MasterKey(bytes(32)), MasterKey(bytes([1] * 32))
    async with console_of(tmp_path, master_key=old.text) as console:
        await console.make("owner", Role.OWNER)
        await console.administration.upkeep.encrypt_secrets()
        browser = await console.signed_in("owner")
        page = (await browser.get("/health")).text
        assert "It encrypts all secrets in the database." in page
        assert old.id in page
        assert "In force since" in page
        totp, then = console.totp, console.clock()
    async with console_of(tmp_path, master_key=new.text, previous_master_key=old.text) as console:
        console.totp.update(totp)
        console.clock.advance(then + 600 - console.clock())
        before = await console.administration.upkeep.master_key()
        assert (before.current, before.in_force, before.older) == (new.id, old.id, 0)
        secrets = console.administration.upkeep._directory.secrets
        changed_at = console.clock()
        await secrets.put_in_force(AuditEvent(event=Event.SYSTEM, at=changed_at))
        browser = await console.signed_in("owner")
        page = (await browser.get("/health")).text
        after = await console.administration.upkeep.master_key()
        assert (after.in_force, after.since) == (new.id, changed_at)
        assert after.older >= 1
        assert "does not encrypt all secrets yet" in page
        assert f"<dt>Secrets under an older key</dt><dd>{after.older}</dd>" in page
        bundle = (await browser.get("/health/bundle")).text
        for secret in (old.text, new.text, old.material.hex(), new.material.hex()):
            assert secret not in page
            assert secret not in bundle


async def test_without_a_master_key_health_says_what_that_means(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    page = (await browser.get("/health")).text
    assert "whoever has a copy of the database has its secrets" in page
    assert "worksgate key new FILE" in page
