"""Requests whose records cannot be queued are refused before anything has happened."""

import pytest
from tests.installation import USERNAME, Installation, LoginPage, assert_page

from worksgate.audit import AuditEvent, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import new_secret, storage_key
from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import AuthorizationCode, Client, ClientSecret, LoginKind
from worksgate.provider.calls.audit_trail import CallAuditTrail
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.store import RedemptionOutcome, RedemptionRecord, StoreUnavailable, Successors
from worksgate.store.memory import MemoryStore

NOW = 1_800_000_000.0
ADDRESS = "203.0.113.9"


class Full:
    """An audit log for which the database is too slow."""

    full = True

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None:
        if self.full:
            raise StoreUnavailable("too many audit records wait for the database")

    async def flush(self) -> None: ...


class Office:
    """The calls of LINE WORKS, with one code and one client."""

    def __init__(self) -> None:
        self.audit = Full()
        self.store = MemoryStore()
        self.code, self.secret = new_secret(), new_secret()
        client = Client(
            client_id="acme",
            name="acme",
            redirect_uris=("https://auth.worksmobile.com/callback",),
            secrets=(ClientSecret(storage_key(self.secret)),),
        )

        async def clients() -> dict[str, Client]:
            return {client.client_id: client}

        registry = ClientRegistry(clients)
        self.calls = LineWorksCalls(registry, self.store, CallAuditTrail(self.audit), lambda: NOW)

    def form(self, **more: str) -> dict[str, str]:
        return {"client_id": "acme", "client_secret": self.secret, **more}

    async def begin(self) -> None:
        await self.store.save(
            AuthorizationCode(
                key=storage_key(self.code),
                grant_id="grant",
                subject_id="directory:aoi",
                client_id="acme",
                expires_at=NOW + 60,
                user_id="E-1",
                login_id="login",
                login_kind=LoginKind.WEB,
                lifetime=60,
                expires_in=None,
            )
        )


async def test_r135_without_room_for_its_record_a_code_is_not_used() -> None:
    here = Office()
    await here.begin()
    form = here.form(grant_type="authorization_code", code=here.code)
    with pytest.raises(TemporarilyUnavailable):
        await here.calls.exchange_code(form, ADDRESS)
    with pytest.raises(TemporarilyUnavailable):
        await here.calls.user_info(here.form(access_token="token"), ADDRESS)
    assert here.audit.events == []
    assert here.store.records == []
    record = RedemptionRecord(Event.CODE_REDEEMED, ADDRESS)
    redemption = await here.store.redeem(
        AuthorizationCode, storage_key(here.code), "acme", Successors("token"), NOW, record
    )
    assert redemption.outcome is RedemptionOutcome.REDEEMED, "it is still good"


async def test_r134_an_exchange_has_one_record_in_the_commit_and_none_beside_it() -> None:
    here = Office()
    here.audit.full = False
    await here.begin()
    form = here.form(grant_type="authorization_code", code=here.code)
    answer = await here.calls.exchange_code(form, ADDRESS)
    await here.calls.user_info(here.form(access_token=answer.access_token), ADDRESS)
    (exchanged,) = here.store.records
    assert exchanged == AuditEvent(
        event=Event.CODE_REDEEMED,
        at=NOW,
        login_id="login",
        client_id="acme",
        subject_id="directory:aoi",
        address=ADDRESS,
    )
    assert [event.event for event in here.audit.events] == [Event.USER_INFO_RETURNED]


async def test_r135_without_room_for_its_records_a_page_is_not_begun(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password is not looked at by then: it may be sent again and counts for nothing."""
    browser = installation.browser()
    page: LoginPage = await browser.login_page()
    before = await installation.audit()
    full = Full()
    monkeypatch.setattr(installation.provider.audit, "room", full.room)
    for response in (
        await browser.submit(page, username=USERNAME, password="x" * 20),
        await browser.arrive(),
        await browser.account("/password"),
    ):
        assert_page(response, 503)
        assert response.headers["retry-after"] == "2"
    assert (await browser.http.get("/healthz")).status_code == 200
    assert await installation.audit() == before
    full.full = False
    response = await browser.submit(page, username=USERNAME, password="x" * 20)
    assert response.status_code == 403
