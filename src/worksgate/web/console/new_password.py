"""A new password for somebody: a link to hand over or by mail, or a code to read out.

A help desk never sees a link: it has one sent to the person's own address, or reads out a code,
after the page has said how to be sure who is calling (R-233).
"""

from typing import Final

from starlette.responses import Response

from worksgate.administration.errors import NotFound, Refused
from worksgate.administration.roles import may_act_on
from worksgate.administration.users import Identified
from worksgate.provider.account.reset_links import CODE_LIFETIME, CODE_PATH
from worksgate.web.console.person import ShownPerson, changeable, find_person, person_page
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

WAYS: Final = {
    Identified.CALLED_BACK: text(
        "I called them back, at a number that our own records have for them."
    ),
    Identified.IN_PERSON: text(
        "They are here; I know them, or they have shown me a document with a photo."
    ),
    Identified.VOUCHED_FOR: text(
        "I asked somebody who knows them, such as their manager, at a number of our own records."
    ),
}
"""How to be sure who is calling, as whoever reads out a code says it."""


async def make_link(visit: Visit) -> Response:
    """A link, shown once, for the administrator to hand on."""
    shown = await _with_password(visit)
    link = await visit.administration.users.issue_reset_link(shown.person.username)
    return await person_page(visit, shown, link=link)


async def send_link(visit: Visit) -> Response:
    """A link to the person's own address; nobody here sees it."""
    shown, users = await _with_password(visit), visit.administration.users
    account = await users.get_to_change(shown.person.username)
    send = visit.console.send_reset_link
    if send is None:
        raise Refused("e-mail is not set up")
    await send(users, account.username)
    return visit.to("/person", id=shown.person.subject_id, done="link_sent")


async def ask(visit: Visit) -> Response:
    """How to be sure who is calling, before there is a code."""
    return _page(visit, await find_person(visit, visit.query.get("id", "")))


async def make_code(visit: Visit) -> Response:
    """The code, shown once, to be read out."""
    way = visit.form.get("identified", "")
    if way not in list(Identified):
        return _page(visit, await find_person(visit, visit.form.get("id", "")), status=400)
    shown = await _with_password(visit)
    code = await visit.administration.users.issue_reset_code(shown.person.username, Identified(way))
    return _page(visit, shown, code=code)


async def _with_password(visit: Visit) -> ShownPerson:
    """The person of a form, unless their password is in another source. Raises as ``changeable``.

    What follows goes by their name, which somebody of the built-in directory may have as well.
    """
    shown = await changeable(visit)
    if shown.account is None:
        raise NotFound("this person is changed in their source")
    return shown


def _page(visit: Visit, shown: ShownPerson, *, code: str = "", status: int = 200) -> Response:
    return visit.page(
        "reset_code.html",
        status,
        shown=shown,
        code=code,
        is_unsure=status != 200,
        may_act=may_act_on(visit.administrator.role, shown.role),
        ways=WAYS,
        minutes=round(CODE_LIFETIME / 60),
        address=visit.console.settings.account_url + CODE_PATH,
    )
