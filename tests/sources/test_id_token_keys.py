"""Which keys of a provider are trusted."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, OctKey

from worksgate.sources.openid.id_token import read_keys


def _number(value: int, *, zeros: int = 0) -> str:
    data = bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8)
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _rsa(modulus: int, *, zeros: int = 0) -> dict[str, Any]:
    return {"kty": "RSA", "n": _number(modulus, zeros=zeros), "e": _number(65_537)}


def _modulus(bits: int) -> int:
    return rsa.generate_private_key(65_537, bits).public_key().public_numbers().n


GOOD = _rsa(_modulus(2_048))
SHORT = _modulus(1_024)
CURVE = dict(ECKey.import_key(ec.generate_private_key(ec.SECP256R1()).public_key()).as_dict())
SECRET = dict(OctKey.generate_key(256).as_dict())


@pytest.mark.parametrize("entry", [GOOD, CURVE, GOOD | {"use": "sig"}])
def test_r91_a_public_key_that_is_long_enough_is_taken(entry: dict[str, Any]) -> None:
    assert len(read_keys({"keys": [entry]}).keys) == 1


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_rsa(SHORT), id="1,024 bits"),
        pytest.param(_rsa(SHORT, zeros=128), id="1,024 bits behind as many zeros"),
        pytest.param(_rsa((1 << 16_383) | 1), id="16,384 bits"),
        pytest.param(GOOD | {"e": _number(1)}, id="exponent 1"),
        pytest.param(GOOD | {"n": ""}, id="no modulus"),
        pytest.param(GOOD | {"n": 5}, id="a modulus that is no text"),
        pytest.param(GOOD | {"use": "enc"}, id="for encryption"),
        pytest.param(GOOD | {"d": _number(5)}, id="a private key"),
        pytest.param(SECRET, id="a shared secret"),
        pytest.param({"kty": "none"}, id="no kind"),
        pytest.param("RSA", id="no object"),
    ],
)
def test_r91_a_key_that_must_not_sign_is_passed_over(entry: Any) -> None:
    with pytest.raises(ValueError, match="no signing key"):
        read_keys({"keys": [entry]})
    assert len(read_keys({"keys": [entry, CURVE]}).keys) == 1
