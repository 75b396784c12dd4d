"""Alerts by a bot of LINE WORKS; and by its Incoming Webhook."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.administration.external_keys.line_works import KEYRING, TENANT, api_app
from tests.administration.test_alerts import an_alert, settings, webhook
from tests.databases import NOW, directory_in
from tests.line_works_api.fake_api import Watch
from tests.line_works_api.simulated import HOSTS, InProcess, simulator

from worksgate.administration.actor import Actor
from worksgate.administration.alerts import AlertKind
from worksgate.administration.alerts.bot import AlertBot, BotSender
from worksgate.administration.alerts.delivery import AlertSender
from worksgate.administration.alerts.schedule import one_round
from worksgate.administration.alerts.watching import Watch as AlertWatch
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.bootstrap.alerts import sender_of
from worksgate.conformance.directory_api import Bot, DirectoryApiSimulator, Fault
from worksgate.directory.alerts import Alert
from worksgate.directory.database import Directory
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.hosts import Hosts
from worksgate.settings.loading import ConfigurationError
from worksgate.web.console.alert_texts import say

BOT = {"alert_bot": "7", "alert_bot_users": ("aoi@example.com", "gone@example.com")}


@asynccontextmanager
async def alerting(
    database: Path, line_works: DirectoryApiSimulator, **changes: object
) -> AsyncIterator[tuple[Directory, AlertSender]]:
    """An installation with an alert, and what tells of it by a bot."""
    watch = Watch()
    chosen = settings(
        line_works_api_urls=(f"line_works={HOSTS.api}",),
        line_works_auth_urls=(f"line_works={HOSTS.auth}",),
        **(BOT | changes),
    )

    def opened(app: ApiApp, hosts: Hosts) -> DirectoryApi:
        timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep)
        return DirectoryApi.opened(app, hosts, timing=timing, transport=InProcess(line_works))

    async with directory_in(database, KEYRING) as directory:
        await directory.signing_key()
        async with directory.changing() as transaction:
            await transaction.add_client(TENANT)
        actor = Actor("alert", watch.now)
        api = LineWorksApiAdministration(chosen, directory, actor, opened)
        await api.set("tenant", api_app("bot.message"))
        await directory.alerts.note([an_alert()], NOW)
        bot = AlertBot.of(chosen)
        assert bot is not None
        yield directory, AlertSender(partial(say, language="ja"), bot=BotSender(bot, api))


async def rounds(directory: Directory, sender: AlertSender, number: int = 2) -> list[int]:
    watch = AlertWatch(directory.sign_ins, directory.going_live.started_at)
    return [await one_round(directory, watch, sender, NOW + each) for each in range(number)]


async def test_r173_a_bot_tells_once_whom_it_reaches(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line_works = simulator(Watch(), bots=[Bot("7", channels=("c-1",))])
    async with alerting(database, line_works, alert_bot_channel="c-1") as (directory, sender):
        assert await rounds(directory, sender) == [1, 0]
        (occurrence,) = await directory.alerts.latest(1)
    assert occurrence.messaged_at == NOW
    heading, text = say(AlertKind.GUESSING, an_alert().details, "ja")
    sent = line_works.state().messages
    assert [(each.to, each.text) for each in sent] == [
        ("u-aoi", f"{heading}\n\n{text}"),
        ("c-1", f"{heading}\n\n{text}"),
    ]
    said = "".join(capsys.readouterr())
    assert "status 404" in said
    assert "gone@" not in said


async def test_a_bot_sends_one_message_of_a_kind_in_ten_minutes(database: Path) -> None:
    line_works = simulator(Watch(), bots=[Bot("7")])
    async with alerting(database, line_works) as (directory, sender):
        watch = AlertWatch(directory.sign_ins, directory.going_live.started_at)
        more = replace(an_alert("b"), details={"wrong": 7, "waiting": 8})
        await directory.alerts.note([more, an_alert("c")], NOW)
        other = Alert(kind=AlertKind.SLOW, subject="", details={"seconds": 2.0}, quiet=60.0)
        assert await one_round(directory, watch, sender, NOW) == 3
        await directory.alerts.note([an_alert("d"), other], NOW)
        assert [
            await one_round(directory, watch, sender, NOW + seconds) for seconds in (60, 599, 600)
        ] == [1, 0, 1]
        (last, *_) = await directory.alerts.latest(9)
    first, slow, second = line_works.state().messages
    for each in (more, an_alert()):  # what is said twice is there once
        assert first.text.count(say(each.kind, each.details, "ja")[1]) == 1
    assert "300" in second.text
    assert "300" not in slow.text
    assert last.tries == 1


async def test_what_a_bot_could_not_tell_is_tried_again_and_an_outage_is_met_once(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line_works = simulator(Watch(), bots=[Bot("7")])
    line_works.faults.plan(Fault.UNAVAILABLE, times=5)
    async with alerting(database, line_works) as (directory, sender):
        assert await rounds(directory, sender, 3) == [0, 1, 0]
    assert len(line_works.state().messages) == 1
    assert "ApiUnavailable" in "".join(capsys.readouterr())


async def test_a_bot_without_its_app_ends_no_round(database: Path) -> None:
    line_works = simulator(Watch(), bots=[Bot("7")])
    async with alerting(database, line_works, alert_bot_client="other") as (directory, sender):
        assert await rounds(directory, sender) == [0, 0]


async def test_an_incoming_webhook_of_line_works_gets_its_own_form(database: Path) -> None:
    with webhook() as there:
        chosen = settings(alert_webhook=there.url, alert_webhook_form="incoming_webhook")
        async with AsyncExitStack() as stack, directory_in(database) as directory:
            await directory.alerts.note([an_alert()], NOW)
            assert await rounds(directory, sender_of(chosen, stack)) == [1, 0]
    heading, text = say(AlertKind.GUESSING, an_alert().details)
    ((signature, body),) = there.received
    assert signature is None
    assert json.loads(body) == {"title": heading, "body": {"text": text}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alert_bot_users": ()}, "alert_bot: requires"),
        ({"alert_bot": ""}, "alert_bot: is required"),
        ({"alert_bot": "../7"}, "alert_bot: must be an ID"),
        ({"alert_bot_channel": "a/b"}, "alert_bot_channel"),
        ({"alert_bot_users": ("me",)}, "alert_bot_users"),
        ({"alert_bot_users": ("a@b",) * 21}, "20 at most"),
    ],
)
def test_settings_of_a_bot_that_cannot_work_are_refused(
    changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(**(BOT | changes))
    assert named.replace(": ", " ") in str(refused.value).replace(": ", " ")
