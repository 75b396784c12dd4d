"""The list of people of every source; one person, and what helps them."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from starlette.responses import Response

from worksgate.administration import Holdings, NotFound, Outdated, Refused
from worksgate.administration.jobs.kinds import VERBS
from worksgate.administration.roles import Verb, may_act_on
from worksgate.audit import AuditEvent
from worksgate.catalogues import sentence_of
from worksgate.database import ConcurrentChange, Conflict
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.change_log import RecordedChange
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
from worksgate.provider.throttle import TooManyAttempts
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person
from worksgate.web.console.changes import PERSON_FIELDS, ChangeOnPage, changes_of
from worksgate.web.console.client_fields import ClientField
from worksgate.web.console.conflicts import Compared, compare, conflict_page
from worksgate.web.console.deeds import deed
from worksgate.web.console.exports import Export, layout_of
from worksgate.web.console.meanwhile import changed_meanwhile
from worksgate.web.console.removals import removed_page
from worksgate.web.console.trace import of_person
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

LONGEST = 200
"""Characters of a search."""
GROUP = "group"
"""The choice of a group for many people, which becomes one of two kinds of jobs."""
SORTS = {"": PeopleOrder.NAME, "last": PeopleOrder.LAST_SIGN_IN, "made": PeopleOrder.MADE}
"""What ``sort`` may be in the address of a list."""
RECORDS = 10
EXPORTED_AT_ONCE = 500
"""People that an export reads at a time."""
HELPED = 30
"""Forms about people that somebody of the help desk may send within ``WINDOW`` seconds."""
WINDOW = 3_600.0
FACTORS_NOW: Final = text("Now: authenticator app %(app)s, passkeys %(passkeys)d.")
_KEYS = (PERSON_FIELDS["external_key"], PERSON_FIELDS["works_account"])
_NAMES = tuple(PERSON_FIELDS[each] for each in ("username", "name", "reading", "email"))

_EXPORTED = (
    *("username", "name", "source", "external_key", "works_account", "email"),
    *("enabled", "has_factor", "role", "last_login_at"),
    *("reading", "made_at"),
)
_TIMES = ("last_login_at", "made_at")

_log = structlog.get_logger("worksgate.console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A person on their page; ``account`` is None for one of another source.

    ``role_group`` is the group that gives them their role, if one does.
    """

    person: Person
    source: str
    enabled: bool
    account: Account | None
    role: str | None
    last_login_at: float | None
    holdings: Holdings
    version: int
    role_group: str | None = None

    @property
    def factors(self) -> str:
        """A digest of the second factors that the page shows."""
        return self.holdings.shown_factors


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
    allowed = [each.value for each in kinds if visit.may(VERBS[each])]
    allowed += [GROUP] if visit.may(VERBS[JobKind.ADD_GROUP]) else []
    return [*allowed, JobKind.DISABLE.value] if visit.may(VERBS[JobKind.DISABLE]) else allowed


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


async def show(visit: Visit) -> Response:
    """One person: whether they can sign in, what they hold, and what happened."""
    subject_id = visit.query.get("id", "")
    try:
        shown = await find_person(visit, subject_id)
    except NotFound:
        removed = await visit.administration.removals.by_subject(subject_id)
        if removed is None:
            raise
        return await removed_page(visit, removed)
    return await person_page(visit, shown)


async def sign_out(visit: Visit) -> Response:
    """End all of a person's sessions."""
    shown = await changeable(visit)
    administration = visit.administration
    if shown.account is None:
        await administration.people.sign_out(shown.person.subject_id, shown.source)
    else:
        await administration.users.sign_out(shown.person.username)
    return _done(visit, shown, "signed_out")


async def allow_attempt(visit: Visit) -> Response:
    """Let somebody who has to wait try once more, from where they tried last."""
    shown = await changeable(visit)
    source = None if shown.account is not None else shown.source
    name = shown.person.username if source is None else shown.person.subject_id
    await visit.administration.extra_attempts.allow_one(name, source)
    return _done(visit, shown, "attempt_allowed")


async def remove_factors(visit: Visit) -> Response:
    """Remove all second factors of a person: those that the page has shown."""

    async def reset(shown: Shown) -> None:
        source = None if shown.account is not None else shown.source
        name = shown.person.username if source is None else shown.person.subject_id
        await visit.administration.people.reset_factors(
            name, source, expected_version=shown.version, expected_factors=shown.factors
        )

    return await _on_seen_version(visit, reset, "factors_removed", of_factors=True)


