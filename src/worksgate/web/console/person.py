"""One person of any source: what they hold, what happened, and what helps them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from worksgate.administration import Holdings, NotFound, Outdated, Refused
from worksgate.administration.roles import Permission, may_act_on
from worksgate.audit import AuditEvent
from worksgate.catalogues import sentence_of
from worksgate.database import ConcurrentChange, Conflict
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.change_log import RecordedChange
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person
from worksgate.web.console.changes import PERSON_FIELDS, ChangeOnPage, changes_of
from worksgate.web.console.client_fields import ClientField
from worksgate.web.console.conflicts import Compared, compare, conflict_page
from worksgate.web.console.help_limit import count_help
from worksgate.web.console.outdated_forms import changed_meanwhile
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.removals import removed_page
from worksgate.web.console.trace import of_person
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

RECORDS = 10
FACTORS_NOW: Final = text("Now: authenticator app %(app)s, passkeys %(passkeys)d.")
_KEYS = (PERSON_FIELDS["external_key"], PERSON_FIELDS["works_account"])
_NAMES = tuple(PERSON_FIELDS[each] for each in ("username", "name", "reading", "email"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPerson:
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

    async def reset(shown: ShownPerson) -> None:
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

    async def enable_shown(shown: ShownPerson) -> None:
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

    async def remove_shown(shown: ShownPerson) -> None:
        if shown.account is None:
            raise NotFound("this person is changed in their source")
        users = visit.administration.users
        await users.remove(shown.person.username, expected_version=shown.version)

    return await _on_seen_version(visit, remove_shown, "removed")


async def _on_seen_version(
    visit: Visit,
    work: Callable[[ShownPerson], Awaitable[None]],
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
    visit: Visit,
    shown: ShownPerson,
    *,
    version: object = None,
    back: str = "/person",
    now: str = "",
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


def _second_step(visit: Visit, shown: ShownPerson) -> str:
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


async def find_person(visit: Visit, subject_id: str) -> ShownPerson:
    """The person with this subject, of any source, and what they hold. Raises NotFound."""
    administration = visit.administration
    if subject_id.startswith(SUBJECT_PREFIX):
        account = await administration.users.by_id(subject_id.removeprefix(SUBJECT_PREFIX))
        return ShownPerson(
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
    return ShownPerson(
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


async def changeable(visit: Visit) -> ShownPerson:
    """The person of a form. Raises NotFound, or TooManyAttempts of the help desk."""
    await count_help(visit)
    return await find_person(visit, visit.form.get("id", ""))


async def person_page(
    visit: Visit,
    shown: ShownPerson,
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
        in_words=partial(in_words, words=visit.words),
        shown=shown,
        may_act=may_act_on(role, shown.role),
        may_help=visit.may(Permission.HELP),
        may_disable=visit.may(Permission.DISABLE),
        may_change=visit.may(Permission.CHANGE_PEOPLE),
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


def _done(visit: Visit, shown: ShownPerson, what: str) -> Response:
    return visit.to("/person", id=shown.person.subject_id, done=what)
