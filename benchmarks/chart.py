"""Draws the chart of the results: chart.py RESULTS.json CHART.svg, with matplotlib."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib
from report import BUDGETS, POSTGRES_BUDGETS

matplotlib.use("svg")
import matplotlib.pyplot as plt

OURS, OTHERS, BUDGET = "#1f6feb", "#8b949e", "#cf222e"
NAMES = {
    "worksgate": "Worksgate",
    "bare": "bare ASGI handler",
    "postgres": "Worksgate",
    "bare_postgres": "bare ASGI handler",
    "node": "node-oidc-provider\n(memory, no ID token)",
    "node_openid": "node-oidc-provider\n(memory, ID token)",
    "django": "django-oauth-toolkit\n(as it comes)",
    "django_in_clear": "django-oauth-toolkit\n(secret in clear)",
}
TITLES = {"token": "code → token", "userinfo": "user info"}
Panel = tuple[str, dict[str, Any], dict[str, float]]


def panels_of(results: dict[str, Any]) -> list[Panel]:
    """Title, rounds and budgets of each panel."""
    calls = results.get("calls", {})
    found: list[Panel] = [
        (title, calls[name], BUDGETS[name]) for name, title in TITLES.items() if name in calls
    ]
    if "postgres" in results:
        title = f"{TITLES['token']}, PostgreSQL"
        found.append((title, results["postgres"]["token"], POSTGRES_BUDGETS["token"]))
    return found


def draw(results: dict[str, Any], chart: Path) -> None:
    found = panels_of(results)
    style = {
        "svg.hashsalt": "worksgate",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
    }
    with plt.rc_context(style):
        figure, panels = plt.subplots(
            len(found),
            1,
            figsize=(7.6, 2.5 * len(found)),
            height_ratios=[len(rounds) + 1 for _, rounds, _ in found],
            squeeze=False,
            layout="constrained",
        )
        for panel, one in zip(panels.flat, found, strict=True):
            _panel(panel, *one)
        panels.flat[-1].set_xlabel("answers per second, one server core")
        figure.savefig(chart, metadata={"Date": None, "Creator": None})


def _panel(panel: Any, title: str, found: dict[str, Any], budgets: dict[str, float]) -> None:
    """Bars of the medians, a dot for each round, a mark at the speed that each budget asks for."""
    names = list(found)
    rates = {name: [one["rate"] for one in found[name]] for name in names}
    medians = {name: statistics.median(rates[name]) for name in names}
    panel.barh(
        [NAMES[name] for name in names],
        [medians[name] for name in names],
        color=[OURS if name in ("worksgate", "postgres") else OTHERS for name in names],
        height=0.6,
    )
    for place, name in enumerate(names):
        panel.plot(rates[name], [place] * len(rates[name]), "o", color="#24292f", markersize=2.5)
        panel.annotate(
            f"{medians[name]:,.0f}",
            (max(rates[name]), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    wanted = [medians[name] * budget for name, budget in budgets.items() if name in medians]
    for position, speed in enumerate(wanted):
        label = "what a budget asks of Worksgate" if position == 0 else None
        panel.plot([speed, speed], [-0.42, 0.42], color=BUDGET, linewidth=1.6, label=label)
    if wanted:
        panel.legend(frameon=False, loc="lower right", fontsize=9)
    panel.set_title(title, loc="left", fontweight="bold")
    panel.set_xlim(0, 1.12 * max(*medians.values(), *wanted))
    panel.invert_yaxis()
    panel.spines[["top", "right"]].set_visible(False)
    panel.xaxis.set_major_formatter("{x:,.0f}")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