async def enable(visit: Visit) -> Response:
    """Let a person sign in again, unless somebody has changed them since the page was shown.

    They may have been disabled once more, for another reason.
    """

    async def enable_shown(shown: Shown) -> None:
        name, seen = shown.person.username, shown.version
        if shown.account is not None:
            await visit.administration.users.enable(name, expected_version=seen)
        else:
            await visit.administration.people.set_enabled_by_subject(
                shown.person.subject_id, enabled=True, expected_version=seen
            )

    return await _on_seen_version(visit, enable_shown, "enabled")


async def disable(visit: Visit) -> Response:
    """Disable a person, and end everything they hold; whatever has changed meanwhile."""
    shown = await changeable(visit)
    person = shown.person
    if shown.account is not None:
        await visit.administration.users.disable(person.username)
    else:
        await visit.administration.people.set_enabled(
            person.subject_id, shown.source, enabled=False
        )
    return _done(visit, shown, "disabled")


async def remove(visit: Visit) -> Response:
    """Remove a person of the built-in directory, and end everything they hold."""

    async def remove_shown(shown: Shown) -> None:
        if shown.account is None:
            raise NotFound("this person is changed in their source")
        users = visit.administration.users
        await users.remove(shown.person.username, expected_version=shown.version)

    return await _on_seen_version(visit, remove_shown, "removed")


async def _on_seen_version(
    visit: Visit,
    work: Callable[[Shown], Awaitable[None]],
    done: str,
    *,
    of_factors: bool = False,
) -> Response:
    """Do something with a person as the form has shown them, or ask once more.

    ``work`` raises Outdated if somebody is faster than this request. ``of_factors``: the form has
    their second factors, too.
    """
    shown = await changeable(visit)
    is_as_seen = number_of(visit.form.get("version", "")) == shown.version
    if is_as_seen and (not of_factors or visit.form.get("factors") == shown.factors):
        try:
            await work(shown)
        except Outdated:
            shown = await find_person(visit, shown.person.subject_id)
        else:
            return _done(visit, shown, done)
    now = _second_step(visit, shown) if of_factors else ""
    return await person_changed_meanwhile(visit, shown, now=now)


async def person_changed_meanwhile(
    visit: Visit, shown: Shown, *, version: object = None, back: str = "/person", now: str = ""
) -> Response:
    """What has changed of a person since the page was shown, and the form of this request again.

    Raises Forbidden if the administrator may not act on them.
    """
    visit.actor.check_may_act_on(shown.person.username, shown.role)
    seen, _, _ = visit.form.get("version", "").partition(" ")
    if "factors" in visit.form:
        visit.form = {**visit.form, "factors": shown.factors}
    return changed_meanwhile(
        visit,
        await visit.administration.changes.since(shown.person.subject_id, number_of(seen)),
        name=shown.person.name or shown.person.username,
        version=shown.version if version is None else version,
        back=visit.link(back, id=shown.person.subject_id),
        now=now,
    )


def _second_step(visit: Visit, shown: Shown) -> str:
    """Which second factors a person has now, as a sentence."""
    held = shown.holdings
    return visit.words.said(
        FACTORS_NOW,
        app=visit.words.said("set up" if held.factors.totp else "none"),
        passkeys=len(held.factors.passkeys) + held.console_passkeys,
    )


async def set_key(visit: Visit) -> Response:
    """Set the user keys of a person of the built-in directory."""
    return await _change(visit, _KEYS, "/person/key", "key_set")


async def rename(visit: Visit) -> Response:
    """Change the names and the mail address of a person of the built-in directory."""
    return await _change(visit, _NAMES, "/person/rename", "renamed")


async def _change(visit: Visit, fields: Sequence[ClientField], path: str, done: str) -> Response:
    """Change these fields of a person; what is typed is never lost."""
    shown = await changeable(visit)
    if shown.account is None:
        raise NotFound("this person is changed in their source")
    typed = {each.name: visit.form[each.name].strip() for each in fields if each.name in visit.form}
    version = number_of(visit.form.get("version", ""))
    if version != shown.account.version:
        since = await visit.administration.changes.since(shown.person.subject_id, version)
        rows = _compared(shown.person, fields, typed, since.before)
        if any(row.is_theirs for row in rows):
            return _conflict(visit, path, shown.person, shown.account.version, rows, since.last)
    changes: dict[str, Any] = dict(typed)
    try:
        await visit.administration.users.change(
            shown.person.username,
            expected_version=shown.account.version,
            **changes,
        )
    except ConcurrentChange:
        raise
    except Outdated:
        return await _change(visit, fields, path, done)  # it compares with what is there now
    except (Refused, Conflict) as problem:
        return await person_page(
            visit, shown, typed=typed, problem=sentence_of(problem), path=path, status=409
        )
    return _done(visit, shown, done)


