"""Who would fail at APPLY: the rehearsal, and the members of LINE WORKS that it is about."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.faults import FileFault, RowFault
from worksgate.administration.external_keys.file_text import ENCODINGS
from worksgate.administration.going_live import (
    HINTS,
    STOPS,
    BadMembersFile,
    Choices,
    Finding,
    Rehearsal,
)
from worksgate.administration.jobs.kinds import PERMISSIONS
from worksgate.administration.roles import Permission
from worksgate.catalogues import sentence_of
from worksgate.directory.going_live import FindingRow
from worksgate.directory.jobs import JobKind
from worksgate.directory.people_list import PAGE
from worksgate.line_works_api.errors import ApiError
from worksgate.web.console.bulk import NAMES
from worksgate.web.console.csv_files import csv_file
from worksgate.web.console.exports import FileKind, Layout, layout_of
from worksgate.web.console.pages import said_in
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

EXPORTED: Final = 100_000
LONGEST: Final = 200
"""Characters of the name of a client or a column."""
ASKED_WITHIN: Final = 45.0
"""Seconds for reading the members by the API: enough for 20,000 people and more."""
SLOW: Final = text(
    "LINE WORKS has too many members for this page. On the server, type: worksgate rehearse "
    "--line-works"
)
UNANSWERED: Final = text("LINE WORKS did not give its members. Nothing was changed.")
_COLUMNS: Final = ("account", "name", "subject_id", "username", "key_here", "key_there")
_LAYOUT: Final[Layout[FindingRow]] = layout_of(
    _COLUMNS, lambda row: {name: getattr(row, name) for name in _COLUMNS}
)

FINDINGS: Final[Mapping[Finding, tuple[str, str]]] = {
    Finding.NOBODY_HERE: (
        text("Nobody here"),
        text("Add them here, or find out who of the people here they are."),
    ),
    Finding.NO_KEY_HERE: (
        text("No user key here"),
        text("Set the user key, here or in the mapping of the source."),
    ),
    Finding.NO_KEY_THERE: (
        text("No key at LINE WORKS"),
        text("Give LINE WORKS the key: fill in its file, upload it and press Save."),
    ),
    Finding.KEY_DIFFERS: (text("The key differs at LINE WORKS"), text("Make both the same.")),
    Finding.DUPLICATE: (
        text("Twice"),
        text("Find out who is who: one key opens one account, of one person."),
    ),
    Finding.DISABLED: (
        text("Disabled"),
        text("Enable them, here or in their source, unless they should stay locked out."),
    ),
    Finding.NEVER_SIGNED_IN: (
        text("Never signed in here"),
        text("Ask them to try before the day: passwords are forgotten."),
    ),
    Finding.NO_SECOND_FACTOR: (
        text("No second factor, though one is required"),
        text("They set it up at their first sign-in, which takes some minutes."),
    ),
    Finding.NO_APP_PASSWORD: (
        text("Mail program, and no app password"),
        text("Let them create an app password, or mail stops."),
    ),
    Finding.READY: (text("Ready"), text("Nothing that is known here would stop them.")),
    Finding.NOT_A_MEMBER: (
        text("Here, and not a member"),
        text("LINE WORKS does not have them; that may be right."),
    ),
}
"""Names of findings, and what to do."""

MAIL: Final = "/go-live/plan#ml"
"""The mail to everybody, on the page of the plan."""
DONE_ON: Final[Mapping[Finding, tuple[str, str, Permission]]] = {
    Finding.NOBODY_HERE: ("/people/import", text("Import people"), Permission.CHANGE_PEOPLE),
    Finding.NO_KEY_HERE: ("/people/import", text("Import people"), Permission.CHANGE_PEOPLE),
    Finding.NO_KEY_THERE: (
        "/wizard/tell",
        text("Tell LINE WORKS the keys"),
        Permission.CHANGE_CLIENTS,
    ),
    Finding.KEY_DIFFERS: (
        "/wizard/tell",
        text("Tell LINE WORKS the keys"),
        Permission.CHANGE_CLIENTS,
    ),
    Finding.NO_SECOND_FACTOR: (MAIL, text("The mail to all"), Permission.REHEARSE),
    Finding.NO_APP_PASSWORD: (MAIL, text("The mail to all"), Permission.REHEARSE),
}
"""The page on which something is done about all people of a finding."""
DONE_TO: Final[Mapping[Finding, JobKind]] = {
    Finding.DISABLED: JobKind.ENABLE,
    Finding.NEVER_SIGNED_IN: JobKind.RESET_LINK,
    Finding.NOT_A_MEMBER: JobKind.DISABLE,
}
"""What can be done to those people of a finding who are ticked."""

FILE_FAULTS: Final[Mapping[FileFault, str]] = {
    FileFault.TOO_LARGE: text("The file has more than 16 MiB."),
    FileFault.EMPTY: text("The file has no member."),
    FileFault.ENCODING: text("It is not clear in which encoding the file is. Please choose it."),
    FileFault.NOT_CSV: text("This is not a CSV file."),
    FileFault.KEY_COLUMN: text(
        "It is not clear which column has the External Key. Please name it."
    ),
    FileFault.ACCOUNT_COLUMN: text(
        "It is not clear which column has the LINE WORKS account. Please name it."
    ),
    FileFault.TOO_MANY_ROWS: text("The file has more than 200,000 rows."),
    FileFault.ROWS: text("Some rows are wrong. Nothing was read."),
}
ROW_FAULTS: Final[Mapping[RowFault, str]] = {
    RowFault.CELLS: text("It has more or fewer cells than the first line."),
    RowFault.NO_ACCOUNT: text("It names no account."),
    RowFault.ACCOUNT_TWICE: text("Its account is in the file twice."),
    RowFault.TOO_LONG: text("The account or the key is too long. Is this the right column?"),
    RowFault.CONTROL: text("The account or the key contains a control character."),
}


async def find(visit: Visit) -> Response:
    """The step of going live that is due: the day once it has begun, or else the rehearsal."""
    has_begun = await visit.administration.going_live.started_at() is not None
    is_day = has_begun or not visit.may(Permission.REHEARSE)
    return visit.to("/go-live/live" if is_day else "/go-live/rehearsal")


async def show(visit: Visit) -> Response:
    """The last rehearsal in numbers, and the people of one finding."""
    return await _page(visit)


async def rehearse(visit: Visit) -> Response:
    """Examine everybody again."""
    client = visit.form.get("client", "").strip()[:LONGEST] or None
    await visit.administration.going_live.rehearse(client, visit.console.examiner.people)
    return visit.to("/go-live/rehearsal")


async def read_members(visit: Visit) -> Response:
    """Read the file of LINE WORKS' console; what was read before stays if it cannot be read."""
    if visit.file is None:
        raise Refused("no file was chosen")
    form = visit.form
    choices = Choices(
        encoding=form.get("encoding") or None,
        key_column=form.get("key_column", "").strip()[:LONGEST] or None,
        account_column=form.get("account_column", "").strip()[:LONGEST] or None,
    )
    try:
        await visit.administration.going_live.read_members(visit.file, choices)
    except BadMembersFile as bad:
        return await _page(visit, bad)
    return visit.to("/go-live/rehearsal", done="read")


