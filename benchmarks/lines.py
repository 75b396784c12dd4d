"""Lines of the report: what was found, what was asked for, and whether that is met."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """A budget, and what was found; ``is_met`` is None where there is no budget."""

    what: str
    found: str
    budget: str
    is_met: bool | None

    @property
    def met(self) -> str:
        """As the table says it."""
        return "" if self.is_met is None else "yes" if self.is_met else "**no**"


def median(rounds: Iterable[Any], name: str) -> float:
    """Of one number in all rounds."""
    return float(statistics.median(one[name] for one in rounds))


def ratio(what: str, ours: Sequence[Any], theirs: Sequence[Any], budget: float | None) -> Line:
    """Of two who were measured in turns: the median of the ratios of all rounds."""
    both = zip(ours, theirs, strict=True)
    found = statistics.median(one["rate"] / other["rate"] for one, other in both)
    return at_least(what, found, budget)


def at_least(what: str, ratio: float, budget: float | None) -> Line:
    """A ratio that is the better the larger it is."""
    shown = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    if budget is None:
        return Line(what, shown, "", None)
    return Line(what, shown, f"≥ {budget:g}", ratio >= budget)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table in Markdown."""
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