def _compared(
    person: Person,
    fields: Sequence[ClientField],
    typed: Mapping[str, str],
    before: Mapping[str, object],
) -> list[Compared]:
    was = {each.name: each.text_of(before[each.name]) for each in fields if each.name in before}
    return compare(fields, was, _texts(person, fields), typed)


def _texts(person: Person, fields: Sequence[ClientField]) -> dict[str, str]:
    """The values of a person as they stand in a form."""
    return {each.name: each.text_of(getattr(person, each.name)) for each in fields}


def _conflict(
    visit: Visit,
    path: str,
    person: Person,
    version: int,
    rows: list[Compared],
    last: RecordedChange | None,
) -> Response:
    return conflict_page(
        visit,
        rows,
        name=person.name or person.username,
        last=last,
        action=path,
        back=visit.link("/person", id=person.subject_id),
        kept={"id": person.subject_id, "version": str(version)},
    )


async def find_person(visit: Visit, subject_id: str) -> Shown:
    """The person with this subject, of any source, and what they hold. Raises NotFound."""
    administration = visit.administration
    if subject_id.startswith(SUBJECT_PREFIX):
        account = await administration.users.by_id(subject_id.removeprefix(SUBJECT_PREFIX))
        return Shown(
            person=account.person,
            source=BUILT_IN,
            enabled=account.enabled,
            role=account.role,
            account=account,
            last_login_at=account.last_login_at,
            holdings=await administration.people.holdings(account.person),
            version=account.version,
        )
    remembered = await administration.people.by_subject(subject_id)
    return Shown(
        person=remembered.person,
        source=remembered.source,
        enabled=remembered.enabled,
        account=None,
        role=remembered.effective_role,
        last_login_at=remembered.last_login_at,
        holdings=await administration.people.holdings(remembered.person),
        version=remembered.version,
        role_group=None if remembered.role else remembered.role_group,
    )


async def changeable(visit: Visit) -> Shown:
    """The person of a form. Raises NotFound, or TooManyAttempts of the help desk."""
    await count_help(visit)
    return await find_person(visit, visit.form.get("id", ""))


async def count_help(visit: Visit, people: int = 1) -> None:
    """Whoever has the session of a help desk cannot take over everybody (R-160).

    ``people`` is how many this is about. Raises TooManyAttempts.
    """
    who = visit.administrator
    if visit.may(Verb.CHANGE_PEOPLE):
        return
    helped = HELPED + 1 if people > HELPED else 0
    for _ in range(0 if helped else people):
        helped = await visit.console.store.bump(f"help {who.account.subject_id}", WINDOW, visit.now)
    if helped > HELPED:
        _log.warning("console.too_much_help", username=who.account.username)
        raise TooManyAttempts(WINDOW)


async def person_page(
    visit: Visit,
    shown: Shown,
    *,
    link: str = "",
    typed: Mapping[str, str] | None = None,
    problem: str = "",
    path: str = "",
    status: int = 200,
) -> Response:
    """The page of a person; ``typed`` could not be saved by the form of a path, for a reason."""
    role = visit.administrator.role
    person = shown.person
    changes = await changes_of(visit, person.subject_id, RECORDS)
    return visit.page(
        "person.html",
        status,
        deed=partial(deed, words=visit.words),
        shown=shown,
        may_act=may_act_on(role, shown.role),
        may_help=visit.may(Verb.HELP),
        may_disable=visit.may(Verb.DISABLE),
        may_change=visit.may(Verb.CHANGE_PEOPLE),
        done=visit.query.get("done", ""),
        link=link,
        can_mail=visit.console.send_reset_link is not None,
        values={**_texts(person, (*_KEYS, *_NAMES)), **(typed or {})},
        problems={path: problem},
        trace=await of_person(visit, person),
        changes=changes,
        records=await _other_records(visit, person, changes),
    )


async def _other_records(
    visit: Visit, person: Person, changes: Sequence[ChangeOnPage]
) -> list[AuditEvent]:
    """What else was done to a person: a change has its record of the same moment."""
    shown = {each.shown.change.at for each in changes}
    records = await visit.administration.audit_log.changes_of_person(person.subject_id, RECORDS)
    return [each for each in records if each.at not in shown]


def _done(visit: Visit, shown: Shown, what: str) -> Response:
    return visit.to("/person", id=shown.person.subject_id, done=what)
