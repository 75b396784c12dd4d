"""Charts: what ``charts.html`` draws as SVG, from numbers to positions.

Positions across are per cent, so that columns stretch with the page while words keep their size;
positions down are pixels. Zero is always the base. A series is told by its tone, and the second one
by a pattern as well; every chart has its numbers in a table.
"""

from dataclasses import dataclass
from typing import Final

TOP: Final = 26.0
BASE: Final = 172.0
"""Where the largest value and zero are, in pixels from the top."""
TONES: Final = ("a", "b", "c")
_LABELS: Final = 31
"""As many labels fit on a wide page."""
_NARROW_LABELS: Final = 8
"""As many labels fit on a narrow one."""
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is drawn above one label; a value that is not known is None.

    ``title`` says it in words. ``below`` is a second line of the label.
    """

    label: str
    values: tuple[float | None, ...]
    title: str
    below: str = ""
    is_now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn: one name for each value of a column. ``id`` is unique on the page."""

    id: str
    title: str
    description: str
    head: str
    series: tuple[str, ...]
    columns: tuple[Column, ...]
    unit: str = ""

    @property
    def scale(self) -> "Scale":
        """A scale on which the highest column fits."""
        sums = (sum(filter(None, each.values)) for each in self.columns)
        return Scale.up_to(max(sums, default=0.0), is_whole=not self.unit)

    @property
    def stacks(self) -> list["Stack"]:
        """The columns as stacked bars."""
        scale, width = self.scale, 100 / max(1, len(self.columns))
        return [
            Stack.of(column, scale, width * index, width)
            for index, column in enumerate(self.columns)
        ]

    @property
    def points(self) -> list["Point"]:
        """The first value of each column where it is known, with the one before it."""
        scale, width = self.scale, 100 / max(1, len(self.columns))
        points: list[Point] = []
        before: tuple[float, float] | None = None
        for index, column in enumerate(self.columns):
            value = column.values[0]
            if value is None:
                before = None
                continue
            place = (width * (index + 0.5), scale.place(value))
            points.append(Point(x=place[0], y=place[1], before=before, title=column.title))
            before = place
        return points

    @property
    def labels(self) -> list["Label"]:
        """What stands below the columns; not all of it fits on a narrow page."""
        count = len(self.columns)
        width, every = 100 / max(1, count), max(1, -(-count // _LABELS))
        rarely = every * max(1, -(-count // (every * _NARROW_LABELS)))
        return [
            Label(x=width * (index + 0.5), column=column, is_wide=index % rarely != 0)
            for index, column in enumerate(self.columns)
            if index % every == 0
        ]


@dataclass(frozen=True, slots=True)
class Scale:
    """From zero to ``most``, with a line at each of ``ticks``."""

    most: float
    ticks: tuple[float, ...]

    @classmethod
    def up_to(cls, value: float, *, is_whole: bool) -> "Scale":
        """The scale with at most five round ticks on which a value fits."""
        step = _round_up(value / 4) if value > 0 else 1.0
        if is_whole:
            step = max(1.0, float(round(step)))
        count = max(1, -int(-value // step))
        return cls(step * count, tuple(step * index for index in range(count + 1)))

    def place(self, value: float) -> float:
        """How far down a value is, in pixels."""
        return BASE - (BASE - TOP) * value / self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a bar."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A bar of several parts."""

    x: float
    width: float
    segments: tuple[Segment, ...]
    title: str

    @classmethod
    def of(cls, column: Column, scale: Scale, left: float, width: float) -> "Stack":
        segments: list[Segment] = []
        total = 0.0
        for index, value in enumerate(column.values):
            if value:
                bottom, top = scale.place(total), scale.place(total + value)
                # A single one among thousands must be seen as well.
                height = max(1.0, bottom - top)
                tone = TONES[index % len(TONES)]
                segments.append(Segment(tone=tone, y=bottom - height, height=height))
                total += value
        return cls(
            x=left + width * 0.24,
            width=width * 0.52,
            segments=tuple(segments),
            title=column.title,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a line, and the one before it if they are joined."""

    x: float
    y: float
    before: tuple[float, float] | None
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label below a column; one that ``is_wide`` is left out on a narrow page."""

    x: float
    column: Column
    is_wide: bool


def _round_up(value: float) -> float:
    """The next number that is 1, 2, 2.5 or 5 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in _STEPS if power * step >= value * 0.999_999)
