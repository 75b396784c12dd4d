"""Passkeys: the options for the browser, and the verification of its responses (R-82).

The ``webauthn`` library implements the specification; this module makes the decisions around it.
Challenges are random bytes from the caller, who accepts each only once. Every function that reads a
response raises FactorRefused for any problem, however malformed it is (R-108).
https://www.w3.org/TR/webauthn-3/
"""

import hashlib
import ipaddress
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from worksgate.audit import Reason
from worksgate.directory.factors import Passkey
from worksgate.provider.factors.model import FactorRefused, UntrustedAuthenticator
from worksgate.sources import Person

if TYPE_CHECKING:
    from webauthn.helpers.structs import (
        AuthenticationCredential,
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )
    from webauthn.registration.verify_registration_response import VerifiedRegistration

MAX_RESPONSE = 32_768
"""Maximum length of a browser's response; a chain of certificates has some thousand characters."""
MAX_CREDENTIAL_ID = 1_023
"""Bytes, by the specification."""

_TIMEOUT = 300_000
"""Milliseconds that the browser may wait for the person."""
_LEAST_CHALLENGE = 16
_DEFAULT_PORTS = {"https": 443, "http": 80}
_AAGUID_EXTENSION = "1.3.6.1.4.1.45724.1.1.4"
_PASSKEY_ID = re.compile(r"[A-Za-z0-9_-]{1,1364}")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Our identity for browsers: passkeys are bound to ``id``, responses to ``origin``.

    ``aaguids`` are the authenticator models that the company allows; empty allows all.
    ``attestation_roots`` are their manufacturers' certificates in PEM, which prove the model.
    ``is_console`` is true for the administrators' console, whose passkeys are its own.
    """

    id: str
    origin: str
    name: str
    aaguids: frozenset[str] = frozenset()
    attestation_roots: tuple[bytes, ...] = field(default=(), repr=False)
    is_console: bool = False

    @classmethod
    def of(
        cls,
        public_url: str,
        name: str,
        *,
        aaguids: Iterable[str] = (),
        attestation_roots: Iterable[bytes] = (),
        is_console: bool = False,
    ) -> Self:
        """The relying party of an installation; ``name`` is shown by some authenticators.

        Raises ValueError for an invalid AAGUID, and for AAGUIDs without roots: without its
        manufacturer's certificate an authenticator could claim any AAGUID.
        """
        url = urlsplit(public_url)
        port = "" if url.port in (None, _DEFAULT_PORTS.get(url.scheme)) else f":{url.port}"
        host = (url.hostname or "").lower()
        allowed = frozenset(str(UUID(each)) for each in aaguids)
        roots = tuple(attestation_roots)
        if allowed and not roots:
            raise ValueError(
                "allowing only some AAGUIDs requires their manufacturers' root certificates"
            )
        return cls(
            id=host,
            origin=f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}",
            name=name or host,
            aaguids=allowed,
            attestation_roots=roots,
            is_console=is_console,
        )

    def user_handle(self, subject_id: str) -> bytes:
        """The user handle for authenticators: 32 bytes without a name.

        The console may have the host name of the sign-in pages: an authenticator would replace a
        person's passkey by one with the same handle.
        """
        whose = "worksgate console user handle" if self.is_console else "worksgate user handle"
        return hashlib.sha256(f"{whose} {subject_id}".encode()).digest()

    @property
    def is_usable(self) -> bool:
        """Whether browsers support passkeys for this address: a name, and https unless local."""
        try:
            ipaddress.ip_address(self.id)
        except ValueError:
            is_local = self.id == "localhost" or self.id.endswith(".localhost")
            return bool(self.id) and (is_local or self.origin.startswith("https://"))
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential that a browser has created, verified for this challenge."""

    id: str
    public_key: bytes = field(repr=False)
    sign_count: int
    backed_up: bool
    aaguid: str
    transports: tuple[str, ...]

    def owned_by(self, subject_id: str, name: str, now: float) -> Passkey:
        """The passkey of this person."""
        return Passkey(
            id=self.id,
            subject_id=subject_id,
            public_key=self.public_key,
            sign_count=self.sign_count,
            backed_up=self.backed_up,
            aaguid=self.aaguid,
            transports=self.transports,
            name=name,
            created_at=now,
        )


