"""What to do about a fault of an LDAP directory, by the words in which it is told.

The words are ours, OpenSSL's and the system's. A fault whose words are not known here gets the
advice that fits every source.
"""

import re

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
        "|session terminated by server|does not begin TLS|startTLS",
        "the port speaks another way: ldaps:// belongs to 636, and ldap:// with start_tls = true "
        "to 389",
    ),
    (
        r"service account is refused.*(result 34|not a DN|invalidDNSyntax)",
        "write the whole DN into bind_dn, such as cn=worksgate,ou=services,dc=example,dc=com; "
        "Active Directory also takes name@domain",
    ),
    (
        "service account is refused",
        "see bind_dn and bind_password: the password is wrong, or the account is unknown, locked "
        "or expired; each try counts there",
    ),
    (
        "noSuchObject|nothing can be seen of",
        "see base_dn: the directory has no such entry, or does not let the service account see it",
    ),
    (
        "insufficientAccessRights",
        "let the service account read below base_dn",
    ),
    (
        "not exactly one entry matches",
        "see user_filter and base_dn: nobody is found by this name, or more than one",
    ),
    (
        "in none of required_groups",
        "put the person into one of required_groups, or see how the groups are written there",
    ),
    (
        "the account is ",
        "have the account put right in the directory: nobody signs in with it as it is",
    ),
    (
        r"none that can be used|^id \(",
        "give the person that attribute, or name another one in the settings",
    ),
    (
        "timed out|no answer in time",
        "a firewall may drop what is sent there, or the directory is too slow: try the port from "
        "this machine, and see connect_timeout and timeout",
    ),
)


def advice_on(fault: str) -> str | None:
    """What to do about a fault, or None where its words tell nothing."""
    return next((advice for words, advice in _BY_WORDS if re.search(words, fault)), None)
