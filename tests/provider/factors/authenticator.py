"""An authenticator in software: makes passkeys and signs with them, and can be made to lie.

Written from the specification, not with the library that is under test.
https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data
"""

import base64
import datetime
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from uuid import UUID

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

MAKE = "11223344-5566-7788-99aa-bbccddeeff00"

_PRESENT, _VERIFIED, _BACKED_UP, _ATTESTED = 0x01, 0x04, 0x18, 0x40
_AAGUID_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_FAR_OFF = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True)
class Authenticator:
    """One passkey; the fields are what it will say, so that a test can change them."""

    rp_id: str = "sso.example.com"
    origin: str = "https://sso.example.com"
    aaguid: str = MAKE
    counts: bool = True
    verified: bool = True
    present: bool = True
    backed_up: bool = False
    cross_origin: bool = False
    sign_count: int = 0
    user_handle: bytes | None = None
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def id(self) -> str:
        return base64url(self.credential_id)

    def create(self, options_json: str, *, maker: "Maker | None" = None, fmt: str = "none") -> str:
        """What the browser sends after ``navigator.credentials.create``.

        ``fmt`` "none", "self" (packed, signed by the new key), or "packed" by a ``maker``.
        """
        options = json.loads(options_json)
        self.user_handle = _decoded(options["user"]["id"])
        client_data = self.client_data("webauthn.create", options["challenge"])
        data = self.data(attested=True)
        attestation = {
            "fmt": "packed" if fmt != "none" else "none",
            "attStmt": self._statement(fmt, maker, data + hashlib.sha256(client_data).digest()),
            "authData": data,
        }
        return self._answer(
            client_data,
            attestationObject=base64url(cbor2.dumps(attestation)),
            transports=["internal", "hybrid", "telepathy"],
        )

    def get(self, options_json: str, **changes: object) -> str:
        """What the browser sends after ``navigator.credentials.get``."""
        options = json.loads(options_json)
        if self.counts:
            self.sign_count += 1
        client_data = self.client_data("webauthn.get", options["challenge"])
        data = self.data()
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        handle = None if self.user_handle is None else base64url(self.user_handle)
        answer = {
            "authenticatorData": base64url(data),
            "signature": base64url(signature),
            "userHandle": handle,
        }
        return self._answer(client_data, **{**answer, **changes})

    def client_data(self, kind: str, challenge: str) -> bytes:
        said = {
            "type": kind,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        }
        return json.dumps(said).encode()

    def data(self, *, attested: bool = False) -> bytes:
        flags = _PRESENT * self.present | _VERIFIED * self.verified | _BACKED_UP * self.backed_up
        head = hashlib.sha256(self.rp_id.encode()).digest()
        head += bytes([flags | _ATTESTED * attested]) + self.sign_count.to_bytes(4, "big")
        if not attested:
            return head
        length = len(self.credential_id).to_bytes(2, "big")
        return head + UUID(self.aaguid).bytes + length + self.credential_id + self._public_key()

    def _public_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _statement(self, fmt: str, maker: "Maker | None", signed: bytes) -> dict[str, object]:
        if fmt == "none":
            return {}
        key = self.key if maker is None else maker.key
        statement: dict[str, object] = {"alg": -7, "sig": key.sign(signed, ec.ECDSA(SHA256()))}
        return statement if maker is None else {**statement, "x5c": [maker.certificate]}

    def _answer(self, client_data: bytes, **response: object) -> str:
        return json.dumps(
            {
                "id": self.id,
                "rawId": self.id,
                "type": "public-key",
                "response": {"clientDataJSON": base64url(client_data), **response},
            }
        )


class Maker:
    """Whoever makes authenticators of one AAGUID: a root, and a certificate that signs for it."""

    def __init__(self, aaguid: str | None = MAKE) -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.key = ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Root", self.root_key, "Root", self.root_key, None, ca=True)
        leaf = _certificate("Attestation", self.key, "Root", self.root_key, aaguid, ca=False)
        self.root = root.public_bytes(Encoding.PEM)
        self.certificate = leaf.public_bytes(Encoding.DER)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    aaguid: str | None,
    *,
    ca: bool,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_LONG_AGO)
        .not_valid_after(_FAR_OFF)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if aaguid is not None:
        value = b"\x04\x10" + UUID(aaguid).bytes
        extension = x509.UnrecognizedExtension(_AAGUID_EXTENSION, value)
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, SHA256())


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
