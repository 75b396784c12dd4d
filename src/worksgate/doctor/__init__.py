"""What is wrong with an installation, and what to do about it.

An examination changes nothing: no database is made, none is brought up to date, nobody is signed
in. It yields findings as it comes to them, so that somebody who waits sees something; a check that
breaks is a finding, too. The text of a finding holds no secret.

    settings_check   addresses, proxies, and who can read the secrets of the settings file
    public_address_check  whether the public address can be resolved, and leads here
    machine_check    the folder of the database, the disk, the clock
    database_check   the database, its keys, and what the clients in it need
    store_check      the store of codes and tokens, opened as the server opens it
    asked_source     a source as an administrator asks it, in the way of its type
    source_check     one identity source: can it be reached, and what does it say of somebody
    source_people    everybody whom a source lists, with the key that LINE WORKS would be given
    ldap_advice      what to do about each fault of an LDAP directory
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: which part, what was found, and what to do if it is bad."""

    part: str
    severity: Severity
    text: str
    advice: str = ""


def ok(part: str, text: str) -> Finding:
    """Everything is in order."""
    return Finding(part, Severity.OK, text)


def warn(part: str, text: str, advice: str) -> Finding:
    """It works, but not as it should, or not for long."""
    return Finding(part, Severity.WARN, text, advice)


def fail(part: str, text: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(part, Severity.FAIL, text, advice)
