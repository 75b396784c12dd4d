"""The settings of each type of identity source: one record for each ``[[source]]`` table.

    common      fields that all types have
    directory   the built-in directory
    ldap        LDAP and Active Directory
    openid      an OpenID provider
    function    a function or class of the company's own

``source_tables`` reads them; ``bootstrap`` builds a source from each. Every field is documented in
its record, from which the reference page is generated. Times are in seconds.
"""

from worksgate.settings.sources.common import SourceSettings, common_problems
from worksgate.settings.sources.directory import DirectorySettings
from worksgate.settings.sources.function import PythonSettings
from worksgate.settings.sources.ldap import LdapSettings
from worksgate.settings.sources.openid import OidcSettings

__all__ = [
    "SOURCE_TYPES",
    "DirectorySettings",
    "LdapSettings",
    "OidcSettings",
    "PythonSettings",
    "SourceSettings",
    "common_problems",
]

SOURCE_TYPES: dict[str, type[SourceSettings]] = {
    each.type: each for each in (DirectorySettings, LdapSettings, OidcSettings, PythonSettings)
}
"""The types by the value of ``type`` in a table."""
