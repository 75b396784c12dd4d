"""Invitations of further administrators: a one-time link, to send or to hand over.

Whoever opens it gets an account of the built-in directory with the role of the invitation, once
they have set up a second factor, as the first owner does (``first_owner``). It works once, for
three days, and only while the owner who made it is one (R-234).
"""

from dataclasses import dataclass, field

from worksgate.administration.actor import Actor
from worksgate.administration.administrators import check_of_people
from worksgate.administration.console.rights import is_vouched_for
from worksgate.administration.errors import Forbidden, NotFound, refusals
from worksgate.administration.first_owner import url_of_link
from worksgate.administration.roles import Permission, Role, may
from worksgate.audit import Event
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.directory.account_rules import check_display_name, check_email
from worksgate.directory.database import Directory
from worksgate.directory.invitations import Invitation
from worksgate.settings.options import Settings

LIFETIME = 3 * 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation, and its link, which is shown or sent once and not stored."""

    invitation: Invitation
    link: str = field(repr=False)


class InvitationAdministration:
    """Invites administrators, and takes invitations back."""

    def __init__(self, settings: Settings, directory: Directory, actor: Actor) -> None:
        self._settings = settings
        self._rows = directory.invitations
        self._groups = directory.console_groups
        self._actor = actor

    async def invite(self, name: str, role: Role, *, email: str | None = None) -> NewInvitation:
        """Make an invitation for somebody of this name; an e-mail address becomes theirs.

        Raises Refused, or Forbidden for whoever may not give roles.
        """
        self._check()
        check_of_people(role)
        with refusals():
            check_display_name(name)
            if not name:
                raise ValueError("an invitation needs the name of a person")
            if email is not None:
                check_email(email)
        secret, now = new_secret(), self._actor.now()
        made = Invitation(
            id=new_id(),
            name=name,
            email=email,
            role=role.value,
            created_at=now,
            expires_at=now + LIFETIME,
            inviter=self._actor.subject_id,
            actor=self._actor.name,
        )
        detail = f"an invitation for {name} with the role {role.value} was made"
        event = self._actor.event(Event.SYSTEM, detail, at=now)
        await self._rows.add(digest(secret), made, event)
        return NewInvitation(made, url_of_link(self._settings, secret))

    async def valid(self) -> list[Invitation]:
        """All that can be used now, the newest first."""
        found = await self._rows.all(self._actor.now())
        return [each.invitation for each in found if is_vouched_for(each, self._groups)]

    async def withdraw(self, id: str) -> Invitation:  # noqa: A002  # as it is stored
        """End an invitation. Raises NotFound, or Forbidden."""
        self._check()
        for each in await self.valid():
            if each.id == id:
                detail = f"the invitation for {each.name} with the role {each.role} was withdrawn"
                if await self._rows.withdraw(id, self._actor.event(Event.SYSTEM, detail)):
                    return each
        raise NotFound("there is no such invitation any more")

    def _check(self) -> None:
        role = self._actor.role
        if role is not None and not may(role, Permission.OWN):
            raise Forbidden("your role cannot invite administrators")
