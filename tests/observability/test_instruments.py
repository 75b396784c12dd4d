"""How metrics are kept, added up and reported, without a server."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.observability.site import Metrics

from worksgate.credentials.password_hashing import HashingBusy
from worksgate.observability.figures import Figures
from worksgate.observability.instruments import (
    GONE,
    Distribution,
    HasBreakers,
    Meter,
    SourceOutcome,
    Traffic,
)
from worksgate.observability.prometheus import Watch
from worksgate.settings.sources.openid import OidcSettings
from worksgate.sources import Identified, Person, PersonDisabled, SourceUnavailable
from worksgate.sources.circuit_breaker import Circuit
from worksgate.sources.metrics import MeasuredSource
from worksgate.sources.openid.source import OidcSource

HANA = Person(subject_id="own:hana", username="hana", name="Hana")


async def nowhere(*_: object) -> None:
    """Stands for an application that nobody asks."""


@pytest.mark.parametrize(
    ("value", "place"), [(0.0, 0), (1.0, 0), (1.0001, 1), (3.0, 1), (3.0001, 2), (99.0, 2)]
)
def test_a_value_counts_at_the_first_bound_that_it_does_not_exceed(
    value: float, place: int
) -> None:
    spread = Distribution((1.0, 3.0))
    spread.observe(value)
    assert [number for number, count in enumerate(spread.counts) if count] == [place]
    assert spread.total == value


def test_a_meter_counts_what_is_under_way_and_what_has_gone() -> None:
    meter = Meter("token", "server_error")
    first, second = meter.begin(), meter.begin()
    assert meter.running == 2
    meter.end(first, 200)
    meter.end(second, GONE)
    assert meter.running == 0
    assert meter.answers == {(200, ""): 1, (503, "server_error"): 0, (GONE, ""): 1}
    assert sum(meter.seconds.counts) == 2


class Own:
    """A source of people that says what it is told to."""

    name = "own"

    def __init__(self, say: Callable[[], Person | None]) -> None:
        self._say = say
        self.circuits = (Circuit("own", failures=1, seconds=60),)

    async def authenticate(self, username: str, password: str) -> Person | None:
        with self.circuits[0].attempt():
            return self._say()

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen


def refusing(error: Exception) -> Callable[[], Person | None]:
    def say() -> Person | None:
        raise error

    return say


@pytest.mark.parametrize(
    ("say", "outcome"),
    [
        (lambda: HANA, SourceOutcome.ACCEPTED),
        (lambda: None, SourceOutcome.WRONG),
        (refusing(PersonDisabled()), SourceOutcome.DISABLED),
        (refusing(HashingBusy()), SourceOutcome.BUSY),
        (refusing(SourceUnavailable("down")), SourceOutcome.UNAVAILABLE),
    ],
)
async def test_what_a_source_says_is_counted_once(
    say: Callable[[], Person | None], outcome: SourceOutcome
) -> None:
    watched = MeasuredSource(Own(say))
    with suppress(PersonDisabled, HashingBusy, SourceUnavailable):
        assert await watched.authenticate("hana", "x") in (HANA, None)
    figures = watched.figures
    assert {name for name, count in figures.outcomes.items() if count} == {outcome}
    assert sum(figures.outcomes.values()) == sum(figures.seconds.counts) == 1
    assert figures.is_up is (outcome is not SourceOutcome.UNAVAILABLE)


class InTwoSteps(Own):
    """A source that takes its time to find a person, and finds nobody where it is down."""

    is_down = False

    async def identify(self, username: str) -> Identified:
        await asyncio.sleep(0.05)
        if self.is_down:
            raise SourceUnavailable("down")
        return Identified(username)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        return await self.authenticate(identified.username, password)


async def test_a_sign_in_of_two_steps_is_timed_once_and_whole() -> None:
    source = InTwoSteps(lambda: HANA)
    watched = MeasuredSource(source)
    await watched.verify(await watched.identify("hana"), "x", admitted=True)
    assert sum(watched.figures.seconds.counts) == 1
    assert watched.figures.seconds.total >= 0.05
    source.is_down = True
    with pytest.raises(SourceUnavailable):
        await watched.identify("hana")
    assert sum(watched.figures.seconds.counts) == 2


class Small(Own):
    """A source that knows when it can check no more."""

    is_full = False

    def check_capacity(self, *, is_known: bool = True) -> None:
        if self.is_full:
            raise HashingBusy


def test_who_is_refused_before_a_source_is_asked_is_counted() -> None:
    small = Small(lambda: HANA)
    watched = MeasuredSource(small)
    watched.check_capacity()
    assert not any(watched.figures.outcomes.values())
    small.is_full = True
    with pytest.raises(HashingBusy):
        watched.check_capacity()
    assert watched.figures.outcomes[SourceOutcome.BUSY] == 1
    MeasuredSource(Own(lambda: HANA)).check_capacity()  # of which nothing is known before


async def test_a_provider_elsewhere_tells_whether_it_is_left_alone() -> None:
    settings = OidcSettings(
        name="idp",
        issuer="https://idp.example.com",
        client_id="c",
        client_secret="s",
        external_key_claim="sub",
    )
    source = OidcSource("idp", settings)
    assert isinstance(source, HasBreakers)
    assert source.circuits == ()
    await source.close()


async def test_what_an_application_has_counted_stays_when_another_takes_its_place() -> None:
    watch, old, new = Watch(), Figures(), Figures()
    await watch.attach(old, nowhere)
    answered(old.traffic, 3)
    await watch.attach(new, nowhere)
    answered(new.traffic, 2)
    old.traffic.token.begin()
    assert await told(watch) == (5, 1)
    await watch.detach(old)
    assert await told(watch) == (5, 0)
    await watch.detach(new)


async def test_processes_of_one_folder_report_the_same_whoever_is_asked(tmp_path: Path) -> None:
    watches = {Watch(folder=tmp_path): Figures() for _ in range(3)}
    for number, (watch, figures) in enumerate(watches.items(), 1):
        await watch.attach(figures, nowhere)
        answered(figures.traffic, number)
        figures.traffic.token.begin()
    await asyncio.gather(*(watch.page() for watch in watches))
    for watch in watches:
        assert await told(watch) == (6, 3)
    first, _, last = watches
    await first.detach(watches.pop(first))
    assert await told(last) == (6, 2)  # what it measured at the moment has gone with it
    for watch, figures in watches.items():
        await watch.detach(figures)


async def test_page_for_everybody_is_made_once_a_second_however_many_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worksgate.observability.prometheus.KEPT_FOR", 60.0)
    watch, figures = Watch(), Figures()
    await watch.attach(figures, nowhere)
    first = await asyncio.gather(*(watch.public_page() for _ in range(5)))
    answered(figures.traffic, 1)
    assert {*first, await watch.public_page()} == {first[0]}
    assert await told(watch) == (1, 0)  # the operator is told what is so now
    await watch.detach(figures)

    monkeypatch.setattr("worksgate.observability.prometheus.KEPT_FOR", 0.0)
    watch = Watch()
    await watch.attach(figures, nowhere)
    before = await watch.public_page()
    answered(figures.traffic, 1)
    assert await watch.public_page() != before
    await watch.detach(figures)


def answered(traffic: Traffic, count: int) -> None:
    for _ in range(count):
        traffic.token.end(traffic.token.begin(), 200)


async def told(watch: Watch) -> tuple[float, float]:
    """How many answers there were, and how many requests are under way."""
    metrics = Metrics((await watch.page()).decode())
    answers = metrics.value("worksgate_requests_total", endpoint="token")
    assert metrics.value("worksgate_request_seconds_count", endpoint="token") == answers
    return answers, metrics.value("worksgate_requests_running", endpoint="token")
