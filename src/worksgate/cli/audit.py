"""``worksgate audit``."""

from typing import Annotated

import typer

from worksgate.audit import AuditEvent, Event
from worksgate.cli.options import Config, Json, moment
from worksgate.cli.printing import as_document, iso, note, print_json, print_table
from worksgate.cli.running import administer, read_settings


def audit(
    *,
    login_id: Annotated[
        str | None, typer.Option(metavar="ID", help="All that happened in one login.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="USERNAME", help="One person.")] = None,
    client: Annotated[
        str | None, typer.Option(metavar="CLIENT", help="One client: its name or its ID.")
    ] = None,
    event: Annotated[Event | None, typer.Option(metavar="EVENT", help="One kind of event.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From a time (2026-01-31T09:00, UTC) or an age (12h)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Up to a time or an age.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the audit log.

    The latest records that fit, the oldest of them first.
    """
    after = moment(since) if since else None
    before = moment(until) if until else None
    events = administer(
        read_settings(config),
        lambda administration: administration.audit(
            login_id=login_id,
            username=user,
            client=client,
            event=event,
            since=after,
            until=before,
            limit=limit,
        ),
    )
    events = sorted(events, key=lambda each: each.at)
    if as_json:
        print_json([as_document(each) for each in events])
    elif events:
        print_table(
            ("Time", "Event", "User", "Client", "Address", "By", "Login", "Detail"),
            map(_row, events),
        )
    else:
        note("No record fits.")


def _row(event: AuditEvent) -> tuple[str | None, ...]:
    return (
        iso(event.at),
        event.event,
        event.username or event.subject_id,
        event.client_id,
        event.address,
        event.actor,
        event.login_id,
        event.detail,
    )
