"""``worksgate audit``."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.audit import AuditEvent, Event
from worksgate.cli.options import Moment, config_option, json_option
from worksgate.cli.printing import (
    as_document,
    local_time,
    note,
    print_json,
    print_line,
    print_packed,
    print_table,
)
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration

COLUMNS = ("Time", "Event", "User", "Client", "Address", "By", "Login ID", "Detail")
EVENT_WIDTH = max(map(len, Event))


class EventName(click.ParamType[str]):
    """The name of an event of the audit log."""

    name = "EVENT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = [str(event) for event in Event]
        if value not in names:
            near = get_close_matches(value, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "\n  ".join(("there are:", *names))
            self.fail(f"there is no event {value!r}; {hint}", param, ctx)
        return value


@click.command("audit")
@click.option("--login-id", metavar="ID", help="Everything that happened in one sign-in.")
@click.option("--user", metavar="USERNAME", help="One person.")
@click.option("--client", metavar="CLIENT", help="One client: its name or its ID.")
@click.option(
    "--event",
    type=EventName(),
    metavar="EVENT",
    help="One kind of event, such as login.failed.",
)
@click.option(
    "--since",
    type=Moment(),
    help="Since a time (2026-01-31T09:00, local if no zone is given) or an age (12h).",
)
@click.option("--until", type=Moment(), help="Until a time or an age.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Show at most this many.",
)
@config_option
@json_option
def audit(
    *,
    login_id: str | None,
    user: str | None,
    client: str | None,
    event: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the audit log.

    Shows the latest matching records, the oldest of them first.
    """

    async def read(administration: "Administration") -> tuple[list[AuditEvent], _Names]:
        events = await administration.audit_log.search(
            login_id=login_id,
            username=user,
            client=client,
            event=event,
            since=since,
            until=until,
            limit=limit,
        )
        return events, _Names() if as_json else await _names(administration, events)

    events, names = administer(read_installation(config), read)
    if as_json:
        print_json([as_document(each) for each in events])
    elif events:
        _print(events, names)
    else:
        note("No record matches.")


@dataclass(frozen=True, slots=True)
class _Names:
    """Current names for the IDs in records: usernames and clients."""

    users: Mapping[str, str] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)

    def user(self, event: AuditEvent) -> str | None:
        return event.username or self.users.get(event.subject_id or "", event.subject_id)

    def client(self, event: AuditEvent) -> str | None:
        return self.clients.get(event.client_id or "", event.client_id)


async def _names(administration: "Administration", events: Sequence[AuditEvent]) -> _Names:
    subjects = (each.subject_id for each in events if each.subject_id and not each.username)
    clients = await administration.clients.all() if any(each.client_id for each in events) else ()
    return _Names(
        await administration.audit_log.usernames(subjects),
        {each.client_id: each.name for each in clients},
    )


def _print(events: Sequence[AuditEvent], names: _Names) -> None:
    """On a terminal a block of lines per record, since the IDs are long; in a pipe, a table."""
    if not sys.stdout.isatty():
        print_table(COLUMNS, [_row(event, names) for event in events])
        return
    day = ""
    for event in events:
        date, _, time_and_zone = (local_time(event.at) or "").partition(" ")
        time, zone = time_and_zone[:8], time_and_zone[8:]
        if (heading := f"{date}, UTC{zone}".removesuffix("+00:00")) != day:
            print_line(heading)
            day = heading
        _, _, *cells = zip(COLUMNS, _row(event, names), strict=True)
        facts = [f"{column.lower()} {value}" for column, value in cells if value]
        print_packed(f"{time}  {event.event:<{EVENT_WIDTH}}", facts)


def _row(event: AuditEvent, names: _Names) -> tuple[str | None, ...]:
    return (
        local_time(event.at),
        event.event,
        names.user(event),
        names.client(event),
        event.address,
        event.actor,
        event.login_id,
        event.detail,
    )
