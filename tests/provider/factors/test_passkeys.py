"""Passkeys, with an authenticator in software (R-82)."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.databases import NOW
from tests.provider.factors.authenticator import Authenticator, base64url
from tests.provider.factors.desk import (
    HANAKO,
    HANAKO_PERSON,
    ORIGIN,
    STRANGER,
    TARO,
    TARO_PERSON,
    Audit,
    Desk,
)

from worksgate.audit import Event
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.directory.database import Directory
from worksgate.directory.factors import Passkey
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.provider.factors import FactorRefused, Factors, KnownPasskey, RelyingParty, TooMany
from worksgate.provider.factors.codes import MAX_NAME, NameRefused
from worksgate.provider.factors.model import Holder
from worksgate.provider.factors.passkeys import (
    MAX_RESPONSE,
    authentication_options,
    check_assertion,
    read_assertion,
    read_registration,
    registration_options,
)
from worksgate.provider.factors.second_factors import MAX_PASSKEYS
from worksgate.provider.stranger_records import DEFAULT_PER_MINUTE

CHALLENGE = b"c" * 43
OTHER_CHALLENGE = b"d" * 43
HANDLE = RelyingParty.of(ORIGIN, "Acme").user_handle(HANAKO.subject_id)


async def _enrol(desk: Desk, holder: Holder = HANAKO, **fields: Any) -> Authenticator:
    """Make a passkey of this person; ``fields`` are the authenticator's."""
    authenticator = Authenticator(**fields)
    person = HANAKO_PERSON if holder == HANAKO else TARO_PERSON
    options = await desk.factors.passkey_registration_options(person, CHALLENGE)
    answer = authenticator.create(options)
    await desk.factors.add_passkey(holder, answer, CHALLENGE, "MacBook", NOW)
    return authenticator


async def _options(desk: Desk, subject_id: str | None = HANAKO.subject_id) -> str:
    return await desk.factors.passkey_options(
        subject_id, CHALLENGE, require_user_verification=False
    )


async def _check(
    desk: Desk,
    answer: str,
    holder: Holder = HANAKO,
    challenge: bytes = CHALLENGE,
    *,
    verified: bool = False,
) -> str:
    return await desk.factors.check_passkey(
        holder, answer, challenge, NOW, require_user_verification=verified
    )


@contextmanager
def _refused(desk: Desk, because: str) -> Iterator[None]:
    """The block ends in a refusal for this reason, which is recorded as well."""
    with pytest.raises(FactorRefused, match=because):
        yield
    assert because in (desk.audit.details[-1] or "")
    assert {event.event for event in desk.audit.events} == {Event.FACTOR_FAILED}


# What the browser is asked


async def test_the_browser_is_asked_for_a_passkey_that_can_be_found(desk: Desk) -> None:
    first = await _enrol(desk)
    options = json.loads(await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE))
    assert options["rp"] == {"id": "sso.example.com", "name": "Acme"}
    assert options["challenge"] == base64url(CHALLENGE)
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert [each["id"] for each in options["excludeCredentials"]] == [first.id]
    assert options["excludeCredentials"][0]["transports"] == ["internal", "hybrid"]
    assert (options["user"]["name"], options["user"]["displayName"]) == ("hanako", "山田花子")
    assert options["user"]["id"] == base64url(HANDLE)
    assert "hanako" not in str(HANDLE)


async def test_more_can_be_required_of_a_new_passkey(desk: Desk) -> None:
    options = json.loads(
        await desk.factors.passkey_registration_options(
            TARO_PERSON, CHALLENGE, require_user_verification=True, require_discoverable=True
        )
    )
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["user"]["displayName"] == "taro"


async def test_only_the_persons_own_passkeys_are_asked_for(desk: Desk) -> None:
    mine, _ = await _enrol(desk), await _enrol(desk, TARO)
    options = json.loads(await _options(desk))
    assert options["rpId"] == "sso.example.com"
    assert options["challenge"] == base64url(CHALLENGE)
    assert [each["id"] for each in options["allowCredentials"]] == [mine.id]
    assert options["userVerification"] == "preferred"


async def test_without_a_person_user_verification_is_required(desk: Desk) -> None:
    await _enrol(desk)
    options = json.loads(await _options(desk, None))
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"


async def test_r82_a_short_challenge_is_a_fault_of_ours(desk: Desk) -> None:
    with pytest.raises(ValueError, match="challenge"):
        await desk.factors.passkey_options(None, b"c" * 15, require_user_verification=True)
    assert await desk.factors.passkey_options(None, b"c" * 16, require_user_verification=True)


