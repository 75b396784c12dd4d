"""The factors that a session records, and how other releases read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.provider.sign_in.world import NOW, passkey_of

from worksgate.oauth.model import Session
from worksgate.provider.assurance import (
    Assurance,
    Factor,
    FactorUse,
    Strength,
    best_of,
    is_full,
    kept_in,
)
from worksgate.provider.factors import Enrolled

PASSKEY = passkey_of("directory:1")


def session(assurance: str = "", second_factor_at: float | None = None) -> Session:
    return Session(
        key="key",
        grant_id="grant",
        subject_id="directory:1",
        client_id="",
        expires_at=NOW,
        source="directory",
        username="hana",
        name="Hana",
        external_key=None,
        works_account=None,
        authenticated_at=NOW,
        second_factor_at=second_factor_at,
        assurance=assurance,
    )


def having(*factors: Factor) -> Assurance:
    return Assurance(tuple(FactorUse(each, NOW) for each in factors))


@pytest.mark.parametrize(
    ("factors", "strength"),
    [
        ((), Strength.SINGLE_FACTOR),
        ((Factor.PASSWORD,), Strength.SINGLE_FACTOR),
        ((Factor.UPSTREAM,), Strength.SINGLE_FACTOR),
        ((Factor.PASSWORD, Factor.REMEMBERED_BROWSER), Strength.SINGLE_FACTOR),
        ((Factor.PASSWORD, Factor.TOTP), Strength.TWO_FACTORS),
        ((Factor.PASSWORD, Factor.RECOVERY_CODE), Strength.TWO_FACTORS),
        ((Factor.UNSPECIFIED,), Strength.TWO_FACTORS),
        ((Factor.PASSKEY,), Strength.PHISHING_RESISTANT),
        ((Factor.PASSWORD, Factor.PASSKEY, Factor.TOTP), Strength.PHISHING_RESISTANT),
    ],
)
def test_r122_only_a_passkey_is_phishing_resistant(
    factors: tuple[Factor, ...], strength: Strength
) -> None:
    assurance = having(*factors)
    assert assurance.strength is strength
    assert (assurance.second_factor_at is not None) == (strength > Strength.SINGLE_FACTOR)


def test_a_factor_counts_from_when_it_was_given_last() -> None:
    assurance = Assurance().with_factor(Factor.TOTP, NOW).with_factor(Factor.PASSWORD, NOW + 1)
    again = assurance.with_factor(Factor.TOTP, NOW + 2)
    assert again.uses == (FactorUse(Factor.PASSWORD, NOW + 1), FactorUse(Factor.TOTP, NOW + 2))
    assert again.second_factor_at == NOW + 2


@given(st.lists(st.builds(FactorUse, st.sampled_from(Factor), st.floats(0, 4e9)), max_size=8))
def test_r123_what_a_session_keeps_is_read_as_it_was(given_: list[FactorUse]) -> None:
    assurance = Assurance(tuple(given_))
    assert kept_in(session(str(assurance), assurance.second_factor_at)) == assurance


def test_r123_a_session_of_an_older_release_had_some_second_factor_and_no_passkey() -> None:
    assert kept_in(session()).strength is Strength.SINGLE_FACTOR
    old = kept_in(session(second_factor_at=NOW - 60))
    assert old.strength is Strength.TWO_FACTORS
    assert old.second_factor_at == NOW - 60
    # One that it made of a newer session, to which a factor was added there.
    raised = kept_in(session("password:1.0", second_factor_at=NOW))
    assert raised.strength is Strength.TWO_FACTORS
    assert raised.has(Factor.PASSWORD)


@pytest.mark.parametrize(
    "text",
    ["hologram:1.0", "passkey", "passkey:", "passkey:soon", "passkey:nan", "passkey:inf", ":,,:"],
)
def test_r123_what_cannot_be_read_counts_for_nothing(text: str) -> None:
    assert kept_in(session(text)).strength is Strength.SINGLE_FACTOR
    assert kept_in(session(f"{text},totp:1.0", 1.0)).strength is Strength.TWO_FACTORS
    assert kept_in(session(f"{text},totp:1.0")).has(Factor.TOTP)


@pytest.mark.parametrize(
    ("has", "usable", "best"),
    [
        (Enrolled(), True, Strength.SINGLE_FACTOR),
        (Enrolled(recovery_codes_left=10), True, Strength.SINGLE_FACTOR),
        (Enrolled(totp=True), True, Strength.TWO_FACTORS),
        (Enrolled(totp=True, passkeys=(PASSKEY,)), True, Strength.PHISHING_RESISTANT),
        (Enrolled(totp=True, passkeys=(PASSKEY,)), False, Strength.TWO_FACTORS),
    ],
)
def test_r124_the_best_is_what_the_person_has_and_can_use(
    has: Enrolled,
    usable: bool,  # noqa: FBT001  # pytest calls it
    best: Strength,
) -> None:
    assert best_of(has, passkeys_usable=usable) is best


@pytest.mark.parametrize(
    ("factors", "best", "full"),
    [
        ((Factor.PASSWORD,), Strength.SINGLE_FACTOR, True),
        ((Factor.PASSWORD,), Strength.TWO_FACTORS, False),
        ((Factor.PASSWORD, Factor.REMEMBERED_BROWSER), Strength.TWO_FACTORS, False),
        ((Factor.PASSWORD, Factor.TOTP), Strength.TWO_FACTORS, True),
        ((Factor.PASSWORD, Factor.TOTP), Strength.PHISHING_RESISTANT, False),
        ((Factor.PASSWORD, Factor.RECOVERY_CODE), Strength.PHISHING_RESISTANT, True),
        ((Factor.PASSKEY,), Strength.PHISHING_RESISTANT, True),
    ],
)
def test_r124_a_full_sign_in_gave_the_best_or_a_recovery_code(
    factors: tuple[Factor, ...],
    best: Strength,
    full: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    assert is_full(having(*factors), best) is full
