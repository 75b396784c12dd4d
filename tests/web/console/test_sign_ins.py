"""Sign-ins, counted and said in words; today's numbers."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.administration.sign_in_trace.sentences import SAYINGS
from worksgate.administration.sign_in_trace.undated import LEADS, reason_in_words
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.secrets import new_ordered_id
from worksgate.web.console import sign_ins
from worksgate.web.console.periods import DAY, HOUR, midnight

ADDRESS = "203.0.113.24"
OFFICE = "198.51.100.7"


def records(now: float) -> Iterator[AuditEvent]:
    """Two people who get in, one only after a wrong password, and one who does not."""
    for seconds, event, name, reason, address in (
        (50, Event.LOGIN_FAILED, "tanaka", Reason.WRONG_PASSWORD, ADDRESS),
        (40, Event.LOGIN_SUCCEEDED, "tanaka", None, ADDRESS),
        (30, Event.LOGIN_SUCCEEDED, "<b>emma</b>", None, OFFICE),
        (20, Event.LOGIN_FAILED, "sato", Reason.WRONG_PASSWORD, OFFICE),
        (10, Event.FACTOR_FAILED, "sato", Reason.CLOCK_BEHIND, OFFICE),
    ):
        yield AuditEvent(
            at=now - seconds,
            event=event,
            username=name,
            reason=reason,
            address=address,
            login_id=new_ordered_id(),
        )
    yield AuditEvent(at=now - 5, event=Event.USER_INFO_RETURNED, elapsed_ms=1_840.0)


async def with_records(console: ConsoleUnderTest) -> None:
    """The records of a minute, at noon of a day on which nothing else has happened."""
    console.clock.stop()
    console.clock.advance(midnight(console.clock(), 2) + 12 * HOUR - console.clock())
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    directory = console.administration.audit_log._directory
    await directory.record(list(records(console.clock())))


async def test_r170_the_page_says_when_how_many_and_why_refused(console: ConsoleUnderTest) -> None:
    await with_records(console)
    browser = await console.signed_in("owner")
    page = (await browser.get("/sign-ins")).text
    assert "2 sign-ins, 3 refusals" in page
    assert "The password was wrong." in page
    assert "The code was right for an earlier time: the clock of the phone is slow." in page
    assert re.search(r'<title id="n-t">[^<]+</title><desc id="n-d">2 sign-ins and 3', page)
    assert "<details" in page.split('<figure class="chart">')[1]
    assert 'class="hatch"' in page
    assert "<b>emma" not in page
    assert not re.search(r"\sstyle=", page)
    assert len(page) < 60_000
    for query, count in (
        ("kind=in", 2),
        ("kind=out", 3),
        ("kind=login.failed&reason=wrong_password", 2),
        ("user=tanaka", 2),
        (f"address={OFFICE}", 3),
        ("reason=no_such&kind=no_such&client=&source=no_such&after=x~y&range=no", 5),
        ("from=2001-01-01T00:00&to=2001-01-02T00:00", 0),
    ):
        page = (await browser.get(f"/sign-ins?{query}")).text
        assert page.count('<td class="id">') == count, query
    answer = await browser.get("/sign-ins?after=nan~1&from=9999-99-99T99:99&to=x&user=%25")
    assert answer.status_code == 200


async def test_r170_the_help_desk_sees_networks_and_cannot_ask_for_an_address(
    console: ConsoleUnderTest,
) -> None:
    await with_records(console)
    browser = await console.signed_in("helper")
    page = (await browser.get(f"/sign-ins?address={ADDRESS}")).text
    assert page.count('<td class="id">') == 5
    assert ADDRESS not in page
    assert OFFICE not in page
    assert "203.0.113.0/24" in page
    assert 'name="address"' not in page
    assert "/export" not in page


async def test_every_page_of_the_list_is_reached_by_its_links(console: ConsoleUnderTest) -> None:
    await with_records(console)
    now = console.clock()
    directory = console.administration.audit_log._directory
    many = [
        AuditEvent(at=now - 100 - index // 3, event=Event.LOGIN_FAILED, username=f"n{index:03}")
        for index in range(120)
    ]
    await directory.record(many)
    browser = await console.signed_in("owner")
    seen: list[str] = []
    path = "/sign-ins?kind=login.failed"
    while path:
        page = (await browser.get(path)).text
        seen += re.findall(r">(n\d{3})<", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == [f"n{index:03}" for index in range(120)]


async def test_today_says_in_a_sentence_how_it_is(console: ConsoleUnderTest) -> None:
    await with_records(console)
    browser = await console.signed_in("owner")
    page = (await browser.get("/")).text
    assert "People are getting in. 2 things need your attention." in page
    assert "1 person tried today and is not in" in page
    assert re.search(r"<dd>2 <small>of 2</small></dd>", page)
    assert re.search(r"<dd>1.84 <small>s</small></dd>", page)
    assert "1 got in afterwards, 1 did not" in page
    assert "Answers to LINE WORKS are slow" in page
    assert not re.search(r"\sstyle=", page)
    console.clock.advance(DAY)
    browser = await console.signed_in("owner")
    quiet = (await browser.get("/")).text
    assert "Nobody has come yet today. Nothing needs your attention." in quiet
    assert "Nothing to do." in quiet


def test_a_reason_is_said_without_a_time_in_every_language() -> None:
    for event, sayings in SAYINGS.items():
        for reason in sayings:
            for language, lead in LEADS.items():
                said = reason_in_words(event, reason, language)
                assert said, (event, reason, language)
                assert "%" not in said
                assert not said.startswith(lead[:3])
    assert reason_in_words(Event.LOGIN_FAILED, None, "en") == ""
    assert reason_in_words(Event.LOGIN_FAILED, Reason.COUNTED, "ja") == ""
    assert reason_in_words(Event.IMAP_SUCCEEDED, None, "en") == "A mail program signed in."


async def test_the_time_that_line_works_waited_is_a_chart_in_place_of_the_other(
    console: ConsoleUnderTest,
) -> None:
    await with_records(console)
    browser = await console.signed_in("owner")
    page = (await browser.get("/sign-ins?kind=out")).text
    other = re.search(r'href="([^"]+)#c">How long LINE WORKS waited for an answer', page)
    assert other
    assert 'id="a-t"' not in page
    page = (await browser.get(other[1].replace("&amp;", "&"))).text
    assert "1840 ms slowest tenth</title>" in page
    assert 'id="n-t"' not in page
    assert page.count('<td class="id">') == 3, "the filter stays"
    assert 'name="chart" value="answers"' in page
    page = (
        await browser.get("/sign-ins?chart=answers&from=2001-01-01T00:00&to=2001-01-02T00:00")
    ).text
    assert "No call of LINE WORKS in this time." in page


async def test_among_many_clients_one_is_named(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "MOST_CHOICES", 2)
    await with_records(console)
    clients = console.administration.clients
    made = [(await clients.add(f"tenant {number}")).client for number in range(3)]
    directory = console.administration.audit_log._directory
    at = console.clock() - 1
    refused = AuditEvent(at=at, event=Event.CLIENT_REFUSED, client_id=made[1].client_id)
    await directory.record([refused])
    browser = await console.signed_in("owner")
    for asked in (made[1].client_id, "tenant 1", "TENANT 1"):
        page = (await browser.get(f"/sign-ins?client={asked}")).text
        assert page.count('<td class="id">') == 1, asked
    assert "<option value" not in page.partition('name="client"')[2].partition(">")[0]
    page = (await browser.get(f"/sign-ins?client={made[1].client_id}")).text
    assert 'name="client" value="tenant 1"' in page
    assert (await browser.get("/sign-ins?client=nobody")).text.count('<td class="id">') == 0


async def test_times_are_in_the_zone_of_the_browser_and_in_utc_on_request(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    browser.http.cookies.set("wg_console_zone", "Asia/Tokyo", "console.example.com")
    audit = (await browser.get("/audit")).text
    found = re.search(r'<time datetime="([^"]+)" title="([^"]+) UTC">[^<]*(\d\d:\d\d)<', audit)
    assert found is not None
    at = datetime.fromisoformat(found[1])
    assert found[2] == f"{at:%Y-%m-%d %H:%M}"
    assert found[3] == f"{at + timedelta(hours=9):%H:%M}"
    browser.http.cookies.set("wg_console_zone", "../../etc/passwd", "console.example.com")
    assert (await browser.get("/audit")).status_code == 200


async def test_a_record_names_its_person_and_leads_to_them(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject, gone = await console.make("tanaka", None), await console.make("kang", None)
    await console.administration.users.remove("kang")
    directory = console.administration.audit_log._directory
    calls = (subject, gone, "directory:unknown")
    await directory.record(
        [
            AuditEvent(event=Event.USER_INFO_RETURNED, at=console.clock(), subject_id=each)
            for each in calls
        ]
    )
    owner = await console.signed_in("owner")
    page = (await owner.get("/audit?event=user_info.returned")).text
    for each, name in zip(calls, ("tanaka", "kang", "directory:unknown"), strict=True):
        link = f"/find?q={each.replace(':', '%3A')}"
        assert f'<a href="{link}">{name}</a>' in page
        assert (await owner.get(link)).status_code == 303


async def test_how_much_was_not_recorded_one_by_one_is_said_in_the_language_of_the_page(
    console: ConsoleUnderTest,
) -> None:
    await with_records(console)
    counted = AuditEvent(
        at=console.clock() - 1,
        event=Event.CLIENT_REFUSED,
        reason=Reason.COUNTED,
        detail="not recorded one by one: 22 within a minute, networks: 3",
    )
    await console.administration.audit_log._directory.record([counted])
    browser = await console.signed_in("owner")
    page = (await browser.get("/sign-ins?lang=ja")).text
    assert "1分間に22件、ネットワーク数3</td>" in page
    assert "within a minute" not in page
