"""What to do about a fault of an LDAP directory.

A fault without a name (``sources.ldap.faults``) gets the advice that fits every source.
"""

from collections.abc import Mapping

from worksgate.doctor.sentences import said
from worksgate.sources import SourceFault, SourceFinding

_SILENT = said(
    "a firewall may drop the packets, or the directory is too slow: try the port from this "
    "machine, and see connect_timeout and timeout"
)
_ANOTHER_PROTOCOL = said(
    "the port uses another protocol: ldaps:// belongs to 636, and ldap:// with start_tls = "
    "true to 389"
)

_BY_FAULT: Mapping[SourceFault, str] = {
    SourceFault.SILENT: _SILENT,
    SourceFault.NO_TLS: _ANOTHER_PROTOCOL,
    SourceFault.NOT_LISTENING: said(
        "nothing listens there: check the host and the port in servers (636 for ldaps://, 389 "
        "for ldap://), and whether the directory runs"
    ),
    SourceFault.UNRESOLVED: said(
        "this machine cannot resolve that host: check its spelling in servers"
    ),
    SourceFault.UNREACHABLE: said(
        "that address is unreachable from here: check servers, and the routes of this machine"
    ),
    SourceFault.OTHER_NAME: said(
        "name the server in servers as its certificate does, or give it a certificate for "
        "this name; openssl s_client -connect HOST:636 shows it"
    ),
    SourceFault.CERTIFICATE_EXPIRED: said(
        "renew the directory's certificate, and check the clocks of both machines"
    ),
    SourceFault.UNTRUSTED: said(
        "the certificate is not signed by an authority that this machine trusts: put your own "
        "authority's certificate into a PEM file, and name it in ca_file"
    ),
    SourceFault.OTHER_PROTOCOL: _ANOTHER_PROTOCOL,
    SourceFault.SERVICE_NAME_MALFORMED: said(
        "write the whole DN into bind_dn, such as cn=worksgate,ou=services,dc=example,dc=com; "
        "Active Directory also accepts name@domain"
    ),
    SourceFault.SERVICE_REFUSED: said(
        "check bind_dn and bind_password: the password is wrong, or the account is unknown, "
        "locked or expired; each attempt counts there"
    ),
    SourceFault.BASE_NOT_FOUND: said(
        "check base_dn: the directory has no such entry, or does not let the service account see it"
    ),
    SourceFault.MAY_NOT_READ: said("allow the service account to read below base_dn"),
    SourceFault.PERSON_NOT_FOUND: said(
        "check user_filter and base_dn: they match nobody, or more than one person"
    ),
    SourceFault.PERSON_NOT_IN_GROUP: said(
        "add the person to one of required_groups, or check how the groups are written there"
    ),
    SourceFault.ACCOUNT_UNUSABLE: said(
        "correct the account in the directory: it cannot be used for sign-ins as it is"
    ),
    SourceFault.ATTRIBUTE_MISSING: said(
        "give the person that attribute, or name another one in the settings"
    ),
    SourceFault.ATTRIBUTE_UNUSABLE: said(
        "correct the value in the directory, or name another attribute in the settings"
    ),
}


def advice_on(finding: SourceFinding) -> str | None:
    """What to do about a fault, or None if it is unknown."""
    return None if finding.fault is None else _BY_FAULT[finding.fault]
