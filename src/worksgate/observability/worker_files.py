"""How processes that serve one port tell each other their numbers.

Prometheus asks one port, and any of the processes may answer. So each writes its metrics into a
file of a common folder every second, as Prometheus would read them, and whoever is asked adds up
all files. A process that is asked writes its own file first: what has been told once is never
taken back, and counters never fall.

What a process has counted stays in its file when it ends, what it measured at the moment does not:
a process takes that out of its file at its end, and a file that nobody has written for a while is
not believed.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

BELIEVED_FOR = 5.0
"""Seconds after which a file is that of a process that has ended or stands still."""

_LARGEST = frozenset(
    {
        *("worksgate_build_info", "worksgate_clients", "worksgate_clients_age_seconds"),
        *("worksgate_source_circuit_open", "worksgate_source_failures"),
        *("worksgate_behind", "worksgate_certificate_ends_timestamp_seconds"),
        *("worksgate_purge_last_finished_timestamp_seconds", "process_start_time_seconds"),
    }
)
"""Gauges that are the same for all processes, or told by the one that is worst; others add up."""

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class WorkersFolder:
    """The folder, and the name of this process in it."""

    path: Path
    name: str

    @classmethod
    def of_this_process(cls, path: Path) -> "WorkersFolder":
        # The time tells two processes apart that had the same number one after the other.
        return cls(path, f"{os.getpid()}-{time.time_ns()}")

    def write(self, page: bytes) -> None:
        """Tell the others. Raises OSError."""
        new = self.path / f"{self.name}.new"
        new.write_bytes(page)
        new.replace(self.path / f"{self.name}.metrics")

    def others(self, now: float) -> Iterator[Metric]:
        """What the others have told; ``now`` is in seconds since the epoch."""
        for file in sorted(self.path.glob("*.metrics")):
            if file.stem == self.name:
                continue
            is_alive = now - file.stat().st_mtime < BELIEVED_FOR
            for family in text_string_to_metric_families(file.read_text("utf-8")):
                if is_alive or family.type != "gauge":
                    yield family


def without_gauges(families: Iterable[Metric]) -> Iterator[Metric]:
    """What stays when a process has ended."""
    return (family for family in families if family.type != "gauge")


def added_up(families: Iterable[Metric]) -> list[Metric]:
    """One family of each name, its samples taken together."""
    sums: dict[str, Metric] = {}
    values: dict[str, dict[Key, float]] = {}
    for family in families:
        sums.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        together = values.setdefault(family.name, {})
        join = max if family.name in _LARGEST else _sum
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            known = together.get(key)
            together[key] = sample.value if known is None else join(known, sample.value)
    for name, family in sums.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    return list(sums.values())


def _sum(one: float, another: float) -> float:
    return one + another