def test_r82_by_default_a_device_need_not_make_sure_who_uses_it() -> None:
    party = RelyingParty.of(ORIGIN, "Acme")
    options = json.loads(registration_options(party, HANAKO_PERSON, [], CHALLENGE))
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("preferred", "preferred")
    unverified = Authenticator(verified=False).create(json.dumps(options))
    assert read_registration(party, unverified, CHALLENGE).id
    with pytest.raises(FactorRefused):
        read_registration(party, unverified, CHALLENGE, require_user_verification=True)


def test_r82_an_answer_may_be_just_so_long() -> None:
    party = RelyingParty.of(ORIGIN, "Acme")
    answer = Authenticator().create(registration_options(party, HANAKO_PERSON, [], CHALLENGE))
    assert read_registration(party, answer.ljust(MAX_RESPONSE), CHALLENGE).id
    with pytest.raises(FactorRefused, match="too long"):
        read_registration(party, answer.ljust(MAX_RESPONSE + 1), CHALLENGE)


@pytest.mark.parametrize(("length", "is_taken"), [(1023, True), (1024, False)])
def test_r82_a_credential_id_has_at_most_1023_bytes(length: int, *, is_taken: bool) -> None:
    """https://www.w3.org/TR/webauthn-3/#credential-id"""
    party = RelyingParty.of(ORIGIN, "Acme")
    device = Authenticator(credential_id=b"i" * length)
    answer = device.create(registration_options(party, HANAKO_PERSON, [], CHALLENGE))
    if is_taken:
        assert read_registration(party, answer, CHALLENGE).id == device.id
    else:
        with pytest.raises(FactorRefused, match="too long"):
            read_registration(party, answer, CHALLENGE)


def test_r82_makes_are_only_allowed_with_the_roots_of_their_makers() -> None:
    make = "ee882879-721c-4913-9775-3dfcce97072a"
    with pytest.raises(ValueError, match="root certificates"):
        RelyingParty.of(ORIGIN, "Acme", aaguids=[make])
    made = RelyingParty.of(ORIGIN, "Acme", aaguids=[make], attestation_roots=[b"a root"])
    assert made.aaguids == {make}
    assert RelyingParty.of(ORIGIN, "Acme", attestation_roots=[b"a root"]).aaguids == frozenset()


@pytest.mark.parametrize(
    ("public_url", "rp_id", "origin"),
    [
        ("https://sso.example.com", "sso.example.com", "https://sso.example.com"),
        ("https://SSO.Example.com:443/sso/", "sso.example.com", "https://sso.example.com"),
        ("https://a.example:8443/sso", "a.example", "https://a.example:8443"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("https://[::1]:8443", "::1", "https://[::1]:8443"),
    ],
)
def test_the_relying_party_is_that_of_the_public_address(
    public_url: str, rp_id: str, origin: str
) -> None:
    party = RelyingParty.of(public_url, "")
    assert (party.id, party.origin, party.name) == (rp_id, origin, rp_id)


def test_a_handle_stays_as_it_is_in_devices_and_that_of_the_console_is_another() -> None:
    for is_console, text, name in (
        (False, "worksgate user handle directory:a1", "hanako"),
        (True, "worksgate console user handle directory:a1", "hanako (console)"),
    ):
        party = RelyingParty.of(ORIGIN, "Acme", is_console=is_console)
        user = json.loads(registration_options(party, HANAKO_PERSON, [], CHALLENGE))["user"]
        assert user["id"] == base64url(hashlib.sha256(text.encode()).digest())
        assert user["name"] == name


async def test_passkeys_need_a_name_and_https(directory: Directory) -> None:
    usable = []
    for public_url in (
        "https://sso.example.com",
        "http://localhost:8080",
        "http://sso.localhost:8080",
        "http://sso.example.com",
        "https://192.0.2.1",
        "https://[::1]:8443",
    ):
        factors = Factors(directory.factors, Audit(), RelyingParty.of(public_url, ""))
        usable.append(factors.passkeys_usable)
        factors.close()
    assert usable == [True, True, True, False, False, False]


# Making one


async def test_a_passkey_is_kept_and_recorded(desk: Desk) -> None:
    made = await _enrol(desk, backed_up=True)
    enrolled = await desk.factors.of(HANAKO.subject_id)
    (kept,) = enrolled.passkeys
    assert enrolled.any
    assert (kept.id, kept.name, kept.created_at) == (made.id, "MacBook", NOW)
    assert (kept.aaguid, kept.transports) == (made.aaguid, ("internal", "hybrid"))
    assert kept.backed_up
    assert repr(kept.public_key) not in repr(kept)
    assert await desk.recorded() == [(Event.FACTOR_ADDED, "passkey MacBook")]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("", ""), ("  My\nkey\x00 ", "My key"), ("あ" * 500, "あ" * 64), ("a\u202eb", "a b")],
)
async def test_a_name_is_one_short_line(desk: Desk, typed: str, kept: str) -> None:
    authenticator = Authenticator()
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    answer = authenticator.create(options)
    passkey = await desk.factors.add_passkey(HANAKO, answer, CHALLENGE, typed, NOW)
    assert passkey.name == kept


