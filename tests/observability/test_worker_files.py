"""The metrics of processes that have ended are kept in one file, however many there were."""

import os
import time
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from worksgate.observability.worker_files import WorkersFolder, added_up, as_page

COUNTED = "worksgate_things_total"
GONE = 2**30
"""No process has an ID as high as that."""


def publish(folder: Path, name: str, things: float, *, age: float = 0.0) -> None:
    """The file of a process, written so many seconds ago."""
    page = as_page(
        [
            CounterMetricFamily("worksgate_things", "Things.", value=things),
            GaugeMetricFamily("worksgate_open", "Open.", value=1),
        ]
    )
    WorkersFolder(folder, name).write(page)
    written = time.time() - age
    os.utime(folder / f"{name}.metrics", (written, written))


def totals(folder: WorkersFolder) -> dict[str, float]:
    found = added_up(folder.others(time.time()))
    return {each.name: each.value for family in found for each in family.samples}


def test_processes_that_have_ended_leave_one_file_and_all_they_have_counted(
    tmp_path: Path,
) -> None:
    own = WorkersFolder(tmp_path, "own")
    publish(tmp_path, f"{os.getpid()}-1", 1000)
    publish(tmp_path, f"{os.getpid()}-2", 100, age=60)  # it hangs
    for number in range(3):
        publish(tmp_path, f"{GONE}-{number}", 1, age=60)
    for _ in range(2):
        assert totals(own) == {COUNTED: 1103, "worksgate_open": 1}
    publish(tmp_path, f"{GONE}-4", 1, age=60)
    for _ in range(2):
        assert totals(own) == {COUNTED: 1104, "worksgate_open": 1}
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"ended.metrics", f"{os.getpid()}-1.metrics", f"{os.getpid()}-2.metrics"}
