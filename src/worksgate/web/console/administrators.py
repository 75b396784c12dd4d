"""Who has which role in the console, invitations of others, and all sessions."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from worksgate.administration.console.rights import right_of
from worksgate.administration.deployers import NewToken
from worksgate.administration.errors import Outdated, Refused
from worksgate.administration.invitations import NewInvitation
from worksgate.administration.roles import MAY, OF_PEOPLE, Permission, Role, role_named
from worksgate.database import ConcurrentChange
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.console_groups import ConsoleGroups
from worksgate.settings.sources.common import BUILT_IN
from worksgate.web.console.exports import Export, layout_of
from worksgate.web.console.outdated_forms import changed_meanwhile
from worksgate.web.console.person import find_person
from worksgate.web.console.visit import Visit, number_of

TOKEN_DAYS: Final = (30, 90, 365, 0)
"""For how long a token may be accepted, as the form offers it; 0 is until it is ended."""


@dataclass(frozen=True, slots=True)
class ShownAdministrator:
    """Somebody with a role, and the group of their source that gives it, if one does.

    Without a role they had one by a group that the settings no longer name.
    """

    account: AdministratorAccount
    role: str | None
    group: str | None

    @classmethod
    def of(cls, visit: Visit, account: AdministratorAccount) -> "ShownAdministrator":
        groups = ConsoleGroups.of(visit.console.settings.all_sources)
        right = right_of(account, groups)
        return cls(account, account.role or right.role, right.group)


async def show(visit: Visit) -> Response:
    """Everybody with a role, invitations, sessions, and what each role may do."""
    return await administrators_page(visit)


async def administrators_page(
    visit: Visit,
    *,
    invited: NewInvitation | None = None,
    token: NewToken | None = None,
    problem: str = "",
) -> Response:
    """The page; ``invited`` is shown with its link, once, ``problem`` is why it was not sent.

    So is a new ``token``.
    """
    administrators = visit.administration.administrators
    newest = await visit.administration.changes.newest()
    everybody = await administrators.all()
    return visit.page(
        "administrators.html",
        newest=newest,
        invited=invited,
        token=token,
        token_days=TOKEN_DAYS,
        tokens=await visit.administration.deployers.all(),
        problem=problem,
        can_mail=visit.console.mailer is not None,
        invitations=await visit.administration.invitations.valid(),
        sessions=await administrators.sessions(),
        everybody=[ShownAdministrator.of(visit, each) for each in everybody],
        sources=[BUILT_IN, *_others(visit)],
        has_groups=any(each.console_groups for each in visit.console.settings.all_sources),
        roles=OF_PEOPLE,
        all_roles=list(Role),
        permissions=[
            permission for permission in Permission if permission is not Permission.ACCOUNT
        ],
        may_of=MAY,
        done=visit.query.get("done", ""),
    )


async def export(visit: Visit) -> Response:
    """The same people as a file."""
    return await Export(
        name="administrators", chosen={}, pages=_pages(visit), layout=layout_of(_COLUMNS, _document)
    ).response(visit)


async def _pages(visit: Visit) -> AsyncIterator[Sequence[ShownAdministrator]]:
    everybody = await visit.administration.administrators.all()
    yield [ShownAdministrator.of(visit, each) for each in everybody]


def _document(shown: ShownAdministrator) -> dict[str, object]:
    account = shown.account
    own = {name: getattr(account, name) for name in ("username", "name", "source", "subject_id")}
    return {**own, "role": shown.role, "group": shown.group, "enabled": account.enabled}


_COLUMNS: Final = ("username", "name", "source", "subject_id", "role", "group", "enabled")


async def end_sessions(visit: Visit) -> Response:
    """End a session of somebody in the console, or all of theirs."""
    await visit.administration.administrators.end_sessions(
        visit.form.get("id", ""), visit.form.get("key") or None
    )
    return visit.to("/administrators", ended="1")


async def set_role(visit: Visit) -> Response:
    """Give somebody a role, or take it.

    They are named in the form, so the version that it carries is the number of the last change of
    anything that its page could show.
    """
    name = visit.form.get("role", "")
    role = role_named(name)
    if name and role is None:
        raise Refused("there is no such role")
    administrators, changes = visit.administration.administrators, visit.administration.changes
    newest = await changes.newest()
    username, source = visit.form.get("username", "").strip(), visit.form.get("source") or None
    account = await administrators.find(username, source)
    shown = await find_person(visit, account.subject_id)
    seen = number_of(visit.form.get("version", ""))
    since = await changes.since_number(account.subject_id, seen)
    if seen < 0 or since.changes:
        return changed_meanwhile(
            visit, since, name=account.username, version=newest, back="/administrators"
        )
    try:
        account = await administrators.set_role(
            username, role, source=source, expected_version=shown.version
        )
    except ConcurrentChange:
        raise
    except Outdated:  # by somebody who was faster than this request
        return await set_role(visit)
    return visit.to("/administrators", done=account.username)


def _others(visit: Visit) -> list[str]:
    names = [each.name for each in visit.console.settings.all_sources]
    return [each for each in names if each != BUILT_IN]
