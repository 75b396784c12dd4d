"""Every combination of rule, factors, session and settings ends, with the expected outcome.

A model check: a person who does what each page asks comes to an end in a bounded number of steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import product
from typing import Any

import pytest
from tests.provider.sign_in.walk import Walk, walk
from tests.provider.sign_in.world import ACME, EMMA, HANA, NOW, Visit, World, passkey_of

from worksgate.credentials.secrets import new_ordered_secret, storage_key
from worksgate.oauth.model import SecondFactor, Session
from worksgate.provider.account.values import NotSignedIn, SignInTooOld
from worksgate.provider.assurance import Assurance, Factor, Strength, kept_in
from worksgate.provider.factors import Enrolled
from worksgate.provider.sign_in.errors import NoPasskey, SignInDenied
from worksgate.provider.sign_in.outcomes import NextStep, PasswordNeeded
from worksgate.provider.sign_in.steps import SignInSteps
from worksgate.sources import Person

CLIENTS = {
    "off": replace(ACME, second_factor=SecondFactor.OFF),
    "allowed": replace(ACME, second_factor=SecondFactor.ALLOWED),
    "required": replace(ACME, second_factor=SecondFactor.REQUIRED),
    "allow": replace(ACME, rules=("allow",), second_factor=SecondFactor.REQUIRED),
    "require factor": replace(ACME, rules=("require factor group=staff", "allow")),
    "require passkey": replace(ACME, rules=("require passkey",)),
    "deny a group": replace(ACME, rules=("deny group=staff",)),
    "deny": replace(ACME, rules=("deny",)),
}
FACTORS = {
    "nothing": Enrolled(),
    "an app": Enrolled(totp=True),
    "an app and codes": Enrolled(totp=True, recovery_codes_left=10),
    "a passkey": Enrolled(passkeys=(passkey_of("x"),)),
    "both": Enrolled(totp=True, passkeys=(passkey_of("x"),), recovery_codes_left=10),
}
SESSIONS: dict[str, tuple[Factor, ...] | None] = {
    "no session": None,
    "password": (Factor.PASSWORD,),
    "code": (Factor.PASSWORD, Factor.TOTP),
    "passkey": (Factor.PASSKEY,),
    "spared": (Factor.PASSWORD, Factor.REMEMBERED_BROWSER),
    "of the release before": (Factor.UNSPECIFIED,),
}


class Passkeys(Enum):
    OFFERED = auto()
    OFF = auto()
    """The setting: nobody can set one up, but those that there are go on."""
    UNUSABLE = auto()
    """Browsers know none at this address."""


@dataclass(frozen=True)
class Combination:
    rule: str
    has: str
    session: str
    way: str
    passkeys: Passkeys
    for_account: bool
    remembered: bool
    temporary: bool

    @property
    def person(self) -> Person:
        return EMMA if self.way == "partner" else HANA

    @property
    def has_passkey(self) -> bool:
        return bool(FACTORS[self.has].passkeys) and self.passkeys is not Passkeys.UNUSABLE

    @property
    def is_possible(self) -> bool:
        """Whether there is such a thing, and it is no repetition of another."""
        is_plain = self.session in ("no session", "password")
        unusable = self.passkeys is Passkeys.UNUSABLE and self.has == "a passkey"
        by_passkey = self.has_passkey and self.passkeys is Passkeys.OFFERED
        return (
            not unusable
            and (self.way != "passkey" or by_passkey)
            and (self.way == "password" or self.session == "no session")
            and (not self.remembered or (is_plain and self.has != "nothing"))
            and not (self.temporary and (self.way == "partner" or self.remembered))
        )


def combinations(rule: str) -> Iterator[Combination]:
    everything = product(
        FACTORS,
        SESSIONS,
        ("password", "passkey", "partner"),
        Passkeys,
        (False, True),
        (False, True),
        (False, True),
    )
    made = (Combination(rule, *each) for each in everything)
    return (each for each in made if each.is_possible)


@pytest.mark.slow
@pytest.mark.parametrize("rule", CLIENTS)
async def test_r124_every_sign_in_ends_whatever_is_asked_and_whatever_they_have(rule: str) -> None:
    for combination in combinations(rule):
        world, visit = await arranged(combination)
        walked = await sign_in(world, visit, combination)
        check(combination, walked, await session_of(visit))
        if walked.is_in and combination.for_account:
            visitor = await visit.visitor()
            try:
                await world.self_service.check_fresh(visitor)
            except SignInTooOld:
                pytest.fail(f"it begins again: {combination} {walked.pages}")


async def arranged(combination: Combination) -> tuple[World, Visit]:
    """A world in which everything is as the combination says, and a browser in it."""
    world = World(
        client=CLIENTS[combination.rule],
        passkeys=combination.passkeys is not Passkeys.OFF,
        passkeys_usable=combination.passkeys is not Passkeys.UNUSABLE,
    )
    person = combination.person
    world.factors.enrolled[person.subject_id] = FACTORS[combination.has]
    if combination.temporary:
        world.people.change(person, must_change_password=True)
    browser: dict[str, Any] = {}
    if combination.remembered:
        trusted = _steps(world).trusted_device("trusted", person, NOW)
        await world.store.save(trusted)
        browser["trusted"] = ("trusted",)
    if (given := SESSIONS[combination.session]) is not None:
        secret = new_ordered_secret()
        await world.store.save(session(secret, combination, given))
        browser["session"] = secret
    return world, world.visit(person, **browser)


def _steps(world: World) -> SignInSteps:
    return world.provider._steps


def session(secret: str, combination: Combination, given: tuple[Factor, ...]) -> Session:
    assurance = Assurance()
    for factor in given:
        assurance = assurance.with_factor(factor, NOW - 60)
    person = combination.person
    is_old = Factor.UNSPECIFIED in given
    return Session(
        key=storage_key(secret),
        grant_id="grant",
        subject_id=person.subject_id,
        client_id="",
        expires_at=NOW + 3_600,
        source=person.subject_id.partition(":")[0],
        username=person.username,
        name=person.name,
        external_key=person.external_key,
        works_account=None,
        authenticated_at=NOW - 60,
        person_groups="staff",
        second_factor_at=assurance.second_factor_at,
        assurance="" if is_old else str(assurance),
    )


async def sign_in(world: World, visit: Visit, combination: Combination) -> Walk:
    """Come to LINE WORKS or to the account page, as a browser does."""
    try:
        step = await (account(world, visit) if combination.for_account else visit.arrive())
    except (SignInDenied, NoPasskey) as refusal:
        return Walk(refusal, ())
    if step is None:
        return Walk(Walk, ("AccountPage",))  # type: ignore[arg-type]  # it was fresh already
    return await walk(visit, step, combination.way)


async def account(world: World, visit: Visit) -> NextStep | None:
    """The account page: None where it can be used at once, else the login form."""
    try:
        await world.self_service.check_fresh(await visit.visitor())
    except (NotSignedIn, SignInTooOld):
        transaction = world.provider.begin_for_account(visit.browser)
        await world.provider.check_open(transaction, visit.browser)
        return PasswordNeeded(transaction)
    return None


async def session_of(visit: Visit) -> Session | None:
    try:
        return await visit.session()
    except NotSignedIn:
        return None


def check(combination: Combination, walked: Walk, session: Session | None) -> None:
    """The end is the one that the rule demands."""
    strength = kept_in(session).strength if session else None
    match combination.rule:
        case "deny" | "deny a group":
            if combination.person is EMMA and combination.rule == "deny a group":
                return
            assert not walked.is_in, combination
            if combination.rule == "deny":
                assert walked.pages in ((), ("AccountPage",)), combination
        case "require passkey":
            if combination.for_account and walked.pages == ("AccountPage",):
                return
            if isinstance(walked.end, NoPasskey):
                assert not combination.has_passkey, combination
                assert combination.passkeys is not Passkeys.OFFERED, combination
            else:
                assert walked.is_in
                assert strength is Strength.PHISHING_RESISTANT, combination
        case "required":
            if walked.pages != ("AccountPage",):
                assert walked.is_in, combination
                spared = combination.remembered and not combination.for_account
                assert strength is not Strength.SINGLE_FACTOR or spared, combination
        case _:
            assert walked.is_in or walked.pages == ("AccountPage",), combination
