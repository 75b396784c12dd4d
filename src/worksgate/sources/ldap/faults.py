"""What keeps us from a directory, as ldap3, OpenSSL and the operating system say it.

A few kinds are recognized by their words, and have a sentence of ours; the words follow it.
"""

import re
from typing import Final

from worksgate.catalogues import Quoted
from worksgate.sources import SourceFault
from worksgate.sources.sentences import said

_BY_WORDS: Final = (
    ("Connection refused", SourceFault.NOT_LISTENING),
    ("invalid server address", SourceFault.UNRESOLVED),
    ("Network is unreachable|No route to host", SourceFault.UNREACHABLE),
    (
        "certificate is not valid for|Hostname mismatch|IP address mismatch",
        SourceFault.OTHER_NAME,
    ),
    (
        "certificate has expired|certificate is not yet valid",
        SourceFault.CERTIFICATE_EXPIRED,
    ),
    ("certificate verify failed", SourceFault.UNTRUSTED),
    (
        "EOF occurred in violation of protocol|WRONG_VERSION_NUMBER|wrong version number"
        "|session terminated by server|startTLS",
        SourceFault.OTHER_PROTOCOL,
    ),
    ("timed out", SourceFault.SILENT),
)


def fault_of(words: str) -> SourceFault | None:
    """The kind of a fault, or None if it is not known."""
    return next((fault for each, fault in _BY_WORDS if re.search(each, words)), None)


def sentence_of_fault(words: str, fault: SourceFault | None) -> str:
    """A sentence of ours, with the words of the other program."""
    detail = Quoted(words)
    match fault:
        case SourceFault.NOT_LISTENING:
            return said("the connection is refused: %(detail)s", detail=detail)
        case SourceFault.UNRESOLVED:
            return said("the name cannot be resolved: %(detail)s", detail=detail)
        case SourceFault.UNREACHABLE:
            return said("the address cannot be reached: %(detail)s", detail=detail)
        case SourceFault.OTHER_NAME:
            return said("the certificate is for another name: %(detail)s", detail=detail)
        case SourceFault.CERTIFICATE_EXPIRED:
            return said("the certificate is not valid now: %(detail)s", detail=detail)
        case SourceFault.UNTRUSTED:
            return said("the certificate is not trusted: %(detail)s", detail=detail)
        case SourceFault.OTHER_PROTOCOL:
            return said("the port does not speak as expected: %(detail)s", detail=detail)
        case SourceFault.SILENT:
            return said("no response in time: %(detail)s", detail=detail)
        case _:
            return said("it cannot be used: %(detail)s", detail=detail)