@dataclass(frozen=True, slots=True)
class Assertion:
    """A browser's response, parsed but not verified."""

    credential_id: str
    user_handle: bytes | None = field(repr=False)
    response: "AuthenticationCredential" = field(repr=False)


@dataclass(frozen=True, slots=True)
class Used:
    """Data of a passkey from a verified use."""

    sign_count: int
    backed_up: bool


def _refusing(read: Callable[P, T]) -> Callable[P, T]:
    """A function that raises FactorRefused and nothing else."""

    @wraps(read)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except FactorRefused:
            raise
        except Exception as error:  # the library lets exceptions of its parsers through
            raise FactorRefused(f"{type(error).__name__}: {str(error)[:200]}") from error

    return refusing


def is_passkey_id(text: str) -> bool:
    """Whether a text can be the ID of a passkey."""
    return _PASSKEY_ID.fullmatch(text) is not None


def registration_options(
    party: RelyingParty,
    person: Person,
    known: Sequence[Passkey],
    challenge: bytes,
    *,
    require_user_verification: bool = False,
    require_discoverable: bool = False,
) -> str:
    """The JSON for ``navigator.credentials.create``.

    ``known`` are the person's passkeys: an authenticator that has one does not create another.
    ``require_discoverable`` requires one that can be found without a username.
    """
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AttestationConveyancePreference,
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
    )

    resident = "required" if require_discoverable else "preferred"
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=party.user_handle(person.subject_id),
        user_name=f"{person.username} (console)" if party.is_console else person.username,
        user_display_name=person.name or person.username,
        challenge=_checked(challenge),
        timeout=_TIMEOUT,
        attestation=AttestationConveyancePreference("direct" if party.aaguids else "none"),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement(resident),
            user_verification=_verification(require_user_verification),
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json(options)


@_refusing
def read_registration(
    party: RelyingParty,
    response_json: str,
    challenge: bytes,
    *,
    require_user_verification: bool = False,
) -> NewCredential:
    """The created passkey, verified. Raises FactorRefused, including UntrustedAuthenticator."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url, parse_registration_credential_json
    from webauthn.helpers.structs import AttestationFormat

    credential = parse_registration_credential_json(_bounded(response_json))
    _check_not_framed(credential.response.client_data_json)
    made = verify_registration_response(
        credential=credential,
        expected_challenge=_checked(challenge),
        expected_rp_id=party.id,
        expected_origin=party.origin,
        require_user_verification=require_user_verification,
        pem_root_certs_bytes_by_fmt={AttestationFormat.PACKED: list(party.attestation_roots)},
    )
    if bytes_to_base64url(made.credential_id) != credential.id:
        raise FactorRefused("the credential does not match its ID")
    if len(made.credential_id) > MAX_CREDENTIAL_ID:
        raise FactorRefused("the credential ID is too long")
    if party.aaguids:
        _check_make(party, made)
    return NewCredential(
        id=credential.id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        backed_up=made.credential_backed_up,
        aaguid=made.aaguid,
        transports=tuple(each.value for each in credential.response.transports or ()),
    )


def authentication_options(
    party: RelyingParty,
    allowed: Sequence[Passkey],
    challenge: bytes,
    *,
    require_user_verification: bool,
) -> str:
    """The JSON for ``navigator.credentials.get``; without ``allowed`` the browser finds one."""
    from webauthn import generate_authentication_options, options_to_json

    options = generate_authentication_options(
        rp_id=party.id,
        challenge=_checked(challenge),
        timeout=_TIMEOUT,
        allow_credentials=_descriptors(allowed),
        user_verification=_verification(require_user_verification),
    )
    return options_to_json(options)


def discoverable_options(party: RelyingParty) -> tuple[str, str]:
    """The text before and after the challenge in ``authentication_options`` without ``allowed``.

    It is the same for everybody, so it is built once; ``with_challenge`` joins the two.
    """
    challenge = secrets.token_bytes(32)
    text = authentication_options(party, (), challenge, require_user_verification=True)
    before, _, after = text.partition(_base64url(challenge))
    return before, after


def with_challenge(options: tuple[str, str], challenge: bytes) -> str:
    """The JSON for ``navigator.credentials.get``, from ``discoverable_options``."""
    before, after = options
    return f"{before}{_base64url(_checked(challenge))}{after}"


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@_refusing
def read_assertion(response_json: str) -> Assertion:
    """Parse a browser's response without verifying it. Raises FactorRefused."""
    from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json

    response = parse_authentication_credential_json(_bounded(response_json))
    if bytes_to_base64url(response.raw_id) != response.id or not is_passkey_id(response.id):
        raise FactorRefused("the credential ID is not valid")
    return Assertion(response.id, response.response.user_handle, response)


