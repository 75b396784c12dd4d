"""Settings that every identity source has."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from worksgate.settings.field import option

BUILT_IN = "directory"
"""The name of the built-in directory."""
CONSOLE_ROLES = ("owner", "admin", "help_desk", "auditor")
"""Those of ``administration.roles``; a test compares them."""
MAX_TIMEOUT = 2.4
"""Seconds: a page is answered within 2.5, and LINE WORKS waits 3."""

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How one source is used. Secrets are hidden in the repr."""

    type: ClassVar[str]
    about: ClassVar[str]
    """The description of the type on the reference page."""
    example: ClassVar[Mapping[str, object]]
    """The required fields of a table, as the template of the settings file shows them."""

    name: str = option(
        "",
        "The source's name in clients, rules and the audit log: 1 to 32 of a-z, 0-9 and -. "
        "People are stored under it, so it must not change.",
    )
    domains: tuple[str, ...] = option(
        (),
        "E-mail domains, such as example.com: people who type an address in one of them are "
        "checked by this source only.",
    )

    console_groups: tuple[str, ...] = option(
        (),
        "Groups whose members are administrators of the console, each after its role: "
        "admin: IT staff. The role is owner, admin, help_desk or auditor; of several groups the "
        "first counts, named as in rules. A role that was assigned to a person takes precedence.",
    )

    @property
    def console_grants(self) -> tuple[tuple[str, str], ...]:
        """Each role of ``console_groups`` with its group."""
        parts = (each.partition(":") for each in self.console_groups)
        return tuple((role.strip(), group.strip()) for role, _, group in parts)

    @property
    def can_look_up(self) -> bool:
        """Whether the source can certainly be asked for a person at any time."""
        return False

    @property
    def is_built_in(self) -> bool:
        """Whether this is the built-in directory, whose people are in the database."""
        return self.type == BUILT_IN

    def problems(self) -> Iterable[str]:
        """Return problems of the type's own fields: sentences that begin with a field and ``:``."""
        return ()


def common_problems(settings: SourceSettings) -> Iterator[str]:
    """Return problems of the fields that every source has, in the same form."""
    if not settings.name:
        yield "name: is missing"
    elif not _NAME.fullmatch(settings.name):
        yield "name: must be 1 to 32 of a-z, 0-9 and -"
    elif (settings.name == BUILT_IN) is not settings.is_built_in:
        yield f"name: {BUILT_IN} is reserved for the built-in directory"
    if not all(map(_DOMAIN.fullmatch, settings.domains)):
        yield "domains: must be domains such as example.com, in lower case"
    if settings.console_groups and settings.is_built_in:
        yield "console_groups: is for other sources; here worksgate admin set-role gives roles"
    if not all(role in CONSOLE_ROLES and group for role, group in settings.console_grants):
        yield (
            f"console_groups: must be a role and a group, such as admin: IT staff; the roles are "
            f"{', '.join(CONSOLE_ROLES)}"
        )
