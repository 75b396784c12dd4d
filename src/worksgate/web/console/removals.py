"""Who was removed: until when they can be brought back, and what becomes of them."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from starlette.responses import Response

from worksgate.administration import Refused
from worksgate.administration.errors import found
from worksgate.administration.roles import Permission, may_act_on
from worksgate.catalogues import sentence_of
from worksgate.database import ConcurrentChange, Conflict
from worksgate.directory.removed_accounts import KEPT_FOR, RemovedAccount
from worksgate.moments import machine
from worksgate.web.console.changes import changes_of
from worksgate.web.console.exports import Export, layout_of
from worksgate.web.console.visit import Visit, number_of

CHANGES = 10
PAGE = 50
LONGEST = 200
"""Characters of a search."""
EXPORTED_AT_ONCE = 500
"""People that an export reads at a time."""
_OF_PERSON = ("username", "name", "external_key", "works_account", "email", "reading")
_EXPORTED = (*_OF_PERSON, "removed_at", "removed_by", "kept_until")


async def show_list(visit: Visit) -> Response:
    """A page of those who can be brought back, the last to be removed first."""
    text = visit.query.get("q", "").strip()[:LONGEST]
    after = _place(visit.query.get("after", ""), visit.query.get("id", ""))
    found = await visit.administration.removals.page(text, after, PAGE + 1)
    last = found[PAGE - 1] if len(found) > PAGE else None
    return visit.page(
        "removed_people.html",
        people=found[:PAGE],
        text=text,
        next=None if last is None else (repr(last.removed_at), last.account.id),
        is_first=after is None,
        kept_for=KEPT_FOR,
    )


def _place(time: str, account_id: str) -> tuple[float, str] | None:
    """Where a page begins, of its address; None for the first."""
    with suppress(ValueError):
        return (at, account_id) if math.isfinite(at := float(time)) else None
    return None


async def export(visit: Visit) -> Response:
    """All who match, the last to be removed first, as a file; never passwords or their hashes."""
    text = visit.form.get("q", "").strip()[:LONGEST]
    return await Export(
        name="removed people",
        chosen={"q": text},
        pages=_pages(visit, text),
        layout=layout_of(_EXPORTED, _document),
    ).response(visit)


async def _pages(visit: Visit, text: str) -> AsyncIterator[Sequence[RemovedAccount]]:
    after: tuple[float, str] | None = None
    while page := await visit.administration.removals.page(text, after, EXPORTED_AT_ONCE):
        yield page
        after = (page[-1].removed_at, page[-1].account.id)


def _document(removed: RemovedAccount) -> dict[str, object]:
    person = removed.account.person
    return {
        **{name: getattr(person, name) for name in _OF_PERSON},
        "removed_at": machine(removed.removed_at),
        "removed_by": removed.actor,
        "kept_until": machine(removed.removed_at + KEPT_FOR),
    }


async def restore(visit: Visit) -> Response:
    """Bring somebody back; the form has the version that was seen."""
    subject_id = visit.form.get("id", "")
    removals = visit.administration.removals
    try:
        await removals.restore_by_subject(
            subject_id, expected_version=number_of(visit.form.get("version", ""))
        )
    except ConcurrentChange:
        raise
    except (Refused, Conflict) as problem:
        removed = found(await removals.by_subject(subject_id), "removed person", subject_id)
        return await removed_page(visit, removed, problem=sentence_of(problem))
    return visit.to("/person", id=subject_id, done="restored")


async def purge(visit: Visit) -> Response:
    """Remove somebody for good, whose user name was typed: what goes with them is gone (R-264)."""
    subject_id, removals = visit.form.get("id", ""), visit.administration.removals
    removed = found(await removals.by_subject(subject_id), "removed person", subject_id)
    if visit.form.get("username", "").strip() != removed.account.person.username:
        return await removed_page(visit, removed, is_misnamed=True)
    await removals.purge_by_subject(subject_id)
    return visit.to("/people/removed")


async def removed_page(
    visit: Visit, removed: RemovedAccount, *, problem: str = "", is_misnamed: bool = False
) -> Response:
    """The page of a person who was removed."""
    account = removed.account
    return visit.page(
        "removed.html",
        409 if problem else 422 if is_misnamed else 200,
        account=account,
        person=account.person,
        removed=removed,
        purged_at=removed.removed_at + KEPT_FOR,
        may_change=visit.may(Permission.CHANGE_PEOPLE),
        may_act=may_act_on(visit.administrator.role, account.role),
        changes=await changes_of(visit, account.person.subject_id, CHANGES),
        done=visit.query.get("done", ""),
        problem=problem,
        is_misnamed=is_misnamed,
    )
