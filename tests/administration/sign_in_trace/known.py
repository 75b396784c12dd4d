"""Facts for the tests of verdicts: a person in order, whose sign-ins end in one way or another."""

from dataclasses import replace
from datetime import UTC

from worksgate.administration.sign_in_trace.facts import (
    AskedClient,
    Facts,
    KeyState,
    KnownPerson,
    PresentKey,
    SourceAnswer,
    SourceState,
)
from worksgate.administration.sign_in_trace.localized import Speaker
from worksgate.administration.sign_in_trace.question import Kind, Question
from worksgate.administration.sign_in_trace.tries import tries_of
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.clients.access_rules import Situation, decide
from worksgate.directory.factors import Enrolled
from worksgate.oauth.model import LoginKind, SecondFactor, UserKey
from worksgate.sources import Person

NOW = 1_800_000_000.0
"""2027-01-15 08:00 UTC."""
AT = NOW - 600
LOGIN_ID = "01a2b3c4d5eAbCdEfGhIjKlMn"
ADDRESS = "203.0.113.24"

TANAKA = Person(
    subject_id="directory:1",
    username="tanaka.misaki",
    name="田中 美咲",
    external_key="H-0231",
    email="tanaka.misaki@hikari.example",
)
IN_ORDER = Facts(
    question=Question("tanaka.misaki", Kind.PERSON),
    now=NOW,
    since=NOW - 86_400,
    person=KnownPerson(
        person=TANAKA,
        source="directory",
        enabled=True,
        known_since=NOW - 90 * 86_400,
        has_password=True,
    ),
    client=AskedClient(client_id="c1", name="Hikari", enabled=True, user_key=UserKey.EXTERNAL_KEY),
    source=SourceAnswer(SourceState.ANSWERS, 12.4),
    is_waiting_known=True,
    enrolled=Enrolled(),
    decision=decide(
        (),
        SecondFactor.ALLOWED,
        Situation(kind=LoginKind.WEB, address=ADDRESS, at=NOW, groups=(), source="directory"),
    ),
    address=ADDRESS,
    key=PresentKey(KeyState.PRESENT, "H-0231"),
)


def record(event: Event, reason: Reason | None = None, **about: object) -> AuditEvent:
    values = {
        "login_id": LOGIN_ID,
        "client_id": "c1",
        "username": "tanaka.misaki",
        "address": ADDRESS,
        **about,
    }
    return AuditEvent(event=event, at=AT, reason=reason, **values)  # type: ignore[arg-type]  # fields


def after(
    *records: AuditEvent, facts: Facts = IN_ORDER, calls: tuple[AuditEvent, ...] = ()
) -> Facts:
    """The facts after these records."""
    return replace(facts, tries=tries_of(records, now=NOW, refused_calls=calls))


def speaker(language: str = "en") -> Speaker:
    return Speaker(language, UTC, NOW)