async def ask_members(visit: Visit) -> Response:
    """Read the members from LINE WORKS itself; what was read before stays if it does not answer."""
    client = visit.form.get("client", "").strip()[:LONGEST] or None
    try:
        async with asyncio.timeout(ASKED_WITHIN):
            await visit.administration.going_live.ask_members(client)
    except TimeoutError:
        return await _page(visit, refusal=SLOW)
    except ApiError as error:
        return await _page(visit, refusal=UNANSWERED, detail=sentence_of(error))
    return visit.to("/go-live/rehearsal", done="read")


async def remove_members(visit: Visit) -> Response:
    """Remove the members of LINE WORKS, and the rehearsal about them."""
    await visit.administration.going_live.remove_members()
    return visit.to("/go-live/rehearsal", done="removed")


async def export(visit: Visit) -> Response:
    """The people of a finding as CSV or JSONL, with a record of that."""
    going_live = visit.administration.going_live
    finding = _finding(visit.form.get("finding", ""))
    if finding is None:
        raise Refused("there is no such finding")
    rows = await going_live.findings(finding, 0, EXPORTED)
    await going_live.record_export(finding, len(rows))
    if FileKind.of(visit.form) is FileKind.CSV:
        cells = ([getattr(row, name) for name in _COLUMNS] for row in rows)
        return csv_file(f"{finding}.csv", _COLUMNS, cells)
    headers = {"Content-Disposition": f'attachment; filename="{finding}.jsonl"'}
    return Response(_LAYOUT.lines(rows), 200, headers, "application/x-ndjson")


