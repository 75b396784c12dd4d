"""A code is issued in one place, and revoked if its person may not sign in any more."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import storage_key
from worksgate.oauth.model import (
    AuthorizationCode,
    Client,
    LoginKind,
    SpentTransaction,
    UserKey,
)
from worksgate.provider.code_issuing import (
    REVOKED,
    Admitted,
    AlreadyIssued,
    NoLongerAdmitted,
    SignInCommit,
    issue,
    user_key_of,
)
from worksgate.sources import Person, SourceUnavailable
from worksgate.store import ArtifactKey
from worksgate.store.memory import MemoryStore

NOW = 1_700_000_000.0
CLIENT = Client(client_id="tenant", name="Tenant", code_lifetime=60)
HANA = Person(subject_id="directory:1", username="hana", name="Hana", external_key="E-1")
ADMITTED = Admitted(
    client=CLIENT, person=HANA, user_id="E-1", login_id="login", login_kind=LoginKind.WEB
)
LET_IN = AuditEvent(event=Event.CODE_ISSUED, at=NOW)
REFUSED = AuditEvent(event=Event.LOGIN_REFUSED, at=NOW, detail=REVOKED)

Find = Callable[[], Awaitable[Person | None]]


class Kept:
    """Keeps the records that a store hands over."""

    is_away = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        self.events += [each.event for each in events]


@pytest.fixture(name="kept")
def _kept() -> Kept:
    return Kept()


@pytest.fixture(name="store")
def _store(kept: Kept) -> MemoryStore:
    return MemoryStore(kept)


def finding(person: Person | None) -> Find:
    async def find() -> Person | None:
        return person

    return find


async def issued(store: MemoryStore, find: Find) -> str:
    commit = SignInCommit(records=(LET_IN,))
    return await issue(store, ADMITTED, find, NOW, commit, revoked=REFUSED)


async def test_a_code_is_kept_by_its_digest_with_its_record(store: MemoryStore, kept: Kept) -> None:
    secret = await issued(store, finding(HANA))
    code = await store.find(AuthorizationCode, storage_key(secret))
    assert code is not None
    assert (code.user_id, code.subject_id, code.client_id) == ("E-1", "directory:1", "tenant")
    assert (code.expires_at, code.login_id) == (NOW + 60, "login")
    assert secret not in repr(code)
    assert kept.events == [Event.CODE_ISSUED]


@pytest.mark.parametrize(
    "person", [None, replace(HANA, external_key="E-2"), replace(HANA, external_key=None)]
)
async def test_r30_who_may_not_come_in_any_more_holds_no_code(
    store: MemoryStore, kept: Kept, person: Person | None
) -> None:
    secrets: list[str] = []
    save = store.save

    async def noted(*artifacts: AuthorizationCode, records: tuple[AuditEvent, ...]) -> None:
        secrets.append(artifacts[0].key)
        await save(*artifacts, records=records)

    store.save = noted  # type: ignore[method-assign,assignment]  # to know the key that was kept
    with pytest.raises(NoLongerAdmitted, match="at this moment"):
        await issued(store, finding(person))
    assert await store.find(AuthorizationCode, secrets[0]) is None
    assert kept.events == [Event.CODE_ISSUED, Event.LOGIN_REFUSED]


async def test_the_person_is_looked_at_after_the_code_is_kept(
    store: MemoryStore, kept: Kept
) -> None:
    async def find() -> Person:
        assert kept.events == [Event.CODE_ISSUED]
        return HANA

    await issued(store, find)


async def test_a_source_that_is_away_gives_nobody_a_code(store: MemoryStore) -> None:
    async def find() -> Person | None:
        raise SourceUnavailable("away")

    with pytest.raises(SourceUnavailable):
        await issued(store, find)


def test_the_user_key_is_of_the_kind_that_the_client_is_set_to() -> None:
    person = replace(HANA, works_account="hana@example")
    assert user_key_of(CLIENT, person) == "E-1"
    assert user_key_of(replace(CLIENT, user_key=UserKey.WORKS_ACCOUNT), person) == "hana@example"
    assert user_key_of(replace(CLIENT, user_key=UserKey.WORKS_ACCOUNT), HANA) is None


# One commit


async def test_r20_of_two_with_one_transaction_the_second_writes_nothing(
    store: MemoryStore, kept: Kept
) -> None:
    async def found_too_late() -> Person:
        raise AssertionError("nobody is looked at for what was not written")

    spent = SpentTransaction(
        key="t", grant_id="t", subject_id="", client_id="tenant", expires_at=NOW + 60
    )
    first = SignInCommit(spent=spent, records=(LET_IN,))
    secret = await issue(store, ADMITTED, finding(HANA), NOW, first, revoked=REFUSED)
    with pytest.raises(AlreadyIssued):
        await issue(store, ADMITTED, found_too_late, NOW, first, revoked=REFUSED)
    (code,) = await store.held(AuthorizationCode, HANA.subject_id)
    assert code.key == storage_key(secret)
    assert kept.events == [Event.CODE_ISSUED]


def test_only_with_a_transaction_something_is_removed() -> None:
    with pytest.raises(ValueError, match="use of a transaction"):
        SignInCommit(removed=[ArtifactKey(AuthorizationCode, "key")])


@pytest.mark.parametrize("kind", list(LoginKind))
def test_r34_a_code_has_the_lifetimes_of_its_client(kind: LoginKind) -> None:
    client = replace(CLIENT, code_lifetime=45, access_token_lifetime=300)
    code = replace(ADMITTED, client=client, login_kind=kind).code("secret", NOW)
    assert code.expires_at == NOW + 45
    assert code.lifetime == client.token_lifetime(kind) == 300
    assert code.expires_in == client.expires_in(kind)
    assert code.key == storage_key("secret")
    assert (code.subject_id, code.client_id, code.user_id) == ("directory:1", "tenant", "E-1")
    assert (code.login_id, code.login_kind) == ("login", kind)


def test_a_lifetime_is_announced_only_where_the_client_wants_it() -> None:
    client = replace(CLIENT, announce_expires_in=False)
    assert replace(ADMITTED, client=client).code("secret", NOW).expires_in is None


def test_only_who_uses_a_transaction_may_remove_what_it_replaces() -> None:
    with pytest.raises(ValueError, match="transaction"):
        SignInCommit(removed=(ArtifactKey(SpentTransaction, "k"),))
