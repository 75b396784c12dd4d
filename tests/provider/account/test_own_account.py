"""Changes by people to their own account: each guard, without HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter

import pytest
from msgspec import structs
from tests.provider.sign_in.walk import walk
from tests.provider.sign_in.world import (
    ACME,
    EMMA,
    HANA,
    NEW_PASSWORD,
    NOW,
    PASSWORD,
    TARO,
    Visit,
    World,
    passkey_of,
    signed,
)

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import storage_key
from worksgate.database import DatabaseUnavailable
from worksgate.oauth.model import Client, ImapPasswords, Interim, Session
from worksgate.provider.account.own_factors import ENROLMENT_LIFETIME
from worksgate.provider.account.values import (
    EnrolmentLost,
    NotOffered,
    NotSignedIn,
    SignInTooOld,
    WrongCode,
)
from worksgate.provider.factors import FACTOR_POLICY, FactorRefused
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.errors import WrongFactor, WrongPassword
from worksgate.provider.sign_in.outcomes import PasswordNeeded, SecondFactorNeeded, SignedIn
from worksgate.provider.throttle import TooManyAttempts
from worksgate.sources import PersonDisabled
from worksgate.store import A
from worksgate.store.memory import MemoryStore

FRESH = 600.0


async def at_home(world: World, **factors: object) -> Visit:
    """Somebody with these factors who has just signed in by the best of them."""
    world.factors.give(HANA, **factors)
    visit = world.visit()
    walked = await walk(visit, PasswordNeeded(world.provider.begin_for_account(visit.browser)))
    assert walked.is_in
    return visit


Verb = Callable[[Visit], Awaitable[object]]


async def _of(visit: Visit, name: str, *arguments: str) -> object:
    return await attrgetter(name)(visit.world.self_service)(await visit.visitor(), *arguments)


VERBS: dict[str, Verb] = {
    "change_password": lambda at: _of(at, "change_password", PASSWORD, NEW_PASSWORD),
    "begin_totp": lambda at: _of(at, "factors.begin_totp"),
    "confirm_totp": lambda at: _of(at, "factors.confirm_totp", "totp"),
    "remove_totp": lambda at: _of(at, "factors.remove_totp"),
    "begin_passkey": lambda at: _of(at, "factors.begin_passkey"),
    "add_passkey": lambda at: _of(at, "factors.add_passkey", "{}", ""),
    "remove_passkey": lambda at: _of(at, "factors.remove_passkey", "x"),
    "renew_recovery_codes": lambda at: _of(at, "factors.renew_recovery_codes"),
    "add_app_password": lambda at: _of(at, "add_app_password", "Mail"),
    "remove_app_password": lambda at: _of(at, "remove_app_password", "x"),
    "end_everything": lambda at: _of(at, "end_everything"),
}


@pytest.mark.parametrize("why", ["too old", "not a full one"])
@pytest.mark.parametrize("verb", VERBS)
async def test_r83_nothing_is_changed_without_a_fresh_full_login(verb: str, why: str) -> None:
    world = World()
    world.change_client(imap_login=True)
    visit = await at_home(world, totp=True)
    if why == "too old":
        world.now += FRESH
    else:
        world.factors.give(HANA, passkeys=(passkey_of(HANA.subject_id),))
    before = await world.factors.of(HANA.subject_id)
    with pytest.raises(SignInTooOld):
        await VERBS[verb](visit)
    assert await world.factors.of(HANA.subject_id) == before
    assert not world.people.passwords


async def test_r83_a_login_is_fresh_for_ten_minutes() -> None:
    world = World()
    visit = await at_home(world)
    world.now += FRESH - 0.001
    assert (await world.self_service.check_fresh(await visit.visitor())).any is False
    world.now += 0.001
    with pytest.raises(SignInTooOld):
        await world.self_service.check_fresh(await visit.visitor())


# The password


async def test_r31_a_changed_password_leaves_this_session_alone_under_a_new_secret() -> None:
    world = World()
    elsewhere, visit = await at_home(world), await at_home(world)
    before = await visit.session()
    secret = await VERBS["change_password"](visit)
    assert isinstance(secret, str)
    (left,) = await world.store.held(Session, HANA.subject_id)
    assert left.key == storage_key(secret) != before.key
    assert left.grant_id != before.grant_id
    with pytest.raises(NotSignedIn):
        await elsewhere.session()
    assert world.audit.count(Event.PASSWORD_CHANGED) == 1


async def test_the_present_password_is_needed_and_it_must_be_this_person_s() -> None:
    world = World()
    visit = await at_home(world)
    visitor = await visit.visitor()
    with pytest.raises(WrongPassword):
        await world.self_service.change_password(visitor, "wrong", NEW_PASSWORD)
    # Meanwhile the name is another's.
    world.people.here = {TARO.subject_id: replace(TARO, username="hana")}
    with pytest.raises(WrongPassword):
        await world.self_service.change_password(visitor, PASSWORD, NEW_PASSWORD)
    assert not world.people.passwords


async def test_who_is_disabled_at_that_moment_has_no_new_session() -> None:
    world = World()
    visit = await at_home(world)
    visitor = await visit.visitor()
    world.people.meanwhile[HANA.subject_id] = None
    with pytest.raises(PersonDisabled):
        await world.self_service.change_password(visitor, PASSWORD, NEW_PASSWORD)
    assert not world.audit.count(Event.PASSWORD_CHANGED)


async def test_a_password_that_is_kept_elsewhere_is_not_changed_here() -> None:
    world = World()
    visit = world.visit(EMMA)
    await visit.come_from_partner(world.provider.begin_for_account(visit.browser))
    visitor = await visit.visitor()
    assert not world.self_service.can_change_password(visitor)
    assert world.self_service.provider_of("partner") == "Partner"
    with pytest.raises(NotOffered):
        await world.self_service.change_password(visitor, PASSWORD, NEW_PASSWORD)


# Second factors


async def test_an_app_is_set_up_by_its_first_code_once() -> None:
    world = World()
    visit = await at_home(world)
    service = world.self_service
    with pytest.raises(EnrolmentLost):
        await service.factors.confirm_totp(await visit.visitor(), "totp")
    await service.factors.begin_totp(await visit.visitor())
    with pytest.raises(WrongCode):
        await service.factors.confirm_totp(await visit.visitor(), "0")
    visitor = await visit.visitor()
    added = await service.factors.confirm_totp(visitor, "totp")
    assert len(added.codes) == 10
    assert added.session is not None
    with pytest.raises(NotSignedIn):  # what was given is in a session of another secret
        await visit.session()
    visit.browser = replace(visit.browser, session=added.session)
    assert (await visit.session()).second_factor_at == NOW
    assert not [each for each in await world.store.held(Interim, HANA.subject_id) if each.data]


async def test_r143_wrong_first_codes_of_an_app_are_counted() -> None:
    world = World()
    visit = await at_home(world)
    service = world.self_service
    await service.factors.begin_totp(await visit.visitor())
    for _ in range(FACTOR_POLICY.free):
        with pytest.raises(WrongCode):
            await service.factors.confirm_totp(await visit.visitor(), "0")
    for code in ("0", "totp"):
        with pytest.raises(TooManyAttempts):
            await service.factors.confirm_totp(await visit.visitor(), code)
    world.now += FACTOR_POLICY.first_delay
    added = await service.factors.confirm_totp(await visit.visitor(), "totp")
    visit.browser = replace(visit.browser, session=added.session)
    await service.factors.begin_totp(await visit.visitor())
    for _ in range(FACTOR_POLICY.free):  # the right one has set the count back
        with pytest.raises(WrongCode):
            await service.factors.confirm_totp(await visit.visitor(), "0")


async def test_r143_a_first_code_sets_back_nothing_of_a_sign_in() -> None:
    world = World()
    visit = await at_home(world, totp=True)
    for _ in range(2):
        other = world.visit(secret="other")
        step = await other.log_in(await other.login_form())
        assert isinstance(step, SecondFactorNeeded)
        for _ in range(FACTOR_POLICY.free - 1):
            with suppress(WrongFactor, TooManyAttempts):
                await world.provider.verify_second_factor(
                    step.transaction, Proof(code="0"), other.browser
                )
        await world.self_service.factors.begin_totp(await visit.visitor())
        added = await world.self_service.factors.confirm_totp(await visit.visitor(), "totp")
        visit.browser = replace(visit.browser, session=added.session or visit.browser.session)
    assert isinstance(step, SecondFactorNeeded)
    with pytest.raises(TooManyAttempts):
        await world.provider.verify_second_factor(
            step.transaction, Proof(code="totp"), other.browser
        )


class InterleavingStore(MemoryStore):
    """Lets others run before it finds or takes something, as a real store would."""

    async def find(self, kind: type[A], key: str) -> A | None:
        await asyncio.sleep(0)
        return await super().find(kind, key)

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        await asyncio.sleep(0)
        return await super().take(kind, key, records=records)


async def test_r143_of_two_who_confirm_an_app_at_once_one_gets_recovery_codes() -> None:
    world = World(store=InterleavingStore())
    visit = await at_home(world)
    service = world.self_service
    await service.factors.begin_totp(await visit.visitor())
    visitor = await visit.visitor()
    made = world.factors.made_codes
    outcomes = await asyncio.gather(
        *(service.factors.confirm_totp(visitor, "totp") for _ in range(2)), return_exceptions=True
    )
    assert [type(each) for each in outcomes if isinstance(each, Exception)] == [EnrolmentLost]
    assert world.factors.made_codes == made + 1


async def test_an_outage_takes_no_secret_away_that_is_in_the_app_already() -> None:
    world = World()
    visit = await at_home(world)
    service = world.self_service
    await service.factors.begin_totp(await visit.visitor())
    keep = world.factors.keep_totp

    async def down(*_: object) -> None:
        raise DatabaseUnavailable("down")

    world.factors.keep_totp = down  # type: ignore[method-assign,assignment]  # for a moment
    with pytest.raises(DatabaseUnavailable):
        await service.factors.confirm_totp(await visit.visitor(), "totp")
    world.factors.keep_totp = keep  # type: ignore[method-assign]  # as before
    assert (await service.factors.confirm_totp(await visit.visitor(), "totp")).codes


async def test_what_is_set_up_must_be_confirmed_within_ten_minutes() -> None:
    world = World()
    visit = await at_home(world)
    service = world.self_service
    await service.factors.begin_totp(await visit.visitor())
    options = await service.factors.begin_passkey(await visit.visitor())
    late = replace(await visit.visitor(), at=NOW + ENROLMENT_LIFETIME)
    late = replace(late, session=await _signed_in_at(visit, NOW + 1))
    with pytest.raises(EnrolmentLost):
        await service.factors.confirm_totp(late, "totp")
    with pytest.raises(EnrolmentLost):
        await service.factors.add_passkey(late, signed(HANA.subject_id, options), "")
    assert not (await world.factors.of(HANA.subject_id)).any


async def _signed_in_at(visit: Visit, at: float) -> Session:
    return structs.replace(await visit.session(), authenticated_at=at)


async def test_r28_a_session_that_is_ended_at_that_moment_is_not_renewed() -> None:
    world = World()
    visit = await at_home(world)
    await world.self_service.factors.begin_totp(await visit.visitor())
    visitor = await visit.visitor()
    await world.store.take(Session, visitor.session.key)
    with pytest.raises(NotSignedIn):
        await world.self_service.factors.confirm_totp(visitor, "totp")
    assert not await world.store.held(Session, HANA.subject_id)


async def test_r258_what_opens_the_console_too_is_not_set_up_by_who_has_only_a_password() -> None:
    world = World()
    visit = await at_home(world, has_console_passkey=True)
    service = world.self_service
    for name, *typed in (("begin_totp",), ("confirm_totp", "totp"), ("renew_recovery_codes",)):
        with pytest.raises(NotOffered):
            await _of(visit, f"factors.{name}", *typed)
    options = await service.factors.begin_passkey(await visit.visitor())
    answer = signed(HANA.subject_id, options)
    added = await service.factors.add_passkey(await visit.visitor(), answer, "")
    assert not added.codes
    visit.browser = replace(visit.browser, session=added.session)
    with pytest.raises(NotOffered):  # the passkey is one of theirs now, and proves nothing more
        await service.factors.renew_recovery_codes(await visit.visitor())
    world.factors.give(HANA, totp=True)
    await service.factors.begin_totp(await visit.visitor())


async def test_r82_a_passkey_answers_its_challenge_once() -> None:
    world = World()
    visit = await at_home(world)
    service = world.self_service
    answer = signed(HANA.subject_id, await service.factors.begin_passkey(await visit.visitor()))
    with pytest.raises(FactorRefused):
        await service.factors.add_passkey(await visit.visitor(), "not signed", "")
    with pytest.raises(EnrolmentLost):  # the challenge is gone
        await service.factors.add_passkey(await visit.visitor(), answer, "")
    answer = signed(HANA.subject_id, await service.factors.begin_passkey(await visit.visitor()))
    assert (
        await service.factors.add_passkey(await visit.visitor(), answer, "")
    ).session is not None


@pytest.mark.parametrize("usable", [True, False])
async def test_passkeys_are_set_up_where_browsers_know_them(
    usable: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(passkeys_usable=usable)
    visit = await at_home(world)
    if usable:
        assert await world.self_service.factors.begin_passkey(await visit.visitor())
    else:
        with pytest.raises(NotOffered):
            await world.self_service.factors.begin_passkey(await visit.visitor())


async def test_recovery_codes_come_with_a_factor_and_not_without() -> None:
    world = World()
    visit = await at_home(world)
    with pytest.raises(NotOffered):
        await world.self_service.factors.renew_recovery_codes(await visit.visitor())
    another = await at_home(World(), totp=True, recovery_codes_left=1)
    assert (
        len(await another.world.self_service.factors.renew_recovery_codes(await another.visitor()))
        == 10
    )


async def remembered(world: World) -> Visit:
    """Somebody at home, one of whose browsers is spared the second factor."""
    visit = await at_home(world, totp=True, recovery_codes_left=10)
    other = world.visit()
    step = await other.log_in(await other.login_form())
    assert isinstance(step, SecondFactorNeeded)
    proof = Proof(code="totp")
    other.kept(
        await world.provider.verify_second_factor(
            step.transaction, proof, other.browser, remember=True
        )
    )
    assert isinstance(await spared(other), SignedIn)
    visit.browser = replace(visit.browser, trusted=other.browser.trusted)
    return visit


async def spared(visit: Visit) -> object:
    """What a new sign-in in this browser comes to."""
    again = visit.world.visit(trusted=visit.browser.trusted)
    return await again.log_in(await again.login_form())


async def test_a_browser_is_spared_no_longer_when_the_app_is_replaced() -> None:
    world = World()
    visit = await remembered(world)
    await world.self_service.factors.begin_totp(await visit.visitor())
    assert isinstance(await spared(visit), SignedIn)
    await world.self_service.factors.confirm_totp(await visit.visitor(), "totp")
    assert isinstance(await spared(visit), SecondFactorNeeded)


@pytest.mark.parametrize("last", [True, False])
async def test_r278_a_browser_is_spared_no_longer_when_a_factor_goes(
    last: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World()
    visit = await remembered(world)
    visitor = await visit.visitor()
    if not last:
        world.factors.give(HANA, passkeys=(passkey_of(HANA.subject_id),))
        visitor = await (await at_home(world)).visitor()
    assert await world.self_service.factors.remove_totp(visitor)
    world.factors.give(HANA, totp=True)
    assert isinstance(await spared(visit), SecondFactorNeeded)


# Sessions


async def test_r101_one_ends_ones_own_sessions_and_nobody_else_s() -> None:
    world = World()
    visit, elsewhere = await at_home(world), await at_home(world)
    world.people.here[TARO.subject_id] = TARO
    taro = world.visit(TARO)
    await taro.log_in(world.provider.begin_for_account(taro.browser))
    service, visitor = world.self_service, await visit.visitor()
    assert not await service.end_session(visitor, (await taro.session()).grant_id)
    assert await service.end_session(visitor, (await elsewhere.session()).grant_id)
    assert await taro.session()
    with pytest.raises(NotSignedIn):
        await elsewhere.session()
    assert await visit.session()
    await service.end_all_sessions(visitor)
    with pytest.raises(NotSignedIn):
        await visit.session()
    assert await taro.session()
    assert world.audit.count(Event.LOGOUT) == 2


async def test_app_passwords_are_made_where_a_client_takes_them() -> None:
    visit = await at_home(World())
    with pytest.raises(NotOffered):
        await VERBS["add_app_password"](visit)


MAIL = replace(ACME, imap_login=True, imap_passwords=ImapPasswords.ALL)


@pytest.mark.parametrize(
    ("client", "cut_off"),
    [
        (MAIL, True),
        (replace(MAIL, sources=("directory",)), True),
        (replace(MAIL, sources=("partner",)), False),
        (replace(MAIL, imap_passwords=ImapPasswords.APP_PASSWORDS), False),
        (replace(MAIL, imap_login=False), False),
    ],
)
async def test_r63_a_first_factor_says_that_it_cuts_off_mail_programs(
    client: Client,
    cut_off: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(others=(replace(client, client_id="mail"),))
    visit = await at_home(world)
    service, visitor = world.self_service, await visit.visitor()
    assert await service.would_cut_off_mail(visitor) is cut_off
    await service.factors.begin_totp(visitor)
    added = await service.factors.confirm_totp(visitor, "totp")
    assert added.cuts_off_mail is cut_off
    assert not await service.would_cut_off_mail(visitor)  # it has done so already


async def test_who_signs_in_elsewhere_has_no_password_that_a_mail_program_could_use() -> None:
    world = World(client=MAIL)
    visit = world.visit(EMMA)
    await visit.come_from_partner(world.provider.begin_for_account(visit.browser))
    assert not await world.self_service.would_cut_off_mail(await visit.visitor())


async def test_the_overview_says_what_there_is_and_what_could_be_changed_now() -> None:
    world = World()
    visit, elsewhere = await at_home(world), await at_home(world)
    shown = await world.self_service.overview(await visit.visitor())
    assert shown.person == HANA
    assert shown.app_passwords is None
    assert shown.can_change_password
    assert shown.is_fresh
    assert shown.provider is None
    this, other = shown.sessions
    assert (this.is_this, other.is_this) == (True, False)
    assert this.id == (await visit.session()).grant_id
    assert other.id == (await elsewhere.session()).grant_id
    assert not this.second_factor
    world.change_client(imap_login=True)
    world.now += FRESH
    later = await world.self_service.overview(await visit.visitor())
    assert later.app_passwords == ()
    assert not later.is_fresh
    assert not await world.self_service.has_app_passwords(await visit.visitor())


async def test_a_sign_in_to_the_own_account_cannot_be_given_up_to_line_works() -> None:
    visit = World().visit()
    transaction = visit.provider.begin_for_account(visit.browser)
    assert transaction.is_for_account
    assert transaction.may_cancel is False
