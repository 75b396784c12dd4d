"""A sign-in in progress: owner, lifetime, number of tries, and stored state."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.provider.sign_in.world import ACME, HANA, NOW, TARO, Visit, World, passkey_of, signed

from worksgate.audit import Event, Reason
from worksgate.credentials.secrets import digest
from worksgate.oauth.errors import UnknownClient
from worksgate.oauth.model import Interim, SecondFactor, UserKey
from worksgate.oauth.user_key import KeyProblem
from worksgate.provider.assurance import Factor, kept_in
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.errors import SignInLost, TooManyWrongFactors, WrongFactor
from worksgate.provider.sign_in.outcomes import (
    EnrolmentNeeded,
    RecoveryCodesIssued,
    SecondFactorNeeded,
    SignedIn,
)
from worksgate.provider.sign_in.steps import handle_of
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.throttle import TooManyAttempts

PASSKEYS = (passkey_of(HANA.subject_id),)
REQUIRED = replace(ACME, second_factor=SecondFactor.REQUIRED)


async def asked(world: World) -> tuple[Visit, SecondFactorNeeded]:
    visit = world.visit()
    step = await visit.log_in(await visit.login_form())
    assert isinstance(step, SecondFactorNeeded)
    return visit, step


async def prove(visit: Visit, transaction: SignInTransaction, **proof: str) -> object:
    return visit.kept(
        await visit.provider.verify_second_factor(transaction, Proof(**proof), visit.browser)
    )


async def options_of(visit: Visit, transaction: SignInTransaction) -> str:
    step = await visit.provider.resume(transaction, visit.browser)
    assert isinstance(step, SecondFactorNeeded)
    return step.passkey_options or ""


# Proofs

PROOFS = {
    "code": (Proof(code="totp"), Factor.TOTP),
    "recovery code": (Proof(recovery_code="recovery"), Factor.RECOVERY_CODE),
}


@pytest.mark.parametrize("kind", PROOFS)
async def test_what_was_shown_is_what_the_session_knows(kind: str) -> None:
    world = World()
    world.factors.give(HANA, totp=True, recovery_codes_left=1)
    visit, step = await asked(world)
    world.now += 5
    proof, factor = PROOFS[kind]
    visit.kept(await visit.provider.verify_second_factor(step.transaction, proof, visit.browser))
    session = await visit.session()
    assert kept_in(session).uses[-1].factor is factor
    assert session.second_factor_at == NOW + 5


async def test_a_person_with_a_refused_key_passes_the_step_after_the_password() -> None:
    """What is known of them is kept between the steps."""
    world = World()
    world.factors.give(HANA, totp=True)
    refused = KeyProblem(UserKey.WORKS_ACCOUNT, "the LINE WORKS account hana belongs to taro")
    world.people.change(HANA, refused_keys=(refused,))
    visit, step = await asked(world)
    assert isinstance(await prove(visit, step.transaction, code="totp"), SignedIn)


async def test_r82_a_wrong_passkey_is_refused_and_its_challenge_is_renewed() -> None:
    world = World()
    world.factors.give(HANA, passkeys=PASSKEYS)
    visit, step = await asked(world)
    first = step.passkey_options or ""
    with pytest.raises(WrongFactor) as wrong:
        await prove(visit, step.transaction, passkey=signed(TARO.subject_id, first))
    assert wrong.value.left == 4
    second = await options_of(visit, step.transaction)
    assert second != first
    with pytest.raises(WrongFactor):  # what was signed for the challenge before has come too late
        await prove(visit, step.transaction, passkey=signed(HANA.subject_id, first))
    third = await options_of(visit, step.transaction)
    assert isinstance(
        await prove(visit, step.transaction, passkey=signed(HANA.subject_id, third)), SignedIn
    )
    assert world.factors.verified == [False] * 3  # a password was given before


async def test_r82_a_passkey_that_was_used_in_a_login_is_not_taken_twice_in_it() -> None:
    world = World()
    world.factors.give(HANA, passkeys=PASSKEYS)
    world.people.change(HANA, must_change_password=True)
    visit, step = await asked(world)
    answer = signed(HANA.subject_id, step.passkey_options or "")
    await prove(visit, step.transaction, passkey=answer)
    with pytest.raises(WrongFactor):
        await prove(visit, step.transaction, passkey=answer)


async def test_r80_five_wrong_answers_of_any_kind_end_the_login() -> None:
    world = World()
    world.factors.give(HANA, totp=True, passkeys=PASSKEYS, recovery_codes_left=1)
    visit, step = await asked(world)
    lefts = []
    for proof in ({"code": "1"}, {"recovery_code": "1"}, {"passkey": "1"}, {"code": "2"}):
        with pytest.raises(WrongFactor) as wrong:
            await prove(visit, step.transaction, **proof)
        lefts.append((wrong.value.proof.value, wrong.value.left))
        world.now += 60
    assert lefts == [("code", 4), ("recovery_code", 3), ("passkey", 2), ("code", 1)]


async def test_r80_the_last_wrong_answer_ends_the_login_and_a_right_one_comes_too_late() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    for _ in range(4):
        with pytest.raises(WrongFactor):
            await prove(visit, step.transaction, code="0")
        world.now += 60
    with pytest.raises(TooManyWrongFactors):
        await prove(visit, step.transaction, code="0")
    with pytest.raises(SignInLost):
        await prove(visit, step.transaction, code="totp")


async def test_the_fifth_answer_may_be_the_right_one() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    for _ in range(4):
        with pytest.raises(WrongFactor):
            await prove(visit, step.transaction, code="0")
        world.now += 60
    assert isinstance(await prove(visit, step.transaction, code="totp"), SignedIn)
    assert world.factors.unseen == 0


async def test_r80_wrong_codes_of_one_person_are_counted_over_all_logins() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    refused = [await refusal_of_a_wrong_code(world) for _ in range(12)]
    assert refused[:5] == [WrongFactor] * 5
    assert refused[-1] is TooManyAttempts


async def refusal_of_a_wrong_code(world: World) -> type[Exception]:
    """What becomes of a wrong code in a login of its own."""
    visit, step = await asked(world)
    try:
        await prove(visit, step.transaction, code="0")
    except (WrongFactor, TooManyAttempts) as refusal:
        return type(refusal)
    raise AssertionError("a wrong code was taken")


# Whose login it is


async def test_r18_a_login_under_way_dies_with_its_transaction() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    world.now = step.transaction.expires_at
    with pytest.raises(SignInLost):
        await prove(visit, step.transaction, code="totp")


async def test_r30_a_login_under_way_ends_with_all_that_the_person_holds() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    await world.store.forget(HANA.subject_id)
    with pytest.raises(SignInLost):
        await prove(visit, step.transaction, code="totp")


async def test_something_else_that_was_kept_is_no_login() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    (kept,) = await world.store.held(Interim, HANA.subject_id)
    other = Interim(
        key=kept.key,
        grant_id=kept.grant_id,
        subject_id=kept.subject_id,
        client_id=kept.client_id,
        expires_at=kept.expires_at,
        purpose="another",
        data=kept.data,
    )
    await world.store.save(other)
    with pytest.raises(SignInLost):
        await prove(visit, step.transaction, code="totp")


Go = Callable[[Visit, SignInTransaction], Awaitable[object]]
STEPS: dict[str, Go] = {
    "verify": lambda at, login: at.provider.verify_second_factor(login, Proof(), at.browser),
    "enrol": lambda at, login: at.provider.enrol(login, Proof(), at.browser),
    "change": lambda at, login: at.provider.change_password(login, "x", at.browser),
    "resume": lambda at, login: at.provider.resume(login, at.browser),
    "choosing": lambda at, login: at.provider.choosing_password(login),
}


@pytest.mark.parametrize("step", STEPS)
async def test_without_a_password_before_there_is_nothing_to_go_on_with(step: str) -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    with pytest.raises(SignInLost):
        await STEPS[step](visit, transaction)


async def test_a_sign_in_of_which_nothing_is_known_any_more_is_recorded() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    with pytest.raises(SignInLost):
        await visit.provider.resume(transaction, visit.browser)
    recorded = visit.world.audit.events[-1]
    assert (recorded.reason, recorded.login_id) == (Reason.SIGN_IN_LOST, transaction.login_id)


# Back at the page of a step


async def test_a_step_is_found_again_in_its_own_browser_alone() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    handle, transaction_at = handle_of(step.transaction), visit.provider.transaction_at
    assert await transaction_at(handle, visit.browser) == step.transaction
    with pytest.raises(SignInLost):
        await transaction_at(handle, replace(visit.browser, secret="another"))
    with pytest.raises(SignInLost):
        await transaction_at("unknown", visit.browser)
    world.change_client(enabled=False)
    with pytest.raises(UnknownClient):
        await transaction_at(handle, visit.browser)


async def test_new_recovery_codes_are_shown_until_they_are_stored() -> None:
    world = World(client=REQUIRED)
    visit, step = await offered(world)
    issued = await visit.provider.enrol(step.transaction, Proof(code="totp"), visit.browser)
    assert isinstance(issued, RecoveryCodesIssued)
    again = await visit.provider.return_to(step.transaction, visit.browser)
    assert isinstance(again, RecoveryCodesIssued)
    assert [*again.codes] == [*issued.codes]


async def test_a_prefetch_of_a_step_completes_nothing() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    again = await visit.provider.return_to(step.transaction, visit.browser)
    assert isinstance(again, SecondFactorNeeded)
    world.factors.enrolled.clear()  # nothing is missing any more
    with pytest.raises(SignInLost):
        await visit.provider.return_to(
            step.transaction, replace(visit.browser, may_receive_code=False)
        )
    assert isinstance(await visit.provider.return_to(step.transaction, visit.browser), SignedIn)


# Setting one up


async def offered(world: World) -> tuple[Visit, EnrolmentNeeded]:
    visit = world.visit()
    step = await visit.log_in(await visit.login_form())
    assert isinstance(step, EnrolmentNeeded)
    return visit, step


@pytest.mark.parametrize("kind", ["app", "passkey"])
async def test_a_factor_that_is_set_up_counts_as_given(kind: str) -> None:
    world = World(client=REQUIRED)
    visit, step = await offered(world)
    proof = {
        "app": Proof(code="totp"),
        "passkey": Proof(passkey=signed(HANA.subject_id, step.passkey_options or "")),
    }[kind]
    issued = await visit.provider.enrol(step.transaction, proof, visit.browser)
    assert isinstance(issued, RecoveryCodesIssued)
    assert len(issued.codes) == 10
    assert world.factors.made_with_factor
    done = visit.kept(await visit.provider.resume(step.transaction, visit.browser))
    assert isinstance(done, SignedIn)
    given = kept_in(await visit.session()).uses
    assert [each.factor for each in given] == [
        Factor.PASSWORD,
        Factor.TOTP if kind == "app" else Factor.PASSKEY,
    ]


async def test_the_secret_of_an_app_stays_until_it_is_confirmed() -> None:
    world = World(client=REQUIRED)
    visit, step = await offered(world)
    again = await visit.provider.resume(step.transaction, visit.browser)
    assert isinstance(again, EnrolmentNeeded)
    assert again.totp == step.totp


async def test_wrong_codes_of_a_new_app_end_the_login_too() -> None:
    world = World(client=REQUIRED)
    visit, step = await offered(world)
    for left in (4, 3, 2, 1):
        with pytest.raises(WrongFactor) as wrong:
            await visit.provider.enrol(step.transaction, Proof(code="0"), visit.browser)
        assert wrong.value.left == left
    with pytest.raises(TooManyWrongFactors):
        await visit.provider.enrol(step.transaction, Proof(code="0"), visit.browser)
    assert not (await world.factors.of(HANA.subject_id)).any


@pytest.mark.parametrize("theirs", [{"totp": True}, {"passkeys": PASSKEYS}])
async def test_nobody_sets_up_a_second_one_beside_the_persons_own(
    theirs: dict[str, object],
) -> None:
    world = World(client=REQUIRED)
    thief, step = await offered(world)
    world.factors.give(HANA, **theirs)
    has = await world.factors.of(HANA.subject_id)
    for proof in (
        Proof(code="totp"),
        Proof(passkey=signed(HANA.subject_id, step.passkey_options or "")),
    ):
        with pytest.raises(SignInLost):
            await thief.provider.enrol(step.transaction, proof, thief.browser)
    assert await world.factors.of(HANA.subject_id) == has


@pytest.mark.parametrize("settings", [{"passkeys": False}, {"passkeys_usable": False}])
async def test_no_passkey_is_offered_where_they_are_off_or_do_not_work(
    settings: dict[str, bool],
) -> None:
    _, step = await offered(World(client=REQUIRED, **settings))  # type: ignore[arg-type]  # switches
    assert step.passkey_options is None
    assert step.totp is not None


async def test_nothing_is_set_up_where_nothing_was_offered() -> None:
    world = World()
    world.people.change(HANA, must_change_password=True)
    visit = world.visit()
    transaction = await visit.login_form()
    await visit.log_in(transaction)
    with pytest.raises(SignInLost):
        await visit.provider.enrol(transaction, Proof(code="totp"), visit.browser)
    assert not (await world.factors.of(HANA.subject_id)).any


# Browsers that are not asked again


async def remembered(world: World) -> Visit:
    world.factors.give(HANA, totp=True)
    visit, step = await asked(world)
    visit.kept(
        await visit.provider.verify_second_factor(
            step.transaction, Proof(code="totp"), visit.browser, remember=True
        )
    )
    assert visit.browser.trusted
    visit.browser = replace(visit.browser, session=None)
    return visit


async def test_a_browser_is_remembered_for_thirty_days() -> None:
    world = World()
    visit = await remembered(world)
    world.now += 30 * 86_400 - 1
    assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)
    visit.browser = replace(visit.browser, session=None)
    world.now += 1
    assert isinstance(await visit.log_in(await visit.login_form()), SecondFactorNeeded)


async def test_a_browser_is_remembered_for_one_person() -> None:
    world = World()
    visit = await remembered(world)
    world.people.here[TARO.subject_id] = TARO
    world.factors.give(TARO, totp=True)
    other = replace(visit, person=TARO)
    assert isinstance(await other.log_in(await other.login_form()), SecondFactorNeeded)


async def test_a_remembered_browser_does_not_open_the_account() -> None:
    world = World()
    visit = await remembered(world)
    transaction = world.provider.begin_for_account(visit.browser)
    assert isinstance(await visit.log_in(transaction), SecondFactorNeeded)


async def test_what_was_kept_for_something_else_spares_nobody() -> None:
    world = World()
    visit = await remembered(world)
    (secret,) = visit.browser.trusted
    (kept,) = await world.store.held(Interim, HANA.subject_id)
    assert kept.key == digest(secret)
    other = Interim(
        key=kept.key,
        grant_id=kept.grant_id,
        subject_id=kept.subject_id,
        client_id="",
        expires_at=kept.expires_at,
        purpose="another",
        data="",
    )
    await world.store.save(other)
    assert isinstance(await visit.log_in(await visit.login_form()), SecondFactorNeeded)


async def test_a_session_of_a_remembered_browser_needs_no_new_one() -> None:
    world = World()
    visit = await remembered(world)
    await visit.log_in(await visit.login_form())
    before = await visit.session()
    await visit.arrive()
    assert await visit.session() == before
    assert world.audit.count(Event.CODE_ISSUED) == 3


async def test_r141_each_login_under_way_has_an_address_of_its_own() -> None:
    visit = World().visit()
    first, second = [await visit.login_form() for _ in range(2)]
    assert handle_of(first) == handle_of(first) != handle_of(second)
    assert first.id not in handle_of(first)


async def test_a_factor_is_checked_for_the_client_of_the_login() -> None:
    world = World(client=REQUIRED)
    world.factors.give(HANA, passkeys=PASSKEYS)
    visit, step = await asked(world)
    await prove(
        visit, step.transaction, passkey=signed(HANA.subject_id, step.passkey_options or "")
    )
    (holder,) = world.factors.holders
    assert (holder.client_id, holder.username) == (ACME.client_id, HANA.username)
    assert holder.login_id == step.transaction.login_id
