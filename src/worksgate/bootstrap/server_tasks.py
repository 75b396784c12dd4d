"""The background tasks of a server: purging, seals, departures, alerts."""

from contextlib import AsyncExitStack

from worksgate.administration.actor import Actor
from worksgate.administration.departures.runner import carry_out_forever
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.administration.purging import hold_lease, purge_forever
from worksgate.administration.sealing import seal_forever
from worksgate.bootstrap.background_tasks import run_while_open
from worksgate.bootstrap.base import Base
from worksgate.observability.instruments import PurgeFigures, SealFigures


def start_purging(base: Base, stack: AsyncExitStack) -> PurgeFigures | None:
    """Remove expired data, as long as the application is open, if the settings enable it.

    Otherwise a server on PostgreSQL holds a lease that shows that it is running.
    """
    settings = base.settings
    if not settings.purge_interval:
        if settings.database_file is None:  # an open file already shows that it is in use
            run_while_open(hold_lease(base.directory), stack)
        return None
    figures = PurgeFigures()
    purging = purge_forever(
        base.store,
        base.directory,
        base.clock,
        interval=settings.purge_interval,
        audit_retention=settings.audit_retention,
        figures=figures,
    )
    run_while_open(purging, stack)
    return figures


def start_sealing(base: Base, stack: AsyncExitStack) -> SealFigures:
    """Seal the audit log, as long as the application is open."""
    figures = SealFigures()
    sealing = seal_forever(base.directory, base.clock, figures=figures)
    run_while_open(sealing, stack)
    return figures


def start_departures(base: Base, stack: AsyncExitStack) -> None:
    """Carry out departures when they are due, as long as the application is open."""
    actor = Actor("departure", base.clock)
    api = LineWorksApiAdministration(base.settings, base.directory, actor)
    members = LineWorksMembers(base.directory, api)
    departures = carry_out_forever(base.directory, base.store, base.clock, members)
    run_while_open(departures, stack)


def start_alerts(base: Base, stack: AsyncExitStack) -> None:
    """Tell administrators what happens, if the settings say whom; otherwise nothing is imported."""
    settings = base.settings
    if not settings.has_alerts:
        return
    from worksgate.bootstrap.alerts import open_alerts

    alerting = open_alerts(settings, base.directory, base.clock, stack)
    run_while_open(alerting, stack)
