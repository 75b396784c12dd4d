"""What to do about a fault of an LDAP directory.

A fault that the source has found itself has a name. Others are known by the words of ldap3, OpenSSL
and the system. One that is neither gets the advice that fits every source.
"""

import re
from collections.abc import Mapping

from worksgate.sources import SourceFault, SourceFinding

_SILENT = (
    "a firewall may drop what is sent there, or the directory is too slow: try the port from "
    "this machine, and see connect_timeout and timeout"
)
_ANOTHER_PROTOCOL = (
    "the port speaks another way: ldaps:// belongs to 636, and ldap:// with start_tls = true to 389"
)

_BY_FAULT: Mapping[SourceFault, str] = {
    SourceFault.SILENT: _SILENT,
    SourceFault.NO_TLS: _ANOTHER_PROTOCOL,
    SourceFault.SERVICE_NAME_MALFORMED: (
        "write the whole DN into bind_dn, such as cn=worksgate,ou=services,dc=example,dc=com; "
        "Active Directory also takes name@domain"
    ),
    SourceFault.SERVICE_REFUSED: (
        "see bind_dn and bind_password: the password is wrong, or the account is unknown, locked "
        "or expired; each try counts there"
    ),
    SourceFault.BASE_NOT_FOUND: (
        "see base_dn: the directory has no such entry, or does not let the service account see it"
    ),
    SourceFault.MAY_NOT_READ: "let the service account read below base_dn",
    SourceFault.PERSON_NOT_FOUND: (
        "see user_filter and base_dn: nobody is found by this name, or more than one"
    ),
    SourceFault.PERSON_NOT_IN_GROUP: (
        "put the person into one of required_groups, or see how the groups are written there"
    ),
    SourceFault.ACCOUNT_UNUSABLE: (
        "have the account put right in the directory: nobody signs in with it as it is"
    ),
    SourceFault.ATTRIBUTE_MISSING: (
        "give the person that attribute, or name another one in the settings"
    ),
    SourceFault.ATTRIBUTE_UNUSABLE: (
        "correct the value in the directory, or name another attribute in the settings"
    ),
}

_BY_WORDS = (
    (
        "Connection refused",
        "nothing listens there: see the host and the port in servers (636 for ldaps://, 389 for "
        "ldap://), and whether the directory runs",
    ),
    (
        "invalid server address",
        "this machine's name server does not know that host: see its spelling in servers",
    ),
    (
        "Network is unreachable|No route to host",
        "there is no way to that address from here: see servers, and the routes of this machine",
    ),
    (
        "certificate is not valid for|Hostname mismatch|IP address mismatch",
        "name the server in servers as its certificate does, or give it a certificate for this "
        "name; openssl s_client -connect HOST:636 shows it",
    ),
    (
        "certificate has expired|certificate is not yet valid",
        "renew the directory's certificate, and see the clocks of both machines",
    ),
    (
        "certificate verify failed",
        "nobody whom this machine trusts has signed the certificate: put that of your own "
        "authority into a PEM file, and name it in ca_file",
    ),
    (
        "EOF occurred in violation of protocol|WRONG_VERSION_NUMBER|wrong version number"
        "|session terminated by server|startTLS",
        _ANOTHER_PROTOCOL,
    ),
    ("timed out", _SILENT),
)


def advice_on(finding: SourceFinding) -> str | None:
    """What to do about a fault, or None where nothing is known of it."""
    if finding.fault is not None:
        return _BY_FAULT[finding.fault]
    return next((advice for words, advice in _BY_WORDS if re.search(words, finding.text)), None)