@_refusing
def check_assertion(
    party: RelyingParty,
    assertion: Assertion,
    passkey: Passkey,
    challenge: bytes,
    *,
    require_user_verification: bool,
) -> Used:
    """Verify a response with the passkey that it names. Raises FactorRefused.

    The counter is compared later, with the passkey's row, when the response is known to be genuine:
    a stranger's response must not make a passkey look cloned.
    """
    from webauthn import verify_authentication_response

    if passkey.id != assertion.credential_id:
        raise FactorRefused("the response is from another passkey", Reason.PASSKEY_FOREIGN)
    if assertion.user_handle not in (None, party.user_handle(passkey.subject_id)):
        raise FactorRefused("the passkey was made for another person", Reason.PASSKEY_FOREIGN)
    _check_not_framed(assertion.response.response.client_data_json)
    verified = verify_authentication_response(
        credential=assertion.response,
        expected_challenge=_checked(challenge),
        expected_rp_id=party.id,
        expected_origin=party.origin,
        credential_public_key=passkey.public_key,
        credential_current_sign_count=0,  # see above
        require_user_verification=require_user_verification,
    )
    return Used(verified.new_sign_count, verified.credential_backed_up)


def _checked(challenge: bytes) -> bytes:
    if len(challenge) < _LEAST_CHALLENGE:
        raise ValueError("a challenge has at least 16 bytes")
    return challenge


def _bounded(response_json: str) -> str:
    if len(response_json) > MAX_RESPONSE:
        raise FactorRefused("the response is too long")
    return response_json


def _check_not_framed(client_data_json: bytes) -> None:
    """Refuse responses from a frame of another site, which the library does not check."""
    from webauthn.helpers import parse_client_data_json

    if parse_client_data_json(client_data_json).cross_origin:
        raise FactorRefused("the response was given in a frame of another site")


def _check_make(party: RelyingParty, made: "VerifiedRegistration") -> None:
    """Accept an AAGUID only with its manufacturer's certificate (R-82).

    Attestation "none" proves nothing (CVE-2025-12150), nor does self-attestation: with either, a
    program can claim any AAGUID. In the other formats the AAGUID is not what the certificate
    vouches for.
    """
    from webauthn.helpers import parse_attestation_object
    from webauthn.helpers.structs import AttestationFormat

    statement = parse_attestation_object(made.attestation_object).att_stmt
    if made.fmt != AttestationFormat.PACKED or not statement.x5c:
        raise UntrustedAuthenticator(f"no certificate vouches for the AAGUID ({made.fmt})")
    if not _vouches(statement.x5c[0], made.aaguid):
        raise UntrustedAuthenticator("the certificate is for another AAGUID")
    if made.aaguid not in party.aaguids:
        raise UntrustedAuthenticator(f"the AAGUID {made.aaguid} is not allowed")


def _vouches(certificate: bytes, aaguid: str) -> bool:
    """Whether an attestation certificate is for this AAGUID, or for no particular one (§8.2.1)."""
    from cryptography import x509

    for extension in x509.load_der_x509_certificate(certificate).extensions:
        if extension.oid.dotted_string == _AAGUID_EXTENSION:
            value: Any = extension.value
            return bool(value.value == b"\x04\x10" + UUID(aaguid).bytes)  # an octet string in DER
    return True


def _verification(required: bool) -> "UserVerificationRequirement":  # noqa: FBT001  # the value
    from webauthn.helpers.structs import UserVerificationRequirement

    return UserVerificationRequirement("required" if required else "preferred")


def _descriptors(passkeys: Sequence[Passkey]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn import base64url_to_bytes
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(passkey.id),
            transports=[AuthenticatorTransport(each) for each in passkey.transports] or None,
        )
        for passkey in passkeys
    ]