async def test_a_name_that_is_corrected_has_so_many_characters_at_most(desk: Desk) -> None:
    made = await _enrol(desk)
    assert await desk.factors.rename_passkey(HANAKO, made.id, "あ" * MAX_NAME, NOW) is True
    with pytest.raises(NameRefused):
        await desk.factors.rename_passkey(HANAKO, made.id, "い" * (MAX_NAME + 1), NOW)
    assert await desk.factors.rename_passkey(HANAKO, "unknown", "", NOW) is False
    (kept,) = (await desk.factors.of(HANAKO.subject_id)).passkeys
    assert kept.name == "あ" * MAX_NAME


async def test_where_too_many_wait_nobody_else_has_to(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise PoolFull

    monkeypatch.setattr(ThreadPool, "run", full)
    with pytest.raises(HashingBusy):
        await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"origin": "https://sso.example.com.evil.example"}, "origin"),
        ({"origin": "http://sso.example.com"}, "origin"),
        ({"rp_id": "example.com"}, "RP ID"),
        ({"present": False}, "presen"),
        ({"cross_origin": True}, "frame"),
        ({"credential_id": b"x" * 1_024}, "too long"),
    ],
)
async def test_r82_a_wrong_registration_is_refused(
    desk: Desk, fields: dict[str, Any], because: str
) -> None:
    with _refused(desk, because):
        await _enrol(desk, **fields)
    assert not (await desk.factors.of(HANAKO.subject_id)).any
    assert await desk.recorded() == []


async def test_r82_a_registration_for_another_challenge_is_refused(desk: Desk) -> None:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    answer = Authenticator().create(options)
    with _refused(desk, "challenge"):
        await desk.factors.add_passkey(HANAKO, answer, OTHER_CHALLENGE, "", NOW)


async def test_r82_user_verification_can_be_required_of_a_new_passkey(desk: Desk) -> None:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    for verified in (False, True):
        authenticator = Authenticator(verified=verified)
        answer = authenticator.create(options)
        adding = desk.factors.add_passkey(
            HANAKO, answer, CHALLENGE, "", NOW, require_user_verification=True
        )
        if verified:
            assert (await adding).id == authenticator.id
        else:
            with _refused(desk, "verif"):
                await adding


async def test_a_second_factor_needs_no_user_verification(desk: Desk) -> None:
    await _enrol(desk, verified=False)
    assert len((await desk.factors.of(HANAKO.subject_id)).passkeys) == 1


async def test_a_passkey_is_made_for_somebody_and_not_kept(desk: Desk) -> None:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    answer = Authenticator().create(options)
    made = await desk.factors.made_passkey(HANAKO, answer, CHALLENGE, "MacBook", NOW)
    assert (made.subject_id, made.name) == (HANAKO.subject_id, "MacBook")
    assert not (await desk.factors.of(HANAKO.subject_id)).passkeys


