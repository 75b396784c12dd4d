"""The end of a sign-in: one code, for a person as they are at that moment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.provider.sign_in.walk import walk
from tests.provider.sign_in.world import ACME, HANA, NOW, PASSWORD, World, code_of

from worksgate.audit import Event, Reason
from worksgate.credentials.secrets import storage_key
from worksgate.oauth.errors import BadRedirectUri, UnknownClient
from worksgate.oauth.model import (
    Artifact,
    AuthorizationCode,
    Client,
    Interim,
    SecondFactor,
    Session,
    UserKey,
)
from worksgate.oauth.user_key import KeyProblem
from worksgate.provider.assurance import Factor, kept_in
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.errors import (
    AlreadySignedIn,
    NoUserKey,
    SignInDenied,
    WrongPassword,
)
from worksgate.provider.sign_in.outcomes import (
    Authorized,
    EnrolmentNeeded,
    NextStep,
    PasswordNeeded,
    SecondFactorNeeded,
    SignedIn,
)
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.sources import Person, PersonDisabled
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

GONE = None
OTHER_KEY = replace(HANA, external_key="E-2")
NO_KEY = replace(HANA, external_key=None)


async def log_in(world: World) -> NextStep:
    visit = world.visit()
    return await visit.log_in(await visit.login_form())


@pytest.mark.parametrize("meanwhile", [GONE, OTHER_KEY, NO_KEY])
async def test_r30_who_changes_while_the_code_is_saved_gets_none(meanwhile: Person | None) -> None:
    world = World()
    world.people.meanwhile[HANA.subject_id] = meanwhile
    with pytest.raises(PersonDisabled):
        await log_in(world)
    assert not await world.store.held(AuthorizationCode, HANA.subject_id)
    assert not await world.store.held(Session, HANA.subject_id)
    assert world.audit.events[-1].event is Event.LOGIN_REFUSED  # after the record of the code


async def test_r30_a_session_ends_for_who_changes_while_its_code_is_saved() -> None:
    world = World()
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    looks = iter([HANA, GONE])
    world.people.find = lambda *_: _look(next(looks, GONE))  # type: ignore[method-assign]  # twice
    step = await visit.arrive()
    assert isinstance(step, PasswordNeeded)
    assert not await world.store.held(Session, HANA.subject_id)
    assert not await world.store.held(AuthorizationCode, HANA.subject_id)


async def _look(person: Person | None) -> Person | None:
    return person


async def test_r30_who_is_disabled_while_their_account_is_opened_gets_no_session() -> None:
    world = World()
    visit = world.visit()
    transaction = world.provider.begin_for_account(visit.browser)
    world.people.meanwhile[HANA.subject_id] = GONE
    with pytest.raises(PersonDisabled):
        await visit.log_in(transaction)
    assert not await world.store.held(Session, HANA.subject_id)


def transactions(world: World) -> dict[str, SignInTransaction]:
    browser = world.visit().browser
    for_account = world.provider.begin_for_account(browser)
    for_client = replace(
        for_account, client_id="acme", redirect_uri="https://auth.worksmobile.com/cb?state=s"
    )
    return {"account": for_account, "client": for_client}


@pytest.mark.parametrize("kind", ["account", "client"])
async def test_r20_a_form_that_is_sent_twice_is_answered_once(kind: str) -> None:
    world = World()
    visit = world.visit()
    transaction = transactions(world)[kind]
    assert isinstance(await visit.log_in(transaction), SignedIn)
    asked = world.people.asked
    for again in (
        visit.log_in(transaction),
        world.provider.use_passkey(transaction, "x", visit.browser),
        world.provider.begin_upstream_login(transaction, "partner", visit.browser),
        world.provider.verify_second_factor(transaction, Proof(code="totp"), visit.browser),
        world.provider.enrol(transaction, Proof(code="totp"), visit.browser),
        world.provider.resume(transaction, visit.browser),
    ):
        with pytest.raises(AlreadySignedIn):
            await again
    assert world.people.asked == asked
    assert len(await world.store.held(Session, HANA.subject_id)) == 1


@pytest.mark.parametrize("kind", ["account", "client"])
async def test_r20_of_two_that_come_at_once_one_is_let_in(kind: str) -> None:
    """Both have passed the first look, which is before the password."""
    world = World()
    visit = world.visit()
    transaction = transactions(world)[kind]
    find = world.people.authenticate

    async def with_another(username: str, password: str) -> Person | None:
        world.people.authenticate = find  # type: ignore[method-assign]  # once
        assert isinstance(await visit.log_in(transaction), SignedIn)
        return await find(username, password)

    world.people.authenticate = with_another  # type: ignore[method-assign]  # once
    with pytest.raises(AlreadySignedIn):
        await visit.log_in(transaction)
    assert len(await world.store.held(Session, HANA.subject_id)) == 1


async def test_the_code_is_for_this_client_and_person_and_bears_the_key() -> None:
    world = World()
    step = await log_in(world)
    assert isinstance(step, SignedIn)
    code = await world.store.find(AuthorizationCode, storage_key(code_of(step.location)))
    assert code is not None
    assert (code.client_id, code.subject_id, code.user_id) == ("acme", HANA.subject_id, "E-1")
    assert code.expires_at == NOW + ACME.code_lifetime
    issued = [each for each in world.audit.events if each.event is Event.CODE_ISSUED]
    assert [(each.at, each.subject_id) for each in issued] == [(NOW, HANA.subject_id)]


async def test_who_has_no_key_is_asked_nothing_else() -> None:
    world = World(client=replace(ACME, user_key=UserKey.WORKS_ACCOUNT))
    world.factors.give(HANA, totp=True)
    with pytest.raises(NoUserKey):
        await log_in(world)
    assert world.audit.events[-1].detail == "no user key: there is no LINE WORKS account"
    visit = world.visit()
    transaction = world.provider.begin_for_account(visit.browser)
    assert isinstance(await visit.log_in(transaction), SecondFactorNeeded)  # there it needs none


@pytest.mark.parametrize(
    ("kind", "reason", "detail"),
    [
        (UserKey.EXTERNAL_KEY, Reason.KEY_OF_ANOTHER, "no user key: it is Taro's"),
        (UserKey.WORKS_ACCOUNT, Reason.NO_USER_KEY, "no user key: there is no LINE WORKS account"),
    ],
)
async def test_a_key_of_somebody_else_is_told_from_a_missing_one(
    kind: UserKey, reason: Reason, detail: str
) -> None:
    world = World(client=replace(ACME, user_key=kind))
    taken = KeyProblem(UserKey.EXTERNAL_KEY, "it is Taro's")
    world.people.change(HANA, external_key=None, refused_keys=(taken,))
    with pytest.raises(NoUserKey):
        await log_in(world)
    last = world.audit.events[-1]
    assert (last.event, last.reason, last.detail) == (Event.LOGIN_REFUSED, reason, detail)


@pytest.mark.parametrize(
    ("name", "detail"), [("Chrome on Windows", "Chrome on Windows"), ("", None)]
)
async def test_a_sign_in_is_recorded_with_the_name_of_its_browser(
    name: str, detail: str | None
) -> None:
    world = World()
    visit = world.visit(name=name)
    await visit.log_in(await visit.login_form())
    found = [each.detail for each in world.audit.events if each.event is Event.LOGIN_SUCCEEDED]
    assert found == [detail]


async def test_no_browser_is_trusted_unasked() -> None:
    world = World()
    step = await log_in(world)
    assert isinstance(step, SignedIn)
    assert step.trusted is None


async def test_r28_a_sign_in_ends_the_session_that_the_browser_had() -> None:
    world = World()
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    before = await visit.session()
    again = world.provider.begin_for_account(visit.browser)
    await visit.log_in(again)
    after = await visit.session()
    assert [each.key for each in await world.store.held(Session, HANA.subject_id)] == [after.key]
    assert after.key != before.key


async def test_r28_a_session_that_is_enough_goes_on_as_it_is() -> None:
    world = World()
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    before = await visit.session()
    step = await visit.arrive()
    assert isinstance(step, Authorized)
    assert not isinstance(step, SignedIn)
    assert await visit.session() == before


async def test_r29_a_factor_given_to_a_session_makes_it_no_younger() -> None:
    world = World()
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    before = await visit.session()
    world.now += 600
    world.factors.give(HANA, totp=True)
    walked = await walk(visit, await visit.arrive())
    assert walked.pages == ("SecondFactorNeeded",)
    after = await visit.session()
    assert after.authenticated_at == before.authenticated_at == NOW
    assert after.second_factor_at == NOW + 600
    assert [each.factor for each in kept_in(after).uses] == [Factor.PASSWORD, Factor.TOTP]


async def test_a_session_of_a_source_that_the_client_does_not_use_is_not_enough() -> None:
    world = World()
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    world.change_client(sources=("partner",))
    assert isinstance(await visit.arrive(), PasswordNeeded)


def change_meanwhile(world: World, **changes: Any) -> None:
    """Let the client change while a password is checked."""
    find = world.people.authenticate

    async def and_change(username: str, password: str) -> Person | None:
        world.change_client(**changes)
        return await find(username, password)

    world.people.authenticate = and_change  # type: ignore[method-assign]  # for this test


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"enabled": False}, UnknownClient),
        ({"redirect_uris": ("https://elsewhere.example/cb",)}, BadRedirectUri),
        ({"rules": ("deny",)}, SignInDenied),
        ({"user_key": UserKey.WORKS_ACCOUNT}, NoUserKey),
    ],
    ids=["disabled", "address", "rules", "user key"],
)
async def test_a_client_that_changes_while_a_password_is_checked_gets_no_code(
    changes: dict[str, Any], refusal: type[Exception]
) -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    change_meanwhile(world, **changes)
    with pytest.raises(refusal):
        await visit.log_in(transaction)
    assert not await world.store.held(AuthorizationCode, HANA.subject_id)
    assert not await world.store.held(Session, HANA.subject_id)
    assert world.audit.count(Event.LOGIN_SUCCEEDED) == 0


async def test_a_client_that_asks_for_more_while_a_password_is_checked_gets_it() -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    change_meanwhile(world, second_factor=SecondFactor.REQUIRED)
    assert isinstance(await visit.log_in(transaction), EnrolmentNeeded)


async def test_a_client_is_looked_up_at_the_start_of_a_request_and_before_the_code() -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    looked_up: list[None] = []
    find = world.provider.clients.snapshot

    async def counted() -> Mapping[str, Client]:
        looked_up.append(None)
        return await find()

    world.provider.clients.snapshot = counted  # type: ignore[method-assign]  # for this test
    assert isinstance(await visit.log_in(transaction), SignedIn)
    assert len(looked_up) == 2


async def test_nothing_of_a_login_is_left_when_it_is_over() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit = world.visit()
    walked = await walk(visit, await visit.arrive())
    assert walked.is_in
    assert not await world.store.held(Interim, HANA.subject_id)


async def test_r79_who_typed_a_password_has_a_browser_that_is_known_and_nobody_else() -> None:
    world = World()
    visit = world.visit()
    step = await visit.log_in(await visit.login_form())
    assert isinstance(step, SignedIn)
    assert step.device is not None
    by_partner = world.visit()
    step = await by_partner.come_from_partner(await by_partner.login_form())
    assert isinstance(step, SignedIn)
    assert step.device is None
    assert step.trusted is None


async def test_a_wrong_password_leaves_nothing_but_a_record() -> None:
    world = World()
    visit = world.visit()
    transaction = await visit.login_form()
    with pytest.raises(WrongPassword):
        await visit.log_in(transaction, "wrong")
    assert not await world.store.held(Session, HANA.subject_id)
    assert world.audit.count(Event.LOGIN_FAILED) == 1
    assert isinstance(await visit.log_in(transaction, PASSWORD), SignedIn)


class AwayWhileWriting(MemoryStore):
    """A store that answers, and takes no sign-in."""

    is_away = True

    async def add(self, *artifacts: Artifact, **more: Any) -> bool:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().add(*artifacts, **more)


async def test_a_sign_in_that_could_not_be_saved_can_be_tried_again() -> None:
    """Nothing of it was saved, and so its transaction is as good as before."""
    store = AwayWhileWriting()
    world = World(store=store)
    visit = world.visit()
    transaction = await visit.login_form()
    with pytest.raises(StoreUnavailable):
        await visit.log_in(transaction)
    assert not await store.held(Session, HANA.subject_id)
    assert world.audit.count(Event.LOGIN_SUCCEEDED) == 0
    store.is_away = False
    assert isinstance(await visit.log_in(transaction), SignedIn)
