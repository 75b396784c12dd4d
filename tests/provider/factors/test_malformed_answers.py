"""Any invalid passkey response is refused, and never an internal error (R-108)."""

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples
from tests.provider.factors.authenticator import Authenticator, base64url
from tests.provider.factors.desk import HANAKO, HANAKO_PERSON, ORIGIN

from worksgate.provider.factors import FactorRefused, RelyingParty
from worksgate.provider.factors.passkeys import (
    authentication_options,
    check_assertion,
    read_assertion,
    read_registration,
    registration_options,
)

CHALLENGE = b"c" * 43
PARTY = RelyingParty.of(ORIGIN, "Acme")
AUTHENTICATOR = Authenticator(counts=False)
REGISTRATION = AUTHENTICATOR.create(registration_options(PARTY, HANAKO_PERSON, [], CHALLENGE))
PASSKEY = read_registration(PARTY, REGISTRATION, CHALLENGE).owned_by(HANAKO.subject_id, "", 0.0)
ASSERTION = AUTHENTICATOR.get(
    authentication_options(PARTY, [], CHALLENGE, require_user_verification=True)
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PLACES = [("id",), ("rawId",), ("type",), ("response",), ("response", "clientDataJSON")]


def _use(answer: str) -> None:
    check_assertion(
        PARTY, read_assertion(answer), PASSKEY, CHALLENGE, require_user_verification=True
    )


def _make(answer: str) -> None:
    read_registration(PARTY, answer, CHALLENGE)


def _replaced(answer: str, place: tuple[str, ...], value: object) -> str:
    changed: dict[str, Any] = json.loads(answer)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return json.dumps(changed)


def test_the_answers_that_are_spoilt_below_are_right_as_they_are() -> None:
    _use(ASSERTION)
    _make(REGISTRATION)


@pytest.mark.parametrize("read", [_use, _make])
@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "\ud800",
        "NaN",
        "[" * 30_000,
        '{"id":' * 5_000,
        "9" * 30_000,
        '"' + "A" * 40_000 + '"',
    ],
)
def test_what_is_no_answer_is_refused(read: Any, answer: str) -> None:
    with pytest.raises(FactorRefused):
        read(answer)


def test_what_is_too_long_is_refused_unread() -> None:
    with pytest.raises(FactorRefused, match="too long"):
        _use(_replaced(ASSERTION, ("padding",), "x" * 40_000))


@given(answer=st.text() | JSON.map(json.dumps))
def test_any_text_and_any_json_is_refused(answer: str) -> None:
    for read in (_use, _make):
        with pytest.raises(FactorRefused):
            read(answer)


@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_in_any_place_is_refused(place: tuple[str, ...], value: object) -> None:
    for read, answer in ((_use, ASSERTION), (_make, REGISTRATION)):
        with pytest.raises(FactorRefused):
            read(_replaced(answer, place, value))


@given(
    field=st.sampled_from(["authenticatorData", "signature", "clientDataJSON"]),
    data=st.binary(max_size=200),
)
def test_any_bytes_in_an_answer_are_refused(field: str, data: bytes) -> None:
    with pytest.raises(FactorRefused):
        _use(_replaced(ASSERTION, ("response", field), base64url(data)))


@given(said=JSON, changed=st.sampled_from(["type", "challenge", "origin", "tokenBinding", None]))
def test_any_client_data_is_refused(said: object, changed: str | None) -> None:
    right = json.loads(AUTHENTICATOR.client_data("webauthn.get", "Y2Nj"))
    data = said if changed is None else {**right, changed: said}
    with pytest.raises(FactorRefused):
        _use(_replaced(ASSERTION, ("response", "clientDataJSON"), base64url(_json(data))))


@examples(200)
@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_any_changed_byte_of_what_is_signed_is_refused(place: int, value: int) -> None:
    data = bytearray(AUTHENTICATOR.data())
    data[place % len(data)] ^= value
    answer = _replaced(ASSERTION, ("response", "authenticatorData"), base64url(bytes(data)))
    with pytest.raises(FactorRefused):
        _use(answer)


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-5, 5) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(name=st.sampled_from(["fmt", "attStmt", "authData", None]), value=CBOR)
def test_any_attestation_is_refused(name: str | None, value: object) -> None:
    right = {"fmt": "packed", "attStmt": {}, "authData": AUTHENTICATOR.data(attested=True)}
    attestation = cbor2.dumps(value if name is None else {**right, name: value})
    answer = _replaced(REGISTRATION, ("response", "attestationObject"), base64url(attestation))
    with pytest.raises(FactorRefused):
        _make(answer)


@given(key=CBOR)
def test_any_public_key_is_refused_or_cannot_be_used(key: object) -> None:
    head = AUTHENTICATOR.data(attested=True)[: 37 + 16 + 2 + 32]
    attestation = {"fmt": "none", "attStmt": {}, "authData": head + cbor2.dumps(key)}
    answer = _replaced(
        REGISTRATION, ("response", "attestationObject"), base64url(cbor2.dumps(attestation))
    )
    with pytest.raises(FactorRefused):
        _make(answer)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