async def test_an_assertion_is_no_registration_and_the_other_way_round(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    assertion = authenticator.get(await _options(desk))
    options = await desk.factors.passkey_registration_options(TARO_PERSON, CHALLENGE)
    registration = authenticator.create(options)
    with pytest.raises(FactorRefused):
        await desk.factors.add_passkey(TARO, assertion, CHALLENGE, "", NOW)
    with pytest.raises(FactorRefused):
        await _check(desk, registration)


async def test_r82_a_registration_is_of_the_credential_that_it_names(desk: Desk) -> None:
    options = await desk.factors.passkey_registration_options(HANAKO_PERSON, CHALLENGE)
    answer, other = json.loads(Authenticator().create(options)), base64url(b"other")
    answer |= {"id": other, "rawId": other}
    with _refused(desk, "does not match its ID"):
        await desk.factors.add_passkey(HANAKO, json.dumps(answer), CHALLENGE, "", NOW)


async def test_nobody_takes_over_a_passkey_by_its_id(desk: Desk) -> None:
    theirs = await _enrol(desk)
    with pytest.raises(KnownPasskey):
        await _enrol(desk, TARO, credential_id=theirs.credential_id)
    assert await _check(desk, theirs.get(await _options(desk))) == HANAKO.subject_id


async def test_a_person_has_so_many_passkeys_at_most(desk: Desk) -> None:
    for _ in range(MAX_PASSKEYS):
        await _enrol(desk)
    with pytest.raises(TooMany):
        await _enrol(desk)
    assert len((await desk.factors.of(HANAKO.subject_id)).passkeys) == MAX_PASSKEYS
    await _enrol(desk, TARO)


# Using one


async def test_a_use_is_kept_and_recorded(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    authenticator.backed_up = True
    assert await _check(desk, authenticator.get(await _options(desk))) == HANAKO.subject_id
    (kept,) = (await desk.factors.of(HANAKO.subject_id)).passkeys
    assert (kept.sign_count, kept.last_used_at, kept.backed_up) == (1, NOW, True)
    assert (await desk.recorded())[1:] == [(Event.FACTOR_USED, "passkey MacBook")]
    assert desk.audit.events == []


async def test_a_passkey_says_who_somebody_is(desk: Desk) -> None:
    await _enrol(desk, TARO)
    authenticator = await _enrol(desk)
    answer = authenticator.get(await _options(desk, None))
    assert await _check(desk, answer, STRANGER, verified=True) == HANAKO.subject_id


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"origin": "https://evil.example"}, "origin"),
        ({"origin": "https://sso.example.com:444"}, "origin"),
        ({"rp_id": "evil.example"}, "RP ID"),
        ({"present": False}, "present"),
        ({"cross_origin": True}, "frame"),
        ({"user_handle": b"somebody else"}, "another person"),
    ],
)
async def test_r82_a_wrong_answer_is_refused(
    desk: Desk, fields: dict[str, Any], because: str
) -> None:
    authenticator = await _enrol(desk)
    for name, value in fields.items():
        setattr(authenticator, name, value)
    with _refused(desk, because):
        await _check(desk, authenticator.get(await _options(desk)))


