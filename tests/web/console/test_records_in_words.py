"""What administrators did, as the first page says it: nothing of it is left in English."""

import re

import pytest
from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.web.console.pages import Words
from worksgate.web.console.records_in_words import in_words

OF_PEOPLE = (
    *("added", "removed", "disabled", "enabled; disabled", "signed out", "added by import"),
    *("restored", "removed for good"),
    "set username, name, reading, external_key, works_account, email, groups, administrator",
    *("set temporary password", "set password; enabled", "change 12 undone: set email; disabled"),
    *("has no role in the console", "has the role help_desk in the console"),
    "an owner of the console, by a one-time link, with a passkey",
    "an owner of the console, by a one-time link, with a password and an authenticator app",
    "added; took over the external key 4711 of 4712",
    "external key 4711 released; 0815 (4713) had it",
    "LINE WORKS account 4711 released; 0815 (4713) has it",
    *("leaves: on 2027-03-31", "leaves: no longer", "leaves: disabled", "one more attempt allowed"),
    "leaves: sessions, codes and tokens ended: 3",
    *("leaving, failed to disable: 17", "leaving, failed to sign out at LINE WORKS: 17"),
    *("leaves: app passwords removed: 1", "leaves: suspended at LINE WORKS"),
    *("leaves: sign-out accepted by LINE WORKS", "changed their password", "account closed"),
    "“this was not me”: the password was voided, disabled",
    *("job 17: disable, 30 people", "job 17: import, 30 people", "job 17 stopped after 3 of 30"),
    *("job 17 done: 30 people, 2 not", "job 17 stopped, others match by now: 0 people, 0 not"),
    "job 17 ended: its administrator may no longer do this: 3 people, 0 not",
)
OF_CLIENTS = (
    *("4711: added", "4711: removed", "4711: disabled", "4711: enabled", "4711: secret rotated"),
    "4711: set allowed_addresses, name, rules, second_factor",
    "4711: change 12 undone: set name",
    *("4711: branding, draft saved", "4711: branding, version 3 published"),
    "the app of the LINE WORKS API was removed",
    "external keys at LINE WORKS: run has ended: LINE WORKS holds 3 of 4 keys",
    "external keys at LINE WORKS: an interrupted run goes on: 3 are left",
)
NAMES = re.compile(
    r"<[^>]*>|&\w+;|LINE WORKS|API|External Key|Client (Secret|ID)|SSO|IMAP|CalDAV|URL|IP"
)
"""What is not translated."""


@pytest.mark.parametrize("language", ["ja", "ko"])
@pytest.mark.parametrize(
    ("event", "detail"),
    [
        *((Event.USER_CHANGED, each) for each in OF_PEOPLE),
        *((Event.CLIENT_CHANGED, each) for each in OF_CLIENTS),
        (Event.LOGIN_REQUESTED, "not recorded one by one: 7 within a minute, networks: 10000+"),
    ],
)
def test_no_deed_is_left_in_english(event: Event, detail: str, language: str) -> None:
    said = str(in_words(AuditEvent(event=event, at=NOW, detail=detail), Words(language, None)))
    assert 'lang="en"' not in said
    assert not re.search("[A-Za-z]", NAMES.sub("", said)), said


def test_what_is_not_known_is_marked_as_english_and_harmless() -> None:
    record = AuditEvent(event=Event.CLIENT_CHANGED, at=NOW, detail="<b>: set up; 100% %(x)s")
    for language in ("en", "ja"):
        said = in_words(record, Words(language, None))
        assert "<b>" not in said
        assert "100% %(x)s" in said
    assert 'lang="en"' in said


def test_a_client_named_like_a_deed_keeps_its_name() -> None:
    record = AuditEvent(event=Event.CLIENT_CHANGED, at=NOW, detail="<i>A</i>: disabled")
    assert "&lt;i&gt;A&lt;/i&gt;" in in_words(record, Words("ja", None))
