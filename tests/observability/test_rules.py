"""The alerts, the dashboard and the page use existing metrics."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # has no types
from prometheus_client.core import Metric
from tests.machine import require

from worksgate.limits.thread_pool import ThreadPool
from worksgate.observability.figures import Figures, ProcessFigures
from worksgate.observability.instruments import (
    CommitFigures,
    PurgeFigures,
    SealFigures,
    SourceFigures,
)
from worksgate.observability.metric_families import families, process_families
from worksgate.server.admission import Admission, Limits

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy/grafana/worksgate.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
ALERTS_TEST = ROOT / "deploy/prometheus/alerts_test.yml"
PAGE = ROOT / "docs/monitoring.md"

ROWS = ("Traffic", "Errors", "Latency", "Hashing", "Store", "Sources", "Purge")


class Everything:
    """Stands for whatever an installation has: store, clients and audit log."""

    waiting = count = dropped = unavailable = 0
    age = 0.1
    recorded = {"code.redeemed": 1}  # noqa: RUF012  # nobody writes to it


def all_families() -> Iterator[Metric]:
    everything = Everything()
    admission = Admission(Limits(1, 1, 1, ()))
    yield from process_families(
        ProcessFigures(admission=admission, certificate_ends_at=lambda: 1.0)
    )
    yield from families(
        Figures(
            hashing=ThreadPool(1, 1, name="never-started"),
            store=everything,
            commits=CommitFigures(),
            clients=everything,
            purge=PurgeFigures(),
            seals=SealFigures(),
            audit=everything,
            sources=[SourceFigures("ldap")],
        )
    )


def sample_names() -> set[str]:
    return {sample.name for family in all_families() for sample in family.samples}


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text("utf-8"))


def dashboard_queries() -> list[str]:
    return [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_of(query: str) -> set[str]:
    return set(re.findall(r"\bworksgate_\w+", re.sub(r'"[^"]*"', '""', query)))


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = require("promtool")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_alerts_are_valid_and_fire_when_they_should() -> None:
    for done in (
        promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS)),
        promtool("test", "rules", str(ALERTS_TEST)),
    ):
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_has_a_line_on_the_page() -> None:
    tests = yaml.safe_load(ALERTS_TEST.read_text("utf-8"))["tests"]
    fired = {
        each["alertname"]
        for test in tests
        for each in test["alert_rule_test"]
        if each["exp_alerts"]
    }
    names = {rule["alert"] for rule in alerts()}
    assert fired == names
    assert set(re.findall(r"(?m)^\| `(Worksgate\w+)` \|", PAGE.read_text("utf-8"))) == names


def test_dashboard_can_be_imported() -> None:
    found = dashboard()
    assert found["schemaVersion"] >= 39
    variables = {each["name"]: each["type"] for each in found["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    panels = found["panels"]
    titles = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert [name for name in ROWS if not any(each.startswith(name) for each in titles)] == []
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["targets"], panel["title"]


def test_panels_do_not_overlap_and_fill_no_more_than_the_width() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("query", dashboard_queries())
def test_queries_of_the_dashboard_can_be_read(query: str) -> None:
    for variable, value in (("$__rate_interval", "5m"), ("$job", "j"), ("$instance", "i")):
        query = query.replace(variable, value)
    done = promtool("--experimental", "promql", "format", query)
    assert done.returncode == 0, done.stderr


def test_every_metric_that_is_asked_for_is_reported() -> None:
    asked = {name for query in dashboard_queries() for name in metrics_of(query)}
    asked |= {name for rule in alerts() for name in metrics_of(rule["expr"])}
    assert len(asked) > 25
    assert asked - sample_names() == set()


def test_every_metric_that_is_reported_has_its_line_on_the_page() -> None:
    suffix = {"counter": "_total"}
    told = {family.name + suffix.get(family.type, "") for family in all_families()}
    rows = re.findall(r"(?m)^\| `(worksgate_\w+)` \|", PAGE.read_text("utf-8"))
    assert sorted(rows) == sorted(told)


def test_labels_on_the_page_are_those_of_the_metrics() -> None:
    labels: dict[str, set[str]] = {}
    for family in all_families():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels[name] = {label for each in family.samples for label in each.labels} - {"le"}
    for name, cell in re.findall(
        r"(?m)^\| `(worksgate_\w+)` \| ([^|]*)\|", PAGE.read_text("utf-8")
    ):
        assert set(re.findall(r"`(\w+)`", cell)) == labels[name], name
