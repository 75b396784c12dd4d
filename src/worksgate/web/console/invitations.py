"""Invitations of further administrators: made, sent or handed over, and taken back."""

import html
from typing import Final

import structlog
from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.administration.invitations import LIFETIME, NewInvitation
from worksgate.administration.roles import role_named
from worksgate.mail import MailMessage, MailUnavailable
from worksgate.web.console.administrators import administrators_page
from worksgate.web.console.pages import ROLE_NAMES, texts_of
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

SUBJECT: Final = text("You are invited to the administrators’ console of Worksgate")
INVITED: Final = text(
    "%(by)s invites you, %(name)s, to the console in which the sign-ins to LINE WORKS are "
    "administered. Your role there: %(role)s."
)
HOW: Final = text(
    "Open this link within %(days)d days. It works once: you choose a user name, and how you will "
    "sign in. It opens only where the console can be reached; if it does not, ask whoever has "
    "invited you."
)
NOT_EXPECTED: Final = text(
    "If you did not expect this, do not open the link, and tell your administrators. Never forward "
    "it: whoever opens it first gets the role."
)
DAYS: Final = round(LIFETIME / 86_400)

_log = structlog.get_logger("worksgate.console")


async def invite(visit: Visit) -> Response:
    """Make an invitation: sent to its address if it has one, or else shown once."""
    role = role_named(visit.form.get("role", ""))
    if role is None:
        raise Refused("there is no such role")
    made = await visit.administration.invitations.invite(
        visit.form.get("name", "").strip(), role, email=visit.form.get("email", "").strip() or None
    )
    if not made.invitation.email or visit.console.mailer is None:
        return await administrators_page(visit, invited=made)
    try:
        await visit.console.mailer.send(_message(visit, made, made.invitation.email))
    except (MailUnavailable, ValueError) as error:
        sentence = (
            str(error) if isinstance(error, MailUnavailable) else "the mail address is not valid"
        )
        _log.warning("console.invitation_not_sent", reason=sentence)
        return await administrators_page(visit, invited=made, problem=sentence)
    return visit.to("/administrators", sent=made.invitation.email)


async def withdraw(visit: Visit) -> Response:
    """End an invitation that nobody has used."""
    ended = await visit.administration.invitations.withdraw(visit.form.get("id", ""))
    return visit.to("/administrators", withdrawn=ended.name)


def _message(visit: Visit, made: NewInvitation, address: str) -> MailMessage:
    """In the language of the page: whoever invites knows whom."""
    texts, invitation = texts_of(visit.words.language), made.invitation
    who = visit.administrator.account
    role = texts.gettext(ROLE_NAMES[invitation.role])
    values = {"by": who.name or who.username, "name": invitation.name, "role": role, "days": DAYS}
    before, how, after = (texts.gettext(each) % values for each in (INVITED, HOW, NOT_EXPECTED))
    link = html.escape(made.link)
    return MailMessage(
        to=address,
        subject=texts.gettext(SUBJECT),
        text="\n\n".join((before, how, made.link, after)) + "\n",
        html="".join(f"<p>{html.escape(each)}</p>" for each in (before, how))
        + f'<p><a href="{link}">{link}</a></p><p>{html.escape(after)}</p>',
    )
