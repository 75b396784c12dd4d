"""Records are grouped by sign-in, and each shows where it stopped."""

import pytest

from worksgate.administration.sign_in_trace.tries import (
    Ending,
    Passage,
    Stage,
    Stop,
    Try,
    tries_of,
)
from worksgate.audit import AuditEvent, Event, Reason

AT = 1_800_000_000.0
LATER = AT + 3_600
PASSED, STOPPED = Passage.PASSED, Passage.STOPPED
NOT_REACHED, NOT_NEEDED = Passage.NOT_REACHED, Passage.NOT_NEEDED


def record(event: Event, at: float = 0.0, reason: Reason | None = None, **about: str) -> AuditEvent:
    values = {"login_id": "l1", "client_id": "c1", **about}
    return AuditEvent(event=event, at=AT + at, reason=reason, elapsed_ms=2.5, **values)


def known(event: Event, at: float = 0.0, reason: Reason | None = None) -> AuditEvent:
    return record(event, at, reason, subject_id="directory:1", username="tanaka")


REQUESTED = record(Event.LOGIN_REQUESTED)
SUCCEEDED = known(Event.LOGIN_SUCCEEDED, 30)
ISSUED = known(Event.CODE_ISSUED, 30)
REDEEMED = known(Event.CODE_REDEEMED, 31)
RETURNED = known(Event.USER_INFO_RETURNED, 31.5)
WRONG = record(Event.LOGIN_FAILED, 20, Reason.WRONG_PASSWORD, username="tanaka")
FACTOR_USED = known(Event.FACTOR_USED, 30)
DUE = known(Event.LOGIN_STEP_DUE, 25, Reason.SECOND_FACTOR_DUE)


def only(*records: AuditEvent, calls: tuple[AuditEvent, ...] = (), now: float = LATER) -> Try:
    (found,) = tries_of(records, now=now, refused_calls=calls)
    return found


def passages(found: Try) -> list[Passage]:
    return [step.passage for step in found.steps]


@pytest.mark.parametrize(
    ("records", "stop", "steps"),
    [
        ([WRONG], (Event.LOGIN_FAILED, Reason.WRONG_PASSWORD), [PASSED, STOPPED]),
        ([DUE], (Event.LOGIN_STEP_DUE, Reason.SECOND_FACTOR_DUE), [PASSED, PASSED, STOPPED]),
        (
            [DUE, known(Event.FACTOR_FAILED, 28, Reason.WRONG_CODE)],
            (Event.FACTOR_FAILED, Reason.WRONG_CODE),
            [PASSED, PASSED, STOPPED],
        ),
        (
            [known(Event.LOGIN_REFUSED, 25, Reason.NO_USER_KEY)],
            (Event.LOGIN_REFUSED, Reason.NO_USER_KEY),
            [PASSED, PASSED, NOT_REACHED, STOPPED],
        ),
        (
            [record(Event.LOGIN_REFUSED, 0, Reason.NO_STATE)],
            (Event.LOGIN_REFUSED, Reason.NO_STATE),
            [STOPPED],
        ),
        (
            [record(Event.LOGIN_INTERRUPTED, 20, Reason.BUSY, username="tanaka")],
            (Event.LOGIN_INTERRUPTED, Reason.BUSY),
            [PASSED, STOPPED],
        ),
        (
            [DUE, record(Event.LOGIN_INTERRUPTED, 28, Reason.STORE_UNAVAILABLE)],
            (Event.LOGIN_INTERRUPTED, Reason.STORE_UNAVAILABLE),
            [PASSED, PASSED, STOPPED],
        ),
        (
            [REQUESTED, SUCCEEDED, ISSUED],
            Ending.NO_CALL,
            [PASSED, PASSED, NOT_NEEDED, PASSED, STOPPED],
        ),
        (
            [REQUESTED, SUCCEEDED, ISSUED, REDEEMED],
            Ending.NO_USER_INFO,
            [PASSED, PASSED, NOT_NEEDED, PASSED, PASSED, STOPPED],
        ),
        (
            [REQUESTED, ISSUED],
            Ending.NO_CALL,
            [PASSED, NOT_NEEDED, NOT_NEEDED, PASSED, STOPPED],
        ),
        (
            [WRONG, known(Event.LOGIN_REFUSED, 25, Reason.NO_USER_KEY)],
            (Event.LOGIN_REFUSED, Reason.NO_USER_KEY),
            [PASSED, PASSED, NOT_REACHED, STOPPED],
        ),
        (
            [
                REQUESTED,
                WRONG,
                DUE,
                known(Event.FACTOR_USED, 30),
                SUCCEEDED,
                ISSUED,
                REDEEMED,
                RETURNED,
            ],
            Ending.DONE,
            [PASSED] * 6,
        ),
        (
            [REQUESTED, SUCCEEDED, ISSUED, known(Event.LOGIN_REFUSED, 30, Reason.REVOKED)],
            (Event.LOGIN_REFUSED, Reason.REVOKED),
            [PASSED, PASSED, NOT_NEEDED, STOPPED],
        ),
        (
            [REQUESTED, SUCCEEDED, ISSUED, known(Event.CODE_REPLAYED, 40)],
            (Event.CODE_REPLAYED, Reason.CODE_REPLAYED),
            [PASSED, PASSED, NOT_NEEDED, PASSED, STOPPED],
        ),
        ([SUCCEEDED], Ending.OWN_ACCOUNT, [PASSED, PASSED, NOT_NEEDED]),
        ([known(Event.IMAP_SUCCEEDED)], Ending.MAIL_DONE, [NOT_NEEDED, PASSED, NOT_NEEDED]),
        (
            [
                record(Event.IMAP_FAILED, 0, Reason.WRONG_PASSWORD, username="tanaka"),
                record(Event.IMAP_REFUSED, 0, Reason.OWN_PASSWORD, username="tanaka"),
            ],
            (Event.IMAP_REFUSED, Reason.OWN_PASSWORD),
            [NOT_NEEDED, STOPPED],
        ),
    ],
)
def test_a_sign_in_shows_where_it_stopped(
    records: list[AuditEvent], stop: Stop, steps: list[Passage]
) -> None:
    found = only(*records)
    assert found.stop == stop
    assert passages(found) == [*steps, *[NOT_REACHED] * (6 - len(steps))]


