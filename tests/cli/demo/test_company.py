"""The demonstrated company: 300 people, four weeks, and three things wrong on purpose."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from worksgate.administration import Administration
from worksgate.administration.sign_in_trace.sentences import SAYINGS
from worksgate.audit import Event, Reason
from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo.company import prepare_company
from worksgate.cli.demo.history import (
    ASKED_ABOUT,
    DAY,
    STUMBLES_OF,
    WEEKS,
    History,
    RecordedPerson,
    joining,
    moment,
    outage_day,
    working_days,
)
from worksgate.cli.demo.installation import (
    CLIENT,
    Addresses,
    demonstrated,
    partner_source,
    prepare,
)
from worksgate.cli.demo.mistakes import JOINER, MISTYPED_CLIENT
from worksgate.directory.people_list import PeopleFilter, PeopleState
from worksgate.settings.options import Settings

ADDRESSES = Addresses(8080, 8090, 8070)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Settings, Administration]]:
    """The company after its second start in the same folder."""
    file = tmp_path_factory.mktemp("demo") / "demo.db"
    given = Settings(port=ADDRESSES.port, database_url=f"sqlite:///{file}")
    settings = demonstrated(given, ADDRESSES, partner_source(ADDRESSES.issuer))
    for _ in range(2):
        prepared = await prepare(settings, ADDRESSES.simulator)
        await prepare_company(settings, CLIENT, prepared.redirect_uri)
    async with open_administration(settings) as administration:
        yield settings, administration


async def test_three_hundred_people_are_there_after_the_second_start_too(
    company: tuple[Settings, Administration],
) -> None:
    _, administration = company
    assert await administration.people_list.count(PeopleFilter()) == 300
    [owner] = await administration.administrators.all()
    assert owner.role == "owner"


async def test_somebody_has_no_user_key_and_was_refused_for_it(
    company: tuple[Settings, Administration],
) -> None:
    _, administration = company
    [found] = await administration.people_list.page(PeopleFilter(state=PeopleState.NO_KEY))
    assert found.username == JOINER.username
    tries = await administration.audit_log.search(username=JOINER.username)
    assert Reason.NO_USER_KEY in {record.reason for record in tries}


async def test_a_source_was_down_on_tuesday_morning_and_at_no_other_time(
    company: tuple[Settings, Administration],
) -> None:
    _, administration = company
    interrupted = await administration.audit_log.search(event=Event.LOGIN_INTERRUPTED, limit=999)
    times = [datetime.fromtimestamp(record.at) for record in interrupted]
    assert len({record.username for record in interrupted}) > 5
    assert {when.weekday() for when in times} == {1}
    assert {when.hour for when in times} == {9}


async def test_a_client_s_redirect_uri_lacks_a_letter_and_sign_ins_were_refused(
    company: tuple[Settings, Administration],
) -> None:
    _, administration = company
    client = await administration.clients.get(MISTYPED_CLIENT)
    assert client.redirect_uris == ("http://127.0.0.1:8090/oauth/calback",)
    refused = await administration.audit_log.search(event=Event.LOGIN_REFUSED, limit=999)
    assert Counter(record.reason for record in refused)[Reason.REDIRECT_NOT_LISTED] > 10


async def test_nobody_signs_in_in_the_future_and_the_newest_records_come_last(
    company: tuple[Settings, Administration],
) -> None:
    _, administration = company
    succeeded = await administration.audit_log.search(event=Event.LOGIN_SUCCEEDED, limit=99_999)
    times = [record.at for record in succeeded]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert times[0] > time.time() - (7 * WEEKS + 1) * DAY
    assert len(times) > 1_000
    pages = [each async for each in administration.audit_log.pages()]
    newest_first = [record for page in pages for record in page]
    [added] = [
        number
        for number, record in enumerate(newest_first)
        if (record.detail or "").startswith(f"{MISTYPED_CLIENT}: ")
    ]
    after, then, before = [record.at for record in newest_first[added - 1 : added + 2]]
    assert after >= then >= before, "a client was added among the sign-ins of that day"


def weeks_until(now: datetime) -> list[datetime]:
    people = [
        RecordedPerson(f"directory:{number}", f"{number}@example.com") for number in range(60)
    ]
    records = History("client", now).of_weeks(people, [])
    return [
        datetime.fromtimestamp(record.at) for record in records if record.event is Event.CODE_ISSUED
    ]


async def test_people_sign_in_on_working_days_most_of_them_at_nine() -> None:
    when = weeks_until(datetime(2026, 3, 20, 23).astimezone())
    hours = Counter(each.hour for each in when)
    assert {hours.most_common(2)[0][0], hours.most_common(2)[1][0]} == {8, 9}
    weekend = sum(each.weekday() >= 5 for each in when)
    assert 0 < weekend < len(when) / 20
    assert weeks_until(datetime(2026, 3, 20, 23).astimezone()) == when


async def test_several_people_failed_in_the_minute_that_is_asked_about() -> None:
    """Of a minute with one person the trace is about that person, and not about the source."""
    partners = [RecordedPerson(f"partner:{number}", f"{number}@example.com") for number in range(8)]
    for ago in range(21):
        now = datetime(2026, 3, 20, 23).astimezone() - timedelta(days=ago)
        asked = moment(outage_day(now), ASKED_ABOUT) // 60
        failed = {
            record.username
            for record in History("client", now).of_weeks([], partners)
            if record.event is Event.LOGIN_INTERRUPTED and record.at // 60 == asked
        }
        assert len(failed) > 1


@pytest.fixture
def summer_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks here are set back on the last Sunday of October, at three."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("summer_time")
async def test_the_outage_is_at_nine_although_clocks_were_set_back_since() -> None:
    now = datetime(2026, 10, 26, 12).astimezone()
    partners = [RecordedPerson(f"partner:{number}", f"{number}@example.com") for number in range(8)]
    records = History("client", now).of_weeks([], partners)
    down = [record.at for record in records if record.event is Event.LOGIN_INTERRUPTED]
    assert {datetime.fromtimestamp(at).hour for at in down} == {9}
    assert datetime.fromtimestamp(joining(now)).hour == 8


async def test_the_trace_has_a_sentence_for_each_way_to_stumble() -> None:
    assert [each for each in STUMBLES_OF if each.reason not in SAYINGS[each.event]] == []


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 3, 17, 9, 30), "2026-03-10"),  # a Tuesday, while it is down
        (datetime(2026, 3, 17, 9, 50), "2026-03-17"),
        (datetime(2026, 3, 16, 12, 0), "2026-03-10"),
        (datetime(2026, 3, 22, 12, 0), "2026-03-17"),
    ],
)
async def test_the_outage_was_on_the_last_tuesday(now: datetime, day: str) -> None:
    assert str(outage_day(now)) == day
    assert [each.weekday() < 5 and each < now.date() for each in working_days(now, 2)] == [True] * 2
