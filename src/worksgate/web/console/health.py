"""Whether the installation is well: what ``worksgate doctor`` finds, versions, seals, alerts."""

import platform
import sqlite3
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import msgspec
from starlette.responses import Response

from worksgate.database.migrations import HEAD
from worksgate.observability import log
from worksgate.web.console.alert_texts import say
from worksgate.web.console.bulk import NAMES, STATES
from worksgate.web.console.examination import Examined
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

ALERTS: Final = 10
JOBS: Final = 5
"""Jobs that are shown of those that have not done all."""
DESTINATIONS: Final[Mapping[log.Destination, str]] = {
    log.Destination.JOURNAL: text("the journal of systemd"),
    log.Destination.TERMINAL: text("a terminal"),
    log.Destination.PIPE: text("a pipe: whatever reads it ships them"),
    log.Destination.SOCKET: text("a socket: whatever reads it ships them"),
    log.Destination.FILE: text("a file"),
    log.Destination.NOWHERE: text("nowhere: they are discarded"),
}
WAIT: Final = 3.0
"""Seconds that a page waits for an examination that runs, so that most are shown at once."""


async def show(visit: Visit) -> Response:
    """The findings of the last examination, and what else says how the installation is."""
    examination = visit.console.examination
    examination.refresh()
    await examination.finished(WAIT)
    alerts = await visit.administration.alerts.latest(ALERTS)
    language = visit.words.language
    return visit.page(
        "health.html",
        examined=examination.latest,
        is_possible=examination.is_possible,
        is_running=examination.is_running,
        versions=_versions(visit),
        running=await visit.administration.jobs.count_running(),
        troubled=await visit.administration.jobs.troubled(JOBS),
        job_names=NAMES,
        job_states=STATES,
        arrivals=await visit.administration.upkeep.arrivals(),
        destination=DESTINATIONS[log.destination()],
        is_discarded=log.destination() is log.Destination.NOWHERE,
        lost_lines=log.lost_lines(),
        log_form=_form_of_log(visit),
        key=await visit.administration.upkeep.master_key(),
        verification=visit.console.verification,
        last_seal=await visit.administration.audit_log.last_seal(),
        alerts=[(each, *say(each.kind, each.details, language)) for each in alerts],
        has_alerts=visit.console.settings.has_alerts,
    )


def _form_of_log(visit: Visit) -> str:
    """JSON or text, as the settings say for this destination."""
    form = visit.console.settings.log_format
    if form == "auto":
        form = "text" if log.destination() is log.Destination.TERMINAL else "json"
    return form


async def run(visit: Visit) -> Response:
    """Examine the installation again."""
    visit.console.examination.begin()
    await visit.console.examination.finished(WAIT)
    return visit.to("/health")


async def verify(visit: Visit) -> Response:
    """Compare the audit log with its seals, in the background."""
    visit.console.verification.begin(visit.administration.audit_log.verify)
    await visit.console.verification.finished(WAIT)
    return visit.to("/health")


async def bundle(visit: Visit) -> Response:
    """What a supporter needs to know, as a file without a secret."""
    document = {**_document(visit.console.examination.latest), "versions": _versions(visit)}
    content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    headers = {"Content-Disposition": 'attachment; filename="worksgate-health.json"'}
    return Response(content, 200, headers, "application/json")


def _document(examined: Examined | None) -> dict[str, object]:
    """The same as ``worksgate doctor --json``."""
    findings = () if examined is None else examined.findings
    return {
        "ok": examined is not None and not examined.of("fail"),
        "examined_at": None if examined is None else examined.at,
        "findings": [
            {
                "part": str(each.part),
                "severity": str(each.severity),
                "text": str(each.text),
                "advice": str(each.advice),
            }
            for each in findings
        ],
    }


def _versions(visit: Visit) -> Mapping[str, str]:
    settings = visit.console.settings
    database = "PostgreSQL"
    if settings.database_file is not None:
        database = f"SQLite {sqlite3.sqlite_version}"
    return {
        "worksgate": version("worksgate"),
        "revision": HEAD,
        "database": database,
        "store": settings.store_url.partition(":")[0] or "database",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
