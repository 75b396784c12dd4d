"""The search filters (RFC 4515): for a typed name, an id, everybody, and the groups of a person.

Every value from outside is escaped (R-86).
"""

import uuid
from collections.abc import Iterable

from ldap3.utils.conv import escape_filter_chars  # type: ignore[import-untyped]  # ldap3 has no types

from worksgate.settings.sources.ldap import LdapSettings, filled
from worksgate.sources.ldap.people import is_guid

MATCHING_RULE_IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Active Directory's rule that follows groups within groups."""


def filter_for_name(settings: LdapSettings, username: str, bind_name: str) -> str:
    """The filter for a typed name, escaped (R-86)."""
    return filled(
        settings.user_filter_used,
        username=escape_filter_chars(username),
        bind_name=escape_filter_chars(bind_name),
    )


def filter_for_all(settings: LdapSettings) -> str:
    """The filter for everybody whom ``user_filter`` could find by some name."""
    return filled(settings.user_filter_used, username="*", bind_name="*")


def filter_for_id(settings: LdapSettings, subject: str) -> str | None:
    """The filter for an ID plus the other conditions of ``user_filter``; None without an ID."""
    attribute = settings.id_attribute_used
    if not is_guid(attribute):
        value = escape_filter_chars(subject)
    else:
        try:
            value = "".join(f"\\{octet:02x}" for octet in uuid.UUID(subject).bytes_le)
        except ValueError:
            return None
    return f"(&{filter_for_all(settings)}({attribute}={value}))"


def filter_for_groups(settings: LdapSettings, members: Iterable[str]) -> str:
    """The filter for the groups of which one of these entries is a member."""
    each = (filled(settings.group_filter, dn=escape_filter_chars(dn)) for dn in members)
    return f"(|{''.join(each)})"


def filter_for_nested_groups(settings: LdapSettings) -> str:
    """Active Directory's filter for members of a required group, at any depth."""
    return "(|{})".format(
        "".join(
            f"(memberOf:{MATCHING_RULE_IN_CHAIN}:={escape_filter_chars(group)})"
            for group in settings.required_groups
        )
    )
