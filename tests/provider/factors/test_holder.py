"""Audit records about factors: whose they are, and what a refusal says."""

from time import perf_counter

import pytest
from tests.provider.factors.desk import HANAKO, Desk

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.provider.factors import FactorRefused, Holder
from worksgate.provider.stranger_records import DEFAULT_PER_MINUTE

NOW = 1_764_379_200.0


@pytest.mark.parametrize(
    "holder",
    [
        Holder(subject_id="p", username="hana", address="192.0.2.7"),
        Holder(subject_id="p", login_id="l", client_id="acme", actor="admin"),
        Holder(subject_id=""),  # a passkey has yet to say who it is
    ],
)
def test_a_record_has_what_is_known_of_the_holder(holder: Holder) -> None:
    assert holder.event(Event.FACTOR_FAILED, NOW, "wrong", Reason.WRONG_CODE) == AuditEvent(
        event=Event.FACTOR_FAILED,
        at=NOW,
        login_id=holder.login_id,
        client_id=holder.client_id,
        subject_id=holder.subject_id or None,
        username=holder.username,
        address=holder.address,
        actor=holder.actor,
        detail="wrong",
        reason=Reason.WRONG_CODE,
    )


def test_a_record_of_a_request_says_how_long_it_took() -> None:
    holder = Holder(subject_id="p", began=perf_counter())
    assert holder.event(Event.FACTOR_USED, NOW, "totp").elapsed_ms is not None


def test_a_refusal_says_no_more_than_its_text() -> None:
    refused = FactorRefused("no counter", Reason.PASSKEY_COUNTER)
    assert (str(refused), refused.reason) == ("no counter", Reason.PASSKEY_COUNTER)


async def test_a_refused_passkey_is_recorded_with_its_reason(desk: Desk) -> None:
    with pytest.raises(FactorRefused):
        await desk.factors.check_passkey(HANAKO, "{}", b"c", NOW, require_user_verification=True)
    with pytest.raises(FactorRefused):
        await desk.factors.add_passkey(HANAKO, "{}", b"c", "key", NOW)
    reasons = [Reason.PASSKEY_INVALID, Reason.FACTOR_NOT_ADDED]
    assert [event.reason for event in desk.audit.events] == reasons


async def test_a_factor_that_is_not_even_checked_is_recorded_as_a_strangers(desk: Desk) -> None:
    desk.factors.refused_unseen(HANAKO, NOW)
    assert [event.reason for event in desk.audit.events] == [Reason.TOO_MANY_TRIES]
    for _ in range(2 * DEFAULT_PER_MINUTE):
        desk.factors.refused_unseen(HANAKO, NOW)
    assert len(desk.audit.events) == DEFAULT_PER_MINUTE
