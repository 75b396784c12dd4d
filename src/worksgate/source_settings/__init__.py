"""The settings of each type of identity source: one record for each ``[[source]]`` table.

``source_tables`` reads them; ``bootstrap`` makes a source of each. Every field is documented in
its record, and the reference page is made from it. Times are seconds.
"""

from worksgate.source_settings.common import SourceSettings, common_problems
from worksgate.source_settings.directory import DirectorySettings
from worksgate.source_settings.ldap import LdapSettings
from worksgate.source_settings.oidc import OidcSettings
from worksgate.source_settings.python import PythonSettings

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
"""The types by the word that a table has under ``type``."""
