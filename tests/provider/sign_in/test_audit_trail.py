"""What is recorded of a sign-in, and which records a flood of strangers may displace."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_fields
from tests.provider.sign_in.world import ADDRESS, HANA, NOW, Trail

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.credentials.references import reference_of
from worksgate.database import DatabaseUnavailable
from worksgate.oauth.errors import AuthorizationError, Cause, UnknownClient
from worksgate.oauth.model import Session
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.audit_trail import AuditTrail, of_login, of_logout, of_request
from worksgate.provider.sign_in.session_key import SessionKeyRefused
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import SourceUnavailable
from worksgate.store import StoreUnavailable

BROWSER = Browser(address=ADDRESS, secret="browser")
SIGN_IN = replace(
    SignInTransaction.begin_for_account("https://sso.example.com/account", "browser", NOW - 60),
    client_id="acme",
    admitted_ms=12.5,
)
STRANGER: dict[str, Any] = {"at": NOW, "address": ADDRESS}
OF_SIGN_IN = {**STRANGER, "login_id": SIGN_IN.login_id, "client_id": "acme"}
LATER = TooManyAttempts(8, Reason.WAITING_NETWORK)


class Strangers(StrangerRecords):
    """Keeps what it is told, in full."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.counted: list[tuple[Event, str, float]] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def count(self, event: Event, network: str, at: float) -> None:
        self.counted.append((event, network, at))


Write = Callable[[AuditTrail], object]
BY_STRANGERS: dict[str, tuple[Write, dict[str, Any]]] = {
    "a form that is old": (
        lambda trail: trail.unusable(NOW, BROWSER, "old", Reason.FORM_EXPIRED, SIGN_IN),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_REFUSED,
            "detail": "old",
            "reason": Reason.FORM_EXPIRED,
        },
    ),
    "an outage before the form": (
        lambda trail: trail.interrupted(NOW, BROWSER, StoreUnavailable("gone")),
        {
            **STRANGER,
            "event": Event.LOGIN_INTERRUPTED,
            "detail": "gone",
            "reason": Reason.STORE_UNAVAILABLE,
        },
    ),
    "an outage at the password": (
        lambda trail: trail.interrupted(NOW, BROWSER, TimeoutError(), SIGN_IN, "hana"),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_INTERRUPTED,
            "username": "hana",
            "detail": "no response in time",
            "reason": Reason.TOO_SLOW,
        },
    ),
    "a password too early": (
        lambda trail: trail.throttled(NOW, SIGN_IN, BROWSER, "hana", LATER),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_THROTTLED,
            "username": "hana",
            "detail": "try again in 8 s",
            "reason": Reason.WAITING_NETWORK,
        },
    ),
    "a wrong password of an unknown name": (
        lambda trail: trail.failed(
            NOW, SIGN_IN, BROWSER, "h", "wrong", Reason.WRONG_PASSWORD, is_known=False
        ),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_FAILED,
            "username": "h",
            "detail": "wrong",
            "reason": Reason.WRONG_PASSWORD,
        },
    ),
    "a refusal of another provider": (
        lambda trail: trail.failed_upstream(NOW, SIGN_IN, BROWSER, "no", Reason.REFUSED_UPSTREAM),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_FAILED,
            "detail": "no",
            "reason": Reason.REFUSED_UPSTREAM,
        },
    ),
    "a rule about everybody": (
        lambda trail: trail.denied(NOW, SIGN_IN, BROWSER, "deny"),
        {**OF_SIGN_IN, "event": Event.LOGIN_REFUSED, "detail": "deny", "reason": Reason.RULE},
    ),
}
IN_FULL: dict[str, tuple[Write, dict[str, Any]]] = {
    "a wrong password of somebody known": (
        lambda trail: trail.failed(
            NOW, SIGN_IN, BROWSER, "hana", "wrong", Reason.WRONG_PASSWORD, is_known=True
        ),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_FAILED,
            "username": "hana",
            "detail": "wrong",
            "reason": Reason.WRONG_PASSWORD,
        },
    ),
    "a step of a known person": (
        lambda trail: trail.login(
            Event.LOGIN_REFUSED, NOW, SIGN_IN, BROWSER, HANA, detail="deny", reason=Reason.RULE
        ),
        {
            **OF_SIGN_IN,
            "event": Event.LOGIN_REFUSED,
            "subject_id": HANA.subject_id,
            "username": "hana",
            "detail": "deny",
            "reason": Reason.RULE,
        },
    ),
}


