"""Validation of ID tokens: issuer, audience, nonce and time (R-91).

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # it has no types
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.util import base64_to_int

_KINDS = {
    "RS256": ("RSA",),
    "PS256": ("RSA",),
    "ES256": ("P-256",),
    "EdDSA": ("Ed25519", "Ed448"),
    "Ed25519": ("Ed25519",),
}
"""Kinds of keys by algorithm: the type, or the curve. RFC 9864 calls EdDSA by its curve."""

ALGORITHMS = frozenset(_KINDS)
"""Accepted signature algorithms; never HMAC, never none."""

_DOTS_IF_ENCRYPTED = 4
_SAME_ID = 4
"""Keys with one ID that are tried for a token."""

RSA_BITS = range(2_048, 8_192 + 1)
"""Of a modulus, in bits. NIST SP 800-131A sets the minimum; longer ones would let a provider
cause work at each sign-in."""


class BadToken(Exception):
    """The token is not trustworthy; the text is for the log."""


class UnknownKey(BadToken):
    """The token is signed with a key that we do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The required claims of a token. ``skew`` is in seconds; ``acr_values`` may be empty."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None
    acr_values: tuple[str, ...]
    skew: float


def read_keys(document: Mapping[str, Any]) -> KeySet:
    """The public signing keys of a JWKS; other keys are skipped.

    Raises ValueError if none is left.
    """
    listed = document.get("keys")
    entries = listed if isinstance(listed, list) else []
    keys = [key for entry in entries if (key := _import(entry)) is not None]
    if not keys:
        raise ValueError("there is no signing key")
    return KeySet(keys)


def read_token(token: str, keys: KeySet, expected: Expected, now: float) -> Mapping[str, Any]:
    """The claims of a valid ID token.

    ``now`` is in seconds since the epoch. Raises BadToken, or UnknownKey before anything else.
    """
    try:
        verified = _verified(token, keys)
        _check(verified, expected, now)
    except JoseError as error:
        raise BadToken(f"{error.error} {error.description}".strip()) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadToken(f"it cannot be read: {type(error).__name__}") from None
    return verified.claims


def read_userinfo(token: str, keys: KeySet, *, issuer: str, client_id: str) -> Mapping[str, Any]:
    """The claims of a signed userinfo response; the caller compares its ``sub``.

    It may lack ``iss`` and ``aud``: it came from the provider itself, for our access token.
    Raises BadToken, or UnknownKey before anything else.

    https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
    """
    try:
        claims = _verified(token, keys).claims
    except JoseError as error:
        raise BadToken(f"{error.error} {error.description}".strip()) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadToken(f"it cannot be read: {type(error).__name__}") from None
    audience = claims.get("aud", client_id)
    if claims.get("iss", issuer) != issuer:
        raise BadToken("it is of another issuer")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise BadToken("it is for another client")
    return claims


def _verified(token: str, keys: KeySet) -> jwt.Token:
    """The token with a valid signature; keys in its header are ignored."""
    if token.count(".") == _DOTS_IF_ENCRYPTED:
        raise BadToken("it is encrypted, which is not supported: turn that off at the provider")
    header = extract_compact(token.encode()).headers()
    if header["alg"] not in ALGORITHMS:
        raise UnsupportedAlgorithmError(f"the algorithm is not one of {', '.join(_KINDS)}")
    why = "its key is unknown"
    for key in _candidates(keys, header):
        try:
            return jwt.decode(token, key, registry=_Algorithms(strict_check_header=False))
        except BadSignatureError:
            # The key may have been replaced by another one of this name, or without a name.
            why = "its signature does not match any known key"
    raise UnknownKey(why)


def _candidates(keys: KeySet, header: Mapping[str, Any]) -> list[Key]:
    """The keys that may have signed a token: keys of different kinds may share an ID.

    https://www.rfc-editor.org/rfc/rfc7517#section-4.5
    """
    if "kid" not in header and len(keys.keys) == 1:
        return keys.keys
    named = (key for key in keys.keys if key.kid == header.get("kid"))
    return list(islice((key for key in named if _can_sign(key, header["alg"])), _SAME_ID))


def _can_sign(key: Key, algorithm: str) -> bool:
    kind = getattr(key, "curve_name", key.key_type)
    return kind in _KINDS[algorithm] and key.alg in (None, algorithm)


def _check(token: jwt.Token, expected: Expected, now: float) -> None:
    """Also exp, iat and nonce, which ``CodeIDToken`` requires by itself."""
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "sub": {"essential": True},
            "aud": {"essential": True, "value": expected.client_id},
        },
        params={
            "client_id": expected.client_id,
            "nonce": expected.nonce,
            "access_token": expected.access_token,
        },
    )
    claims.validate(now=int(now), leeway=expected.skew)
    if expected.acr_values and claims.get("acr") not in expected.acr_values:
        raise BadToken("it contains none of acr_values")


class _Algorithms(JWSRegistry):
    """Supports ``ALGORITHMS`` only, whatever a token or a key says."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError("the algorithm is not allowed")
        return self.algorithms[name]


def _import(entry: Any) -> Key | None:
    if not _is_for_signatures(entry):
        return None
    try:
        return None if _is_weak(entry) else JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _is_weak(entry: Mapping[str, Any]) -> bool:
    """Whether an RSA key is too short or too long, in bits, without leading zeros."""
    if entry["kty"] != "RSA":
        return False
    return base64_to_int(entry["n"]).bit_length() not in RSA_BITS


def _is_for_signatures(entry: object) -> bool:
    """Whether a JWK is a public key for signatures; a shared secret never is (CVE-2024-37568)."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return False
    return entry.get("kty") in ("RSA", "EC", "OKP")
