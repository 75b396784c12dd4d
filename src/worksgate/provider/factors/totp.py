"""Codes that change every 30 seconds (RFC 6238), as supported by every authenticator app.

https://github.com/google/google-authenticator/wiki/Key-Uri-Format
"""

import base64
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field

SECRET_BYTES = 20
"""As long as the output of SHA-1 (RFC 4226 §4)."""
INTERVAL = 30
DIGITS = 6

FARTHEST = 20
"""Steps within which the clock of a phone is recognised as wrong."""

_LONGEST_TYPED = 64
_LONGEST_LABEL = 64
_DIGITS = frozenset("0123456789")


@dataclass(frozen=True, slots=True)
class NewTotp:
    """A secret being transferred to an app, kept by the caller until a code confirms it.

    ``secret`` is in Base32; ``svg`` is a QR code of ``uri``.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    svg: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The secret in groups of four, for typing."""
        return " ".join(self.secret[start : start + 4] for start in range(0, len(self.secret), 4))


def new_totp(account_name: str, issuer: str, secret: str | None = None) -> NewTotp:
    """A new secret for this account, or the QR code of an existing one.

    Takes some milliseconds. Raises ValueError if ``secret`` is invalid.
    """
    import pyotp
    import segno

    kept = encode_secret(secrets.token_bytes(SECRET_BYTES)) if secret is None else secret
    uri = pyotp.TOTP(kept, digits=DIGITS, interval=INTERVAL).provisioning_uri(
        name=account_name[:_LONGEST_LABEL], issuer_name=issuer[:_LONGEST_LABEL]
    )
    code = segno.make(uri, error="l", micro=False)
    # With its own white background: on a dark page it could not be scanned.
    svg = code.svg_inline(scale=4, omitsize=True, svgclass=None, lineclass=None, light="#fff")
    return NewTotp(kept, uri, svg)


def encode_secret(secret: bytes) -> str:
    """A secret in Base32, as apps take it."""
    return base64.b32encode(secret).decode("ascii")


def decode_secret(secret: str) -> bytes:
    """A secret in its stored form. Raises ValueError if it is not one of ours."""
    decoded = base64.b32decode(secret)
    if len(decoded) != SECRET_BYTES:
        raise ValueError("a TOTP secret has 160 bits")
    return decoded


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The time step of this code: the current or the previous one (R-80), or None."""
    import pyotp

    typed = _read(code)
    if typed is None:
        return None
    totp = pyotp.TOTP(encode_secret(secret), digits=DIGITS, interval=INTERVAL)
    present = int(now // INTERVAL)
    for step in (present, present - 1):
        if hmac.compare_digest(totp.generate_otp(step), typed):
            return step
    return None


def clock_error(secret: bytes, code: str, now: float) -> int | None:
    """How many steps the clock of a phone is off that shows this wrong code; positive if it leads.

    None if it is the code of no step within ten minutes. All of them are computed in any case.
    """
    import pyotp

    typed = _read(code)
    if typed is None:
        return None
    totp = pyotp.TOTP(encode_secret(secret), digits=DIGITS, interval=INTERVAL)
    present = int(now // INTERVAL)
    found = [
        steps
        for steps in range(-FARTHEST, FARTHEST + 1)
        if hmac.compare_digest(totp.generate_otp(present + steps), typed)
    ]
    return min(found, key=abs) if found else None


def _read(code: str) -> str | None:
    """Six digits, typed in any width and with any blanks, or None."""
    if len(code) > _LONGEST_TYPED:
        return None
    typed = "".join(unicodedata.normalize("NFKC", code).split())
    return typed if len(typed) == DIGITS and set(typed) <= _DIGITS else None
