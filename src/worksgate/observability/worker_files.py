"""Shares metrics between the processes of one port.

Prometheus scrapes one port, and any of the processes may answer. So each writes its metrics into a
file in a common folder every second, in Prometheus format, and the one that answers adds up all
files. It writes its own file first, so what was once reported is never taken back, and counters
never decrease.

When a process ends, its counters stay in its file, its gauges do not: the process removes them at
its end, and in a file that has not been written for a while they are ignored. Files of processes
that have ended are put together into one: however many end, there are never more to read.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

VALID_FOR = 5.0
"""Seconds after which a file is that of a process that has ended or hangs."""

_ENDED = "ended"
"""Name of the file of all processes that have ended."""

_LARGEST = frozenset(
    {
        *("worksgate_build_info", "worksgate_clients", "worksgate_clients_age_seconds"),
        *("worksgate_source_circuit_open", "worksgate_source_failures"),
        *("worksgate_behind", "worksgate_certificate_ends_timestamp_seconds"),
        *("worksgate_purge_last_finished_timestamp_seconds", "process_start_time_seconds"),
        "worksgate_audit_seal_last_finished_timestamp_seconds",
    }
)
"""Gauges that are the same for all processes, or taken from the worst one; others add up."""

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class WorkersFolder:
    """The folder, and the name of this process in it."""

    path: Path
    name: str

    @classmethod
    def of_this_process(cls, path: Path) -> "WorkersFolder":
        # The time distinguishes two consecutive processes with the same PID.
        return cls(path, f"{os.getpid()}-{time.time_ns()}")

    def write(self, page: bytes) -> None:
        """Publish to the others. Raises OSError."""
        new = self.path / f"{self.name}.new"
        new.write_bytes(page)
        new.replace(self.path / f"{self.name}.metrics")

    def others(self, now: float) -> list[Metric]:
        """The others' numbers; ``now`` is in seconds since the epoch."""
        found: list[Metric] = []
        ended: dict[Path, list[Metric]] = {}
        with self._alone():
            for file in sorted(self.path.glob("*.metrics")):
                if file.stem == self.name:
                    continue
                numbers = list(text_string_to_metric_families(file.read_text("utf-8")))
                if now - file.stat().st_mtime >= VALID_FOR:
                    numbers = list(without_gauges(numbers))
                    if _has_ended(file):
                        ended[file] = numbers
                found += numbers
            if len(ended) > 1:
                self._put_together(ended)
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads meanwhile: what is put together would be counted twice, or not."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _put_together(self, ended: dict[Path, list[Metric]]) -> None:
        kept = self.path / f"{_ENDED}.metrics"
        new = self.path / f"{_ENDED}.new"
        new.write_bytes(as_page(added_up(each for numbers in ended.values() for each in numbers)))
        os.utime(new, (0, 0))  # it has no process that writes it
        new.replace(kept)
        for file in ended:
            if file != kept:
                file.unlink(missing_ok=True)


def _has_ended(file: Path) -> bool:
    """Whether the process of a file is gone; another one may have its ID by now."""
    if file.stem == _ENDED:
        return True
    try:
        os.kill(int(file.stem.partition("-")[0]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OSError):
        return False
    return False


@dataclass(frozen=True, slots=True)
class _Collected(Collector):
    metrics: Iterable[Metric]

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def as_page(metrics: Iterable[Metric]) -> bytes:
    """Metrics as text."""
    return generate_latest(_Collected(metrics))


def without_gauges(families: Iterable[Metric]) -> Iterator[Metric]:
    """What remains when a process has ended."""
    return (family for family in families if family.type != "gauge")


def added_up(families: Iterable[Metric]) -> list[Metric]:
    """One family per name, with all samples."""
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
