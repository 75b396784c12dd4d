"""What is wrong with an installation, and what to do about it.

An examination changes nothing: it creates no database, migrates none and signs nobody in (but for
``sign_in_trial``, which somebody asks for). It yields
findings one by one, so that progress is visible; a check that crashes is a finding, too. Findings
contain no secrets.

    examination      all examinations, in the order of what they need
    settings_check   addresses, proxies, and permissions of secrets in the settings file
    public_address_check  whether the public address can be resolved, and leads here
    machine_check    the folder of the database, the disk, the clock
    database_check   the database, its keys, and what its clients need
    store_check      the store of codes and tokens, opened as the server opens it
    queried_source     a source as an administrator asks it, depending on its type
    source_check     one identity source: whether it is reachable, and its answer for a person
    source_people    everybody a source lists, with the key that LINE WORKS would receive
    key_holders      everybody of all sources, with their external key
    sign_in_trial    a sign-in as LINE WORKS makes it, by the conformance player
    sentences        sentences that the console can say in its languages
    ldap_advice      what to do about each fault of an LDAP directory
    console_examiner the examinations that the console runs
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
    """One result: which part, what was found, and what to do if it is bad.

    Texts are in English; those that ``said`` makes have translations.
    """

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
