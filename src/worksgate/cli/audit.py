"""``worksgate audit``, and ``worksgate audit verify``."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.audit import AuditEvent, Event
from worksgate.cli.options import (
    CommandGroup,
    check_alone,
    config_option,
    json_option,
    limit_option,
    since_option,
    until_option,
)
from worksgate.cli.printing import (
    as_document,
    counted,
    iso,
    local_time,
    note,
    print_json,
    print_json_list,
    print_line,
    print_packed,
    print_table,
    progress_bar,
)
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory.audit.seal_form import Seal
    from worksgate.directory.audit.seal_verification import Finding, Verified

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


@click.group("audit", cls=CommandGroup, invoke_without_command=True)
@click.option("--login-id", metavar="ID", help="Everything that happened in one sign-in.")
@click.option("--user", metavar="USERNAME", help="One person.")
@click.option("--by", metavar="USERNAME", help="What one administrator did.")
@click.option("--client", metavar="CLIENT", help="One client: its name or its ID.")
@click.option(
    "--event",
    type=EventName(),
    metavar="EVENT",
    help="One kind of event, such as login.failed.",
)
@since_option
@until_option
@limit_option(1_000_000)
@config_option
@json_option
@click.pass_context
def audit(
    context: click.Context,
    *,
    login_id: str | None,
    user: str | None,
    by: str | None,
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
    if context.invoked_subcommand is not None:
        check_alone(context)
        context.obj = config
        return

    async def read(administration: "Administration") -> tuple[list[AuditEvent], _Names]:
        events = await administration.audit_log.search(
            login_id=login_id,
            username=user,
            by=by,
            client=client,
            event=event,
            since=since,
            until=until,
            limit=limit,
        )
        return events, _Names() if as_json else await _names(administration, events)

    events, names = administer(read_installation(config), read)
    if as_json:
        print_json_list(map(as_document, events))
    elif events:
        _print(events, names)
    else:
        note("No record matches.")


class ExpectedSeal(click.ParamType[tuple[int, str]]):
    """The number and the digest of a seal, as in the log stream: ``1204:5f0c…``."""

    name = "NUMBER:DIGEST"

    def convert(
        self,
        value: str | tuple[int, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, str]:
        if isinstance(value, tuple):
            return value
        if (parts := re.fullmatch(r"(\d{1,18}):([0-9a-fA-F]{64})", value)) is None:
            self.fail(f"{value!r} is not the number and the digest of a seal", param, ctx)
        return int(parts[1]), parts[2].lower()


@audit.command("verify")
@click.option(
    "--expect",
    type=ExpectedSeal(),
    multiple=True,
    metavar="NUMBER:DIGEST",
    help="A seal that must exist: number and digest of a line audit.sealed of the server's log.",
)
@config_option
@json_option
def verify(*, expect: tuple[tuple[int, str], ...], config: Path | None, as_json: bool) -> None:
    """Compare the audit log with its seals.

    Finds records that were changed, removed or added after they were sealed, one line for each, and
    changed or missing seals. The exit code is 1 if there are any.
    """
    findings: list[Finding] = []

    def tell(finding: "Finding") -> None:
        if as_json:
            findings.append(finding)
        else:
            print_line(f"{finding.problem}: {finding.text}")

    async def work(administration: "Administration") -> "Verified":
        with progress_bar("Comparing records", None) as progress:
            return await administration.audit_log.verify(dict(expect), tell, progress)

    verified = administer(read_installation(config), work)
    if as_json:
        print_json(_verified_document(verified, findings))
    else:
        _print_verified(verified)
    sys.exit(int(verified.findings > 0))


def _verified_document(verified: "Verified", findings: "Sequence[Finding]") -> dict[str, object]:
    return {
        "ok": not verified.findings,
        "records": verified.records,
        "seals": verified.seals,
        "last_seal": _seal_document(verified.last),
        "unsealed": verified.unsealed,
        "unsealed_since": iso(verified.unsealed_since),
        "unknown_master_keys": sorted(verified.foreign_keys),
        "findings": [as_document(each) for each in findings],
    }


def _seal_document(seal: "Seal | None") -> dict[str, object] | None:
    return None if seal is None else as_document(seal, hidden=("purged",))


def _print_verified(verified: "Verified") -> None:
    """What was compared, what could not be, and what to keep for the next time."""
    records, seals = _records(verified.records), counted(verified.seals, "seal", "seals")
    if verified.findings:
        many = counted(verified.findings, "finding", "findings")
        print_line(f"{many}: {records} and {seals} were compared.")
    else:
        print_line(f"Everything is as it was sealed: {records}, {seals}.")
    first, last = verified.first, verified.last
    if first is not None and first.purged:
        removed = f"Records up to {first.last_id} were past their time and have been removed"
        print_line(f"{removed} (record {first.purged}).")
    if verified.leftovers:
        print_line(f"Of these, {verified.leftovers} are still there until the next purge.")
    if verified.foreign_keys:
        keys = ", ".join(sorted(verified.foreign_keys))
        print_line(f"Not checked: codes of master key {keys}, which is not configured here.")
    if verified.unsealed:
        since = local_time(verified.unsealed_since)
        print_line(f"{_records(verified.unsealed)} not sealed yet, the first of {since}.")
    if last is not None:
        print_line(f"Newest seal, of {local_time(last.at)}: {last.number}:{last.digest}")


def _records(count: int) -> str:
    return counted(count, "record", "records")


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
