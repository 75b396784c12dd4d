"""The list of people of every source, and the list as a file."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.responses import Response

from worksgate.administration.jobs.kinds import PERMISSIONS
from worksgate.directory.jobs import JobKind
from worksgate.directory.people_list import (
    PAGE,
    Listed,
    PeopleCounts,
    PeopleFilter,
    PeopleOrder,
    PeopleState,
)
from worksgate.moments import machine
from worksgate.web.console.exports import Export, layout_of
from worksgate.web.console.visit import Visit, number_of

LONGEST = 200
"""Characters of a search."""
GROUP = "group"
"""The choice of a group for many people, which becomes one of two kinds of jobs."""
SORTS = {"": PeopleOrder.NAME, "last": PeopleOrder.LAST_SIGN_IN, "made": PeopleOrder.MADE}
"""What ``sort`` may be in the address of a list."""
EXPORTED_AT_ONCE = 500
"""People that an export reads at a time."""

_EXPORTED = (
    *("username", "name", "source", "external_key", "works_account", "email"),
    *("enabled", "has_factor", "role", "last_login_at"),
    *("reading", "made_at"),
)
_TIMES = ("last_login_at", "made_at")


async def show_list(visit: Visit) -> Response:
    """A page of the list; everything that chooses it is in the address."""
    query = visit.query
    wanted = people_filter(query)
    sort = query.get("sort", "")
    order = SORTS.get(sort, PeopleOrder.NAME)
    after = (query["after"], query.get("id", "")) if "after" in query else None
    people = visit.administration.people_list
    if after is not None and order is not PeopleOrder.NAME and not _is_time(after[0]):
        after = None  # a place in another order
    found = await people.page(wanted, after, PAGE + 1, order)
    if len(found) <= PAGE and after is None and wanted.state is None:
        counts = PeopleCounts.among(found)  # that is everybody: no need to look at all again
    else:
        counts = await people.counts(wanted)
    return visit.page(
        "people.html",
        people=found[:PAGE],
        next=found[PAGE - 1].place(order) if len(found) > PAGE else None,
        is_first=after is None,
        wanted=wanted,
        seen=max(0, number_of(query.get("seen", ""))),
        sort=sort if sort in SORTS else "",
        listing=partial(_listing, visit, wanted, sort if sort in SORTS else ""),
        states=list(PeopleState),
        sources=[each.name for each in visit.console.settings.all_sources],
        counts=counts,
        choices=choices(visit),
        fields=filter_fields(wanted),
    )


async def export(visit: Visit) -> Response:
    """All who match, by name, as a file; never passwords or their hashes."""
    wanted = people_filter(visit.form)
    return await Export(
        name="people",
        chosen=filter_fields(wanted),
        pages=_pages(visit, wanted),
        layout=layout_of(_EXPORTED, _document),
    ).response(visit)


async def _pages(visit: Visit, wanted: PeopleFilter) -> AsyncIterator[Sequence[Listed]]:
    after: tuple[str, str] | None = None
    people = visit.administration.people_list
    while page := await people.page(wanted, after, EXPORTED_AT_ONCE):
        yield page
        after = page[-1].place(PeopleOrder.NAME)


def _document(each: Listed) -> dict[str, object]:
    values: dict[str, Any] = {name: getattr(each, name) for name in _EXPORTED}
    for name in _TIMES:
        values[name] = None if values[name] is None else machine(values[name])
    return values


def choices(visit: Visit) -> list[str]:
    """What this administrator may do to many people, as the buttons call it."""
    kinds = [JobKind.ENABLE, JobKind.SIGN_OUT, JobKind.RESET_LINK]
    if not visit.console.settings.smtp_url:
        kinds.remove(JobKind.RESET_LINK)
    allowed = [each.value for each in kinds if visit.may(PERMISSIONS[each])]
    allowed += [GROUP] if visit.may(PERMISSIONS[JobKind.ADD_GROUP]) else []
    return [*allowed, JobKind.DISABLE.value] if visit.may(PERMISSIONS[JobKind.DISABLE]) else allowed


def _is_time(text: str) -> bool:
    """Whether a place in a list is one in the order of the last sign-in."""
    with suppress(ValueError):
        return math.isfinite(float(text))
    return False


def people_filter(values: Mapping[str, str]) -> PeopleFilter:
    """The filter in an address or a form."""
    state = values.get("state", "")
    return PeopleFilter(
        text=values.get("q", "").strip()[:LONGEST],
        state=PeopleState(state) if state in list(PeopleState) else None,
        source=values.get("source") or None,
        group=values.get("group", "").strip()[:LONGEST] or None,
    )


def filter_fields(wanted: PeopleFilter) -> dict[str, str]:
    """The same filter as fields of an address or a form."""
    fields = {
        "q": wanted.text,
        "state": wanted.state or "",
        "source": wanted.source or "",
        "group": wanted.group or "",
    }
    return {name: value for name, value in fields.items() if value}


def _listing(visit: Visit, wanted: PeopleFilter, sort: str, /, **changes: str) -> str:
    """The address of this list with some fields changed; it begins at its first page."""
    sorted_by = {"sort": sort} if sort else {}
    return visit.link("/people", **{**filter_fields(wanted), **sorted_by, **changes})