async def test_r82_an_answer_to_another_challenge_is_refused(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    answer = authenticator.get(await _options(desk))
    with _refused(desk, "challenge"):
        await _check(desk, answer, challenge=OTHER_CHALLENGE)


async def test_r82_missing_user_verification_is_refused_where_it_is_required(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    authenticator.verified = False
    options = await _options(desk)
    with _refused(desk, "verif"):
        await _check(desk, authenticator.get(options), verified=True)
    assert await _check(desk, authenticator.get(options)) == HANAKO.subject_id


async def test_r82_a_passkey_alone_always_verifies_its_user(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    authenticator.verified = False
    with _refused(desk, "verif"):
        await _check(desk, authenticator.get(await _options(desk, None)), STRANGER, verified=False)


async def test_r82_a_passkey_alone_must_say_whose_it_is(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    authenticator.user_handle = None
    with _refused(desk, "does not identify its owner"):
        await _check(desk, authenticator.get(await _options(desk, None)), STRANGER)
    assert await _check(desk, authenticator.get(await _options(desk))) == HANAKO.subject_id


async def test_r82_another_persons_passkey_is_refused(desk: Desk) -> None:
    theirs = await _enrol(desk, TARO)
    await _enrol(desk)
    with _refused(desk, "belongs to somebody else"):
        await _check(desk, theirs.get(await _options(desk)))


async def test_r82_an_unknown_passkey_is_refused(desk: Desk) -> None:
    await _enrol(desk)
    stranger = Authenticator(user_handle=HANDLE)
    with _refused(desk, "not registered here"):
        await _check(desk, stranger.get(await _options(desk)))


@pytest.mark.parametrize("name", ["", "\ud800", "\0", "a", "AAA=", "AB", "'; --", "A" * 2_000])
async def test_r82_a_name_that_no_passkey_can_have_is_refused(desk: Desk, name: str) -> None:
    authenticator = await _enrol(desk)
    answer = json.loads(authenticator.get(await _options(desk)))
    for changed in ({"id": name}, {"id": name, "rawId": name}):
        with pytest.raises(FactorRefused):
            await _check(desk, json.dumps(answer | changed))


def _made(party: RelyingParty) -> tuple[Authenticator, Passkey]:
    authenticator = Authenticator()
    options = registration_options(party, HANAKO_PERSON, [], CHALLENGE)
    made = read_registration(party, authenticator.create(options), CHALLENGE)
    return authenticator, made.owned_by(HANAKO.subject_id, "MacBook", NOW)


def _answer(party: RelyingParty, authenticator: Authenticator) -> dict[str, Any]:
    options = authentication_options(party, [], CHALLENGE, require_user_verification=False)
    answer: dict[str, Any] = json.loads(authenticator.get(options))
    return answer


def test_r82_a_name_is_refused_before_anybody_looks_for_it() -> None:
    party = RelyingParty.of(ORIGIN, "Acme")
    authenticator, _ = _made(party)
    answer = _answer(party, authenticator)
    assert read_assertion(json.dumps(answer)).credential_id == authenticator.id
    another, too_long = base64url(secrets.token_bytes(32)), base64url(b"x" * 1_024)
    for changed in ({"id": another}, {"id": "", "rawId": ""}, {"id": too_long, "rawId": too_long}):
        with pytest.raises(FactorRefused, match="the credential ID is not valid"):
            read_assertion(json.dumps(answer | changed))


def test_r82_an_answer_proves_the_passkey_that_it_names_and_no_other() -> None:
    """Also where another one has the same key."""
    party = RelyingParty.of(ORIGIN, "Acme")
    authenticator, passkey = _made(party)
    assertion = read_assertion(json.dumps(_answer(party, authenticator)))
    check_assertion(party, assertion, passkey, CHALLENGE, require_user_verification=False)
    for other, because in (
        (replace(passkey, id="another"), "another passkey"),
        (replace(passkey, subject_id=TARO.subject_id), "another person"),
    ):
        with pytest.raises(FactorRefused, match=because):
            check_assertion(party, assertion, other, CHALLENGE, require_user_verification=False)


async def test_r82_a_signature_of_another_key_is_refused(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    forger = Authenticator(credential_id=authenticator.credential_id, sign_count=50)
    with _refused(desk, "signature"):
        await _check(desk, forger.get(await _options(desk)))
    assert await _check(desk, authenticator.get(await _options(desk))) == HANAKO.subject_id


async def test_r82_changed_data_is_refused(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    options = await _options(desk)
    authenticator.verified = False
    answer = json.loads(authenticator.get(options))
    authenticator.verified = True
    answer["response"]["authenticatorData"] = base64url(authenticator.data())
    with _refused(desk, "signature"):
        await _check(desk, json.dumps(answer), verified=True)


# The counter


async def test_r82_a_counter_that_goes_back_is_refused_and_recorded(desk: Desk) -> None:
    authenticator = await _enrol(desk, sign_count=10)
    copy = replace(authenticator)
    options = await _options(desk)
    for _ in range(3):
        await _check(desk, authenticator.get(options))
    with _refused(desk, "the counter went back"):
        await _check(desk, copy.get(options))
    recorded = desk.audit.events[-1]
    assert recorded.subject_id == HANAKO.subject_id
    assert (recorded.login_id, recorded.address) == (HANAKO.login_id, HANAKO.address)
    copy.sign_count = 50
    assert await _check(desk, copy.get(options)) == HANAKO.subject_id


@pytest.mark.parametrize("count", [0, 10])
async def test_r82_a_counter_that_stands_still_is_refused(desk: Desk, count: int) -> None:
    authenticator = await _enrol(desk, sign_count=10)
    authenticator.counts, authenticator.sign_count = False, count
    with _refused(desk, "the counter went back"):
        await _check(desk, authenticator.get(await _options(desk)))


async def test_r82_nobody_makes_a_passkey_look_copied_without_its_key(desk: Desk) -> None:
    authenticator = await _enrol(desk, sign_count=10)
    forger = Authenticator(credential_id=authenticator.credential_id)
    with pytest.raises(FactorRefused):
        await _check(desk, forger.get(await _options(desk)))
    assert not any("counter" in (detail or "") for detail in desk.audit.details)


async def test_a_passkey_that_does_not_count_can_be_used_again(desk: Desk) -> None:
    authenticator = await _enrol(desk, counts=False)
    for _ in range(3):
        assert await _check(desk, authenticator.get(await _options(desk))) == HANAKO.subject_id


async def test_r82_of_many_with_the_same_answer_of_a_counter_one_wins(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    answer = authenticator.get(await _options(desk))
    outcomes = await asyncio.gather(
        *(_check(desk, answer) for _ in range(6)), return_exceptions=True
    )
    assert [each for each in outcomes if isinstance(each, str)] == [HANAKO.subject_id]
    assert sum(isinstance(each, FactorRefused) for each in outcomes) == 5


# Removing, and what strangers do


async def test_a_removed_passkey_is_unknown(desk: Desk) -> None:
    authenticator = await _enrol(desk)
    answer = authenticator.get(await _options(desk))
    for not_theirs in (TARO, STRANGER):
        assert not await desk.factors.remove_passkey(not_theirs, authenticator.id, NOW)
    assert not await desk.factors.remove_passkey(HANAKO, "\ud800", NOW)
    assert await desk.factors.remove_passkey(HANAKO, authenticator.id, NOW)
    assert not await desk.factors.remove_passkey(HANAKO, authenticator.id, NOW)
    assert (await desk.recorded())[1:] == [(Event.FACTOR_REMOVED, "passkey MacBook")]
    with _refused(desk, "not registered here"):
        await _check(desk, answer)


async def test_a_use_at_the_moment_of_the_removal_does_not_count(desk: Desk) -> None:
    await _enrol(desk)
    (passkey,) = (await desk.factors.of(HANAKO.subject_id)).passkeys
    await desk.factors.remove_passkey(HANAKO, passkey.id, NOW)
    event = HANAKO.event(Event.FACTOR_USED, NOW, "passkey")
    rows = desk.directory.factors
    assert not await rows.use_passkey(passkey, 1, NOW, event, backed_up=False)


async def test_recovery_codes_stay_while_a_factor_is_left(desk: Desk) -> None:
    first, second = await _enrol(desk), await _enrol(desk)
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    await desk.factors.remove_passkey(HANAKO, first.id, NOW)
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 10
    await desk.factors.remove_passkey(HANAKO, second.id, NOW)
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 0


async def test_a_flood_of_strangers_is_recorded_within_a_bound(desk: Desk) -> None:
    answer = Authenticator(user_handle=b"x").get(await _options(desk, None))
    for _ in range(DEFAULT_PER_MINUTE + 5):
        with pytest.raises(FactorRefused):
            await _check(desk, answer, STRANGER, verified=True)
    assert len(desk.audit.events) == DEFAULT_PER_MINUTE


async def test_an_administrator_can_remove_all_second_factors(desk: Desk) -> None:
    await _enrol(desk)
    theirs = await _enrol(desk, TARO)
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    await desk.app_passwords.add(HANAKO, "Phone", NOW)
    remove, subject = desk.directory.factors.remove_all, HANAKO.subject_id
    event = HANAKO.event(Event.FACTOR_REMOVED, NOW, "all, by an administrator")
    assert await remove(subject, event)
    enrolled = await desk.factors.of(subject)
    assert (enrolled.any, enrolled.recovery_codes_left) == (False, 0)
    assert len(await desk.app_passwords.of(subject)) == 1
    assert not await remove(subject, event)
    removals = [each for each in await desk.recorded() if each[0] is Event.FACTOR_REMOVED]
    assert removals == [(Event.FACTOR_REMOVED, "all, by an administrator")]
    assert await _check(desk, theirs.get(await _options(desk, TARO.subject_id)), TARO)


async def test_random_challenges_work_as_well(desk: Desk) -> None:
    authenticator, challenge = await _enrol(desk), secrets.token_bytes(32)
    options = await desk.factors.passkey_options(
        HANAKO.subject_id, challenge, require_user_verification=True
    )
    assert await _check(desk, authenticator.get(options), challenge=challenge, verified=True)


async def test_the_options_of_everybody_are_those_of_the_library(desk: Desk) -> None:
    for challenge in (b"c" * 16, bytes(range(64)), secrets.token_bytes(43)):
        options = await desk.factors.passkey_options(
            None, challenge, require_user_verification=True
        )
        assert options == authentication_options(
            desk.factors._party, [], challenge, require_user_verification=True
        )


async def test_a_crowd_at_the_sign_in_page_waits_for_no_thread(desk: Desk) -> None:
    await desk.factors.passkey_options(None, b"c" * 16, require_user_verification=True)
    desk.factors.close()  # no thread takes anything any more
    assert await desk.factors.passkey_options(None, b"d" * 16, require_user_verification=True)