def _change(visit: Visit, finding: Finding | None) -> JobKind | None:
    """What this administrator can do to many people of a finding."""
    kind = None if finding is None else DONE_TO.get(finding)
    is_possible = kind is not JobKind.RESET_LINK or bool(visit.console.settings.smtp_url)
    return kind if kind is not None and is_possible and visit.may(PERMISSIONS[kind]) else None


async def _known(visit: Visit, rows: Sequence[FindingRow]) -> frozenset[str]:
    """Who of them has a page here: whoever has never signed in has none, unless the account is."""
    subjects = [each.subject_id for each in rows if each.subject_id]
    return frozenset(
        each.subject_id for each in await visit.administration.people_list.among(subjects)
    )


def _finding(name: str) -> Finding | None:
    return Finding(name) if name in list(Finding) else None


async def _page(
    visit: Visit, bad: BadMembersFile | None = None, *, refusal: str = "", detail: str = ""
) -> Response:
    going_live = visit.administration.going_live
    may_ask = visit.may(Permission.GO_LIVE) and await going_live.can_ask()
    last = await going_live.last_rehearsal()
    finding = _chosen(visit, last)
    after = max(0, number_of(visit.query.get("after", "")))
    rows = [] if finding is None else await going_live.findings(finding, after, PAGE + 1)
    clients = await visit.administration.clients.all() if visit.may(Permission.GO_LIVE) else ()
    return visit.page(
        "rehearsal.html",
        422 if bad else 502 if refusal else 200,
        last=last,
        members=await going_live.members_read(),
        stops=[each for each in STOPS if last and each in last.findings()],
        hints=[each for each in HINTS if last and each in last.findings()],
        others=[Finding.READY, *([Finding.NOT_A_MEMBER] if last and last.members else [])],
        texts=FINDINGS,
        done_on=None if finding is None else DONE_ON.get(finding),
        change=_change(visit, finding),
        change_names=NAMES,
        finding=finding,
        rows=rows[:PAGE],
        known=await _known(visit, rows),
        next=rows[PAGE - 1].number if len(rows) > PAGE else None,
        is_first=after == 0,
        clients=[each.name for each in clients if each.enabled],
        encodings=ENCODINGS,
        may_ask=may_ask,
        refusal=refusal,
        detail=detail,
        bad_detail=said_in(visit.words.language, bad.detail) if bad else "",
        bad=bad,
        bad_text=FILE_FAULTS[bad.fault] if bad else "",
        row_faults=ROW_FAULTS,
        done=visit.query.get("done", ""),
    )


def _chosen(visit: Visit, last: Rehearsal | None) -> Finding | None:
    """The finding in the address, or else the first one that stops somebody."""
    if last is None:
        return None
    chosen = _finding(visit.query.get("finding", ""))
    if chosen is not None:
        return chosen
    return next((each for each in last.findings() if last.count(each)), None)
