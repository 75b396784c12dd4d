"""What a job does to one person, by the same operations as a page about that person.

The outcome goes by what somebody was before the job came to them: so it is right too if a process
was killed between the change and its note, and the change is then made again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused
from worksgate.administration.people import PeopleAdministration
from worksgate.administration.people_import.operations import ImportAdministration
from worksgate.administration.roles import Permission
from worksgate.administration.users import UserAdministration
from worksgate.database import Conflict
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.jobs import Job, JobKind, JobRow, RowOutcome

PERMISSIONS: Final[Mapping[JobKind, Permission]] = {
    **dict.fromkeys(JobKind, Permission.CHANGE_PEOPLE),
    JobKind.DISABLE: Permission.DISABLE,
}
"""What an administrator must be allowed to do for each kind."""

UNDONE_BY: Final[Mapping[JobKind, JobKind]] = {
    JobKind.DISABLE: JobKind.ENABLE,
    JobKind.ENABLE: JobKind.DISABLE,
    JobKind.ADD_GROUP: JobKind.REMOVE_GROUP,
    JobKind.REMOVE_GROUP: JobKind.ADD_GROUP,
}
"""Kinds that can be undone; what has ended, or was sent, cannot."""

OF_ACCOUNTS: Final = frozenset((JobKind.RESET_LINK, JobKind.ADD_GROUP, JobKind.REMOVE_GROUP))
"""Kinds that only people of the built-in directory can have done to them."""

SendLink = Callable[[UserAdministration, str], Awaitable[None]]
"""Sends somebody a link, by username. Raises Refused, or MailUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The operations for one person, in the name of an administrator."""

    users: UserAdministration
    people: PeopleAdministration
    people_import: ImportAdministration
    send_link: SendLink | None = None


async def outcome_for(operations: Operations, job: Job, row: JobRow) -> JobRow:
    """Change a person as a job wants it; the row with the outcome.

    Raises Unavailable or Unfinished: then the person is to be tried again.
    """
    try:
        return await _settled(operations, job, row)
    except (Refused, Forbidden, NotFound, Conflict, Outdated) as refusal:
        return replace(row, outcome=RowOutcome.REFUSED, detail=str(refusal))


async def _settled(operations: Operations, job: Job, row: JobRow) -> JobRow:
    before = row.before
    if before is None:
        raise NotFound("this person was removed")
    expected = before.get("expected")
    if job.undoes is not None:
        await _check_undone(operations.people, job, row, before)
    if row.subject_id == job.arguments.get("subject_id"):
        raise Refused("whoever starts a change of many people is left out")
    account_id = row.subject_id.removeprefix(SUBJECT_PREFIX)
    if account_id == row.subject_id:
        if job.kind in OF_ACCOUNTS:
            raise Refused("only people of the built-in directory can have this")
        version = await _change_person(operations.people, job.kind, row.subject_id, expected)
    else:
        account = await operations.users.by_id(account_id)
        version = await _change_account(operations, job, account, expected)
    outcome = RowOutcome.UNCHANGED if _is_so(job, before) else RowOutcome.DONE
    return replace(row, outcome=outcome, before={**before, "after": version})


async def _check_undone(
    people: PeopleAdministration, job: Job, row: JobRow, before: Mapping[str, Any]
) -> None:
    """Raise Outdated or Refused for somebody who is not as the job that is undone left them."""
    if before.get("expected") is None or before["expected"] != before.get("version"):
        raise Outdated("somebody has changed this person since")
    since = job.arguments.get("since")
    if job.kind is not JobKind.ENABLE or since is None:
        return
    if await people.has_left_since(row.subject_id, since):
        raise Refused("this person has left since")


# Somebody who is as is wanted may have been changed by this job, in a process that was killed: so
# the version only counts for those who are not.


async def _change_person(
    people: PeopleAdministration, kind: JobKind, subject_id: str, expected: int | None
) -> int | None:
    """The version of a person of another source afterwards, if it is a new one."""
    there = await people.by_subject(subject_id)
    if kind not in (JobKind.DISABLE, JobKind.ENABLE):
        await people.sign_out(subject_id, there.source)
        return None
    enabled = kind is JobKind.ENABLE
    return await people.set_enabled_by_subject(
        subject_id,
        enabled=enabled,
        expected_version=None if there.enabled == enabled else expected,
    )


async def _change_account(
    operations: Operations, job: Job, account: Account, expected: int | None
) -> int:
    """The version of the account afterwards."""
    users, username = operations.users, account.username
    if job.kind is JobKind.DISABLE:
        version = expected if account.enabled else None
        return (await users.disable(username, expected_version=version)).version
    if job.kind is JobKind.ENABLE:
        version = None if account.enabled else expected
        return (await users.enable(username, expected_version=version)).version
    if job.kind is JobKind.SIGN_OUT:
        await users.sign_out(username)
    elif job.kind is JobKind.RESET_LINK:
        if operations.send_link is None:
            raise Refused("e-mail is not set up")
        await operations.send_link(users, username)
    else:
        groups = _groups_of(job, account.groups)
        if expected is None or groups == account.groups:
            expected = account.version
        changed = await users.change(username, expected_version=expected, groups=groups)
        return changed.version
    return account.version


def _groups_of(job: Job, groups: tuple[str, ...]) -> tuple[str, ...]:
    group: str = job.arguments["group"]
    if job.kind is JobKind.ADD_GROUP and group in groups:
        return groups
    without = tuple(each for each in groups if each != group)
    return (*without, group) if job.kind is JobKind.ADD_GROUP else without


def _is_so(job: Job, before: Mapping[str, Any]) -> bool:
    """Whether a person was like that already."""
    match job.kind:
        case JobKind.DISABLE:
            return not before["enabled"]
        case JobKind.ENABLE:
            return bool(before["enabled"])
        case JobKind.ADD_GROUP:
            return job.arguments["group"] in before["groups"]
        case JobKind.REMOVE_GROUP:
            return job.arguments["group"] not in before["groups"]
        case _:
            return False
