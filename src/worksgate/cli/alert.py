"""``worksgate alert``: alerts to administrators, and whether they would arrive."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import CommandGroup, config_option, json_option
from worksgate.cli.printing import iso, local_time, note, print_json, print_line, print_table
from worksgate.cli.running import actor, administer, quietly, read_installation

if TYPE_CHECKING:
    from worksgate.directory.alerts import Occurrence

SHOWN = 50
"""Alerts that are listed."""


@click.group("alert", cls=CommandGroup)
def app() -> None:
    """Alerts by mail, webhook and a bot of LINE WORKS."""


@app.command("test")
@config_option
@json_option
def test(*, config: Path | None, as_json: bool) -> None:
    """Send a test alert by every method that is set up.

    The exit code is 1 if one of them fails; the log has the reason (alert.not_sent).
    """
    from worksgate.bootstrap.alerts import send_test_alert

    delivered = quietly(send_test_alert(read_installation(config), actor()))
    if as_json:
        print_json({each.way: each.is_taken for each in delivered})
    else:
        for each in delivered:
            print_line(f"{each.way}: {'taken' if each.is_taken else 'not taken'}")
    if not all(each.is_taken for each in delivered):
        sys.exit(1)


@app.command("list")
@config_option
@json_option
def list_alerts(*, config: Path | None, as_json: bool) -> None:
    """List the last alerts, and how each was sent."""
    found = administer(read_installation(config), lambda each: each.alerts.latest(SHOWN))
    if as_json:
        print_json([_document(each) for each in found])
    elif found:
        rows = [(local_time(each.since) or "", each.kind, _ways(each)) for each in found]
        print_table(("Since", "Kind", "Sent by"), rows, whole=("Kind",))
    else:
        note("There were none in the last 90 days.")


def _document(each: "Occurrence") -> dict[str, object]:
    return {
        "kind": each.kind,
        "since": iso(each.since),
        "seen_at": iso(each.seen_at),
        "details": dict(each.details),
        "mailed_at": iso(each.mailed_at),
        "posted_at": iso(each.posted_at),
        "messaged_at": iso(each.messaged_at),
    }


def _ways(each: "Occurrence") -> str:
    times = {"mail": each.mailed_at, "webhook": each.posted_at, "bot": each.messaged_at}
    return ", ".join(way for way, at in times.items() if at is not None)
