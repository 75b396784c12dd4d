"""What an administrator may do, and by what: a role that was assigned, or a group of their source.

A role that was assigned counts alone, even if a group would give another one. The right by a group
is taken from the settings and from what the source said last, each time (R-226).
"""

from dataclasses import dataclass

from worksgate.administration.roles import Role, role_named
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.console_groups import ConsoleGroups
from worksgate.directory.invitations import Invited


@dataclass(frozen=True, slots=True)
class Right:
    """A role, None for no administrator; with the ``group`` that gives it, if one does."""

    role: Role | None
    group: str | None = None

    def described(self, account: AdministratorAccount) -> str:
        """For the audit log, after what was done; empty unless a group gives it."""
        if self.role is None or self.group is None:
            return ""
        return f"; {self.role.value} by the group {self.group} of {account.source}"


def right_of(account: AdministratorAccount, groups: ConsoleGroups) -> Right:
    """The right of somebody as they are stored."""
    if account.role is not None or account.is_built_in:
        return Right(role_named(account.role))
    grant = groups.grant(account.source, account.person.groups)
    return Right(None) if grant is None else Right(role_named(grant.role), grant.group)


def is_vouched_for(invited: Invited, groups: ConsoleGroups) -> bool:
    """Whether whoever made an invitation may still give roles: the command line always (R-234)."""
    return may_still_own(invited.invitation.inviter, invited.inviter, groups)


def may_still_own(
    subject_id: str | None, account: AdministratorAccount | None, groups: ConsoleGroups
) -> bool:
    """Whether whoever made something, as they are now, is an owner; the command line is None."""
    if account is None:
        return subject_id is None
    return account.enabled and right_of(account, groups).role is Role.OWNER