def test_a_sign_in_of_this_moment_is_in_progress() -> None:
    assert only(REQUESTED, SUCCEEDED, ISSUED, now=AT + 31).stop is Ending.IN_PROGRESS
    assert only(REQUESTED, SUCCEEDED, ISSUED, REDEEMED, now=AT + 32).stop is Ending.IN_PROGRESS


def test_a_refused_call_is_joined_by_client_and_ten_seconds_and_marked() -> None:
    call = AuditEvent(
        event=Event.CLIENT_REFUSED, at=AT + 33, client_id="c1", reason=Reason.WRONG_SECRET
    )
    found = only(REQUESTED, SUCCEEDED, ISSUED, calls=(call,))
    assert found.stop == (Event.CLIENT_REFUSED, Reason.WRONG_SECRET)
    assert found.is_probable
    token = found.steps[list(Stage).index(Stage.TOKEN)]
    assert token.passage is STOPPED
    assert token.is_probable
    for other in (
        AuditEvent(event=Event.CLIENT_REFUSED, at=AT + 41, client_id="c1"),
        AuditEvent(event=Event.CLIENT_REFUSED, at=AT + 33, client_id="c2"),
    ):
        assert only(REQUESTED, SUCCEEDED, ISSUED, calls=(other,)).stop is Ending.NO_CALL


def test_a_call_that_was_answered_needs_no_guess() -> None:
    call = AuditEvent(event=Event.CLIENT_REFUSED, at=AT + 33, client_id="c1")
    found = only(REQUESTED, SUCCEEDED, ISSUED, REDEEMED, RETURNED, calls=(call,))
    assert found.stop is Ending.DONE
    assert not found.is_probable


def test_the_newest_sign_in_comes_first_and_records_without_an_id_are_left_out() -> None:
    newer = record(Event.LOGIN_FAILED, 60, Reason.WRONG_PASSWORD, login_id="l2")
    nobody = AuditEvent(event=Event.LOGIN_FAILED, at=AT)
    assert [each.login_id for each in tries_of([WRONG, newer, nobody], now=LATER)] == ["l2", "l1"]


def test_a_step_has_its_time_its_milliseconds_and_how_often_it_failed() -> None:
    again = record(Event.LOGIN_FAILED, 22, Reason.WRONG_PASSWORD, username="tanaka")
    password = only(WRONG, again, DUE).steps[1]
    assert (password.at, password.elapsed_ms, password.failures) == (AT + 25, 2.5, 2)


def test_a_password_step_has_the_time_of_its_own_request() -> None:
    password = only(DUE, FACTOR_USED, SUCCEEDED, ISSUED).steps[1]
    assert password.at == AT + 25


def test_a_sign_in_in_a_minute_of_counted_records_may_lack_some() -> None:
    counted = AuditEvent(event=Event.LOGIN_FAILED, at=AT + 60, reason=Reason.COUNTED)
    pages = AuditEvent(event=Event.LOGIN_REQUESTED, at=AT + 60, reason=Reason.COUNTED)
    late = AuditEvent(event=Event.LOGIN_FAILED, at=AT + 600, reason=Reason.COUNTED)
    assert tries_of([WRONG], now=LATER, counted=[counted])[0].may_lack
    assert not tries_of([WRONG], now=LATER, counted=[pages, late])[0].may_lack
