"""Who has which role in the console."""

from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.administration.roles import MAY, Role, Verb, role_named
from worksgate.settings.sources.common import BUILT_IN
from worksgate.web.console.visit import Visit


async def show(visit: Visit) -> Response:
    """Everybody with a role, and what each role may do."""
    return visit.page(
        "administrators.html",
        everybody=await visit.administration.administrators.all(),
        sources=[BUILT_IN, *_others(visit)],
        roles=list(Role),
        verbs=[verb for verb in Verb if verb is not Verb.ACCOUNT],
        may_of=MAY,
        done=visit.query.get("done", ""),
    )


async def set_role(visit: Visit) -> Response:
    """Give somebody a role, or take it."""
    name = visit.form.get("role", "")
    role = role_named(name)
    if name and role is None:
        raise Refused("there is no such role")
    account = await visit.administration.administrators.set_role(
        visit.form.get("username", "").strip(), role, source=visit.form.get("source") or None
    )
    return visit.to("/administrators", done=account.username)


def _others(visit: Visit) -> list[str]:
    names = [each.name for each in visit.console.settings.all_sources]
    return [each for each in names if each != BUILT_IN]
