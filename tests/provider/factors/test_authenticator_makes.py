"""Restricting models of authenticators: an AAGUID counts only with an attestation (R-82)."""

from collections.abc import Iterator

import pytest
from tests.databases import NOW
from tests.provider.factors.authenticator import MAKE, Authenticator, Maker
from tests.provider.factors.desk import HANAKO, HANAKO_PERSON, ORIGIN, Audit, Desk

from worksgate.directory.database import Directory
from worksgate.provider.factors import AppPasswords, FactorRefused, Factors, RelyingParty
from worksgate.provider.factors import UntrustedAuthenticator as Untrusted

CHALLENGE = b"c" * 43
OTHER_MAKE = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker()


@pytest.fixture
def strict(directory: Directory, maker: Maker) -> Iterator[Desk]:
    """Where only one make is allowed."""
    party = RelyingParty.of(ORIGIN, "Acme", aaguids=[MAKE.upper()], attestation_roots=[maker.root])
    audit = Audit()
    factors = Factors(directory.factors, audit, party)
    yield Desk(directory, factors, AppPasswords(directory.app_passwords), audit)
    factors.close()


async def _add(
    desk: Desk, authenticator: Authenticator, fmt: str, maker: Maker | None = None
) -> str:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    assert '"attestation": "direct"' in options
    answer = authenticator.create(options, fmt=fmt, maker=maker)
    return (await desk.factors.add_passkey(HANAKO, answer, CHALLENGE, "", NOW)).aaguid


async def test_r82_an_allowed_make_with_its_makers_certificate_is_kept(
    strict: Desk, maker: Maker
) -> None:
    assert await _add(strict, Authenticator(), "packed", maker) == MAKE


async def test_r82_a_policy_on_makes_cannot_be_dodged_by_no_attestation(strict: Desk) -> None:
    with pytest.raises(Untrusted, match="no certificate"):
        await _add(strict, Authenticator(), "none")
    assert not (await strict.factors.of(HANAKO.subject_id)).any


async def test_r82_a_policy_on_makes_cannot_be_dodged_by_signing_for_oneself(
    strict: Desk,
) -> None:
    with pytest.raises(Untrusted, match="no certificate"):
        await _add(strict, Authenticator(), "self")


async def test_r82_a_certificate_of_somebody_else_proves_nothing(strict: Desk) -> None:
    with pytest.raises(FactorRefused, match="chain"):
        await _add(strict, Authenticator(), "packed", Maker())


async def test_r82_a_make_that_is_not_allowed_is_refused(strict: Desk, maker: Maker) -> None:
    with pytest.raises(Untrusted, match="another AAGUID"):
        await _add(strict, Authenticator(aaguid=OTHER_MAKE), "packed", maker)


async def test_r82_a_certificate_for_every_make_vouches_for_an_allowed_one_alone(
    directory: Directory,
) -> None:
    maker, audit = Maker(aaguid=None), Audit()
    party = RelyingParty.of(ORIGIN, "Acme", aaguids=[MAKE], attestation_roots=[maker.root])
    factors = Factors(directory.factors, audit, party)
    desk = Desk(directory, factors, AppPasswords(directory.app_passwords), audit)
    with pytest.raises(Untrusted, match="not allowed"):
        await _add(desk, Authenticator(aaguid=OTHER_MAKE), "packed", maker)
    assert await _add(desk, Authenticator(), "packed", maker) == MAKE
    factors.close()


async def test_without_a_policy_any_make_is_kept(desk: Desk) -> None:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    for fmt, maker in (("none", None), ("self", None), ("packed", Maker())):
        answer = Authenticator().create(options, fmt=fmt, maker=maker)
        await desk.factors.add_passkey(HANAKO, answer, CHALLENGE, "", NOW)
    assert len((await desk.factors.of(HANAKO.subject_id)).passkeys) == 3


def test_a_policy_that_proves_nothing_is_not_accepted() -> None:
    with pytest.raises(ValueError, match="root certificates"):
        RelyingParty.of(ORIGIN, "Acme", aaguids=[MAKE])
    with pytest.raises(ValueError, match="UUID"):
        RelyingParty.of(ORIGIN, "Acme", aaguids=["yubikey"], attestation_roots=[b"x"])
