"""The rule ``require passkey``: what satisfies it, how to enrol, who is refused."""

from dataclasses import replace

import pytest
from tests.provider.sign_in.walk import walk
from tests.provider.sign_in.world import ACME, HANA, World, passkey_of, signed

from worksgate.oauth.model import SecondFactor
from worksgate.provider.assurance import Factor, Strength, kept_in
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.errors import NoPasskey, SignInLost, WrongFactor
from worksgate.provider.sign_in.outcomes import (
    Authorized,
    EnrolmentNeeded,
    FactorPurpose,
    PasswordNeeded,
    SecondFactorNeeded,
    SignedIn,
)

STRICT = replace(ACME, rules=("require passkey",))
PASSKEYS = (passkey_of(HANA.subject_id),)


async def test_r122_who_has_a_passkey_is_asked_for_it_and_for_nothing_else() -> None:
    world = World(client=STRICT)
    world.factors.give(HANA, totp=True, passkeys=PASSKEYS, recovery_codes_left=10)
    visit = world.visit()
    asked = await visit.log_in(await visit.login_form())
    assert isinstance(asked, SecondFactorNeeded)
    assert asked.why is FactorPurpose.PASSKEY
    assert not asked.enrolled.totp
    assert not asked.enrolled.recovery_codes_left
    for proof in (Proof(code="totp"), Proof(recovery_code="recovery")):
        again = await visit.provider.verify_second_factor(asked.transaction, proof, visit.browser)
        assert isinstance(again, SecondFactorNeeded)
        options = again.passkey_options or ""
    proof = Proof(passkey=signed(HANA.subject_id, options))
    visit.kept(await visit.provider.verify_second_factor(asked.transaction, proof, visit.browser))
    assert kept_in(await visit.session()).strength is Strength.PHISHING_RESISTANT


async def test_r122_who_has_none_shows_their_factor_first_and_then_sets_one_up() -> None:
    world = World(client=STRICT)
    world.factors.give(HANA, totp=True, recovery_codes_left=10)
    visit = world.visit()
    asked = await visit.log_in(await visit.login_form())
    assert isinstance(asked, SecondFactorNeeded)
    assert asked.why is FactorPurpose.BEFORE_PASSKEY
    made = Proof(passkey=signed(HANA.subject_id, "whatever"))
    with pytest.raises(SignInLost):  # the password alone sets nothing up
        await visit.provider.enrol(asked.transaction, made, visit.browser)
    offered = await visit.provider.verify_second_factor(
        asked.transaction, Proof(code="totp"), visit.browser
    )
    assert isinstance(offered, EnrolmentNeeded)
    assert offered.totp is None
    with pytest.raises(SignInLost):
        await visit.provider.enrol(offered.transaction, Proof(code="totp"), visit.browser)
    with pytest.raises(WrongFactor):
        await visit.provider.enrol(offered.transaction, made, visit.browser)
    walked = await walk(visit, await visit.provider.resume(offered.transaction, visit.browser))
    assert walked.is_in
    assert walked.pages == ("EnrolmentNeeded",)  # they had recovery codes, and keep them
    given = kept_in(await visit.session())
    assert [each.factor for each in given.uses] == [
        Factor.PASSWORD,
        Factor.TOTP,
        Factor.PASSKEY,
    ]


@pytest.mark.parametrize("has", [{}, {"totp": True}])
async def test_r122_nothing_is_set_up_from_a_session_alone(has: dict[str, bool]) -> None:
    world = World(client=replace(ACME, second_factor=SecondFactor.OFF))
    visit = world.visit()
    await visit.log_in(await visit.login_form())
    world.factors.give(HANA, **has)
    world.change_client(rules=("require passkey",))
    assert isinstance(await visit.arrive(), PasswordNeeded)


async def test_r122_an_app_that_was_shown_before_is_not_set_up_once_a_passkey_is_required() -> None:
    world = World(client=replace(ACME, rules=("require factor",)))
    visit = world.visit()
    offered = await visit.log_in(await visit.login_form())
    assert isinstance(offered, EnrolmentNeeded)
    assert offered.totp is not None
    world.change_client(rules=("require passkey",))
    with pytest.raises(SignInLost):
        await visit.provider.enrol(offered.transaction, Proof(code="totp"), visit.browser)


async def test_r122_a_remembered_browser_is_spared_a_code_but_not_the_passkey() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit = world.visit()
    asked = await visit.log_in(await visit.login_form())
    assert isinstance(asked, SecondFactorNeeded)
    visit.kept(
        await visit.provider.verify_second_factor(
            asked.transaction, Proof(code="totp"), visit.browser, remember=True
        )
    )
    visit.browser = replace(visit.browser, session=None)
    assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)
    given = kept_in(await visit.session())
    assert given.has(Factor.REMEMBERED_BROWSER)
    assert given.strength is Strength.SINGLE_FACTOR
    world.factors.give(HANA, passkeys=PASSKEYS)
    world.change_client(rules=("require passkey",))
    visit.browser = replace(visit.browser, session=None)
    asked = await visit.log_in(await visit.login_form())
    assert isinstance(asked, SecondFactorNeeded)
    assert asked.why is FactorPurpose.PASSKEY


async def test_r122_a_session_with_a_code_is_asked_for_the_passkey_and_knows_it_then() -> None:
    world = World()
    world.factors.give(HANA, totp=True)
    visit = world.visit()
    assert (await walk(visit, await visit.arrive())).is_in
    before = await visit.session()
    world.factors.give(HANA, passkeys=PASSKEYS)
    world.change_client(rules=("require passkey",))
    walked = await walk(visit, await visit.arrive())
    assert walked.pages == ("SecondFactorNeeded",)
    after = await visit.session()
    assert kept_in(after).strength is Strength.PHISHING_RESISTANT
    assert after.authenticated_at == before.authenticated_at
    assert after.key != before.key
    assert isinstance(await visit.arrive(), Authorized)


@pytest.mark.parametrize("passkeys", [{"passkeys": False}, {"passkeys_usable": False}])
async def test_r122_where_nobody_can_set_one_up_the_sign_in_is_refused(
    passkeys: dict[str, bool],
) -> None:
    world = World(client=STRICT, **passkeys)  # type: ignore[arg-type]  # two switches
    world.factors.give(HANA, totp=True)
    visit = world.visit()
    with pytest.raises(NoPasskey):
        await visit.log_in(await visit.login_form())
    assert world.audit.events[-1].detail == "a passkey is required"


async def test_r258_who_has_a_passkey_of_the_console_sets_up_no_app_in_a_sign_in() -> None:
    world = World(client=replace(ACME, rules=("require factor",)))
    world.factors.give(HANA, has_console_passkey=True)
    visit = world.visit()
    asked = await visit.log_in(await visit.login_form())
    assert isinstance(asked, EnrolmentNeeded)
    assert asked.totp is None
    with pytest.raises(SignInLost):
        await visit.provider.enrol(asked.transaction, Proof(code="totp"), visit.browser)
    answer = Proof(passkey=signed(HANA.subject_id, asked.passkey_options or ""))
    done = await visit.provider.enrol(asked.transaction, answer, visit.browser)
    assert isinstance(done, SignedIn)  # and there are no new recovery codes
    assert world.factors.made_codes == 0


async def test_r258_where_they_cannot_set_up_a_passkey_the_sign_in_is_refused() -> None:
    world = World(client=replace(ACME, rules=("require factor",)), passkeys_usable=False)
    world.factors.give(HANA, has_console_passkey=True)
    visit = world.visit()
    with pytest.raises(NoPasskey):
        await visit.log_in(await visit.login_form())
