"""Alerts: what is told, once for each time, to a real mail server and a real webhook."""

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.databases import NOW, Clock, directory_in, query, url_of
from tests.mail_server import mail_server
from tests.ports import free_port

from worksgate.administration.alerts import AlertKind
from worksgate.administration.alerts.delivery import SIGNATURE, AlertSender
from worksgate.administration.alerts.schedule import alert_forever, one_round
from worksgate.administration.alerts.watching import (
    ALARMING_OUTAGES,
    FEWEST_ANSWERS,
    MOST_WAITING,
    QUIET,
    WINDOW,
    Watch,
)
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.alerts import sender_of
from worksgate.database.leases import ALERTING
from worksgate.directory.alerts import MOST_TRIES, Alert
from worksgate.directory.database import Directory
from worksgate.directory.going_live import AnswerName
from worksgate.settings.loading import ConfigurationError, checked
from worksgate.settings.options import Settings
from worksgate.web.console.alert_texts import TEXTS, say
from worksgate.web.console.pages import texts_of

SECRET = "0123456789abcdef" * 2
DAY = 86_400.0


@dataclass
class Webhook:
    """A web server of somebody else's; it answers ``status``, and ``is_slow`` to end its answer."""

    url: str = ""
    status: int = 204
    is_slow: bool = False
    received: list[tuple[str, bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


@contextmanager
def webhook() -> Iterator[Webhook]:
    """It listens until the end of the block."""
    there = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.received.append((self.headers[SIGNATURE], body))
            self.send_response(there.status)
            self.end_headers()
            there.arrived.set()
            with suppress(OSError):  # the other side has hung up
                for _ in range(200 if there.is_slow else 0):
                    self.wfile.write(b"x")
                    time.sleep(0.1)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


def settings(**changes: object) -> Settings:
    return checked(Settings(**changes))  # type: ignore[arg-type]  # named by the caller


@asynccontextmanager
async def sender(**changes: object) -> AsyncIterator[AlertSender]:
    async with AsyncExitStack() as stack:
        yield sender_of(settings(**changes), stack)


async def seen(directory: Directory, *events: AuditEvent, now: float = NOW) -> Sequence[Alert]:
    """What is told of after these events."""
    await directory.record(list(events))
    return await Watch(directory.sign_ins, directory.going_live.started_at).look(now)


def times(count: int, event: AuditEvent) -> list[AuditEvent]:
    return [event] * count


async def test_each_kind_is_told_from_its_records_and_not_from_a_few(database: Path) -> None:
    at = NOW - 60
    waiting = AuditEvent(at=at, event=Event.LOGIN_THROTTLED, reason=Reason.WAITING)
    outage = AuditEvent(
        at=at, event=Event.LOGIN_INTERRUPTED, reason=Reason.SOURCE_UNAVAILABLE, detail="ad: down"
    )
    slow = AuditEvent(at=at, event=Event.USER_INFO_RETURNED, elapsed_ms=1_900.0)
    async with directory_in(database) as directory:
        few = (
            *times(MOST_WAITING, waiting),
            *times(ALARMING_OUTAGES - 1, outage),
            *times(FEWEST_ANSWERS - 1, slow),
        )
        assert await seen(directory, *few) == []
        found = await seen(
            directory,
            waiting,
            outage,
            slow,
            AuditEvent(at=at, event=Event.CODE_REPLAYED, client_id="acme", address="192.0.2.1"),
        )
        assert [each.kind for each in found] == [
            AlertKind.CODE_REPLAYED,
            AlertKind.GUESSING,
            AlertKind.SOURCE_DOWN,
            AlertKind.SLOW,
        ]
        assert await seen(directory, now=NOW + WINDOW) == []
        flood = AuditEvent(at=NOW + WINDOW, event=Event.LOGIN_FAILED, reason=Reason.COUNTED)
        assert [each.kind for each in await seen(directory, flood, now=NOW + WINDOW)] == [
            AlertKind.GUESSING
        ]


async def test_a_console_sign_in_from_a_new_address_is_told_and_the_first_one_not(
    database: Path,
) -> None:
    def signed_in(at: float, address: str, subject: str = "directory:1") -> AuditEvent:
        return AuditEvent(
            at=at,
            event=Event.CONSOLE_SIGNED_IN,
            subject_id=subject,
            username="naoko",
            address=address,
        )

    async with directory_in(database) as directory:
        assert await seen(directory, signed_in(NOW - DAY, "192.0.2.1")) == []
        assert await seen(directory, signed_in(NOW - 30, "192.0.2.1")) == []
        assert await seen(directory, signed_in(NOW - 20, "192.0.2.9", "directory:2")) == []
        (alert,) = await seen(directory, signed_in(NOW - 10, "203.0.113.5"))
        assert alert.details == {"username": "naoko", "address": "203.0.113.5"}
        for language in ("en", "ja", "ko"):
            assert "203.0.113.5" in say(alert.kind, alert.details, language)[1]


@pytest.mark.parametrize("recovers", [True, False])
async def test_r173_a_link_for_another_owner_is_told_and_the_first_one_not(
    database: Path, *, recovers: bool
) -> None:
    values = {"public_url": "https://sso.example.com", "database_url": url_of(database)}
    async with (
        open_administration(settings(**values), clock=Clock()) as administration,
        directory_in(database) as directory,
    ):
        await administration.first_owner.issue_link(recovers=recovers)
        told = [AlertKind.OWNER_LINK] if recovers else []
        assert [each.kind for each in await seen(directory)] == told
        assert await seen(directory, now=NOW + WINDOW + 2) == []


@pytest.mark.parametrize(
    ("minutes", "came", "told"),
    [(4, False, []), (6, False, [AlertKind.SILENCE]), (6, True, []), (26 * 60, False, [])],
)
async def test_silence_after_sso_was_applied_is_told(
    database: Path, minutes: int, told: list[AlertKind], *, came: bool
) -> None:
    async with directory_in(database) as directory:
        value = f'{{"at": {NOW - minutes * 60}}}'
        query(
            database,
            "INSERT INTO wizard_answers (name, value, at) VALUES (?, ?, ?)",
            *(AnswerName.START.value, value, NOW),
        )
        events = [AuditEvent(at=NOW - 9, event=Event.LOGIN_REQUESTED)] if came else []
        assert [each.kind for each in await seen(directory, *events)] == told


@pytest.mark.parametrize(
    ("days", "told"), [(30, None), (13.5, 13), (2.5, 2), (-1, 0), (None, None)]
)
async def test_a_certificate_is_told_of_before_it_ends(
    database: Path, days: float | None, told: int | None
) -> None:
    asked = 0

    async def ends_at() -> float | None:
        nonlocal asked
        asked += 1
        return None if days is None else NOW + days * DAY

    async with directory_in(database) as directory:
        watch = Watch(directory.sign_ins, directory.going_live.started_at, ends_at)
        found = await watch.look(NOW)
        assert await watch.look(NOW + 60) == found
    assert [each.details["days"] for each in found] == ([] if told is None else [told])
    assert asked == 1


def test_every_kind_has_a_text_in_every_language() -> None:
    assert TEXTS.keys() == set(AlertKind)
    for language in ("ja", "ko"):
        for heading, sentence in TEXTS.values():
            assert texts_of(language).gettext(heading) != heading
            assert texts_of(language).gettext(sentence) != sentence


# Once for each time


def an_alert(subject: str = "", quiet: float = QUIET) -> Alert:
    details = {"wrong": 300, "waiting": 40}
    return Alert(kind=AlertKind.GUESSING, subject=subject, details=details, quiet=quiet)


async def test_r173_an_occurrence_is_noted_once_until_it_has_ended(database: Path) -> None:
    async with directory_in(database) as one, directory_in(database) as other:
        assert await one.alerts.note([an_alert()], NOW) == 1
        assert await other.alerts.note([an_alert()], NOW + QUIET - 1) == 0
        assert await one.alerts.note([an_alert()], NOW + 2 * QUIET - 2) == 0
        assert await one.alerts.note([an_alert("another")], NOW + 2 * QUIET) == 1
        assert await one.alerts.note([an_alert()], NOW + 4 * QUIET) == 1
        assert [each.since for each in await one.alerts.latest(9)] == [
            NOW + 4 * QUIET,
            NOW + 2 * QUIET,
        ]
        await one.alerts.note([], NOW + 91 * DAY)
        assert await one.alerts.latest(9) == []


async def test_r173_of_two_nodes_one_tells_and_it_tells_once(database: Path) -> None:
    replay = AuditEvent(at=NOW - 5, event=Event.CODE_REPLAYED, client_id="acme")
    clock = Clock()
    with webhook() as there:
        async with directory_in(database) as one, directory_in(database) as other:
            await one.record([replay])
            async with sender(alert_webhook=there.url, alert_webhook_secret=SECRET) as tells:
                rounds = [
                    asyncio.create_task(
                        alert_forever(
                            node,
                            Watch(node.sign_ins, node.going_live.started_at),
                            tells,
                            clock,
                            interval=0.02,
                        )
                    )
                    for node in (one, other)
                ]
                assert await asyncio.to_thread(there.arrived.wait, 60)
                await asyncio.sleep(0.2)
                assert await one.leases.holder(ALERTING)
                for each in rounds:
                    each.cancel()
                await asyncio.gather(*rounds, return_exceptions=True)
            assert await one.leases.holder(ALERTING) is None
    assert len(there.received) == 1


async def test_r173_mail_and_signed_webhook_say_the_same(database: Path) -> None:
    with webhook() as there, mail_server() as post:
        async with directory_in(database) as directory:
            await directory.alerts.note([an_alert()], NOW)
            async with sender(
                alert_webhook=there.url,
                alert_webhook_secret=SECRET,
                alert_mail=("one@example.com", "two@example.com"),
                smtp_url=post.url,
                mail_from="sso@example.com",
                mail_language="ja",
            ) as tells:
                watch = Watch(directory.sign_ins, directory.going_live.started_at)
                assert await one_round(directory, watch, tells, NOW + 60) == 1
                assert await one_round(directory, watch, tells, NOW + 120) == 0
            mails = await post.wait_for(2)
    heading, text = say(AlertKind.GUESSING, an_alert().details, "ja")
    assert [each.recipients for each in mails] == [("one@example.com",), ("two@example.com",)]
    assert {str(each.message["Subject"]) for each in mails} == {heading}
    assert text in mails[0].text
    ((signature, body),) = there.received
    document = json.loads(body)
    assert (document["kind"], document["title"], document["text"]) == ("guessing", heading, text)
    assert document["details"] == {"wrong": 300, "waiting": 40}
    at, code = (each.partition("=")[2] for each in signature.split(","))
    signed = f"{at}.".encode() + body
    assert int(at) == int(NOW + 60)
    assert code == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


async def test_r173_what_was_not_taken_is_tried_again_logged_and_given_up_in_the_end(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook() as there:
        there.status = 500
        async with directory_in(database) as directory:
            await directory.alerts.note([an_alert()], NOW)
            watch = Watch(directory.sign_ins, directory.going_live.started_at)
            async with sender(
                alert_webhook=there.url,
                alert_webhook_secret=SECRET,
                alert_mail=("hush@example.com",),
                smtp_url=f"smtp://127.0.0.1:{free_port()}",
                mail_from="sso@example.com",
            ) as tells:
                for number in range(MOST_TRIES + 3):
                    if number == 1:
                        there.status = 204
                    await one_round(directory, watch, tells, NOW + number)
            (occurrence,) = await directory.alerts.latest(1)
    assert len(there.received) == 2
    assert (occurrence.posted_at, occurrence.mailed_at) == (NOW + 1, None)
    assert occurrence.tries == MOST_TRIES
    logged = capsys.readouterr()
    said = logged.out + logged.err
    assert "alert.not_sent" in said
    assert "status 500" in said
    assert not any(each in said for each in ("hush@", SECRET, "/alerts"))


@asynccontextmanager
async def node_receiver(secret: str) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """The address of a receiver that is not ours, and the lines that it prints."""
    script = str(Path(__file__).parent / "webhook_receiver.mjs")
    node = await asyncio.create_subprocess_exec(
        "node", script, secret, stdout=asyncio.subprocess.PIPE
    )
    assert node.stdout
    try:
        yield f"http://127.0.0.1:{int(await node.stdout.readline())}/alerts", node.stdout
    finally:
        node.terminate()
        await node.wait()


@pytest.mark.programs
@pytest.mark.parametrize("theirs", [SECRET, SECRET[::-1]])
async def test_r173_a_receiver_in_node_compares_the_signature(database: Path, theirs: str) -> None:
    """As the page about the console describes it; with another secret it takes nothing."""
    async with (
        node_receiver(theirs) as (url, lines),
        directory_in(database) as directory,
        sender(alert_webhook=url, alert_webhook_secret=SECRET) as tells,
    ):
        await directory.alerts.note([an_alert()], NOW)
        watch = Watch(directory.sign_ins, directory.going_live.started_at)
        sent = await one_round(directory, watch, tells, NOW)
        received = json.loads(await lines.readline())
    is_good = theirs == SECRET
    assert (sent, received) == (is_good, {"isGood": is_good, "kind": an_alert().kind})


async def test_r93_the_answer_of_a_webhook_is_not_read(database: Path) -> None:
    """It could be endless."""
    began = time.monotonic()
    with webhook() as there:
        there.is_slow = True
        async with directory_in(database) as directory:
            await directory.alerts.note([an_alert()], NOW)
            watch = Watch(directory.sign_ins, directory.going_live.started_at)
            async with sender(alert_webhook=there.url, alert_webhook_secret=SECRET) as tells:
                assert await one_round(directory, watch, tells, NOW) == 1
    assert time.monotonic() - began < 15


async def test_a_round_that_crashes_is_not_the_last(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = asyncio.Event()

    class Broken(Watch):
        rounds = 0

        async def look(self, now: float) -> list[Alert]:
            self.rounds += 1
            if self.rounds == 2:
                twice.set()
            raise RuntimeError("hush")

    async with directory_in(database) as directory, sender() as tells:
        watch = Broken(directory.sign_ins, directory.going_live.started_at)
        forever = asyncio.create_task(
            alert_forever(directory, watch, tells, lambda: NOW, interval=0.01)
        )
        await asyncio.wait_for(twice.wait(), 60)
        forever.cancel()
        await asyncio.gather(forever, return_exceptions=True)
    logged = capsys.readouterr()
    assert "alert.crashed" in logged.out + logged.err
    assert "hush" not in logged.out + logged.err


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alert_mail": ("one@example.com",)}, "alert_mail"),
        ({"alert_mail": ("nobody",)}, "alert_mail"),
        ({"alert_webhook": "https://hooks.example.com/x"}, "alert_webhook"),
        ({"alert_webhook": "http://hooks.example.com/x"}, "alert_webhook"),
        ({"alert_webhook_secret": "too short"}, "alert_webhook_secret"),
    ],
)
def test_settings_of_alerts_that_cannot_work_are_refused(
    changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        settings(**changes)


def test_the_secrets_of_a_webhook_are_in_no_repr() -> None:
    all_of_it = settings(alert_webhook="https://h.example.com/path", alert_webhook_secret=SECRET)
    assert "h.example.com" not in repr(all_of_it)
    assert SECRET not in repr(all_of_it)


async def test_an_outage_is_told_of_the_source_that_is_down(database: Path) -> None:
    def outage(detail: str) -> AuditEvent:
        return AuditEvent(
            at=NOW - 60,
            event=Event.LOGIN_INTERRUPTED,
            reason=Reason.SOURCE_UNAVAILABLE,
            detail=detail,
        )

    async with directory_in(database) as directory:
        await directory.record(
            [
                *times(2, outage("ad: ldaps://dc1: timed out")),
                outage("ad eu did not respond in time"),
                outage("of-former-settings: down"),
            ]
        )
        watch = Watch(
            directory.sign_ins, directory.going_live.started_at, None, ("ad", "ad eu", "directory")
        )
        found = await watch.look(NOW)
    assert [(each.subject, each.details["sign_ins"]) for each in found] == [
        ("", 1),
        ("ad", 2),
        ("ad eu", 1),
    ]
    for language in ("en", "ja", "ko"):
        heading, sentence = say(found[1].kind, found[1].details, language)
        assert "ad" in heading
        assert "2" in sentence
        assert "%" not in say(found[0].kind, found[0].details, language)[0]
