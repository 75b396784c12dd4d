"""The calls of LINE WORKS on the memory store: what is recorded, and what is looked up."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from worksgate.audit import AuditEvent, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import digest, new_ordered_secret, storage_key
from worksgate.oauth.errors import (
    InvalidAccess,
    InvalidAuthorization,
    OAuthError,
    TemporarilyUnavailable,
    UnauthorizedClient,
)
from worksgate.oauth.model import AccessToken, Client, ClientSecret, LoginKind
from worksgate.provider.calls.audit_trail import CallAuditTrail
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

NOW = 1_700_000_000.0
ADDRESS = "192.0.2.1"
CLIENT = Client(client_id="acme", name="Acme", secrets=(ClientSecret(digest("secret")),))
A_SECRET = "a/secret+that=stands in the wrong field"


class Audit:
    """Keeps what is recorded; there is always room."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None:
        return None

    async def flush(self) -> None:
        return None


class HangingStore(MemoryStore):
    """Never says whether a code was used."""

    async def redeem(self, *_: Any) -> Any:
        await asyncio.Event().wait()


class BrokenStore(MemoryStore):
    """Redeems nothing."""

    async def redeem(self, *_: Any) -> Any:
        raise StoreUnavailable("the database does not respond")


class Desk:
    """The calls, with one client that nobody has asked for yet."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.audit, self.store = Audit(), store or MemoryStore()
        clients = ClientRegistry(self._load)
        self.calls = LineWorksCalls(clients, self.store, CallAuditTrail(self.audit), lambda: NOW)

    @staticmethod
    async def _load() -> Mapping[str, Client]:
        return {CLIENT.client_id: CLIENT}

    @staticmethod
    def form(**fields: str) -> dict[str, str]:
        return {"client_id": "acme", "client_secret": "secret", **fields}

    @property
    def recorded(self) -> list[tuple[Event, str | None]]:
        return [(each.event, each.client_id) for each in self.audit.events]


async def token_of(store: MemoryStore) -> str:
    secret = new_ordered_secret()
    await store.save(
        AccessToken(
            key=storage_key(secret),
            grant_id="grant",
            subject_id="directory:1",
            client_id="acme",
            expires_at=NOW + 60,
            user_id="E-1",
            login_id="login",
            login_kind=LoginKind.WEB,
        )
    )
    return secret


async def test_user_info_waits_for_the_clients_where_none_were_read_yet() -> None:
    desk = Desk()
    secret = await token_of(desk.store)
    answer = await desk.calls.user_info(desk.form(access_token=secret), ADDRESS)
    assert answer.as_json() == {"user_id": "E-1"}
    (event,) = desk.audit.events
    assert (event.event, event.subject_id, event.login_id, event.address) == (
        Event.USER_INFO_RETURNED,
        "directory:1",
        "login",
        ADDRESS,
    )


async def test_a_token_that_buys_nothing_is_recorded_for_its_client() -> None:
    desk = Desk()
    with pytest.raises(InvalidAccess):
        await desk.calls.user_info(desk.form(access_token="made up"), ADDRESS)
    assert desk.recorded == [(Event.USER_INFO_REFUSED, "acme")]


async def test_a_code_that_buys_nothing_is_recorded_for_its_client() -> None:
    desk = Desk()
    form = desk.form(grant_type="authorization_code", code=new_ordered_secret())
    with pytest.raises(InvalidAuthorization):
        await desk.calls.exchange_code(form, ADDRESS)
    assert desk.recorded == [(Event.CODE_REFUSED, "acme")]


@pytest.mark.parametrize(
    ("client_id", "recorded"),
    [("other", "other"), ("a" * 32, "a" * 32), ("a" * 33, None), (A_SECRET, None), ("", None)],
)
async def test_r106_a_secret_in_the_wrong_field_is_not_recorded(
    client_id: str, recorded: str | None
) -> None:
    desk = Desk()
    form = desk.form(client_id=client_id, access_token="x")
    with pytest.raises(OAuthError):
        await desk.calls.user_info(form, ADDRESS)
    assert desk.recorded == [(Event.CLIENT_REFUSED, recorded)]


async def test_f06_a_call_that_is_given_up_says_that_the_outcome_is_not_known() -> None:
    desk = Desk(HangingStore())
    form = desk.form(grant_type="authorization_code", code=new_ordered_secret())
    call = asyncio.create_task(desk.calls.exchange_code(form, ADDRESS))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert desk.recorded == [(Event.CODE_REFUSED, "acme")]
    assert "whether it was used is not known" in (desk.audit.events[0].detail or "")


async def test_a_code_that_an_outage_leaves_unused_is_recorded_for_its_client() -> None:
    desk = Desk(BrokenStore())
    form = desk.form(grant_type="authorization_code", code=new_ordered_secret())
    with pytest.raises(TemporarilyUnavailable):
        await desk.calls.exchange_code(form, ADDRESS)
    assert desk.recorded == [(Event.CODE_REFUSED, "acme")]


async def test_a_wrong_secret_is_a_strangers_refusal() -> None:
    desk = Desk()
    with pytest.raises(UnauthorizedClient):
        await desk.calls.user_info(desk.form(client_secret="no", access_token="x"), ADDRESS)
    assert desk.recorded == [(Event.CLIENT_REFUSED, "acme")]
