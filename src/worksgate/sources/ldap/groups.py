"""The groups of a person, including nested ones, and required groups."""

from collections.abc import Iterator

import structlog

from worksgate.settings.sources.ldap import LdapSettings
from worksgate.sources import PersonDisabled
from worksgate.sources.ldap.connection import Entry, LdapConnection, TooMany
from worksgate.sources.ldap.filters import (
    filter_for_groups,
    filter_for_nested_groups,
)
from worksgate.sources.ldap.people import dn_key

NO_ATTRIBUTES = ("1.1",)
_GROUPS_PER_SEARCH = 20

_log = structlog.get_logger("worksgate.sources.ldap")


class TooManyGroups(PersonDisabled):
    """Not all groups were read, and a rule may depend on one of the others."""


def groups_of(connection: LdapConnection, entry: Entry, settings: LdapSettings) -> list[str]:
    """The DNs of the person's groups. Raises TooManyGroups, or ServerDown.

    With ``nested_groups``, groups are followed upwards, level by level, until there are no new
    ones: that terminates, even for cycles.
    """
    known = {dn_key(dn): dn for dn in entry.texts(settings.groups_attribute)}
    edge = [entry.dn, *known.values()] if settings.nested_groups else []
    for _ in range(settings.group_depth + 1):
        if not edge:
            break
        around = {dn_key(dn): dn for dn in _groups_around(connection, edge, settings)}
        edge = [dn for key, dn in around.items() if key not in known]
        known |= around
        _check_limit(len(known), settings)
    else:
        _log.warning("ldap.groups_too_deep", source=settings.name)
        raise TooManyGroups
    return list(known.values())


def is_in_required_group(
    connection: LdapConnection, entry: Entry, groups: list[str], settings: LdapSettings
) -> bool:
    """Whether a person with these groups may sign in. Raises ServerDown."""
    if not settings.required_groups:
        return True
    if settings.active_directory and settings.nested_groups:
        condition = filter_for_nested_groups(settings)
        return bool(connection.search(entry.dn, condition, NO_ATTRIBUTES, limit=1, below=False))
    return not {dn_key(dn) for dn in groups}.isdisjoint(map(dn_key, settings.required_groups))


def _groups_around(
    connection: LdapConnection, members: list[str], settings: LdapSettings
) -> Iterator[str]:
    """The groups of which one of these entries is a member."""
    base = settings.group_base_dn or settings.base_dn
    for start in range(0, len(members), _GROUPS_PER_SEARCH):
        condition = filter_for_groups(settings, members[start : start + _GROUPS_PER_SEARCH])
        try:
            found = connection.search(base, condition, NO_ATTRIBUTES, limit=settings.group_limit)
        except TooMany:
            _check_limit(settings.group_limit + 1, settings)
        else:
            yield from (group.dn for group in found)


def _check_limit(count: int, settings: LdapSettings) -> None:
    if count > settings.group_limit:
        _log.warning("ldap.too_many_groups", source=settings.name)
        raise TooManyGroups
