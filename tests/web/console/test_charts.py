"""Charts and the periods that they show: numbers in, positions and times out."""

import time
from datetime import UTC

import pytest

from worksgate.directory.audit.sign_in_counts import slowest_tenth
from worksgate.web.console.charts import BASE, TOP, Chart, Column, Scale
from worksgate.web.console.periods import DAY, HOUR, Period, Span, Step, as_typed


@pytest.mark.parametrize(
    ("value", "ticks"),
    [
        (0, (0, 1)),
        (1, (0, 1)),
        (3, (0, 1, 2, 3)),
        (312, (0, 100, 200, 300, 400)),
        (99_999, (0, 25_000, 50_000, 75_000, 100_000)),
    ],
)
def test_a_scale_begins_at_zero_and_has_round_steps(value: float, ticks: tuple[float, ...]) -> None:
    scale = Scale.up_to(value, is_whole=True)
    assert scale.ticks == ticks
    assert scale.place(0) == BASE
    assert scale.place(scale.most) == TOP


def test_bars_stand_on_each_other_and_the_smallest_is_seen() -> None:
    values = ((1_000.0, 1.0), (0.0, 0.0), (500.0, None))
    columns = [Column(label="x", values=each, title="x") for each in values]
    chart = Chart(
        id="x", title="", description="", head="", series=("in", "out"), columns=tuple(columns)
    )
    first, second, third = chart.stacks
    assert [each.tone for each in first.segments] == ["a", "b"]
    assert first.segments[0].y + first.segments[0].height == BASE
    assert first.segments[1].height >= 1
    assert [len(each.segments) for each in (second, third)] == [0, 1]


@pytest.mark.parametrize(
    ("count", "wide", "narrow"), [(1, 1, 1), (24, 24, 8), (31, 31, 8), (94, 24, 8)]
)
def test_no_more_labels_are_shown_than_fit(count: int, wide: int, narrow: int) -> None:
    columns = tuple(Column(label="x", values=(1.0,), title="x") for _ in range(count))
    chart = Chart(id="x", title="", description="", head="", series=("in",), columns=columns)
    assert len(chart.labels) == wide
    assert sum(not each.is_wide for each in chart.labels) == narrow


def test_a_line_is_broken_where_nothing_is_known() -> None:
    columns = [
        Column(label="x", values=(each,), title="x") for each in (1.0, 2.0, None, 3.0, 0.004)
    ]
    chart = Chart(
        id="x",
        title="",
        description="",
        head="",
        series=("ms",),
        columns=tuple(columns),
        unit="ms",
    )
    assert [each.before is None for each in chart.points] == [True, False, True, False]


def test_nine_in_ten_do_not_exceed_the_slowest_tenth() -> None:
    assert slowest_tenth([]) is None
    assert slowest_tenth([5.0]) == 5.0
    assert slowest_tenth([float(each) for each in range(100)]) == 90.0


# Periods


@pytest.mark.parametrize("span", Span)
def test_a_period_reaches_the_present_in_ascending_parts(span: Span) -> None:
    now = time.time()
    period = Period.chosen({"range": span.value}, now)
    assert period.span is span
    assert period.since == period.edges[0] <= now < period.until
    assert period.edges[-1] >= now
    assert list(period.edges) == sorted(set(period.edges))
    assert len(period.edges) <= 32


def test_times_that_somebody_typed_are_a_period() -> None:
    now = time.time()
    for length, step in ((HOUR, Step.MINUTES), (DAY, Step.HOUR), (30 * DAY, Step.DAY)):
        since = now - length - DAY
        typed = {"from": as_typed(since, UTC), "to": as_typed(now - DAY, UTC)}
        period = Period.chosen(typed, now, UTC)  # elsewhere an hour may be ambiguous
        assert (period.span, period.step) == (None, step)
        assert abs(period.since - since) < 60
        assert period.edges[0] <= period.since < period.until <= period.edges[-1]
    longest = Period.chosen({"from": "1971-01-01T00:00"}, now)
    assert len(longest.edges) <= 95
    for nonsense in ({"from": "x"}, {"from": as_typed(now + DAY)}, {"range": "century"}):
        assert Period.chosen(nonsense, now).span is Span.TODAY