@pytest.mark.parametrize("name", [*BY_STRANGERS, *IN_FULL])
def test_each_record_says_what_happened_and_stands_where_it_belongs(name: str) -> None:
    audit, strangers = Trail(), Strangers()
    write, fields = {**BY_STRANGERS, **IN_FULL}[name]
    write(AuditTrail(audit, strangers))
    found, others = strangers.events, audit.events
    if name in IN_FULL:
        found, others = others, found
    assert others == []
    (event,) = found
    assert with_fields(event, elapsed_ms=None) == AuditEvent(**fields)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (UnknownClient("unknown client_id"), Event.LOGIN_REFUSED),
        (SessionKeyRefused("no answer", Cause.NO_ANSWER), Event.SESSION_KEY_REFUSED),
    ],
    ids=str,
)
def test_a_refused_request_has_the_name_of_its_record(
    error: AuthorizationError, event: Event
) -> None:
    strangers = Strangers()
    error.client_id = "acme"
    AuditTrail(Trail(), strangers).not_authorized(NOW, error, BROWSER)
    (found,) = strangers.events
    assert found.login_id is not None
    assert found.elapsed_ms is not None
    assert with_fields(found, elapsed_ms=None) == AuditEvent(
        **STRANGER,
        event=event,
        login_id=error.login_id,
        client_id="acme",
        detail=error.detail,
        reason=Reason(error.cause),
    )


def test_an_opened_page_is_counted_for_its_network_only() -> None:
    audit, strangers = Trail(), Strangers()
    AuditTrail(audit, strangers).requested(NOW, replace(BROWSER, address="2001:db8:1:2:3::4"))
    assert strangers.counted == [(Event.LOGIN_REQUESTED, "2001:db8:1:2::/64", NOW)]
    assert (strangers.events, audit.events) == ([], [])


def test_a_trail_without_records_of_strangers_has_its_own() -> None:
    audit = Trail()
    AuditTrail(audit).denied(NOW, SIGN_IN, BROWSER, "deny")
    assert [event.detail for event in audit.events] == ["deny"]


async def test_room_for_records_is_that_of_the_audit_log(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none() -> None:
        raise StoreUnavailable("no room")

    audit = Trail()
    monkeypatch.setattr(audit, "room", none)
    with pytest.raises(StoreUnavailable):
        await AuditTrail(audit).room()


@pytest.mark.parametrize(
    ("outage", "cause", "reason"),
    [
        (HashingBusy(), None, Reason.BUSY),
        (StoreUnavailable("gone"), None, Reason.STORE_UNAVAILABLE),
        (StoreUnavailable("gone"), DatabaseUnavailable("gone"), Reason.STORE_UNAVAILABLE),
        (DatabaseUnavailable("gone"), None, Reason.DATABASE_UNAVAILABLE),
        (SourceUnavailable("gone"), None, Reason.SOURCE_UNAVAILABLE),
        (SourceUnavailable("gone"), TimeoutError(), Reason.SOURCE_UNAVAILABLE),
        # the built-in directory is down with the database
        (SourceUnavailable("gone"), DatabaseUnavailable("gone"), Reason.DATABASE_UNAVAILABLE),
        (TimeoutError(), None, Reason.TOO_SLOW),
    ],
    ids=str,
)
def test_an_outage_is_named_after_what_was_down(
    outage: Exception, cause: Exception | None, reason: Reason
) -> None:
    strangers = Strangers()
    outage.__cause__ = cause
    AuditTrail(Trail(), strangers).interrupted(NOW, BROWSER, outage)
    assert [event.reason for event in strangers.events] == [reason]


def test_who_is_known_stands_in_the_record_instead_of_what_was_typed() -> None:
    typed = of_login(Event.LOGIN_FAILED, NOW, SIGN_IN, BROWSER, username="HANA")
    known = of_login(Event.LOGIN_FAILED, NOW, SIGN_IN, BROWSER, HANA, username="HANA")
    assert (typed.subject_id, typed.username) == (None, "HANA")
    assert (known.subject_id, known.username) == (HANA.subject_id, "hana")
    assert typed.elapsed_ms is not None


def test_the_request_of_a_sign_in_is_recorded_as_it_arrived() -> None:
    assert of_request(SIGN_IN, BROWSER) == AuditEvent(
        **{**OF_SIGN_IN, "at": NOW - 60}, event=Event.LOGIN_REQUESTED, elapsed_ms=12.5
    )


def test_a_sign_out_is_recorded_with_its_person() -> None:
    session = Session(
        key="k",
        grant_id="g",
        subject_id=HANA.subject_id,
        client_id="",
        expires_at=NOW + 60,
        source="directory",
        username="hana",
        name="Hana",
        external_key=None,
        works_account=None,
        authenticated_at=NOW,
    )
    assert of_logout(NOW, session, BROWSER) == AuditEvent(
        **STRANGER, event=Event.LOGOUT, subject_id=HANA.subject_id, username="hana"
    )


@pytest.mark.parametrize("transaction", [None, SIGN_IN])
def test_a_form_that_cannot_be_used_has_an_id_for_the_reference_on_its_page(
    transaction: SignInTransaction | None,
) -> None:
    audit, strangers = Trail(), Strangers()
    trail = AuditTrail(audit, strangers)
    told = trail.unusable(NOW, BROWSER, "forged", Reason.FORM_FORGED, transaction)
    assert reference_of(told) is not None
    (event,) = strangers.events
    assert (event.event, event.login_id) == (Event.LOGIN_REFUSED, told)
    assert (event.detail, event.reason, event.address) == ("forged", Reason.FORM_FORGED, ADDRESS)
    assert audit.events == []
