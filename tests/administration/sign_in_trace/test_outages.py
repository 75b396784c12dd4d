"""From when to when a source did not respond."""

from dataclasses import replace

import pytest
from tests.administration.sign_in_trace.known import AT, LOGIN_ID, after, record, speaker

from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.outages import OUTAGE, SourceOutage, outage_at
from worksgate.administration.sign_in_trace.verdict import verdict_of
from worksgate.audit import AuditEvent

SOURCES = ("company", "company 2")
MINUTE = 60.0


def met(minutes: float, detail: str = "company: no answer in time") -> AuditEvent:
    return AuditEvent(event=OUTAGE[0], reason=OUTAGE[1], at=minutes * MINUTE, detail=detail)


@pytest.mark.parametrize(
    ("others", "since", "until"),
    [
        ((), 60, 60),
        ((50, 55, 70), 50, 70),
        ((1, 46, 74, 90, 120), 46, 74),
    ],
)
def test_an_outage_ends_where_nobody_met_it_for_a_quarter_of_an_hour(
    others: tuple[float, ...], since: float, until: float
) -> None:
    records = [met(each) for each in sorted((60, *others))]
    found = outage_at(60 * MINUTE, records, SOURCES)
    expected = SourceOutage(source="company", since=since * MINUTE, until=until * MINUTE)
    assert found == expected


def test_another_source_is_another_outage() -> None:
    records = [met(55, "company 2: no answer"), met(60), met(61, "company 2: no answer")]
    found = outage_at(60 * MINUTE, records, SOURCES)
    assert found == SourceOutage(source="company", since=3_600, until=3_600)
    assert outage_at(60 * MINUTE, records, ()) is None, "a source of former settings"
    assert outage_at(59 * MINUTE, records, SOURCES) is None


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "From 07:20 to 07:50 the source partner did not respond."),
        ("ja", "07:20から07:50まで、認証元partnerから応答がありませんでした。"),
        ("ko", "07:20부터 07:50까지 partner 인증 소스가 응답하지 않았습니다."),
    ],
)
def test_an_outage_is_said_with_its_beginning_and_its_end(language: str, sentence: str) -> None:
    facts = after(record(*OUTAGE, login_id=LOGIN_ID))
    outage = SourceOutage(source="partner", since=AT - 1_800, until=AT)
    verdict = verdict_of(replace(facts, outage=outage))
    assert speaker(language).say(verdict.sentence) == sentence
    assert verdict.next.action is Action.TEST_SOURCE
    nobody = replace(facts, outage=outage, person=None)
    assert verdict_of(nobody).next.command == "worksgate source test partner"


def test_one_sign_in_alone_is_a_moment() -> None:
    facts = replace(
        after(record(*OUTAGE)), outage=SourceOutage(source="partner", since=AT, until=AT)
    )
    said = speaker().say(verdict_of(facts).sentence)
    assert said == "At 07:50 the source of the person did not respond."
