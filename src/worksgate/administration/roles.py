"""The roles of administrators, and what each may do: one table, for the console and its tests.

A deployer is a token and never a person: it applies a file of clients, and does nothing else.

Nobody acts on somebody who may do more than they may themselves, nor on an administrator without
being more than a help desk. The command line, which needs the settings file, may do everything.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final


class Permission(StrEnum):
    """What a page of the console shows or does, and a role may be allowed."""

    SEE = auto()
    """People, the trace of their sign-ins, and the sign-ins."""
    HELP = auto()
    """A reset link by mail, a code, the end of sessions, the removal of a factor, enabling."""
    DISABLE = auto()
    """Disabling a person."""
    CHANGE_PEOPLE = auto()
    """Adding, leaving, user keys, imports, a reset link to hand over."""
    SEE_CLIENTS = auto()
    """Clients, their settings and rules; never a secret."""
    CHANGE_CLIENTS = auto()
    """Clients with their secrets, rules and branding."""
    APPLY = auto()
    """Making clients as a file says, with a token."""
    EXAMINE = auto()
    """What is wrong with the installation, and its versions."""
    AUDIT = auto()
    """The audit log of everybody."""
    EXPORT = auto()
    """Lists as files."""
    REHEARSE = auto()
    """The rehearsal and the plan of going live, to read."""
    GO_LIVE = auto()
    """The steps of going live."""
    WATCH = auto()
    """The live view of going live."""
    OWN = auto()
    """Roles, invitations, the sessions of administrators."""
    ACCOUNT = auto()
    """The administrator's own sessions."""


class Role(StrEnum):
    """The role of an administrator, as stored with the account, or of a token."""

    OWNER = auto()
    ADMIN = auto()
    HELP_DESK = auto()
    AUDITOR = auto()
    DEPLOYER = auto()
    """Of a token, never of a person."""


OF_PEOPLE: Final = tuple(each for each in Role if each is not Role.DEPLOYER)
"""The roles that an account can have."""

_EVERYBODY: Final = frozenset({Permission.SEE, Permission.WATCH, Permission.ACCOUNT})

MAY: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.OWN, Permission.APPLY},
    Role.HELP_DESK: _EVERYBODY | {Permission.HELP, Permission.DISABLE},
    Role.AUDITOR: _EVERYBODY
    | {
        *(
            Permission.SEE_CLIENTS,
            Permission.EXAMINE,
            Permission.AUDIT,
            Permission.EXPORT,
            Permission.REHEARSE,
        ),
    },
    Role.DEPLOYER: frozenset({Permission.APPLY}),
}
"""What each role may do."""


def role_named(name: str | None) -> Role | None:
    """The role of an account; None for none, and for one that no account of this version has."""
    return next((each for each in OF_PEOPLE if each == name), None)


def may(role: Role | None, permission: Permission) -> bool:
    """Whether somebody with this role may do this; without a role, nothing."""
    return role is not None and permission in MAY[role]


def roles_with(permission: Permission) -> list[Role]:
    """The roles that people can have and that may do this, the one with the most rights first."""
    return [role for role in OF_PEOPLE if may(role, permission)]


def may_act_on(role: Role, target: str | None) -> bool:
    """Whether somebody with this role may change an account with the role ``target``.

    Administrators are changed by those who may change people, and may do at least as much. A role
    of a later version is only an owner's to change.
    """
    if target is None:
        return True
    theirs = role_named(target)
    rights = frozenset(Permission) if theirs is None else MAY[theirs]
    return may(role, Permission.CHANGE_PEOPLE) and rights <= MAY[role]
